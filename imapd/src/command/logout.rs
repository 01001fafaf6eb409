//! LOGOUT

use super::Done;
use crate::session::{Out, Reply, Session, Step};

/// Says BYE; the view is left without expunging.
///
/// # Errors
/// None.
pub fn run(session: &mut Session, out: &mut Out<'_>) -> Done {
    session.view = None;
    out.buf.extend_from_slice(b"* BYE IMAPMAIN logging out\r\n");
    Ok(Reply::ok("LOGOUT completed").and_then(Step::Close))
}
