//! UNSELECT (RFC 3691)

use super::Done;
use crate::session::{Reply, Session};

/// Leaves the mailbox without expunging.
///
/// # Errors
/// None.
pub fn run(session: &mut Session) -> Done {
    session.view = None;
    Ok(Reply::ok("UNSELECT completed"))
}
