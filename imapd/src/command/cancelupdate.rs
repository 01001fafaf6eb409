//! CANCELUPDATE (RFC 5267 section 4.3.5)

use super::Done;
use crate::session::{Reply, Session};

/// Ends the updates of searches. All that are named and have updates lose them, also when others have none.
///
/// # Errors
/// None.
pub fn run(session: &mut Session, tags: &[Vec<u8>]) -> Done {
    let contexts = session.view.as_mut().map(|view| &mut view.contexts);
    let known = contexts.map_or(0, |contexts| tags.iter().filter(|tag| contexts.cancel(tag)).count());
    if known < tags.len() {
        return Ok(Reply::no("CANNOT", "Not all of these tags have updates"));
    }
    Ok(Reply::ok("CANCELUPDATE completed"))
}
