//! UNAUTHENTICATE (RFC 8437)

use super::Done;
use crate::session::{Reply, Session};

/// Makes the session that of nobody again, as it was after the greeting: no user, no mailbox, nothing enabled. Encryption and
/// compression stay, and so does the count of refused logins.
///
/// # Errors
/// None.
pub fn run(session: &mut Session) -> Done {
    session.leave();
    Ok(Reply::ok("UNAUTHENTICATE completed"))
}
