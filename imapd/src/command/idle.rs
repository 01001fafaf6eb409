//! IDLE (RFC 2177)

use bytes::Bytes;

use super::Done;
use crate::session::{Out, Reply, Session};

/// Asks for DONE; the session tells changes until it comes.
///
/// # Errors
/// When the client cannot be written to.
pub async fn run(session: &mut Session, tag: &Bytes, out: &mut Out<'_>) -> Done {
    session.wait_for_done(tag);
    out.buf.extend_from_slice(b"+ idling\r\n");
    session.update(out).await?;
    Ok(Reply::wait())
}
