//! NAMESPACE (RFC 2342): one personal namespace without a prefix.

use super::Done;
use crate::session::{Out, Reply};
use crate::syntax::mailbox_name::SEPARATOR;

/// Shows the namespaces.
///
/// # Errors
/// None.
pub fn run(out: &mut Out<'_>) -> Done {
    let line = format!("* NAMESPACE ((\"\" \"{SEPARATOR}\")) NIL NIL\r\n");
    out.buf.extend_from_slice(line.as_bytes());
    Ok(Reply::ok("NAMESPACE completed"))
}
