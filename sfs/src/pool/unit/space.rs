//! File spaces as a work unit enrols and removes them.

use std::sync::Arc;

use super::state::FoundDir;
use super::{DEFAULT_THRESHOLD, MAX_THRESHOLD, WorkUnit};
use crate::pool::catalog::{DirId, SpaceRec};
use crate::pool::error::PoolError;
use crate::pool::group::minidisks;
use crate::pool::lock::{LockKey, LockMode};
use crate::pool::row;
use crate::types::StorageGroup;

/// What is locked where it changes who may connect to the pool: the authorities on an object number that nothing ever has.
const POOL_ITSELF: LockKey = LockKey::Authority(0);

impl WorkUnit {
    /// Enrols a file space with a limit in blocks.
    ///
    /// # Errors
    /// [`PoolError::SpaceExists`], [`PoolError::Locked`].
    pub fn enroll(&self, name: &str, limit: u64, label: &str) -> Result<(), PoolError> {
        self.enroll_in(StorageGroup::FIRST, name, limit, label)
    }

    /// [`Self::enroll`] in a storage group.
    ///
    /// # Errors
    /// As [`Self::enroll`]; [`PoolError::NoGroup`] when the group has no minidisk or holds the catalog,
    /// [`PoolError::Disabled`].
    pub fn enroll_in(
        &self,
        group: StorageGroup,
        name: &str,
        limit: u64,
        label: &str,
    ) -> Result<(), PoolError> {
        self.with(|state, snapshot| {
            // Looked at before the lock too: work in the file space is no reason to call an enrolled user locked.
            if state.space(snapshot, name)?.is_some() {
                return Err(PoolError::SpaceExists);
            }
            let there = minidisks(snapshot)?.iter().any(|m| m.group == group);
            if !there || group == StorageGroup::CATALOG {
                return Err(PoolError::NoGroup);
            }
            state.locks.take(LockKey::Space(name.into()), LockMode::Exclusive)?;
            if state.space(&self.inner.current(), name)?.is_some() {
                return Err(PoolError::SpaceExists);
            }
            if self.inner.disables.of_group(group).is_some() {
                return Err(PoolError::Disabled);
            }
            let rec = SpaceRec {
                top: DirId(self.inner.new_number()),
                limit,
                used: 0,
                threshold: DEFAULT_THRESHOLD,
                created: self.inner.now(),
                label: label.to_owned(),
                group,
            };
            state.overlay.spaces.insert(name.to_owned(), Some(rec));
            Ok(())
        })
    }

    /// Enrols PUBLIC, so that everybody may connect to the pool, or ends that.
    ///
    /// # Errors
    /// [`PoolError::SpaceExists`] when it is enrolled already, [`PoolError::NoSpace`] when it is not, [`PoolError::Locked`].
    pub fn set_public(&self, enroll: bool) -> Result<(), PoolError> {
        self.with(|state, _| {
            state.locks.take(POOL_ITSELF, LockMode::Exclusive)?;
            let enrolled = state.row(&self.inner.current(), &row::public_key())?.is_some();
            match (enroll, enrolled) {
                (true, true) => return Err(PoolError::SpaceExists),
                (false, false) => return Err(PoolError::NoSpace),
                _ => {}
            }
            state.overlay.rows.insert(row::public_key(), enroll.then(row::public_row));
            Ok(())
        })
    }

    /// Changes the limit of a file space.
    ///
    /// # Errors
    /// [`PoolError::NoSpace`], [`PoolError::Locked`].
    pub fn set_limit(&self, name: &str, limit: u64) -> Result<(), PoolError> {
        self.with(|state, _| {
            state.locks.take(LockKey::Space(name.into()), LockMode::Exclusive)?;
            let rec = state.space(&self.inner.current(), name)?.ok_or(PoolError::NoSpace)?;
            state.overlay.spaces.insert(name.to_owned(), Some(SpaceRec { limit, ..rec }));
            Ok(())
        })
    }

    /// Moves a file space to another storage group: what it holds counts there, and not in its former group, from the commit on. No
    /// octet is moved, since all groups share the pool's volume. Source: FILESERV MOVEUSER.
    ///
    /// # Errors
    /// [`PoolError::NoSpace`]; [`PoolError::NoGroup`] when the group has no minidisk or holds the catalog; [`PoolError::SameGroup`];
    /// [`PoolError::Disabled`] as long as the file space or one of the groups is; [`PoolError::Locked`] while another unit changes
    /// anything in it. The commit refuses what the group has no room for.
    pub fn move_space(&self, name: &str, group: StorageGroup) -> Result<(), PoolError> {
        self.with(|state, _| {
            state.locks.take(LockKey::Space(name.into()), LockMode::Exclusive)?;
            let snapshot = &self.inner.current();
            let rec = state.space(snapshot, name)?.ok_or(PoolError::NoSpace)?;
            let there = minidisks(snapshot)?.iter().any(|m| m.group == group);
            if !there || group == StorageGroup::CATALOG {
                return Err(PoolError::NoGroup);
            }
            if rec.group == group {
                return Err(PoolError::SameGroup(group));
            }
            let disables = &self.inner.disables;
            let disabled = [disables.of_space(name), disables.of_group(rec.group), disables.of_group(group)];
            if disabled.iter().any(Option::is_some) {
                return Err(PoolError::Disabled);
            }
            state.overlay.spaces.insert(name.to_owned(), Some(SpaceRec { group, ..rec }));
            Ok(())
        })
    }

    /// Changes the warning threshold of a file space, in percent of its limit; 0: no warning. Source: SET THRESHOLD.
    ///
    /// # Errors
    /// [`PoolError::NoSpace`], [`PoolError::Locked`], [`PoolError::Limit`] above 99.
    pub fn set_threshold(&self, name: &str, threshold: u8) -> Result<(), PoolError> {
        if threshold > MAX_THRESHOLD {
            return Err(PoolError::Limit("warning threshold"));
        }
        self.with(|state, _| {
            state.locks.take(LockKey::Space(name.into()), LockMode::Exclusive)?;
            let rec = state.space(&self.inner.current(), name)?.ok_or(PoolError::NoSpace)?;
            state.overlay.spaces.insert(name.to_owned(), Some(SpaceRec { threshold, ..rec }));
            Ok(())
        })
    }

    /// The label of a file space.
    ///
    /// # Errors
    /// [`PoolError::NoSpace`].
    pub fn label(&self, name: &str) -> Result<String, PoolError> {
        self.with(|state, snapshot| Ok(state.space(snapshot, name)?.ok_or(PoolError::NoSpace)?.label))
    }

    /// Removes a file space with everything in it.
    ///
    /// # Errors
    /// [`PoolError::NoSpace`]; [`PoolError::Locked`] while another unit changes anything in it; [`PoolError::Disabled`] as long as
    /// the file space is disabled, or its group for the user.
    pub fn remove_space(&self, name: &str) -> Result<(), PoolError> {
        self.with(|state, _| {
            state.locks.take(LockKey::Space(name.into()), LockMode::Exclusive)?;
            let snapshot = &self.inner.current();
            let rec = state.space(snapshot, name)?.ok_or(PoolError::NoSpace)?;
            state.gate.check(name, true)?;
            if self.inner.disables.of_space(name).is_some() {
                return Err(PoolError::Disabled);
            }
            let space: Arc<str> = name.into();
            state.remove_tree(snapshot, &FoundDir { id: rec.top, space })?;
            state.overlay.spaces.insert(name.to_owned(), None);
            state.files.clear();
            Ok(())
        })
    }
}
