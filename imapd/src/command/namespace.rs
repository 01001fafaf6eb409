//! NAMESPACE (RFC 2342): one personal namespace without a prefix, one of other users, one of what is published.

use super::Done;
use super::place::{OTHERS, SHARED};
use crate::session::{Out, Reply};
use crate::syntax::mailbox_name::SEPARATOR;

/// Shows the namespaces.
///
/// # Errors
/// None.
pub fn run(out: &mut Out<'_>) -> Done {
    let line = format!(
        "* NAMESPACE ((\"\" \"{SEPARATOR}\")) ((\"{OTHERS}{SEPARATOR}\" \"{SEPARATOR}\")) \
         ((\"{SHARED}{SEPARATOR}\" \"{SEPARATOR}\"))\r\n"
    );
    out.buf.extend_from_slice(line.as_bytes());
    Ok(Reply::ok("NAMESPACE completed"))
}
