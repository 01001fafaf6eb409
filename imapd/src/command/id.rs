//! ID (RFC 2971)

use super::Done;
use crate::session::{Out, Reply};

/// Tells our name; what the client said is not used (RFC 2971 section 1).
///
/// # Errors
/// None.
pub fn run(out: &mut Out<'_>) -> Done {
    let line = format!("* ID (\"name\" \"IMAPMAIN\" \"version\" \"{}\")\r\n", env!("CARGO_PKG_VERSION"));
    out.buf.extend_from_slice(line.as_bytes());
    Ok(Reply::ok("ID completed"))
}
