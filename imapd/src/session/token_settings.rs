//! Which tokens are switched off or on, for the system and for single users (`Capability` in IMAP CONFIG).
//!
//! A token that is off is not shown, and what it would allow is answered as if we had never heard of it. What only
//! makes sense together goes together: a token whose ground is off is off too.

use std::collections::HashMap;

use thiserror::Error;

use super::capability::{Preset, TABLE, Token, TokenSet};
use super::table::NOT_AUTHENTICATED;
use crate::vm::UserId;

/// Tokens and what they are built on.
const GROUNDS: &[(Token, Token)] = &[
    (Token::Qresync, Token::Condstore),
    (Token::SearchRes, Token::Esearch),
    (Token::Esort, Token::Sort),
    (Token::UrlPartial, Token::Catenate),
    (Token::ListMetadata, Token::Metadata),
    (Token::AclRights, Token::Acl),
    (Token::ListMyRights, Token::Acl),
    (Token::QuotaStorage, Token::Quota),
    (Token::QuotaMessage, Token::Quota),
    (Token::QuotaMailbox, Token::Quota),
    (Token::QuotaSet, Token::Quota),
];

/// Why a token cannot be switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not in the table.
    #[error("unknown capability")]
    Unknown,
    /// Nothing works without it.
    #[error("this capability cannot be switched off")]
    Fixed,
    /// It is shown, or used, before we know the user.
    #[error("this capability is shown before login and cannot be set for one user")]
    BeforeLogin,
}

/// The settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSettings {
    off: TokenSet,
    /// Off and on for a user, whatever the system says.
    users: HashMap<UserId, (TokenSet, TokenSet)>,
}

impl Default for TokenSettings {
    fn default() -> Self {
        let off = TABLE.iter().filter(|row| row.preset == Preset::Off).map(|row| row.token);
        Self { off: TokenSet::of(&off.collect::<Vec<_>>()), users: HashMap::new() }
    }
}

impl TokenSettings {
    /// Switches a token for the system, or for one user.
    ///
    /// # Errors
    /// [`TokenError`] when there is no such token or it cannot be switched so.
    pub fn set(&mut self, name: &str, on: bool, user: Option<UserId>) -> Result<(), TokenError> {
        let token = Token::by_name(name).ok_or(TokenError::Unknown)?;
        if !on && token.row().preset == Preset::Fixed {
            return Err(TokenError::Fixed);
        }
        let Some(user) = user else {
            self.off = if on { self.off.without(token) } else { self.off.with(token) };
            return Ok(());
        };
        if token.row().states & NOT_AUTHENTICATED != 0 && token != Token::Imap4rev2 {
            return Err(TokenError::BeforeLogin);
        }
        let (off_here, on_here) = self.users.entry(user).or_default();
        (*off_here, *on_here) = match on {
            true => (off_here.without(token), on_here.with(token)),
            false => (off_here.with(token), on_here.without(token)),
        };
        Ok(())
    }

    /// What is off for a user, or before login.
    pub fn off(&self, user: Option<UserId>) -> TokenSet {
        let own = user.and_then(|u| self.users.get(&u)).copied().unwrap_or_default();
        let mut off = self.off;
        for row in TABLE {
            if own.0.has(row.token) {
                off = off.with(row.token);
            } else if own.1.has(row.token) {
                off = off.without(row.token);
            }
        }
        for (token, ground) in GROUNDS {
            if off.has(*ground) {
                off = off.with(*token);
            }
        }
        off
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_user_and_grounds() {
        let alice = UserId::new("ALICE").unwrap();
        let mut s = TokenSettings::default();
        s.set("condstore", false, None).unwrap();
        s.set("CONDSTORE", true, Some(alice)).unwrap();
        s.set("IDLE", false, Some(alice)).unwrap();
        let (all, hers) = (s.off(None), s.off(Some(alice)));
        assert!(all.has(Token::Condstore) && all.has(Token::Qresync) && !all.has(Token::Idle));
        assert!(!hers.has(Token::Condstore) && !hers.has(Token::Qresync) && hers.has(Token::Idle));
        s.set("IDLE", true, Some(alice)).unwrap();
        assert!(!s.off(Some(alice)).has(Token::Idle));
    }

    #[test]
    fn what_cannot_be_switched() {
        let mut s = TokenSettings::default();
        assert_eq!(s.set("FROB", false, None), Err(TokenError::Unknown));
        assert_eq!(s.set("IMAP4rev1", false, None), Err(TokenError::Fixed));
        let alice = UserId::new("ALICE").unwrap();
        assert_eq!(s.set("SASL-IR", false, Some(alice)), Err(TokenError::BeforeLogin));
        assert_eq!(s.set("IMAP4rev2", false, Some(alice)), Ok(()));
    }
}
