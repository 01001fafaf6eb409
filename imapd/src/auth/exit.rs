//! The authentication exit: a program that the site puts before the check of logins (`AuthExit name` in IMAP CONFIG).
//!
//! It is made as the SMTP exits are ([`cms::exit`]): known by name, bound when the machine starts, called with a parameter list. It is
//! told who wants to log in, from where and how, and nothing that is secret. It may take the login upon itself, refuse it, or
//! leave it to the directory. For mechanisms that prove something themselves (a challenge, a certificate, a token) the proof has
//! to be good as well. Known here: [`super::imapautx`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cms::Cms;
use cms::exit::{ExitReturn, ExitTable, MAX_RETURN_STRING};
use futures::future::BoxFuture;

use crate::vm::UserId;

/// Time in which an exit has to answer: a client waits.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What an exit is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthParms {
    /// Who wants to log in; nobody has looked whether there is such a user.
    pub user: UserId,
    /// Address of the client.
    pub client: IpAddr,
    /// The command, with the mechanism: `LOGIN`, `AUTHENTICATE PLAIN`. Of a -PLUS mechanism the name without that.
    pub command: &'static str,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// A program that can be named in AuthExit.
pub trait AuthExit: Send + Sync + 'static {
    /// The IMAP machine has started, or reads its configuration again: the exit runs in this machine and reads its files there.
    /// What is wrong leaves the exit as it was, by line.
    fn bind<'a>(&'a self, cms: &'a Arc<Cms>) -> BoxFuture<'a, Result<(), Vec<String>>>;

    /// Called for a login. `Handled` lets the user in, `Retry` refuses for the time being.
    fn call<'a>(&'a self, parms: &'a AuthParms) -> BoxFuture<'a, ExitReturn>;
}

/// Authentication exits by name.
pub type AuthExits = ExitTable<dyn AuthExit>;

/// How an exit has refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the client is told; `None` is what a wrong password is told.
    pub text: Option<String>,
    /// Whether the connection is closed.
    pub close: bool,
}

impl Refusal {
    /// What a refusal says, as it may stand in a response line.
    pub fn new(text: Option<&str>, close: bool) -> Self {
        let fit = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
        let text = text.map(|text| text.chars().map(fit).take(MAX_RETURN_STRING).collect::<String>());
        Self { text: text.filter(|text| !text.trim().is_empty()), close }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_a_response() {
        let text = |t: &str| Refusal::new(Some(t), false).text;
        assert_eq!(text("not\r\na2 OK from \u{e9}here"), Some("not??a2 OK from ?here".into()));
        assert_eq!((text(" "), Refusal::new(None, true).text), (None, None));
        for n in [MAX_RETURN_STRING, MAX_RETURN_STRING + 1] {
            assert_eq!(text(&"x".repeat(n)).unwrap().len(), MAX_RETURN_STRING);
        }
    }
}
