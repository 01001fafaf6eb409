//! Who may do what with a user's mailboxes (RFC 4314), and which of them the administrator has published.
//!
//! A mailbox has rights by identifier: a user id, `anyone`, or one of both with `-` before it, which takes rights away. The
//! owner has all rights as long as no entry names him, and of those in [`OWNER_KEEPS`] nothing can deprive him.

use std::collections::BTreeMap;

use thiserror::Error;

use super::error::StoreError;
use super::types::MailboxId;
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::rights::Rights;
use crate::vm::UserId;

/// Most identifiers of one mailbox: each is looked at whenever somebody asks what he may do.
pub const MAX_IDENTIFIERS: usize = 256;
/// Most identifiers of all mailboxes of one user, since they are written as a whole.
pub const MAX_ENTRIES: usize = 10_000;
/// Most published mailboxes of one user.
pub const MAX_PUBLISHED: usize = 1000;

/// Rights that the owner cannot lose.
pub const OWNER_KEEPS: Rights = Rights::LOOKUP.and(Rights::READ).and(Rights::CREATE).and(Rights::ADMINISTER);

/// Everybody who has logged in.
const ANYONE: &str = "anyone";

/// Whom an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identifier {
    /// One user, or everybody.
    pub user: Option<UserId>,
    /// Whether the rights are taken away.
    pub negative: bool,
}

/// A text that is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("identifier is neither a user id nor anyone")]
pub struct NoIdentifier;

impl Identifier {
    /// An identifier as clients write it, user ids in any case.
    ///
    /// # Errors
    /// [`NoIdentifier`]
    pub fn parse(text: &[u8]) -> Result<Self, NoIdentifier> {
        let text = std::str::from_utf8(text).map_err(|_| NoIdentifier)?;
        let (negative, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.eq_ignore_ascii_case(ANYONE) {
            return Ok(Self { user: None, negative });
        }
        Ok(Self { user: Some(UserId::new(name).map_err(|_| NoIdentifier)?), negative })
    }

    /// The identifier of a user.
    pub fn of(user: UserId) -> Self {
        Self { user: Some(user), negative: false }
    }
}

impl std::fmt::Display for Identifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.negative { "-" } else { "" })?;
        f.write_str(self.user.as_ref().map_or(ANYONE, UserId::as_str))
    }
}

/// How the rights of an identifier change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RightsChange {
    /// To these.
    Replace,
    /// By adding these.
    Add,
    /// By removing these.
    Remove,
}

/// How a mailbox and what is below it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its name below the namespace of shared mailboxes.
    pub name: MailboxName,
}

/// What `who` may do with a mailbox of `owner` that has these entries.
pub(super) fn rights_among(
    entries: Option<&BTreeMap<Identifier, Rights>>,
    who: UserId,
    owner: UserId,
) -> Rights {
    let of_identifier = |user, negative| entries.and_then(|e| e.get(&Identifier { user, negative })).copied();
    let given = |negative| {
        let own = of_identifier(Some(who), negative).unwrap_or_default();
        own.and(of_identifier(None, negative).unwrap_or_default())
    };
    if who != owner {
        return given(false).without(given(true));
    }
    let positive = if of_identifier(Some(who), false).is_some() { given(false) } else { Rights::ALL };
    positive.without(given(true)).and(OWNER_KEEPS)
}

/// The rights of all mailboxes of one user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    rights: BTreeMap<MailboxId, BTreeMap<Identifier, Rights>>,
    published: BTreeMap<MailboxId, Published>,
}

impl Access {
    /// Whether nothing is given to anybody.
    pub fn is_empty(&self) -> bool {
        self.rights.is_empty() && self.published.is_empty()
    }

    /// The entries of a mailbox.
    pub fn entries(&self, of: MailboxId) -> impl Iterator<Item = (Identifier, Rights)> {
        self.rights.get(&of).into_iter().flatten().map(|(who, rights)| (*who, *rights))
    }

    /// All entries of all mailboxes.
    pub fn all(&self) -> impl Iterator<Item = (MailboxId, Identifier, Rights)> {
        let all = |(id, entries): (&MailboxId, &BTreeMap<Identifier, Rights>)| {
            let id = *id;
            entries.iter().map(move |(who, rights)| (id, *who, *rights)).collect::<Vec<_>>()
        };
        self.rights.iter().flat_map(all)
    }

    /// What `who` may do with a mailbox of `owner`.
    pub fn rights(&self, of: MailboxId, who: UserId, owner: UserId) -> Rights {
        rights_among(self.rights.get(&of), who, owner)
    }

    /// Whether anything at all is given to `who`, so that it is worth looking closer.
    pub fn concerns(&self, who: UserId) -> bool {
        let named = |e: &BTreeMap<Identifier, Rights>| {
            e.contains_key(&Identifier::of(who))
                || e.contains_key(&Identifier { user: None, negative: false })
        };
        self.rights.values().any(named)
    }

    /// Changes the rights of an identifier; with none left it is forgotten, but for the owner, who would have all again.
    ///
    /// # Errors
    /// [`StoreError::Limit`]
    pub fn set(
        &mut self,
        of: MailboxId,
        (who, owner): (Identifier, UserId),
        how: RightsChange,
        rights: Rights,
    ) -> Result<(), StoreError> {
        let is_owner = who == Identifier::of(owner);
        let total: usize = self.rights.values().map(BTreeMap::len).sum();
        let entries = self.rights.entry(of).or_default();
        let implied = if is_owner { Rights::ALL } else { Rights::NONE };
        let old = entries.get(&who).copied();
        let new = match how {
            RightsChange::Replace => rights,
            RightsChange::Add => old.unwrap_or(implied).and(rights),
            RightsChange::Remove => old.unwrap_or(implied).without(rights),
        };
        if new.is_empty() && !is_owner {
            entries.remove(&who);
        } else if old.is_none() && (entries.len() >= MAX_IDENTIFIERS || total >= MAX_ENTRIES) {
            return Err(StoreError::Limit("there are too many access rights"));
        } else {
            entries.insert(who, if is_owner { new.and(OWNER_KEEPS) } else { new });
        }
        self.rights.retain(|_, entries| !entries.is_empty());
        Ok(())
    }

    /// Forgets what an identifier was given.
    pub fn remove(&mut self, of: MailboxId, who: Identifier) {
        if let Some(entries) = self.rights.get_mut(&of) {
            entries.remove(&who);
        }
        self.rights.retain(|_, entries| !entries.is_empty());
    }

    /// Takes all rights of others away.
    pub fn clear(&mut self, of: MailboxId, owner: UserId) {
        if let Some(entries) = self.rights.get_mut(&of) {
            entries.retain(|who, _| *who == Identifier::of(owner));
        }
        self.rights.retain(|_, entries| !entries.is_empty());
    }

    /// Gives a new mailbox the rights of the one above it.
    ///
    /// # Errors
    /// [`StoreError::Limit`]
    pub fn inherit(&mut self, from: MailboxId, to: MailboxId) -> Result<(), StoreError> {
        let Some(entries) = self.rights.get(&from).cloned() else { return Ok(()) };
        let total: usize = self.rights.values().map(BTreeMap::len).sum();
        if total + entries.len() > MAX_ENTRIES {
            return Err(StoreError::Limit("there are too many access rights"));
        }
        self.rights.insert(to, entries);
        Ok(())
    }

    /// How a mailbox is published.
    pub fn published(&self, of: MailboxId) -> Option<&Published> {
        self.published.get(&of)
    }

    /// All that is published.
    pub fn all_published(&self) -> impl Iterator<Item = (MailboxId, &Published)> {
        self.published.iter().map(|(id, published)| (*id, published))
    }

    /// Publishes a mailbox, or ends that.
    ///
    /// # Errors
    /// [`StoreError::Limit`]
    pub fn publish(&mut self, of: MailboxId, how: Option<Published>) -> Result<(), StoreError> {
        match how {
            Some(_) if self.published.len() >= MAX_PUBLISHED && !self.published.contains_key(&of) => {
                return Err(StoreError::Limit("the user has too many published mailboxes"));
            }
            Some(how) => drop(self.published.insert(of, how)),
            None => drop(self.published.remove(&of)),
        }
        Ok(())
    }

    /// Forgets a mailbox; true when there was something to forget.
    pub fn forget(&mut self, of: MailboxId) -> bool {
        let rights = self.rights.remove(&of).is_some();
        self.published.remove(&of).is_some() || rights
    }

    /// Takes an entry as it was kept.
    pub(super) fn restore(&mut self, of: MailboxId, who: Identifier, rights: Rights) {
        self.rights.entry(of).or_default().insert(who, rights);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn rights(letters: &str) -> Rights {
        Rights::parse(letters.as_bytes()).unwrap()
    }

    #[test]
    fn union_without_what_is_taken_away() {
        let (owner, joe, id) = (user("OWNER"), user("JOE"), MailboxId(3));
        let mut access = Access::default();
        let mut set = |who: &str, how, letters| {
            access
                .set(id, (Identifier::parse(who.as_bytes()).unwrap(), owner), how, rights(letters))
                .unwrap();
        };
        set("anyone", RightsChange::Replace, "lr");
        set("joe", RightsChange::Add, "sw");
        set("-joe", RightsChange::Replace, "r");
        set("-Anyone", RightsChange::Replace, "lx");
        assert_eq!(access.rights(id, joe, owner), rights("sw"));
        assert_eq!(access.rights(id, user("ANN"), owner), rights("r"));
        assert_eq!(access.rights(id, owner, owner), Rights::ALL.without(rights("x")));
        assert!(access.concerns(joe) && access.rights(MailboxId(4), joe, owner).is_empty());
    }

    #[test]
    fn the_owner_keeps_what_he_needs() {
        let (owner, id) = (user("OWNER"), MailboxId(1));
        let mut access = Access::default();
        let own = Identifier::of(owner);
        access.set(id, (own, owner), RightsChange::Remove, rights("sx")).unwrap();
        assert_eq!(access.rights(id, owner, owner), Rights::ALL.without(rights("sx")));
        access.set(id, (own, owner), RightsChange::Replace, Rights::NONE).unwrap();
        assert_eq!(access.rights(id, owner, owner), OWNER_KEEPS);
        access.remove(id, own);
        assert_eq!(access.rights(id, owner, owner), Rights::ALL);
        assert!(access.is_empty());
    }

    #[test]
    fn identifiers() {
        for text in ["JOE", "-JOE", "anyone", "-anyone"] {
            assert_eq!(Identifier::parse(text.as_bytes()).unwrap().to_string(), text);
        }
        for text in ["", "-", "--JOE", "NOT A USER", "TOOLONGNAME", "\u{e4}"] {
            assert_eq!(Identifier::parse(text.as_bytes()), Err(NoIdentifier), "{text}");
        }
    }

    #[test]
    fn no_more_than_fit() {
        let (owner, id) = (user("OWNER"), MailboxId(1));
        let mut access = Access::default();
        let mut add = |of, n: usize| {
            let who = Identifier::of(user(&format!("U{n}")));
            access.set(of, (who, owner), RightsChange::Add, Rights::READ)
        };
        for n in 0..MAX_IDENTIFIERS {
            add(id, n).unwrap();
        }
        assert!(matches!(add(id, MAX_IDENTIFIERS), Err(StoreError::Limit(_))));
        add(id, 0).unwrap();
        for n in MAX_IDENTIFIERS..MAX_ENTRIES {
            add(MailboxId(2 + (n / MAX_IDENTIFIERS) as u32), n).unwrap();
        }
        assert!(matches!(add(MailboxId(900), 1), Err(StoreError::Limit(_))));
        assert!(matches!(access.inherit(id, MailboxId(901)), Err(StoreError::Limit(_))));
        let published = |n: u32| Published { name: MailboxName::new(&format!("n{n}")).unwrap() };
        for n in 0..MAX_PUBLISHED as u32 {
            access.publish(MailboxId(n), Some(published(n))).unwrap();
        }
        let one_more = access.publish(MailboxId(5000), Some(published(5000)));
        assert!(matches!(one_more, Err(StoreError::Limit(_))));
        access.publish(MailboxId(1), None).unwrap();
        access.publish(MailboxId(5000), Some(published(5000))).unwrap();
    }
}
