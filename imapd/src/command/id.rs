//! ID (RFC 2971)

use super::Done;
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::ClientId;

/// Tells our name; what the client said is shown to the administrator and not used (RFC 2971 section 1).
///
/// # Errors
/// None.
pub fn run(session: &Session, client: &ClientId, out: &mut Out<'_>) -> Done {
    session.meter.set_client(client);
    let line = format!("* ID (\"name\" \"IMAPMAIN\" \"version\" \"{}\")\r\n", env!("CARGO_PKG_VERSION"));
    out.buf.extend_from_slice(line.as_bytes());
    Ok(Reply::ok("ID completed"))
}
