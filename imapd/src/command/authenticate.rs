//! AUTHENTICATE: mechanisms by name, base 64, initial responses (RFC 4959), `*`. What the mechanisms say is
//! [`crate::auth::exchange`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{Done, login};
use crate::auth::exchange::{Exchange, Turn};
use crate::auth::scram::Binding;
use crate::session::capability::{self, Condition, Token};
use crate::session::{Out, Reply, Session};
use crate::vm::ScramHash;

const DONE: &str = "AUTHENTICATE completed";

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
    let unknown = || Ok(Reply::no("CANNOT", "Mechanism is not offered"));
    let name = format!("AUTH={}", String::from_utf8_lossy(mechanism));
    let Some(token) = Token::by_name(&name).filter(|token| session.offers(*token)) else { return unknown() };
    if !capability::in_force(session, token) {
        let needs_tls = match token.row().condition {
            Condition::PasswordsAllowed => true,
            Condition::ChannelBinding if session.channel().spent => {
                return Ok(Reply::no("CANNOT", "A login was bound to this connection; make another one"));
            }
            Condition::TokenExit => !session.tls && session.server.auth.token_exit().is_some(),
            _ => false,
        };
        return match needs_tls {
            true => Ok(Reply::no("PRIVACYREQUIRED", "Use STARTTLS first")),
            false => unknown(),
        };
    }
    let Some(exchange) = begin(session, token) else { return unknown() };
    match initial {
        Some(_) if !exchange.takes_initial() => {
            Ok(Reply::client_bug("The server speaks first in this mechanism"))
        }
        Some(response) => step(session, exchange, &response, tag, out).await,
        None => {
            let challenge = exchange.challenge().unwrap_or_default().to_vec();
            Ok(ask(session, exchange, &challenge, tag, out))
        }
    }
}

/// The state in which a mechanism begins.
fn begin(session: &Session, token: Token) -> Option<Exchange> {
    let exporter = session.channel().exporter;
    let bound = |hash| exporter.map(|e| Exchange::Scram(hash, Binding::Exporter(e)));
    let unbound = |hash, plus| {
        // Also when it is shown no more: whoever stands between could have seen to that.
        let plus_shown = session.offers(plus) && capability::can_bind(session);
        Some(Exchange::Scram(hash, Binding::Without { plus_shown }))
    };
    match token {
        Token::AuthPlain => Some(Exchange::Plain),
        Token::AuthLogin => Some(Exchange::LoginName),
        Token::AuthCramMd5 => {
            let server = &session.server;
            let (nonce, now) = (server.auth.nonce(), server.store.now());
            // Something random, a time stamp and the name of the host (RFC 2195 section 2).
            Some(Exchange::CramMd5(format!("<{nonce}.{now}@{}>", server.host)))
        }
        Token::AuthScramSha1 => unbound(ScramHash::Sha1, Token::AuthScramSha1Plus),
        Token::AuthScramSha256 => unbound(ScramHash::Sha256, Token::AuthScramSha256Plus),
        Token::AuthScramSha1Plus => bound(ScramHash::Sha1),
        Token::AuthScramSha256Plus => bound(ScramHash::Sha256),
        Token::AuthOAuthBearer => Some(Exchange::Bearer),
        Token::AuthExternal => Some(Exchange::External(session.channel().names.clone())),
        _ => None,
    }
}

/// Takes the client's response; `=` stands for an empty one only where the command carries it.
///
/// # Errors
/// When the mail store does not answer.
pub async fn answer(
    session: &mut Session,
    exchange: Exchange,
    tag: &Bytes,
    line: &[u8],
    out: &mut Out<'_>,
) -> Done {
    if line == b"*" {
        return Ok(Reply::bad("AUTHENTICATE cancelled"));
    }
    match STANDARD.decode(line) {
        Ok(response) => step(session, exchange, &response, tag, out).await,
        Err(_) => Ok(Reply::client_bug("Response is not base 64")),
    }
}

async fn step(
    session: &mut Session,
    exchange: Exchange,
    response: &[u8],
    tag: &Bytes,
    out: &mut Out<'_>,
) -> Done {
    let server = session.server.clone();
    if exchange.is_bound() {
        session.spend_channel();
    }
    match exchange.take(&server.auth, (session.peer, session.tls), response).await {
        Ok(Turn::More(next, challenge)) => Ok(ask(session, next, &challenge, tag, out)),
        Ok(Turn::Over(verdict)) => login::enter(session, Ok(verdict), DONE).await,
        Ok(Turn::Malformed) => Ok(Reply::client_bug("Response is not that of the mechanism")),
        Err(e) => login::enter(session, Err(e), DONE).await,
    }
}

fn ask(session: &mut Session, exchange: Exchange, challenge: &[u8], tag: &Bytes, out: &mut Out<'_>) -> Reply {
    session.wait_for_response(tag, exchange);
    out.buf.extend_from_slice(format!("+ {}\r\n", STANDARD.encode(challenge)).as_bytes());
    Reply::wait()
}
