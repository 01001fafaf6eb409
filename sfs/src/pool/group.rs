//! Storage groups: minidisks of a size, and the blocks that the files of a group's file spaces take.
//!
//! Group 1 holds the catalog, groups 2 and up user data; each file space is enrolled in one of these. A group is as large as its
//! minidisks together; a minidisk without a size grows with the host's disk, and so does its group. Blocks are counted at commit,
//! as limits of file spaces are: a commit that would pass the size of a group is refused, those of other groups are not touched.
//!
//! Counting happens in the log's writer thread. Blocks that are on their way to the log, and those of prepared work units, are
//! taken already; blocks that a commit gives back are free when it is visible. Group 1 is counted otherwise: see [`super::room`].
//!
//! Not here: which host file holds what. All groups share the pool's volume.

use std::collections::HashMap;

use bytes::Bytes;

use super::Pool;
use super::apply::Applier;
use super::commit::log_error;
use super::error::PoolError;
use super::lock::{LockKey, LockMode};
use super::op::{self, Op};
use super::row::{self, PreparedRow, RowKey};
use super::snapshot::Snapshot;
use crate::types::{GroupStatus, Minidisk, StorageGroup};

/// Minidisks of one pool: the MAXDISKS that a POOLDEF is generated with.
pub const MAX_MINIDISKS: usize = 500;

/// What the whole pool is locked by while its layout changes; no file space has that name.
pub(crate) const LAYOUT: &str = "";

/// The minidisks of a pool that is generated without saying: one for the catalog, one for user data, as large as the host's disk.
pub const FIRST_MINIDISKS: [Minidisk; 2] = [
    Minidisk { number: 1, group: StorageGroup::CATALOG, device: 0x310, blocks: None },
    Minidisk { number: 2, group: StorageGroup::FIRST, device: 0x311, blocks: None },
];

/// What a commit adds to groups.
#[derive(Debug, Default)]
pub(crate) struct GroupCharge {
    /// Taken from the moment it is queued.
    need: Vec<(StorageGroup, u64)>,
    /// More or fewer committed blocks when it is visible.
    delta: Vec<(StorageGroup, i64)>,
}

/// Figures of all groups. Groups without any file space and of no size are not in them.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    sizes: HashMap<StorageGroup, Option<u64>>,
    committed: HashMap<StorageGroup, i64>,
    pending: HashMap<StorageGroup, u64>,
    prepared: HashMap<RowKey, Vec<(StorageGroup, u64)>>,
}

fn sum<N: std::ops::AddAssign>(
    charges: impl Iterator<Item = (Option<StorageGroup>, N)>,
) -> Vec<(StorageGroup, N)> {
    // Most commits concern one group.
    let mut by_group: Vec<(StorageGroup, N)> = Vec::new();
    for (group, blocks) in charges.filter_map(|(group, blocks)| Some((group?, blocks))) {
        match by_group.iter_mut().find(|(known, _)| *known == group) {
            Some((_, sum)) => *sum += blocks,
            None => by_group.push((group, blocks)),
        }
    }
    by_group
}

fn needs(deltas: Vec<(StorageGroup, i64)>) -> Vec<(StorageGroup, u64)> {
    deltas.into_iter().filter(|(_, d)| *d > 0).map(|(group, d)| (group, d.unsigned_abs())).collect()
}

impl GroupCharge {
    /// What a commit with these charges and changes needs and adds; `known` has the groups of enrolled file spaces and what they hold.
    pub(crate) fn of(
        charges: &[(String, i64)],
        ops: &[Op],
        mut known: impl FnMut(&str) -> Option<(StorageGroup, u64)>,
    ) -> Self {
        if charges.is_empty() && !ops.iter().any(|op| matches!(op, Op::Charge { .. } | Op::PutSpace { .. })) {
            return Self::default();
        }
        // What a file space holds goes with it to another group.
        let mut moved = Vec::new();
        for op in ops {
            if let Op::PutSpace { name, rec } = op
                && let Some((old, used)) = known(name).filter(|(old, _)| *old != rec.group)
            {
                let used = i64::try_from(used).unwrap_or(i64::MAX);
                moved.extend([(Some(rec.group), used), (Some(old), -used)]);
            }
        }
        let mut group_of = |name: &str| {
            let enrolled = ops.iter().find_map(|op| match op {
                Op::PutSpace { name: put, rec } if put == name => Some(rec.group),
                _ => None,
            });
            enrolled.or_else(|| known(name).map(|(group, _)| group))
        };
        let need = charges.iter().map(|(name, delta)| (group_of(name), *delta));
        let need = needs(sum(need.chain(moved.iter().copied())));
        let delta = ops.iter().filter_map(|op| match op {
            Op::Charge { name, delta } => Some((group_of(name), *delta)),
            _ => None,
        });
        let delta = sum(delta.chain(moved.iter().copied()));
        Self { need, delta }
    }
}

impl Groups {
    pub(crate) fn load(snapshot: &Snapshot) -> Result<Self, PoolError> {
        let mut groups = Self::default();
        groups.read_sizes(snapshot)?;
        let mut by_space = HashMap::new();
        for (name, rec) in snapshot.spaces()? {
            *groups.committed.entry(rec.group).or_default() += i64::try_from(rec.used).unwrap_or(i64::MAX);
            by_space.insert(name, rec.group);
        }
        for (key, value) in snapshot.rows(&row::all_prepared())? {
            let changes = op::decode_ops(&Bytes::from(PreparedRow::decode(&value)?.ops))?;
            let charges = changes.iter().filter_map(|op| match op {
                Op::Charge { name, delta } => Some((by_space.get(name).copied(), *delta)),
                _ => None,
            });
            groups.prepared.insert(key, needs(sum(charges)));
        }
        Ok(groups)
    }

    fn read_sizes(&mut self, snapshot: &Snapshot) -> Result<(), PoolError> {
        self.sizes.clear();
        let all = minidisks(snapshot)?;
        for group in all.iter().map(|m| m.group) {
            self.sizes.entry(group).or_insert_with(|| size_of(group, &all));
        }
        Ok(())
    }

    /// Blocks that the catalog may take, if there is a limit.
    pub(crate) fn catalog_size(&self) -> Option<u64> {
        self.sizes.get(&StorageGroup::CATALOG).copied().flatten()
    }

    /// Takes the blocks that a commit needs.
    ///
    /// # Errors
    /// [`PoolError::GroupFull`], with nothing taken.
    pub(crate) fn take(&mut self, charge: &GroupCharge) -> Result<(), PoolError> {
        for (group, need) in &charge.need {
            if let Some(Some(size)) = self.sizes.get(group)
                && self.taken(*group).saturating_add(*need) > *size
            {
                return Err(PoolError::GroupFull(*group));
            }
        }
        for (group, need) in &charge.need {
            *self.pending.entry(*group).or_default() += need;
        }
        Ok(())
    }

    fn taken(&self, group: StorageGroup) -> u64 {
        let committed = self.committed.get(&group).copied().unwrap_or(0).max(0).unsigned_abs();
        let held = self.prepared.values().flatten().filter(|(g, _)| *g == group).map(|(_, n)| n);
        held.fold(committed + self.pending.get(&group).copied().unwrap_or(0), |sum, n| sum.saturating_add(*n))
    }

    /// The commit is not on its way any more.
    pub(crate) fn give_back(&mut self, charge: &GroupCharge) {
        for (group, need) in &charge.need {
            if let Some(pending) = self.pending.get_mut(group) {
                *pending = pending.saturating_sub(*need);
            }
        }
    }

    /// The commit is visible in `snapshot`.
    pub(crate) fn applied(
        &mut self,
        charge: &GroupCharge,
        ops: &[Op],
        snapshot: &Snapshot,
    ) -> Result<(), PoolError> {
        self.give_back(charge);
        for (group, delta) in &charge.delta {
            *self.committed.entry(*group).or_default() += delta;
        }
        for op in ops {
            match op {
                Op::Row { key, value: Some(_) } if row::is_prepared(key) => {
                    self.prepared.insert(key.clone(), charge.need.clone());
                }
                Op::Row { key, value: None } if row::is_prepared(key) => {
                    self.prepared.remove(key);
                }
                Op::Row { key, .. } if row::is_minidisk(key) => self.read_sizes(snapshot)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn used(&self, group: StorageGroup) -> u64 {
        self.committed.get(&group).copied().unwrap_or(0).max(0).unsigned_abs()
    }
}

/// Blocks of a group: of its minidisks together, or as many as the host has when one of them has no size. In group 1 those without
/// one do not count as soon as another has one: so a limit can be given to a pool that began without.
fn size_of(group: StorageGroup, all: &[Minidisk]) -> Option<u64> {
    let mut own = all.iter().filter(|m| m.group == group).map(|m| m.blocks).collect::<Vec<_>>();
    if group == StorageGroup::CATALOG && own.iter().any(Option::is_some) {
        own.retain(Option::is_some);
    }
    own.into_iter().try_fold(0u64, |sum, blocks| Some(sum.saturating_add(blocks?)))
}

/// The minidisks of a pool, by number.
pub(crate) fn minidisks(snapshot: &Snapshot) -> Result<Vec<Minidisk>, PoolError> {
    let rows = snapshot.rows(&row::all_minidisks())?;
    let mut all = rows
        .iter()
        .map(|(key, value)| row::read_minidisk(key, value))
        .collect::<Result<Vec<Minidisk>, _>>()?;
    all.sort_by_key(|m| m.number);
    Ok(all)
}

impl Applier {
    /// Committed blocks of each group; of group 1 the blocks of the catalog's disk, or if it has a size what of them is in use.
    pub(crate) fn group_figures(&mut self) -> Result<Vec<(StorageGroup, u64)>, PoolError> {
        let catalog = match self.groups()?.catalog_size() {
            Some(size) => self.catalog_in_use_of(size)?.div_ceil(crate::types::BLOCK),
            None => self.catalog_blocks()?,
        };
        let groups = self.groups()?;
        let used = |g: &StorageGroup| if *g == StorageGroup::CATALOG { catalog } else { groups.used(*g) };
        Ok(groups.sizes.keys().map(|g| (*g, used(g))).collect())
    }
}

impl Pool {
    /// The storage groups with their minidisks and figures, by number. Source: QUERY FILEPOOL STORGRP, DMSQUSG.
    ///
    /// # Errors
    /// Damage; when the pool is closed or offline.
    pub async fn storage_groups(&self) -> Result<Vec<GroupStatus>, PoolError> {
        let used = self.inner.log.call(Applier::group_figures).await.map_err(log_error)??;
        let snapshot = self.inner.current();
        let minidisks = minidisks(&snapshot)?;
        let mut spaces: HashMap<StorageGroup, usize> = HashMap::new();
        for (_, rec) in snapshot.spaces()? {
            *spaces.entry(rec.group).or_default() += 1;
        }
        let mut all: Vec<GroupStatus> = used
            .into_iter()
            .map(|(group, used)| {
                let minidisks: Vec<_> = minidisks.iter().filter(|m| m.group == group).copied().collect();
                let blocks = size_of(group, &minidisks);
                let file_spaces = spaces.get(&group).copied().unwrap_or(0);
                let disabled = self.inner.disables.of_group(group);
                GroupStatus { group, blocks, used, minidisks, file_spaces, disabled }
            })
            .collect();
        all.sort_by_key(|g| g.group);
        Ok(all)
    }

    /// Adds a minidisk to the running pool; the first of a group makes the group. Durable on return.
    ///
    /// # Errors
    /// [`PoolError::MinidiskExists`] when the device number is in use, [`PoolError::Limit`] beyond [`MAX_MINIDISKS`] and for a size
    /// of 0; those of a commit.
    pub async fn add_minidisk(
        &self,
        group: StorageGroup,
        device: u16,
        blocks: Option<u64>,
    ) -> Result<Minidisk, PoolError> {
        if blocks == Some(0) {
            return Err(PoolError::Limit("size of a minidisk"));
        }
        let unit = self.begin();
        let minidisk = unit.with(|state, _| {
            state.locks.take(LockKey::Space(LAYOUT.into()), LockMode::Exclusive)?;
            let there = minidisks(&self.inner.current())?;
            if there.len() >= MAX_MINIDISKS {
                return Err(PoolError::Limit("minidisks of a file pool"));
            }
            if there.iter().any(|m| m.device == device) {
                return Err(PoolError::MinidiskExists);
            }
            let number = there.last().map_or(1, |m| m.number + 1);
            let minidisk = Minidisk { number, group, device, blocks };
            let (key, value) = row::minidisk(&minidisk);
            state.overlay.rows.insert(key, Some(value));
            Ok(minidisk)
        })?;
        unit.commit().await?;
        Ok(minidisk)
    }
}
