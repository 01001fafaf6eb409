//! Applying durable commits to the catalog, in log order; checkpoints; recycling of log segments.
//!
//! Lives in the log's writer thread. One batch of commits is one write transaction of the catalog, not durable by itself: the
//! log is. Each transaction carries the position from which the log would have to be redone after it, so whatever state of the
//! catalog survives a crash knows what it lacks. A checkpoint is the same with a durable commit; afterwards log segments that
//! hold no living body and lie before the position are recycled.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use dasd::{LogAddr, LogError, LogOwner};
use redb::{Database, Durability, ReadableDatabase, ReadableTable};

use super::backend::Reserve;
use super::catalog::{LIVE, META, META_NEXT, META_REDO, Storage};
use super::error::PoolError;
use super::group::{GroupCharge, Groups};
use super::lock::LockSet;
use super::op::Op;
use super::row;
use super::snapshot::Snapshot;
use super::store::Store;
use super::tables::{Account, Tables};
use super::writers::Writing;
use crate::types::StorageGroup;

/// A commit on its way through the log.
#[derive(Debug)]
#[expect(dead_code, reason = "locks and the mark of a writer are held for their drop")]
pub(crate) struct Commit {
    pub(crate) ops: Vec<Op>,
    /// The log entry: front part and bodies.
    pub(crate) payload: Vec<Bytes>,
    /// Where the bodies begin in it.
    pub(crate) bodies_at: u64,
    /// It brings no bodies and no records: it only removes, or moves what is there.
    pub(crate) gives_back: bool,
    /// Blocks more or fewer, by file space.
    pub(crate) charges: Vec<(String, i64)>,
    /// Released when the commit is visible, or has failed.
    pub(crate) locks: Option<LockSet>,
    /// Keeps the volume segments it has written to.
    pub(crate) writing: Option<Writing>,
    /// What it adds to storage groups; found out when it is admitted.
    pub(crate) groups: GroupCharge,
}

/// What a commit that went through has to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// File spaces that are above their warning threshold now.
    pub over_threshold: Vec<String>,
}

/// When to take a checkpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckpointRule {
    pub(crate) bytes: u64,
    pub(crate) interval: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Figures {
    limit: u64,
    used: u64,
    threshold: u8,
    group: StorageGroup,
}

/// Octets of living bodies by storage and segment.
pub(crate) type Live = HashMap<(Storage, u64), i64>;

/// The catalog's side of the log.
pub(crate) struct Applier {
    pub(crate) db: Arc<Database>,
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) store: Store,
    pub(crate) next: Arc<AtomicU64>,
    pub(crate) rule: CheckpointRule,
    reserve: Arc<Reserve>,
    spaces: HashMap<String, Figures>,
    /// Read with the first commit.
    groups: Option<Groups>,
    live: Live,
    changed: HashSet<(Storage, u64)>,
    applied: LogAddr,
    since_bytes: u64,
    since: Instant,
    dirty: bool,
    failed: Option<Arc<str>>,
}

impl Applier {
    /// Reads the figures kept in memory from the catalog.
    pub(crate) fn new(
        db: Arc<Database>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        store: Store,
        next: Arc<AtomicU64>,
        rule: CheckpointRule,
        reserve: Arc<Reserve>,
    ) -> Result<Self, PoolError> {
        let (live, applied) = {
            let txn = db.begin_read()?;
            let mut live = Live::new();
            for row in txn.open_table(LIVE)?.iter()? {
                let (key, octets) = row?;
                let (code, seq) = key.value();
                let storage = if code == 0 { Storage::Log } else { Storage::Volume };
                live.insert((storage, seq), octets.value());
            }
            let redo = txn.open_table(META)?.get(META_REDO)?.map_or(LogAddr::START.0, |v| v.value());
            (live, LogAddr(redo))
        };
        Ok(Self {
            db,
            snapshot,
            store,
            next,
            rule,
            reserve,
            spaces: HashMap::new(),
            groups: None,
            live,
            changed: HashSet::new(),
            applied,
            since_bytes: 0,
            since: Instant::now(),
            dirty: false,
            failed: None,
        })
    }

    fn figures(&mut self, name: &str) -> Option<Figures> {
        if let Some(figures) = self.spaces.get(name) {
            return Some(*figures);
        }
        let rec = self.snapshot.load().space(name).ok().flatten()?;
        let figures =
            Figures { limit: rec.limit, used: rec.used, threshold: rec.threshold, group: rec.group };
        self.spaces.insert(name.to_owned(), figures);
        Some(figures)
    }

    /// Figures of the storage groups.
    pub(crate) fn groups(&mut self) -> Result<&mut Groups, PoolError> {
        let groups = match self.groups.take() {
            Some(groups) => groups,
            None => Groups::load(&self.snapshot.load())?,
        };
        Ok(self.groups.insert(groups))
    }

    /// Blocks of the catalog's disk.
    pub(crate) fn catalog_blocks(&self) -> Result<u64, PoolError> {
        let len = self.reserve.catalog_len(super::CATALOG);
        len.map(|len| len.div_ceil(crate::types::BLOCK)).map_err(|e| PoolError::Damaged(e.to_string().into()))
    }

    /// Adds the charges of a commit, or refuses it if a file space would pass its limit, or a storage group its size.
    fn charge(&mut self, commit: &mut Commit) -> Result<(), PoolError> {
        for (name, delta) in &commit.charges {
            let Some(figures) = self.figures(name) else { continue };
            let after = figures.used.saturating_add_signed(*delta);
            // Giving blocks back is always allowed.
            if *delta > 0 && after > figures.limit {
                return Err(PoolError::SpaceLimit);
            }
        }
        let charge =
            GroupCharge::of(&commit.charges, &commit.ops, |name| self.figures(name).map(|f| f.group));
        self.groups()?.take(&charge)?;
        commit.groups = charge;
        self.add_charges(commit, 1);
        Ok(())
    }

    fn add_charges(&mut self, commit: &Commit, sign: i64) {
        for (name, delta) in &commit.charges {
            if let Some(figures) = self.spaces.get_mut(name) {
                figures.used = figures.used.saturating_add_signed(delta * sign);
            }
        }
    }

    fn committed(&self, commit: &Commit) -> Committed {
        let grown = commit.charges.iter().filter(|(_, delta)| *delta > 0);
        let over = grown.filter(|(name, _)| {
            self.spaces.get(name).is_some_and(|f| {
                u128::from(f.used) * 100 >= u128::from(f.limit) * u128::from(f.threshold) && f.threshold > 0
            })
        });
        Committed { over_threshold: over.map(|(name, _)| name.clone()).collect() }
    }

    /// Applies commits in one transaction and makes them visible. `end` is the log position behind them.
    pub(crate) fn apply(
        &mut self,
        end: LogAddr,
        commits: &[(u64, &[Op])],
        durable: bool,
    ) -> Result<(), PoolError> {
        let mut txn = self.db.begin_write()?;
        txn.set_durability(if durable { Durability::Immediate } else { Durability::None })?;
        {
            let mut tables = Tables::open(&txn)?;
            for (bodies, ops) in commits {
                let mut account =
                    Account { store: &self.store, live: &mut self.live, changed: &mut self.changed };
                tables.apply(ops, *bodies, &mut account)?;
            }
            let mut meta = txn.open_table(META)?;
            meta.insert(META_REDO, end.0)?;
            meta.insert(META_NEXT, self.next.load(Ordering::Relaxed))?;
            let mut live = txn.open_table(LIVE)?;
            for key in self.changed.drain() {
                match self.live.get(&key).copied().filter(|octets| *octets > 0) {
                    Some(octets) => live.insert((key.0.code(), key.1), octets)?,
                    None => live.remove((key.0.code(), key.1))?,
                };
            }
        }
        txn.commit()?;
        self.snapshot.store(Arc::new(Snapshot::new(&self.db)?));
        self.applied = end;
        self.dirty = !durable;
        for (_, ops) in commits {
            self.follow(ops);
        }
        if durable {
            self.since_bytes = 0;
            self.since = Instant::now();
            self.recycle();
        }
        Ok(())
    }

    /// Keeps the figures in memory in step with enrolments.
    fn follow(&mut self, ops: &[Op]) {
        let resolved =
            ops.iter().any(|op| matches!(op, Op::Row { key, value: None } if row::is_prepared(key)));
        for op in ops {
            match op {
                Op::PutSpace { name, .. } | Op::DelSpace { name } => {
                    self.spaces.remove(name);
                }
                // Reserved when it was prepared; counted now, or not at all.
                Op::Charge { name, .. } if resolved => {
                    self.spaces.remove(name);
                }
                _ => {}
            }
        }
    }

    fn count_groups(&mut self, batch: &[(LogAddr, Commit)]) -> Result<(), PoolError> {
        let snapshot = self.snapshot.load_full();
        let Some(groups) = &mut self.groups else { return Ok(()) };
        batch.iter().try_for_each(|(_, commit)| groups.applied(&commit.groups, &commit.ops, &snapshot))
    }

    /// Makes everything applied so far durable in the catalog.
    pub(crate) fn checkpoint(&mut self) -> Result<(), PoolError> {
        if let Some(why) = &self.failed {
            return Err(PoolError::Offline(why.clone()));
        }
        let done = if self.dirty { self.apply(self.applied, &[], true) } else { Ok(()) };
        if let Err(error) = &done {
            self.fail(error);
        }
        done
    }

    fn fail(&mut self, error: &PoolError) {
        tracing::error!(%error, "catalog failed: the pool goes offline");
        self.failed.get_or_insert_with(|| error.to_string().into());
    }

    /// Octets of living bodies in a segment.
    pub(crate) fn live_in(&self, storage: Storage, seq: u64) -> i64 {
        self.live.get(&(storage, seq)).copied().unwrap_or(0)
    }

    /// Gives back what a durable checkpoint no longer needs.
    fn recycle(&mut self) {
        if self.store.held.load(Ordering::SeqCst) > 0 {
            return;
        }
        let redo = self.store.log.seq_of(self.applied);
        for segment in self.store.log.segments() {
            if segment.seq < redo && !segment.current && self.live_in(Storage::Log, segment.seq) <= 0 {
                self.store.log.recycle(segment.seq);
            }
        }
    }

    /// Volume segments that nothing lives in. Only after a checkpoint.
    pub(crate) fn dead_volume_segments(&self) -> Vec<u64> {
        let mut segments = self.store.volume.segments().unwrap_or_default();
        segments.pop(); // the newest is being written
        let dead = segments.into_iter().filter(|(seq, _)| self.live_in(Storage::Volume, *seq) <= 0);
        dead.map(|(seq, _)| seq).collect()
    }

    /// What the pool's disks hold: (octets alive, octets in use) of log and volume.
    pub(crate) fn storage_figures(&self) -> StorageFigures {
        let sum = |kind| self.live.iter().filter(|((s, _), _)| *s == kind).map(|(_, n)| *n).sum::<i64>();
        StorageFigures {
            log_live: sum(Storage::Log).max(0) as u64,
            log_total: self.store.log.segments().len() as u64 * self.store.log.segment_bytes(),
            volume_live: sum(Storage::Volume).max(0) as u64,
            volume_total: self.store.volume.segments().unwrap_or_default().iter().map(|(_, len)| *len).sum(),
        }
    }
}

/// Octets alive and in use. Source of QUERY FILEPOOL figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StorageFigures {
    /// Octets of bodies that lie in the log.
    pub log_live: u64,
    /// Octets of all log segments in use.
    pub log_total: u64,
    /// Octets of bodies that lie on the volume, padding included.
    pub volume_live: u64,
    /// Octets of all volume segments.
    pub volume_total: u64,
}

impl LogOwner for Applier {
    type Entry = Commit;
    type Outcome = Result<Committed, PoolError>;

    fn admit(&mut self, commit: &mut Commit) -> Result<Vec<Bytes>, Self::Outcome> {
        if let Some(why) = &self.failed {
            return Err(Err(PoolError::Offline(why.clone())));
        }
        if self.reserve.is_low() && !self.relieves(commit) && !self.reserve.restore() {
            return Err(Err(PoolError::StorageFull));
        }
        self.charge(commit).map_err(Err)?;
        Ok(std::mem::take(&mut commit.payload))
    }

    fn applied(&mut self, end: LogAddr, batch: Vec<(LogAddr, Commit)>) -> Vec<Self::Outcome> {
        self.since_bytes += end.0.saturating_sub(self.applied.0);
        let due = self.since_bytes >= self.rule.bytes || self.since.elapsed() >= self.rule.interval;
        let commits: Vec<_> =
            batch.iter().map(|(addr, c)| (addr.0 + c.bodies_at, c.ops.as_slice())).collect();
        // The commits are durable in the log, so this only fails if the catalog's disk does.
        if let Err(error) = self.apply(end, &commits, due) {
            self.fail(&error);
            let why: Arc<str> = error.to_string().into();
            return batch.iter().map(|_| Err(PoolError::Offline(why.clone()))).collect();
        }
        if let Err(error) = self.count_groups(&batch) {
            self.fail(&error);
        }
        let outcomes = batch.iter().map(|(_, c)| Ok(self.committed(c))).collect();
        drop(batch); // releases the locks, now that what they protected is visible
        outcomes
    }

    fn withdrawn(&mut self, entries: Vec<Commit>, _why: &LogError) {
        for commit in &entries {
            self.add_charges(commit, -1);
            if let Some(groups) = &mut self.groups {
                groups.give_back(&commit.groups);
            }
        }
    }

    /// Erasing, and moving bodies out of the log. (A commit is asked with or without its payload.)
    fn relieves(&self, commit: &Commit) -> bool {
        commit.charges.iter().all(|(_, delta)| *delta <= 0) && commit.gives_back
    }

    fn idle(&mut self) {
        if self.dirty && self.since.elapsed() >= self.rule.interval {
            // `checkpoint` has noted the failure; the next commit reports it.
            let _ = self.checkpoint();
        }
    }
}
