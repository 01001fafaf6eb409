//! UNAUTHENTICATE (RFC 8437)

use super::Done;
use crate::session::{Reply, Session, Step};

/// Makes the session that of nobody again, as it was after the greeting: no user, no mailbox, nothing enabled. Compression ends with
/// the answer (section 4.1); encryption stays, and so do the name of the client and the count of refused logins.
///
/// # Errors
/// None.
pub fn run(session: &mut Session) -> Done {
    let then = if session.compressed { Step::Uncompress } else { Step::Go };
    session.leave();
    Ok(Reply::ok("UNAUTHENTICATE completed").and_then(then))
}
