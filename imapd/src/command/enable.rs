//! ENABLE (RFC 5161): no extension of ours needs it yet, so the list of those enabled is empty.

use super::Done;
use crate::session::{Out, Reply};

/// Enables what can be enabled.
///
/// # Errors
/// None.
pub fn run(_names: &[Vec<u8>], out: &mut Out<'_>) -> Done {
    out.buf.extend_from_slice(b"* ENABLED\r\n");
    Ok(Reply::ok("ENABLE completed"))
}
