//! LOGIN

use super::Done;
use crate::auth::{Client, LoginError, Verdict};
use crate::session::capability::Token;
use crate::session::{Reply, Session, Step, capability};
use crate::syntax::imap_url::ImapUrl;
use crate::vm::UserId;

/// What a wrong name or password is told.
const WRONG: &str = "Invalid userid or password";

/// Checks the password and opens the user's mailboxes.
///
/// # Errors
/// When the mail store does not answer.
pub async fn run(session: &mut Session, user: &[u8], password: &[u8]) -> Done {
    if !session.tls && !session.server.clear_passwords() {
        return Ok(Reply::no("PRIVACYREQUIRED", "Use STARTTLS first"));
    }
    let server = session.server.clone();
    let client = Client { peer: session.peer, tls: session.tls, command: "LOGIN" };
    let verdict = server.auth.login(client, user, password).await;
    enter(session, verdict, "LOGIN completed").await
}

/// Where the user is to log in: as himself by any mechanism, unless the URL says otherwise (RFC 2221 section 4.1).
fn referral(user: UserId, url: &ImapUrl) -> ImapUrl {
    let mut url = url.clone();
    url.server.user.get_or_insert_with(|| user.to_string());
    url.server.mechanism.get_or_insert_with(|| "*".into());
    url
}

/// Counts a refusal; after some of them the client is sent away.
fn refused(session: &mut Session, reply: Reply) -> Reply {
    session.failed_logins += 1;
    session.server.statistics.failures.add(1);
    match session.failed_logins >= crate::auth::MAX_FAILURES_PER_CONNECTION {
        true => reply.and_then(Step::Close),
        false => reply,
    }
}

/// The common end of LOGIN and AUTHENTICATE. One whose mail is on another system is told where, once he has shown who he is.
///
/// # Errors
/// When the mail store does not answer.
pub async fn enter(session: &mut Session, verdict: Result<Verdict, LoginError>, done: &'static str) -> Done {
    let server = session.server.clone();
    let user = match verdict {
        Ok(Verdict::Accepted(user)) => user,
        Ok(Verdict::Refused) => {
            return Ok(refused(session, Reply::no("AUTHENTICATIONFAILED", WRONG)));
        }
        Err(LoginError::OtherIdentity) => {
            let reply = Reply::no("AUTHORIZATIONFAILED", "You may not act for another user");
            return Ok(refused(session, reply));
        }
        Err(LoginError::ByExit(refusal)) => {
            let reply = match refusal.text {
                Some(text) => Reply::no("NOPERM", text),
                // As a wrong password is told, which nobody can tell from it.
                None => Reply::no("AUTHENTICATIONFAILED", WRONG),
            };
            let reply = refused(session, reply);
            return Ok(if refusal.close { reply.and_then(Step::Close) } else { reply });
        }
        Err(LoginError::TooMany) => {
            server.statistics.failures.add(1);
            return Ok(Reply::no(
                "LIMIT",
                "Too many logins from your address wait after failures; try again later",
            ));
        }
        Err(LoginError::Unavailable) => {
            return Ok(Reply::no("UNAVAILABLE", "Passwords cannot be checked now"));
        }
    };
    // A URL of this system leads nowhere, so that no client is sent around in a circle (RFC 2221 section 3).
    let leads_away = |url: &&ImapUrl| !url.server.host.eq_ignore_ascii_case(&server.host);
    let referred = |url: &&ImapUrl| leads_away(url) && session.offers(Token::LoginReferrals);
    if let Some(url) = server.referrals.load().get(&user).filter(referred) {
        return Ok(Reply::no(format!("REFERRAL {}", referral(user, url)), "Your mail is on another system"));
    }
    let Some(slot) = server.limits.user(user) else {
        server.statistics.failures.add(1);
        return Ok(Reply::no("LIMIT", "Too many connections of this user"));
    };
    match server.store.user(user).await {
        Ok(store) => {
            session.enter(store, slot);
            server.statistics.logins.add(1);
            tracing::info!(session = session.id.0, user = %user, peer = %session.peer, "logged in");
            let code = format!("CAPABILITY {}", capability::list(session));
            Ok(Reply::ok_code(code, done))
        }
        Err(e) => Err(e.into()),
    }
}
