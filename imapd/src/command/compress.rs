//! COMPRESS (RFC 4978)

use super::Done;
use crate::session::{Reply, Session, Step};

/// Switches compression on for both directions, from the end of this command and its answer. NO would say that another layer
/// compresses (section 3), which none does.
///
/// # Errors
/// None.
pub fn run(session: &mut Session, algorithm: &[u8]) -> Done {
    if algorithm != b"DEFLATE" {
        return Ok(Reply::bad("Algorithm is not known"));
    }
    if session.compressed {
        return Ok(Reply::bad_code("COMPRESSIONACTIVE", "Compression is on already"));
    }
    session.compressed = true;
    Ok(Reply::ok("DEFLATE active").and_then(Step::Compress))
}
