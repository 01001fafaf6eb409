//! AUTHENTICATE PLAIN (RFC 4616), with and without an initial response (RFC 4959).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{Done, login};
use crate::auth::sasl;
use crate::session::capability::Token;
use crate::session::{Out, Reply, Session};

/// Begins the exchange.
///
/// # Errors
/// When the mail store does not answer.
pub async fn run(
    session: &mut Session,
    tag: &Bytes,
    mechanism: &[u8],
    initial: Option<Vec<u8>>,
    out: &mut Out<'_>,
) -> Done {
    if mechanism != b"PLAIN" || !session.offers(Token::AuthPlain) {
        return Ok(Reply::no("CANNOT", "Mechanism is not known"));
    }
    if !session.tls && !session.server.clear_passwords {
        return Ok(Reply::no("PRIVACYREQUIRED", "Use STARTTLS first"));
    }
    match initial {
        Some(response) => plain(session, &response).await,
        None => {
            session.wait_for_response(tag);
            out.buf.extend_from_slice(b"+ \r\n");
            Ok(Reply::wait())
        }
    }
}

/// Takes the client's response.
///
/// # Errors
/// When the mail store does not answer.
pub async fn answer(session: &mut Session, line: &[u8]) -> Done {
    if line == b"*" {
        return Ok(Reply::bad("AUTHENTICATE cancelled"));
    }
    match STANDARD.decode(line) {
        Ok(response) => plain(session, &response).await,
        Err(_) => Ok(Reply::bad("Response is not base 64")),
    }
}

async fn plain(session: &mut Session, response: &[u8]) -> Done {
    match sasl::plain(response) {
        Some(p) => login::enter(session, p.user, p.password, "AUTHENTICATE completed").await,
        None => Ok(Reply::bad("Response is not that of PLAIN")),
    }
}
