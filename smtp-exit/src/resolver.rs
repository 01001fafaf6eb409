//! Whose mail is it: local users, unknown users and remote domains told apart.
//!
//! A recipient is ours when the domain is one of ours (or missing) and the local part is a user id of the CP directory
//! who can have mail. `postmaster` goes to the POSTMASTER of SMTP CONFIG. A part after `+` is no part of the user id: it is a
//! subaddress (RFC 5233), which is for who keeps the mail.

use std::sync::Arc;

use cms::cp::Cp;
use cms::cp::directory::Password;
use cms::cp::name::UserId;

use crate::session::{Route, Verdict};
use crate::syntax::Mailbox;

/// The user's part of a local part, and the subaddress behind it.
pub fn split(local: &str) -> (&str, Option<&str>) {
    match local.split_once('+') {
        Some((name, detail)) => (name, (!detail.is_empty()).then_some(detail)),
        None => (local, None),
    }
}

/// Resolves recipients against the CP directory.
#[derive(Clone)]
pub struct Resolver {
    cp: Arc<Cp>,
    domains: Vec<String>,
    postmaster: Option<UserId>,
}

impl Resolver {
    /// A resolver that takes `domains` (lower case) as ours.
    pub fn new(cp: Arc<Cp>, domains: Vec<String>, postmaster: Option<UserId>) -> Self {
        Self { cp, domains, postmaster }
    }

    /// True when mail for `domain` is for this system.
    pub fn is_ours(&self, domain: &str) -> bool {
        let name = domain.to_ascii_lowercase();
        name.is_empty() || name == "localhost" || name == "[127.0.0.1]" || self.domains.contains(&name)
    }

    /// The local user of an address, when the domain is ours.
    pub fn user(&self, local: &str) -> Option<UserId> {
        if local.eq_ignore_ascii_case("postmaster") {
            return self.postmaster;
        }
        let (name, _) = split(local);
        let user = UserId::new(name).ok()?;
        let entry = self.cp.entry(user)?;
        (entry.password != Password::NoLog).then_some(user)
    }

    /// What is to be said to RCPT.
    pub fn resolve(&self, mailbox: &Mailbox) -> Verdict {
        if !self.is_ours(&mailbox.domain) {
            return Verdict::RelayDenied;
        }
        self.user(&mailbox.local).map_or(Verdict::UnknownUser, |u| Verdict::Accept(Route::Local(u)))
    }

    /// The address that VRFY and EXPN show for a user id or address.
    pub fn verify(&self, word: &str) -> Option<String> {
        let (local, domain) = word.split_once('@').unwrap_or((word, ""));
        let user = self.user(local).filter(|_| self.is_ours(domain))?;
        let home = self.domains.first().map_or("localhost", String::as_str);
        Some(format!("{}@{home}", user.as_str().to_ascii_lowercase()))
    }
}
