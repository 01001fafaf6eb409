//! Explicit locks: what users put on files and directories with CREATE LOCK.
//!
//! They belong to a user, not to a work unit, and stay until deleted; SESSION locks also end with the holder's last connection.
//! LASTING ones are rows of the catalog and are here as well, so a check never reads the catalog.
//!
//! A change takes its implicit locks first and looks here second; a new explicit lock is put here first and looks for implicit
//! ones second. So of two that meet, at least one sees the other.

use std::collections::HashMap;

use cp::name::UserId;
use parking_lot::RwLock;

use super::error::PoolError;
use super::row;
use super::snapshot::Snapshot;
use crate::types::{LockDuration, LockInfo, LockResource, LockType, WantedLock};

/// Explicit locks that one object may have: a bound on what users can make the server keep.
pub const MAX_LOCKS_PER_OBJECT: usize = 1000;

/// What somebody is about to do with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Read,
    Write,
    Erase,
}

#[derive(Debug, Default)]
pub(crate) struct ExplicitLocks {
    held: RwLock<HashMap<u64, Vec<LockInfo>>>,
}

impl ExplicitLocks {
    pub(crate) fn load(snapshot: &Snapshot) -> Result<Self, PoolError> {
        let mut held = HashMap::<u64, Vec<LockInfo>>::new();
        for (key, value) in snapshot.rows(&row::all_locks())? {
            let (number, user) = row::lock_of(&key)?;
            let (kind, created) = row::read_lock(&value)?;
            let lock = LockInfo { user, kind, duration: LockDuration::Lasting, created };
            held.entry(number).or_default().push(lock);
        }
        Ok(Self { held: RwLock::new(held) })
    }

    /// Whether `user` may do that to the object, which is such a thing, in spite of explicit locks.
    ///
    /// # Errors
    /// [`PoolError::ExplicitLock`].
    pub(crate) fn check(
        &self,
        (resource, number): (LockResource, u64),
        user: Option<UserId>,
        purpose: Purpose,
    ) -> Result<(), PoolError> {
        let held = self.held.read();
        if held.is_empty() {
            return Ok(());
        }
        let hinders = |lock: &LockInfo| match (lock.kind, purpose) {
            (LockType::Exclusive, _) => Some(lock.user) != user,
            (_, Purpose::Read) => false,
            (LockType::Update, _) => Some(lock.user) != user,
            // Nobody writes or erases what somebody shares, the holder included.
            (LockType::Share, _) => true,
        };
        match held.get(&number).and_then(|locks| locks.iter().find(|lock| hinders(lock))) {
            Some(lock) => {
                let kind = if purpose == Purpose::Read { LockType::Share } else { LockType::Exclusive };
                Err(PoolError::ExplicitLock { holder: lock.user, wanted: WantedLock { resource, kind } })
            }
            None => Ok(()),
        }
    }

    /// Adds a lock on an object, which is such a thing.
    ///
    /// # Errors
    /// [`PoolError::ExplicitLock`] when one of another user is in the way, [`PoolError::LockExists`] when the user has one.
    pub(crate) fn add(
        &self,
        (resource, number): (LockResource, u64),
        lock: LockInfo,
    ) -> Result<(), PoolError> {
        let mut held = self.held.write();
        let locks = held.entry(number).or_default();
        let shares = |l: &LockInfo| l.kind == LockType::Share && lock.kind == LockType::Share;
        let result = if locks.iter().any(|l| l.user == lock.user) {
            Err(PoolError::LockExists)
        } else if let Some(other) = locks.iter().find(|l| !shares(l)) {
            let wanted = WantedLock { resource, kind: lock.kind };
            Err(PoolError::ExplicitLock { holder: other.user, wanted })
        } else if locks.len() >= MAX_LOCKS_PER_OBJECT {
            Err(PoolError::Limit("locks on one object"))
        } else {
            locks.push(lock);
            Ok(())
        };
        if locks.is_empty() {
            held.remove(&number);
        }
        result
    }

    /// Removes the lock of `user`.
    ///
    /// # Errors
    /// [`PoolError::NoLock`].
    pub(crate) fn remove(&self, number: u64, user: UserId) -> Result<LockInfo, PoolError> {
        let mut held = self.held.write();
        let locks = held.get_mut(&number).ok_or(PoolError::NoLock)?;
        let at = locks.iter().position(|l| l.user == user).ok_or(PoolError::NoLock)?;
        let lock = locks.remove(at);
        if locks.is_empty() {
            held.remove(&number);
        }
        Ok(lock)
    }

    /// Forgets all locks of an object that is gone.
    pub(crate) fn drop_object(&self, number: u64) {
        let any = !self.held.read().is_empty();
        if any {
            self.held.write().remove(&number);
        }
    }

    /// Ends the SESSION locks of `user`.
    pub(crate) fn end_session(&self, user: UserId) {
        self.held.write().retain(|_, locks| {
            locks.retain(|l| l.user != user || l.duration == LockDuration::Lasting);
            !locks.is_empty()
        });
    }

    /// The locks on an object.
    pub(crate) fn on(&self, number: u64) -> Vec<LockInfo> {
        self.held.read().get(&number).cloned().unwrap_or_default()
    }

    /// Number of locks.
    pub(crate) fn count(&self) -> usize {
        self.held.read().values().map(Vec::len).sum()
    }
}
