//! CAPABILITY

use super::Done;
use crate::session::{Out, Reply, Session, capability};

/// Shows the tokens of the table.
///
/// # Errors
/// None.
pub fn run(session: &Session, out: &mut Out<'_>) -> Done {
    out.buf.extend_from_slice(format!("* CAPABILITY {}\r\n", capability::list(session)).as_bytes());
    Ok(Reply::ok("CAPABILITY completed"))
}
