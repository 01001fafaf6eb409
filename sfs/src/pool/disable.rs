//! Storage groups and file spaces that are disabled: SHARE keeps everybody from changing, EXCLUSIVE keeps all but the user who
//! disabled from using what is in them.
//!
//! Rows of the catalog, so they stay over a restart until enabled; here as well, so that a check reads no catalog as long as nothing
//! is disabled. A change takes its implicit locks first and looks here second, disabling is put here first and looks for implicit
//! locks second: of two that meet, at least one sees the other. What is open for reading stays open.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use cp::name::UserId;
use parking_lot::RwLock;

use super::Pool;
use super::error::PoolError;
use super::row;
use super::snapshot::Snapshot;
use super::unit::WorkUnit;
use crate::types::{DisableInfo, DisableMode, LockResource, LockType, PoolPart, StorageGroup, WantedLock};

/// What is disabled in a pool.
#[derive(Debug, Default)]
pub(crate) struct Disables {
    held: RwLock<HashMap<PoolPart, DisableInfo>>,
    any: AtomicBool,
}

impl Disables {
    pub(crate) fn load(snapshot: &Snapshot) -> Result<Self, PoolError> {
        let mut held = HashMap::new();
        for (key, value) in snapshot.rows(&row::all_disabled())? {
            held.insert(row::disabled_part(&key)?, row::read_disabled(&value)?);
        }
        let any = AtomicBool::new(!held.is_empty());
        Ok(Self { held: RwLock::new(held), any })
    }

    fn put(&self, part: &PoolPart, info: DisableInfo) -> Result<(), PoolError> {
        let mut held = self.held.write();
        if held.contains_key(part) {
            return Err(PoolError::Disabled);
        }
        held.insert(part.clone(), info);
        self.any.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn remove(&self, part: &PoolPart) -> Option<DisableInfo> {
        let mut held = self.held.write();
        let info = held.remove(part);
        self.any.store(!held.is_empty(), Ordering::SeqCst);
        info
    }

    pub(crate) fn of_group(&self, group: StorageGroup) -> Option<DisableInfo> {
        self.held.read().get(&PoolPart::Group(group)).copied()
    }

    pub(crate) fn of_space(&self, name: &str) -> Option<DisableInfo> {
        self.held.read().get(&PoolPart::Space(name.to_owned())).copied()
    }
}

/// What stands between a user and file spaces.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) disables: Arc<Disables>,
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    /// `None`: the system's own work, which is let through.
    pub(crate) user: Option<UserId>,
}

impl Gate {
    /// Whether the user may read, or change, what is in the file space.
    ///
    /// # Errors
    /// [`PoolError::Disabled`].
    pub(crate) fn check(&self, space: &str, change: bool) -> Result<(), PoolError> {
        if !self.disables.any.load(Ordering::SeqCst) {
            return Ok(());
        }
        let Some(user) = self.user else { return Ok(()) };
        let group = self.snapshot.load().space(space)?.map(|rec| rec.group);
        let parts = [self.disables.of_space(space), group.and_then(|g| self.disables.of_group(g))];
        let hinders = |info: &DisableInfo| match info.mode {
            DisableMode::Share => change,
            DisableMode::Exclusive => info.by != user,
        };
        if parts.iter().flatten().any(hinders) { Err(PoolError::Disabled) } else { Ok(()) }
    }
}

impl Pool {
    /// Disables a storage group or file space; durable on return. `unit` is a work unit of the caller whose own changes are not in
    /// the way.
    ///
    /// # Errors
    /// [`PoolError::NoGroup`], [`PoolError::NoSpace`], [`PoolError::Disabled`] when it is disabled already, [`PoolError::Locked`]
    /// while another work unit changes something in it; those of a commit.
    pub async fn disable(
        &self,
        unit: &WorkUnit,
        part: &PoolPart,
        mode: DisableMode,
        by: UserId,
    ) -> Result<(), PoolError> {
        self.put_disabled(unit, part, DisableInfo { mode, by, since: self.inner.now() }).await
    }

    /// [`Self::disable`] with a moment in the past, as a backup knows it.
    pub(crate) async fn put_disabled(
        &self,
        unit: &WorkUnit,
        part: &PoolPart,
        info: DisableInfo,
    ) -> Result<(), PoolError> {
        let inner = &self.inner;
        let snapshot = inner.current();
        let meant = self.spaces_of(&snapshot, part)?;
        inner.disables.put(part, info)?;
        let stored = match inner.locks.space_holder(unit.serial(), |space| meant.contains_key(space)) {
            Some(holder) => {
                let wanted = WantedLock { resource: LockResource::FileSpace, kind: LockType::Exclusive };
                Err(PoolError::Locked { holder, wanted })
            }
            None => self.store_row(row::disabled_key(part), Some(row::disabled_row(&info))).await,
        };
        if stored.is_err() {
            inner.disables.remove(part);
        }
        stored
    }

    /// Enables it again; durable on return.
    ///
    /// # Errors
    /// [`PoolError::NotDisabled`]; those of a commit.
    pub async fn enable(&self, part: &PoolPart) -> Result<(), PoolError> {
        let inner = &self.inner;
        if !inner.disables.held.read().contains_key(part) {
            return Err(PoolError::NotDisabled);
        }
        self.store_row(row::disabled_key(part), None).await?;
        inner.disables.remove(part);
        inner.locks.wake();
        Ok(())
    }

    /// Storage groups and file spaces that are disabled. Source: QUERY FILEPOOL DISABLE.
    pub fn disabled(&self) -> Vec<(PoolPart, DisableInfo)> {
        let mut all: Vec<_> = self.inner.disables.held.read().iter().map(|(p, i)| (p.clone(), *i)).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    async fn store_row(&self, key: row::RowKey, value: Option<Vec<u8>>) -> Result<(), PoolError> {
        let own = self.begin();
        own.with(|state, _| {
            state.overlay.rows.insert(key, value);
            Ok(())
        })?;
        own.commit().await.map(|_| ())
    }

    fn spaces_of(&self, snapshot: &Snapshot, part: &PoolPart) -> Result<HashMap<String, ()>, PoolError> {
        match part {
            PoolPart::Space(name) => {
                snapshot.space(name)?.ok_or(PoolError::NoSpace)?;
                Ok(HashMap::from([(name.clone(), ())]))
            }
            PoolPart::Group(group) => {
                let there = super::group::minidisks(snapshot)?.iter().any(|m| m.group == *group);
                if !there || *group == StorageGroup::CATALOG {
                    return Err(PoolError::NoGroup);
                }
                let all = snapshot.spaces()?.into_iter().filter(|(_, rec)| rec.group == *group);
                Ok(all.map(|(name, _)| (name, ())).collect())
            }
        }
    }
}
