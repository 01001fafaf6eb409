//! IMAPAUTX: an authentication exit that goes by a list of who may log in from where.
//!
//! `IMAPAUTX RULES` on a disk of the IMAP machine has one rule a record; the first that fits a login counts, and without one the
//! directory decides:
//!
//! | record | what it does |
//! |---|---|
//! | `ACCEPT userid address [TLS\|CLEAR]` | lets the user in whatever his password is |
//! | `CHECK userid address [TLS\|CLEAR]` | leaves it to the directory |
//! | `REFUSE userid address [TLS\|CLEAR] [text]` | refuses, with the text or as a wrong password |
//!
//! `*` stands for every user and for every address; an address may be a network, `10.0.0.0/8`. TLS and CLEAR make a rule one for
//! connections with and without encryption. `;` starts a comment.

use std::net::IpAddr;
use std::sync::Arc;

use cms::Cms;
use cms::exit::ExitReturn;
use futures::future::BoxFuture;
use parking_lot::RwLock;

use super::exit::{AuthExit, AuthParms};
use crate::transport::proxy::ProxyAddress;
use crate::vm::UserId;

/// Name of the exit and of its file.
pub const NAME: &str = "IMAPAUTX";

/// Most rules: all may be looked at for every login.
pub const MAX_RULES: usize = 1000;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    user: Option<UserId>,
    address: Option<ProxyAddress>,
    tls: Option<bool>,
    then: ExitReturn,
}

impl Rule {
    fn fits(&self, parms: &AuthParms) -> bool {
        let from = |peer: IpAddr| self.address.as_ref().is_none_or(|a| a.is(peer, parms.tls));
        self.user.is_none_or(|user| user == parms.user)
            && from(parms.client)
            && self.tls.is_none_or(|tls| tls == parms.tls)
    }
}

/// The exit.
#[derive(Debug, Default)]
pub struct ImapAuthExit {
    rules: RwLock<Arc<Vec<Rule>>>,
}

impl ImapAuthExit {
    /// Takes other rules.
    ///
    /// # Errors
    /// What is wrong with them, by record; the former ones stay then.
    pub fn take<'a>(&self, records: impl Iterator<Item = &'a str>) -> Result<(), Vec<String>> {
        let (mut rules, mut errors) = (Vec::new(), Vec::new());
        for (index, record) in records.enumerate() {
            match rule(record.split(';').next().unwrap_or("")) {
                Ok(Some(_)) if rules.len() == MAX_RULES => {
                    errors.push(format!("record {}: there may be {MAX_RULES} rules", index + 1));
                    break;
                }
                Ok(rule) => rules.extend(rule),
                Err(reason) => errors.push(format!("record {}: {reason}", index + 1)),
            }
        }
        if errors.is_empty() {
            *self.rules.write() = Arc::new(rules);
            Ok(())
        } else {
            Err(errors)
        }
    }

    fn judge(&self, parms: &AuthParms) -> ExitReturn {
        let rules = self.rules.read().clone();
        rules.iter().find(|rule| rule.fits(parms)).map_or(ExitReturn::Continue, |rule| rule.then.clone())
    }
}

fn rule(record: &str) -> Result<Option<Rule>, String> {
    let words: Vec<&str> = record.split_ascii_whitespace().collect();
    let [verb, rest @ ..] = &words[..] else { return Ok(None) };
    let [user, address, rest @ ..] = rest else {
        return Err(format!("{verb}: a user id and an address are needed"));
    };
    let user = match *user {
        "*" => None,
        user => Some(UserId::new(user).map_err(|e| format!("{user}: {e}"))?),
    };
    let address = match *address {
        "*" => None,
        text => Some(ProxyAddress::parse(text, None).ok_or_else(|| format!("{text}: an address is needed"))?),
    };
    let (tls, text) = match rest {
        [word, text @ ..] if word.eq_ignore_ascii_case("TLS") => (Some(true), text),
        [word, text @ ..] if word.eq_ignore_ascii_case("CLEAR") => (Some(false), text),
        text => (None, text),
    };
    let then = match (verb.to_ascii_uppercase().as_str(), text) {
        ("ACCEPT", []) => ExitReturn::Handled,
        ("CHECK", []) => ExitReturn::Continue,
        ("REFUSE", []) => ExitReturn::Reject,
        ("REFUSE", text) => ExitReturn::RejectWith(text.join(" ")),
        ("ACCEPT" | "CHECK", [word, ..]) => return Err(format!("{word}: TLS or CLEAR is needed")),
        _ => return Err(format!("{verb}: ACCEPT, CHECK or REFUSE is needed")),
    };
    Ok(Some(Rule { user, address, tls, then }))
}

impl AuthExit for ImapAuthExit {
    fn bind<'a>(&'a self, cms: &'a Arc<Cms>) -> BoxFuture<'a, Result<(), Vec<String>>> {
        Box::pin(async move {
            let records = cms.read_text("IMP", NAME, "RULES", None).await.map_err(|m| vec![m.to_string()])?;
            let named = |errors: Vec<String>| {
                errors.iter().map(|e| format!("DTCIMP1009E {NAME} RULES {e}")).collect::<Vec<_>>()
            };
            self.take(records.iter().map(String::as_str)).map_err(named)
        })
    }

    fn call<'a>(&'a self, parms: &'a AuthParms) -> BoxFuture<'a, ExitReturn> {
        Box::pin(async move { self.judge(parms) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judge(exit: &ImapAuthExit, user: &str, client: &str, tls: bool) -> ExitReturn {
        let (user, client) = (UserId::new(user).unwrap(), client.parse().unwrap());
        exit.judge(&AuthParms { user, client, command: "LOGIN", tls })
    }

    #[test]
    fn the_first_that_fits() {
        let exit = ImapAuthExit::default();
        assert_eq!(judge(&exit, "JOE", "10.0.0.1", false), ExitReturn::Continue);
        let rules = "; who may\naccept kiosk 10.1.0.0/16 tls\nREFUSE KIOSK *\ncheck * 10.0.0.0/8 ; all inside\n\
                     Refuse * * Clear  Use TLS,  please\n";
        exit.take(rules.lines()).unwrap();
        assert_eq!(judge(&exit, "KIOSK", "10.1.2.3", true), ExitReturn::Handled);
        assert_eq!(judge(&exit, "KIOSK", "10.1.2.3", false), ExitReturn::Reject);
        assert_eq!(judge(&exit, "JOE", "10.9.9.9", false), ExitReturn::Continue);
        assert_eq!(judge(&exit, "JOE", "::1", false), ExitReturn::RejectWith("Use TLS, please".into()));
        assert_eq!(judge(&exit, "JOE", "::1", true), ExitReturn::Continue);
        // What is wrong leaves the former rules.
        let wrong = "FROB * *\nREFUSE *\nREFUSE TOOLONGNAME *\nREFUSE * x\nACCEPT * * now\n";
        let errors = exit.take(wrong.lines()).unwrap_err();
        assert_eq!(errors.len(), 5);
        assert_eq!(errors[0], "record 1: FROB: ACCEPT, CHECK or REFUSE is needed");
        assert_eq!(errors[1], "record 2: REFUSE: a user id and an address are needed");
        assert_eq!(errors[3], "record 4: x: an address is needed");
        assert_eq!(errors[4], "record 5: now: TLS or CLEAR is needed");
        assert_eq!(judge(&exit, "KIOSK", "10.1.2.3", false), ExitReturn::Reject);
    }

    #[test]
    fn rules_at_the_limit_and_past() {
        let exit = ImapAuthExit::default();
        for (count, good) in [(MAX_RULES, true), (MAX_RULES + 1, false)] {
            assert_eq!(exit.take("CHECK * *\n".repeat(count).lines()).is_ok(), good);
        }
    }

    proptest! {
        #[test]
        fn any_record_gets_an_answer(record in "(ACCEPT|CHECK|REFUSE)? ?[ -~\u{e9}]{0,40}") {
            let _ = rule(&record);
        }
    }
}
