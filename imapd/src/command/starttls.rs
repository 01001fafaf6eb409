//! STARTTLS

use super::Done;
use crate::session::{Reply, Session, Step};

/// Begins the handshake when TLS is configured and not yet on.
///
/// # Errors
/// None.
pub fn run(session: &Session) -> Done {
    if session.tls {
        return Ok(Reply::client_bug("TLS is on already"));
    }
    if !session.server.starttls {
        return Ok(Reply::no("CANNOT", "TLS is not configured"));
    }
    Ok(Reply::ok("Begin the TLS handshake now").and_then(Step::StartTls))
}
