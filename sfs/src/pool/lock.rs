//! Implicit locks: taken by the first change of an object, held until the work unit ends.
//!
//! A lock is on a name in a directory, on a directory, or on a file space. Changing a file takes its name exclusively and its
//! directory and file space shared, so that neither goes away beneath; removing a directory takes it exclusively. Reading
//! takes none.
//!
//! A conflict is told at once. Who wants to wait ([`LockTable::wait`]) is refused if the wait closes a circle.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cp::name::UserId;
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::Notify;

use super::catalog::{DirId, Name16};
use super::error::PoolError;
use crate::types::{LockResource, LockType, WantedLock};

/// What a lock is on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum LockKey {
    Space(Arc<str>),
    Directory(DirId),
    Level(DirId, Name16),
    File(DirId, Name16),
    /// Writing in a DIRCONTROL directory: one work unit at a time.
    Writer(DirId),
    /// The authorities on an object or directory.
    Authority(u64),
}

impl LockKey {
    /// What it is on, as a report of conflicts tells.
    fn resource(&self) -> LockResource {
        match self {
            Self::Space(_) => LockResource::FileSpace,
            Self::Directory(_) | Self::Level(..) | Self::Writer(_) => LockResource::Directory,
            Self::File(..) => LockResource::File,
            Self::Authority(_) => LockResource::Authority,
        }
    }
}

/// Whom a work unit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockHolder {
    /// Another work unit, by its serial number: an implicit lock.
    Unit(u64),
    /// A user: an explicit lock.
    Explicit(UserId),
}

/// What a work unit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obstacle {
    /// Whose lock is in the way.
    pub holder: LockHolder,
    /// Of which.
    pub wanted: WantedLock,
}

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockMode {
    Shared,
    Exclusive,
}

impl From<LockMode> for LockType {
    fn from(mode: LockMode) -> Self {
        match mode {
            LockMode::Shared => Self::Share,
            LockMode::Exclusive => Self::Exclusive,
        }
    }
}

#[derive(Debug)]
struct Held {
    mode: LockMode,
    units: SmallVec<[u64; 2]>,
}

const SHARDS: usize = 16;

/// All locks of a pool.
#[derive(Debug)]
pub(crate) struct LockTable {
    shards: [Mutex<HashMap<LockKey, Held>>; SHARDS],
    released: Notify,
    // Who waits for whom, by serial number; a unit waits for one other at a time.
    waiting: Mutex<BTreeMap<u64, Wait>>,
}

/// A wait of a work unit.
#[derive(Debug, Clone, Copy)]
struct Wait {
    /// Whose work unit it is.
    user: Option<UserId>,
    obstacle: Obstacle,
}

impl Wait {
    /// Whether the wait of `unit` for this one's obstacle would never end, as `waiting` is: who holds it waits, directly or not, for
    /// that unit, or for an explicit lock of its user. A user who holds an explicit lock is taken to keep it as long as any work
    /// unit of his waits.
    fn closes_a_circle(&self, unit: u64, waiting: &BTreeMap<u64, Wait>) -> bool {
        let mut seen = BTreeSet::new();
        let mut reached = vec![self.obstacle.holder];
        while let Some(holder) = reached.pop() {
            if holder == LockHolder::Unit(unit)
                || self.user.is_some_and(|user| holder == LockHolder::Explicit(user))
            {
                return true;
            }
            let of_holder = |(number, wait): &(&u64, &Wait)| match holder {
                LockHolder::Unit(held_by) => held_by == **number,
                LockHolder::Explicit(user) => wait.user == Some(user),
            };
            for (number, wait) in waiting.iter().filter(of_holder) {
                if seen.insert(*number) {
                    reached.push(wait.obstacle.holder);
                }
            }
        }
        false
    }
}

impl Default for LockTable {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            released: Notify::new(),
            waiting: Mutex::default(),
        }
    }
}

/// Spreads keys over the shards. Which shard a key is in matters for nothing but how often two units meet at its mutex.
fn spread(key: &LockKey) -> usize {
    let named = |dir: &DirId, name: &Name16| {
        name.iter().fold(dir.0, |sum, octet| sum.wrapping_mul(31).wrapping_add(u64::from(*octet)))
    };
    let sum = match key {
        LockKey::Space(name) => {
            name.bytes().fold(0u64, |sum, octet| sum.wrapping_mul(31).wrapping_add(octet.into()))
        }
        LockKey::Directory(dir) | LockKey::Writer(dir) => dir.0,
        LockKey::Level(dir, name) | LockKey::File(dir, name) => named(dir, name),
        LockKey::Authority(number) => *number,
    };
    (sum >> 32 ^ sum) as usize
}

impl LockTable {
    fn shard(&self, key: &LockKey) -> &Mutex<HashMap<LockKey, Held>> {
        &self.shards[spread(key) % SHARDS]
    }

    /// A unit other than `unit` that holds `key`.
    pub(crate) fn other_holder(&self, key: &LockKey, unit: u64, exclusive_only: bool) -> Option<u64> {
        let shard = self.shard(key).lock();
        let held = shard.get(key).filter(|h| !exclusive_only || h.mode == LockMode::Exclusive)?;
        held.units.iter().copied().find(|u| *u != unit)
    }

    /// A unit other than `unit` that works in a file space of those meant.
    pub(crate) fn space_holder(&self, unit: u64, meant: impl Fn(&str) -> bool) -> Option<u64> {
        self.shards.iter().find_map(|shard| {
            let shard = shard.lock();
            let held = shard.iter().filter(|(key, _)| matches!(key, LockKey::Space(name) if meant(name)));
            held.flat_map(|(_, held)| &held.units).copied().find(|holder| *holder != unit)
        })
    }

    /// Wakes those who wait, to try again: an explicit lock is gone.
    pub(crate) fn wake(&self) {
        self.released.notify_waiters();
    }

    /// Who waits for what, in the order in which their work units began.
    pub(crate) fn waits(&self) -> Vec<(u64, Obstacle)> {
        self.waiting.lock().iter().map(|(unit, wait)| (*unit, wait.obstacle)).collect()
    }

    /// Number of locks held, for reports.
    pub(crate) fn count(&self) -> usize {
        self.shards.iter().map(|s| s.lock().len()).sum()
    }

    /// Waits until some lock is released, after which the request is to be tried again.
    ///
    /// # Errors
    /// [`PoolError::Deadlock`] when the holder itself waits, directly or not, for `unit`.
    pub(crate) async fn wait(
        &self,
        unit: u64,
        user: Option<UserId>,
        obstacle: Obstacle,
    ) -> Result<(), PoolError> {
        let released = self.released.notified();
        tokio::pin!(released);
        // Registered before the caller's failed attempt could have become stale: a release between that attempt and here
        // would be missed, so the wait is bounded and the caller tries again.
        released.as_mut().enable();
        {
            let mut waiting = self.waiting.lock();
            let wait = Wait { user, obstacle };
            if wait.closes_a_circle(unit, &waiting) {
                return Err(PoolError::Deadlock);
            }
            waiting.insert(unit, wait);
        }
        let _guard = Waiting { table: self, unit };
        let recheck = std::time::Duration::from_millis(50);
        // Either way the caller tries again.
        let _ = tokio::time::timeout(recheck, released).await;
        Ok(())
    }
}

struct Waiting<'a> {
    table: &'a LockTable,
    unit: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.table.waiting.lock().remove(&self.unit);
    }
}

/// The locks of one work unit; dropping it releases them.
#[derive(Debug)]
pub(crate) struct LockSet {
    table: Arc<LockTable>,
    unit: u64,
    /// Each key once.
    held: Vec<LockKey>,
}

impl LockSet {
    pub(crate) fn new(table: Arc<LockTable>, unit: u64) -> Self {
        Self { table, unit, held: Vec::new() }
    }

    /// What is held.
    pub(crate) fn keys(&self) -> Vec<(LockKey, LockMode)> {
        let mode = |key: &LockKey| self.table.shard(key).lock().get(key).map(|held| held.mode);
        self.held.iter().filter_map(|key| Some((key.clone(), mode(key)?))).collect()
    }

    /// Whether anything is held.
    pub(crate) fn is_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// The holder's number.
    pub(crate) fn unit(&self) -> u64 {
        self.unit
    }

    /// Takes `key`, or strengthens what is held of it.
    ///
    /// # Errors
    /// [`PoolError::Locked`] when another unit is in the way.
    pub(crate) fn take(&mut self, key: LockKey, mode: LockMode) -> Result<(), PoolError> {
        let mut shard = self.table.shard(&key).lock();
        match shard.entry(key.clone()) {
            Entry::Vacant(slot) => {
                slot.insert(Held { mode, units: SmallVec::from_slice(&[self.unit]) });
            }
            Entry::Occupied(mut slot) => {
                let held = slot.get_mut();
                let mine = held.units.contains(&self.unit);
                if mine && (held.mode == LockMode::Exclusive || mode == LockMode::Shared) {
                    return Ok(());
                }
                match held.units.iter().copied().find(|unit| *unit != self.unit) {
                    Some(holder) if mode == LockMode::Exclusive || held.mode == LockMode::Exclusive => {
                        let wanted = WantedLock { resource: slot.key().resource(), kind: mode.into() };
                        return Err(PoolError::Locked { holder, wanted });
                    }
                    Some(_) => held.units.push(self.unit),
                    None => {
                        held.mode = mode;
                        return Ok(());
                    }
                }
            }
        }
        drop(shard);
        self.held.push(key);
        Ok(())
    }
}

impl Drop for LockSet {
    fn drop(&mut self) {
        if self.held.is_empty() {
            return;
        }
        for key in self.held.drain(..) {
            let mut shard = self.table.shard(&key).lock();
            if let Entry::Occupied(mut slot) = shard.entry(key) {
                slot.get_mut().units.retain(|u| *u != self.unit);
                if slot.get().units.is_empty() {
                    slot.remove();
                }
            }
        }
        self.table.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_locks_share_and_exclusive_ones_do_not() {
        let table = Arc::new(LockTable::default());
        let key = || LockKey::Directory(DirId(1));
        let mut a = LockSet::new(table.clone(), 1);
        let mut b = LockSet::new(table.clone(), 2);
        a.take(key(), LockMode::Shared).unwrap();
        b.take(key(), LockMode::Shared).unwrap();
        assert!(matches!(
            a.take(key(), LockMode::Exclusive),
            Err(PoolError::Locked {
                holder: 2,
                wanted: WantedLock { resource: LockResource::Directory, kind: LockType::Exclusive }
            })
        ));
        drop(b);
        a.take(key(), LockMode::Exclusive).unwrap();
        let mut c = LockSet::new(table.clone(), 3);
        assert!(matches!(
            c.take(key(), LockMode::Shared),
            Err(PoolError::Locked {
                holder: 1,
                wanted: WantedLock { resource: LockResource::Directory, kind: LockType::Share }
            })
        ));
        drop(a);
        c.take(key(), LockMode::Shared).unwrap();
        drop(c);
        assert_eq!(table.count(), 0);
    }

    fn unit(number: u64) -> Obstacle {
        let wanted = WantedLock { resource: LockResource::File, kind: LockType::Exclusive };
        Obstacle { holder: LockHolder::Unit(number), wanted }
    }

    #[tokio::test]
    async fn a_circle_of_waits_is_refused() {
        let table = Arc::new(LockTable::default());
        let waits = {
            let table = table.clone();
            tokio::spawn(async move { table.wait(1, None, unit(2)).await })
        };
        tokio::task::yield_now().await;
        assert!(matches!(table.wait(2, None, unit(1)).await, Err(PoolError::Deadlock)));
        waits.await.unwrap().unwrap();
        assert!(table.wait(2, None, unit(3)).await.is_ok());
    }
}
