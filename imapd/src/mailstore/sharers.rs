//! Who lets others at his mailboxes: read once from all users, then kept up by every change.
//!
//! It is a copy of what MAILBOX ENTRIES say, so that LIST need not look into the file space of every user. It is small: most
//! users share nothing.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::access::{Access, Published};
use super::backend::Backend;
use super::error::StoreError;
use super::types::MailboxId;
use crate::vm::UserId;

#[derive(Default)]
struct Known {
    /// Whether the users have been read.
    read: bool,
    by_owner: BTreeMap<UserId, Access>,
}

/// The users who share, with what they share.
#[derive(Default)]
pub struct Sharers {
    known: Mutex<Known>,
    reading: tokio::sync::Mutex<()>,
}

impl Sharers {
    /// Reads the users, unless that was done.
    pub(super) async fn load(&self, backend: &dyn Backend) -> Result<(), StoreError> {
        if self.known.lock().read {
            return Ok(());
        }
        let _one_at_a_time = self.reading.lock().await;
        if self.known.lock().read {
            return Ok(());
        }
        let read = backend.sharers().await?;
        let mut known = self.known.lock();
        for (owner, access) in read {
            // What changed meanwhile is newer.
            known.by_owner.entry(owner).or_insert(access);
        }
        known.read = true;
        known.by_owner.retain(|_, access| !access.is_empty());
        Ok(())
    }

    /// Takes what a user shares from now on.
    pub(super) fn put(&self, owner: UserId, access: &Access) {
        let mut known = self.known.lock();
        if known.read && access.is_empty() {
            known.by_owner.remove(&owner);
        } else {
            // While users are being read, nothing at all is worth knowing, too.
            known.by_owner.insert(owner, access.clone());
        }
    }

    /// The owners, other than himself, who have given something to `who`.
    pub fn of(&self, who: UserId) -> Vec<UserId> {
        let known = self.known.lock();
        let concerned =
            known.by_owner.iter().filter(|(owner, access)| **owner != who && access.concerns(who));
        concerned.map(|(owner, _)| *owner).collect()
    }

    /// Whether `owner` has given something to `who`.
    pub fn shares(&self, owner: UserId, who: UserId) -> bool {
        owner == who || self.known.lock().by_owner.get(&owner).is_some_and(|access| access.concerns(who))
    }

    /// All that is published, by the names in the namespace of shared mailboxes.
    pub fn published(&self) -> Vec<(UserId, MailboxId, Published)> {
        let known = self.known.lock();
        let mut all: Vec<_> = known
            .by_owner
            .iter()
            .flat_map(|(owner, access)| access.all_published().map(|(id, how)| (*owner, id, how.clone())))
            .collect();
        all.sort_by(|a, b| a.2.name.cmp(&b.2.name));
        all
    }

    /// What an owner lets others do.
    pub fn access(&self, owner: UserId) -> Option<Access> {
        self.known.lock().by_owner.get(&owner).cloned()
    }
}
