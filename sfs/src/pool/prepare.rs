//! A work unit over several pools: prepared in all but one, decided in the last one's own commit, then resolved.
//!
//! Preparing makes a unit's changes durable as one row of the catalog without making them; its locks stay. The pool that decides
//! (the coordinator) logs the decision in the same entry as its own changes, so there is nothing between the two. A prepared unit
//! whose coordinator has no decision is undone: what was never decided was never acknowledged.
//!
//! After a crash prepared units are found in the catalog and hold their locks again until they are resolved. Bodies of a prepared
//! unit lie on the volume; the mark of a writer keeps the cleaner away from them, since the catalog does not know them yet.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use cp::name::FilePoolId;

use super::apply::{Commit, Committed};
use super::commit::{self, log_error};
use super::error::PoolError;
use super::group::GroupCharge;
use super::lock::{LockKey, LockMode, LockSet};
use super::op::{self, Op};
use super::row::{self, GlobalUnit, PreparedRow};
use super::unit::WorkUnit;
use super::writers::Writing;
use super::{Inner, Pool};

/// Numbers that are reserved with one log entry.
const BLOCK_OF_NUMBERS: u64 = 1000;

/// A prepared unit as the pool holds it in memory.
#[derive(Debug)]
#[expect(dead_code, reason = "the mark of a writer is held for its drop")]
pub(crate) struct Held {
    locks: LockSet,
    writing: Writing,
}

/// All prepared units of a pool, and the numbers that it may give out as coordinator.
#[derive(Debug, Default)]
pub(crate) struct PreparedUnits {
    held: parking_lot::Mutex<HashMap<GlobalUnit, Held>>,
    numbers: tokio::sync::Mutex<std::ops::Range<u64>>,
    /// One outcome at a time: the machine that commits and the server that looks after orphans may both bring one.
    resolving: tokio::sync::Mutex<()>,
}

impl WorkUnit {
    /// Makes all changes durable without making them visible. The unit is as new; its locks stay with `global` until
    /// [`Pool::resolve`]. What a commit would warn of is known now, since space is charged now.
    ///
    /// # Errors
    /// As a commit: everything was rolled back.
    pub async fn prepare(&self, global: GlobalUnit) -> Result<Committed, PoolError> {
        let Some((overlay, locks, _free)) = self.take_changes()? else { return Ok(Committed::default()) };
        let inner = &self.inner;
        let mut plan = commit::plan(inner, overlay)?;
        let writing = plan.writing.take().unwrap_or_else(|| inner.writers.enter());
        plan.all_to_volume(inner).await?;
        let record = PreparedRow {
            locks: locks.keys(),
            gone: std::mem::take(&mut plan.gone),
            ops: op::encode_ops(&plan.ops),
        };
        let charges = plan.charges.iter().filter(|(_, d)| **d > 0).map(|(n, d)| (n.clone(), *d)).collect();
        let ops = vec![Op::Row { key: row::prepared_key(global), value: Some(record.encode()) }];
        inner.prepared.held.lock().insert(global, Held { locks, writing });
        let done = log_ops(inner, ops, charges, None, false).await;
        if done.is_err() {
            inner.prepared.held.lock().remove(&global);
        }
        done
    }

    /// Commits, and decides with the same log entry that commit `number` is done in `pools` too.
    ///
    /// # Errors
    /// As a commit.
    pub async fn commit_deciding(&self, number: u64, pools: &[FilePoolId]) -> Result<Committed, PoolError> {
        self.with(|state, _| {
            state.overlay.rows.insert(row::decided_key(number), Some(row::pools_row(pools)));
            Ok(())
        })?;
        self.commit().await
    }
}

/// Logs changes that bring no bodies in the entry.
async fn log_ops(
    inner: &Arc<Inner>,
    ops: Vec<Op>,
    charges: Vec<(String, i64)>,
    locks: Option<LockSet>,
    gives_back: bool,
) -> Result<Committed, PoolError> {
    let payload = commit::bodiless_payload(inner, &ops).await?;
    let commit = Commit {
        ops,
        payload,
        bodies_at: 0,
        gives_back,
        charges,
        locks,
        writing: None,
        groups: GroupCharge::default(),
    };
    inner.log.submit(commit).await.map_err(log_error)?
}

impl Pool {
    /// A number for a commit over several pools that this pool decides; never given out twice, whatever happens.
    ///
    /// # Errors
    /// Those of a commit, when numbers have to be reserved.
    pub async fn new_global_number(&self) -> Result<u64, PoolError> {
        let inner = &self.inner;
        let mut numbers = inner.prepared.numbers.lock().await;
        if let Some(number) = numbers.next() {
            return Ok(number);
        }
        let first = inner.next.fetch_add(BLOCK_OF_NUMBERS + 1, Ordering::Relaxed);
        let last = first + BLOCK_OF_NUMBERS;
        // Removing a row that is not there changes nothing, and tells recovery that the numbers are used up.
        let ops = vec![Op::Row { key: row::decided_key(last), value: None }];
        log_ops(inner, ops, Vec::new(), None, true).await?;
        *numbers = first + 1..last;
        Ok(first)
    }

    /// Makes a prepared unit's changes, or undoes them. A unit that is not there (any more) is resolved.
    ///
    /// # Errors
    /// Those of a commit; the unit stays prepared.
    pub async fn resolve(&self, global: GlobalUnit, commit: bool) -> Result<(), PoolError> {
        let inner = &self.inner;
        let _alone = inner.prepared.resolving.lock().await;
        let key = row::prepared_key(global);
        let Some(record) = inner.current().row(&key)? else {
            inner.prepared.held.lock().remove(&global);
            return Ok(());
        };
        let record = PreparedRow::decode(&record)?;
        let changes = op::decode_ops(&Bytes::from(record.ops))?;
        let mut ops = if commit {
            changes
        } else {
            // Adding nothing makes the pool count afresh what is used.
            let names = changes.into_iter().filter_map(|op| match op {
                Op::Charge { name, .. } => Some(Op::Charge { name, delta: 0 }),
                _ => None,
            });
            names.collect()
        };
        ops.push(Op::Row { key, value: None });
        // Gives nothing back in the sense of a full disk, but must be possible on one: space was taken when it was prepared.
        log_ops(inner, ops, Vec::new(), None, true).await?;
        if commit {
            record.gone.iter().for_each(|number| inner.explicit.drop_object(*number));
        }
        // Released now that the outcome is visible.
        inner.prepared.held.lock().remove(&global);
        Ok(())
    }

    /// The units that are prepared here and not resolved.
    ///
    /// # Errors
    /// Damage.
    pub fn prepared(&self) -> Result<Vec<GlobalUnit>, PoolError> {
        let rows = self.inner.current().rows(&row::all_prepared())?;
        let mut all =
            rows.iter().map(|(key, _)| Ok(row::prepared_of(key)?)).collect::<Result<Vec<_>, PoolError>>()?;
        // Also those whose preparation was given up half way.
        all.extend(self.inner.prepared.held.lock().keys());
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// Whether this pool, as coordinator, has decided that commit `number` is done.
    ///
    /// # Errors
    /// Damage.
    pub fn decided(&self, number: u64) -> Result<bool, PoolError> {
        Ok(self.inner.current().row(&row::decided_key(number))?.is_some())
    }

    /// `pool` has made the changes of commit `number`: when all have, the decision is forgotten.
    ///
    /// # Errors
    /// Those of a commit.
    pub async fn told(&self, number: u64, pool: FilePoolId) -> Result<(), PoolError> {
        let _alone = self.inner.prepared.resolving.lock().await;
        let key = row::decided_key(number);
        let Some(value) = self.inner.current().row(&key)? else { return Ok(()) };
        let mut left = row::read_pools(&value)?;
        left.retain(|p| *p != pool);
        let value = (!left.is_empty()).then(|| row::pools_row(&left));
        log_ops(&self.inner, vec![Op::Row { key, value }], Vec::new(), None, true).await.map(|_| ())
    }
}

/// Takes the locks of units that were prepared before the pool was opened.
pub(crate) fn hold_again(inner: &Arc<Inner>) -> Result<(), PoolError> {
    for (key, value) in inner.current().rows(&row::all_prepared())? {
        let global = row::prepared_of(&key)?;
        let mut locks = inner.new_locks();
        for (key, mode) in PreparedRow::decode(&value)?.locks {
            locks.take(key, mode)?;
        }
        let writing = inner.writers.enter();
        inner.prepared.held.lock().insert(global, Held { locks, writing });
    }
    Ok(())
}

/// The numbers that a prepared unit has used up.
pub(crate) fn changes_of(op: &Op) -> Result<Vec<Op>, PoolError> {
    match op {
        Op::Row { key, value: Some(value) } if row::is_prepared(key) => {
            let record = PreparedRow::decode(value)?;
            Ok(op::decode_ops(&Bytes::from(record.ops))?)
        }
        _ => Ok(Vec::new()),
    }
}

/// A lock as a prepared unit keeps it.
pub(crate) type KeptLock = (LockKey, LockMode);
