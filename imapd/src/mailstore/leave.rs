//! What who asks for a change must be allowed when its turn comes.
//!
//! A command looks at names and rights before it asks, and then waits: for its messages, for room, for its turn. Meanwhile a name may
//! have become that of another mailbox, and rights may be gone. Here it is looked at again, by the one who has the turn, before
//! anything is changed; nothing can come in between then. What nobody gave leave for, arrival and administration, may go on.

use std::sync::Arc;

use super::error::StoreError;
use super::open::OpenMailbox;
use super::types::{Attributes, MailboxId, MailboxRow, SessionId, UidValidity};
use super::user::{Untouchable, UserStore};
use crate::syntax::flag::SystemFlags;
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::rights::Rights;
use crate::vm::UserId;

/// Who asks for a change, and what he must be allowed then.
#[derive(Clone)]
pub struct Asker {
    /// The session.
    pub session: SessionId,
    /// What it must be allowed.
    pub leave: Leave,
}

impl From<SessionId> for Asker {
    fn from(session: SessionId) -> Self {
        Self { session, leave: Leave::default() }
    }
}

/// What somebody must be allowed when his turn comes.
#[derive(Clone, Default)]
pub struct Leave(Vec<(UserId, Need)>);

#[derive(Clone)]
enum Need {
    /// Rights on a mailbox that was looked up.
    Mailbox(Arc<OpenMailbox>, Rights),
    /// Rights on what a name stands for; that is this mailbox, when one is said.
    Name(MailboxName, Rights, Option<(MailboxId, UidValidity)>),
    /// One of these rights on what a name stands for.
    AnyOf(MailboxName, Rights),
    /// To make a mailbox of that name.
    New(MailboxName),
    /// To read a mailbox that messages are made from.
    Source(Arc<OpenMailbox>),
}

impl Leave {
    /// `who` must have rights on a mailbox.
    #[must_use]
    pub fn on(mut self, who: UserId, mailbox: &Arc<OpenMailbox>, rights: Rights) -> Self {
        self.0.push((who, Need::Mailbox(mailbox.clone(), rights)));
        self
    }

    /// `who` must have rights on what the name of this row stands for. One of another user's mailboxes must be that of the row: who
    /// names it sees it under a name of his own.
    #[must_use]
    pub fn on_name(mut self, (who, owner): (UserId, UserId), row: &MailboxRow, rights: Rights) -> Self {
        let same = (who != owner).then_some((row.id, row.uid_validity));
        self.0.push((who, Need::Name(row.name.clone(), rights, same)));
        self
    }

    /// The name of this row of `owner` must stand for that mailbox still. Administrators need no right on it.
    #[must_use]
    pub fn named(mut self, owner: UserId, row: &MailboxRow) -> Self {
        let same = Some((row.id, row.uid_validity));
        self.0.push((owner, Need::Name(row.name.clone(), Rights::default(), same)));
        self
    }

    /// `who` must have one of these rights on what the name of this row stands for.
    #[must_use]
    pub fn any_on_name(mut self, who: UserId, row: &MailboxRow, rights: Rights) -> Self {
        self.0.push((who, Need::AnyOf(row.name.clone(), rights)));
        self
    }

    /// `who` must be allowed to make a mailbox of that name.
    #[must_use]
    pub fn to_make(mut self, who: UserId, name: &MailboxName) -> Self {
        self.0.push((who, Need::New(name.clone())));
        self
    }

    /// `who` must be allowed to read a mailbox from which a message was put together.
    #[must_use]
    pub fn to_read(mut self, who: UserId, mailbox: &Arc<OpenMailbox>) -> Self {
        self.0.push((who, Need::Source(mailbox.clone())));
        self
    }

    /// The flags that must not be set in a mailbox, as rights are now.
    pub(super) fn untouchable(&self, mailbox: &OpenMailbox) -> Untouchable {
        let here = |need: &&(UserId, Need)| matches!(&need.1, Need::Mailbox(m, _) if std::ptr::eq(&raw const **m, mailbox));
        let rights = self.0.iter().find(here).map(|(who, _)| mailbox.user.rights(mailbox.id, *who));
        rights.map(Untouchable::within).unwrap_or_default()
    }
}

impl Untouchable {
    /// The flags that one who has these rights cannot change (RFC 4314 section 4).
    pub fn within(rights: Rights) -> Self {
        let mut system = SystemFlags::default();
        let other = SystemFlags::ANSWERED.with(SystemFlags::FLAGGED).with(SystemFlags::DRAFT);
        let of_right = [
            (Rights::SEEN, SystemFlags::SEEN),
            (Rights::DELETE_MESSAGES, SystemFlags::DELETED),
            (Rights::WRITE, other),
        ];
        for (_, flags) in of_right.into_iter().filter(|(right, _)| !rights.has(*right)) {
            system = system.with(flags);
        }
        Self { system, keywords: !rights.has(Rights::WRITE) }
    }

    /// These and those.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        Self { system: self.system.with(other.system), keywords: self.keywords || other.keywords }
    }
}

/// One who has these rights needs others.
///
/// # Errors
/// [`StoreError::NoRight`]; [`StoreError::NoSuchMailbox`] for one who may not even know of it.
pub fn need(rights: Rights, needed: Rights) -> Result<(), StoreError> {
    match rights {
        rights if rights.has(needed) => Ok(()),
        rights if rights.has(Rights::LOOKUP) => Err(StoreError::NoRight),
        _ => Err(StoreError::NoSuchMailbox),
    }
}

/// Whether somebody may read a mailbox that he has opened, as things are now.
pub fn may_read(mailbox: &OpenMailbox, who: UserId) -> bool {
    !mailbox.state().deleted && mailbox.user.rights(mailbox.id, who).has(Rights::READ)
}

impl UserStore {
    /// Whether a mailbox of that name may be made: what exists above it decides (RFC 4314 section 4).
    ///
    /// # Errors
    /// As [`need`].
    pub fn may_create(&self, who: UserId, name: &MailboxName) -> Result<(), StoreError> {
        let catalog = self.catalog();
        let exists = |r: &&MailboxRow| r.attributes.has(Attributes::EXISTS);
        match name.ancestors().filter_map(|n| catalog.get(&n).filter(exists)).last() {
            Some(above) => need(catalog.entries.access.rights(above.id, who, self.id()), Rights::CREATE),
            None if who == self.id() => Ok(()),
            None => Err(StoreError::NoSuchMailbox),
        }
    }

    /// Whether what is asked for may be done now. Of the user whose turn it is; of mailboxes of others where theirs is held as well.
    ///
    /// # Errors
    /// [`StoreError::MailboxDeleted`], [`StoreError::NoSource`], or as [`need`].
    pub(super) fn grants(&self, leave: &Leave) -> Result<(), StoreError> {
        for (who, needed) in &leave.0 {
            match needed {
                Need::Mailbox(mailbox, _) if mailbox.state().deleted => {
                    return Err(StoreError::MailboxDeleted);
                }
                Need::Mailbox(mailbox, rights) => need(mailbox.user.rights(mailbox.id, *who), *rights)?,
                Need::Name(name, rights, same) => {
                    let catalog = self.catalog();
                    let row = catalog.get(name).filter(|r| r.attributes.has(Attributes::EXISTS));
                    let row = row.filter(|r| same.is_none_or(|same| same == (r.id, r.uid_validity)));
                    let id = row.ok_or(StoreError::NoSuchMailbox)?.id;
                    need(catalog.entries.access.rights(id, *who, self.id()), *rights)?;
                }
                Need::AnyOf(name, rights) => {
                    let catalog = self.catalog();
                    let id = catalog.get(name).ok_or(StoreError::NoSuchMailbox)?.id;
                    if !catalog.entries.access.rights(id, *who, self.id()).has_any(*rights) {
                        return Err(StoreError::NoRight);
                    }
                }
                Need::New(name) => self.may_create(*who, name)?,
                Need::Source(mailbox) if may_read(mailbox, *who) => {}
                Need::Source(_) => return Err(StoreError::NoSource),
            }
        }
        Ok(())
    }
}
