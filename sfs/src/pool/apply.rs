//! Applying durable commits to the catalog, in log order.
//!
//! Lives in the log's threads. The changes of one batch are made in a copy of the state that readers see, while the log writes the
//! batch, and become visible when that is durable. They stay in memory ([`super::recent`]) until a fold brings them to the
//! catalog's disk ([`super::fold`]): every so many octets of log, rows, or seconds.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use dasd::{LogAddr, LogError, LogOwner};
use redb::{Database, ReadableDatabase, ReadableTable};
use serde::{Deserialize, Serialize};

use super::backend::Reserve;
use super::catalog::{LIVE, META, META_REDO, Storage};
use super::error::PoolError;
use super::fold::{FoldWaiter, Folder, Job};
use super::group::{GroupCharge, Groups};
use super::lock::LockSet;
use super::op::Op;
use super::recent::Layer;
use super::room::Room;
use super::row;
use super::snapshot::Snapshot;
use super::store::Store;
use super::tables::{self, Account};
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

/// When to fold what was applied into the catalog on the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FoldRule {
    /// Octets of log since the last fold began.
    pub(crate) bytes: u64,
    /// Time since then.
    pub(crate) interval: Duration,
    /// Rows changed since then.
    pub(crate) rows: usize,
    /// In a thread of its own.
    pub(crate) background: bool,
}

/// Octets of changed rows that ask for a fold.
const FOLD_OCTETS: usize = 8 << 20;
/// How many times over the rows or octets that ask for a fold may have come together before commits wait for the one under way:
/// what they take of memory must have an end.
pub const MOST_WAITING: usize = 4;

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
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) store: Store,
    pub(crate) next: Arc<AtomicU64>,
    rule: FoldRule,
    folder: Folder,
    reserve: Arc<Reserve>,
    spaces: HashMap<String, Figures>,
    /// Read with the first commit.
    groups: Option<Groups>,
    live: Live,
    changed: HashSet<(Storage, u64)>,
    applied: LogAddr,
    since_bytes: u64,
    since: Instant,
    /// A batch is prepared and not shown: what lives where is ahead of what readers see. It stays so when a batch cannot be shown.
    ahead: bool,
    /// Of storage group 1.
    pub(super) room: Room,
}

impl Applier {
    /// Reads the figures kept in memory from the catalog.
    pub(crate) fn new(
        db: Arc<Database>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        store: Store,
        next: Arc<AtomicU64>,
        rule: FoldRule,
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
        let folder = Folder::start(db, snapshot.clone(), store.clone(), applied, rule.background)
            .map_err(|error| PoolError::Offline(error.to_string().into()))?;
        Ok(Self {
            snapshot,
            store,
            next,
            rule,
            folder,
            reserve,
            spaces: HashMap::new(),
            groups: None,
            live,
            changed: HashSet::new(),
            applied,
            since_bytes: 0,
            since: Instant::now(),
            ahead: false,
            room: Room::default(),
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
        let charge = GroupCharge::of(&commit.charges, &commit.ops, |name| {
            self.figures(name).map(|f| (f.group, f.used))
        });
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

    /// Applies commits and makes them visible. `end` is the log position behind them.
    pub(crate) fn apply(&mut self, end: LogAddr, commits: &[(u64, &[Op])]) -> Result<(), PoolError> {
        let rows = self.change(commits)?;
        self.show(rows, end);
        for (_, ops) in commits {
            self.follow(ops);
        }
        Ok(())
    }

    /// The recent rows as they will be with these commits.
    fn change(&mut self, commits: &[(u64, &[Op])]) -> Result<Layer, PoolError> {
        let mut draft = Snapshot::clone(&self.snapshot.load());
        for (bodies, ops) in commits {
            let mut account =
                Account { store: &self.store, live: &mut self.live, changed: &mut self.changed };
            tables::apply(&mut draft, ops, *bodies, &mut account)?;
        }
        Ok(draft.into_recent())
    }

    /// Makes recent rows visible, and begins a fold when one is due.
    fn show(&mut self, rows: Layer, end: LogAddr) {
        self.room.note_change();
        let (count, octets) = (rows.len(), rows.octets());
        self.since_bytes += end.0.saturating_sub(self.applied.0);
        self.snapshot.rcu(|now| now.with_recent(rows.clone()));
        self.applied = end;
        let many = count >= self.rule.rows || octets >= FOLD_OCTETS;
        if !many && self.since_bytes < self.rule.bytes && self.since.elapsed() < self.rule.interval {
            return;
        }
        if count / MOST_WAITING >= self.rule.rows || octets / MOST_WAITING >= FOLD_OCTETS {
            self.folder.waiter().wait();
        }
        self.begin_fold();
    }

    /// Whether the disk lacks something that was applied.
    fn is_dirty(&self) -> bool {
        self.applied > self.folder.kept()
    }

    /// Begins a fold, if none is under way and there can be any.
    fn begin_fold(&mut self) {
        debug_assert!(!self.ahead, "a fold keeps figures and rows of one moment");
        if self.failed().is_some() || self.folder.is_busy() {
            return;
        }
        let rows = self.snapshot.load().recent().clone();
        self.snapshot.rcu(|now| now.begin_fold());
        (self.since_bytes, self.since) = (0, Instant::now());
        self.folder.begin(Job {
            rows,
            end: self.applied,
            next: self.next.load(Ordering::Relaxed),
            live: self.live.clone(),
            changed: std::mem::take(&mut self.changed),
        });
    }

    fn failed(&self) -> Option<Arc<str>> {
        self.folder.failed()
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

    /// Sees to it that the catalog's disk gets everything up to `upto`, or up to now; the position, and who waits for it if it does
    /// not have that yet. To be asked again after the wait.
    ///
    /// # Errors
    /// When the pool is offline.
    pub(crate) fn keep_all(
        &mut self,
        upto: Option<LogAddr>,
    ) -> Result<(LogAddr, Option<FoldWaiter>), PoolError> {
        if let Some(why) = self.failed() {
            return Err(PoolError::Offline(why));
        }
        let upto = upto.unwrap_or(self.applied);
        if self.folder.kept() >= upto {
            return Ok((upto, None));
        }
        self.begin_fold();
        Ok((upto, Some(self.folder.waiter())))
    }

    /// Where to learn what the last fold found dead.
    pub(crate) fn folds(&self) -> FoldWaiter {
        self.folder.waiter()
    }

    fn fail(&mut self, error: &PoolError) {
        tracing::error!(%error, "catalog failed: the pool goes offline");
        self.folder.fail(error.to_string().into());
    }

    /// Octets of living bodies in a segment.
    pub(crate) fn live_in(&self, storage: Storage, seq: u64) -> i64 {
        self.live.get(&(storage, seq)).copied().unwrap_or(0)
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The recent rows with the batch.
    type Prepared = Result<Layer, PoolError>;

    fn admit(&mut self, commit: &mut Commit) -> Result<Vec<Bytes>, Self::Outcome> {
        if let Some(why) = self.failed() {
            return Err(Err(PoolError::Offline(why)));
        }
        if self.reserve.is_low() && !self.relieves(commit) && !self.reserve.restore() {
            return Err(Err(PoolError::StorageFull));
        }
        self.take_room(commit).map_err(Err)?;
        self.charge(commit).map_err(Err)?;
        Ok(std::mem::take(&mut commit.payload))
    }

    fn prepare(&mut self, _end: LogAddr, batch: &[(LogAddr, Commit)]) -> Self::Prepared {
        if self.ahead {
            return Err(PoolError::Offline("the changes before could not be made".into()));
        }
        self.ahead = true;
        let commits: Vec<_> =
            batch.iter().map(|(addr, c)| (addr.0 + c.bodies_at, c.ops.as_slice())).collect();
        self.change(&commits)
    }

    fn applied(
        &mut self,
        prepared: Self::Prepared,
        end: LogAddr,
        batch: Vec<(LogAddr, Commit)>,
    ) -> Vec<Self::Outcome> {
        match prepared {
            Ok(rows) => {
                self.ahead = false;
                self.show(rows, end);
            }
            // The commits are durable in the log, so this only fails if the catalog's disk does.
            Err(error) => {
                self.fail(&error);
                let why: Arc<str> = error.to_string().into();
                return batch.iter().map(|_| Err(PoolError::Offline(why.clone()))).collect();
            }
        }
        batch.iter().for_each(|(_, commit)| self.follow(&commit.ops));
        if let Err(error) = self.count_groups(&batch) {
            self.fail(&error);
        }
        let outcomes = batch.iter().map(|(_, c)| Ok(self.committed(c))).collect();
        drop(batch); // releases the locks, now that what they protected is visible
        outcomes
    }

    fn abandoned(&mut self, prepared: Self::Prepared, why: &LogError) {
        // The figures of what lives where have gone ahead of the catalog: no checkpoint may keep them.
        drop(prepared);
        self.fail(&super::commit::log_error(why.clone()));
    }

    fn must_be_seen(&self, commit: &Commit) -> bool {
        // To find room in a group 1 that has a size the catalog may have to be folded before a commit is admitted.
        let sized = self.groups.as_ref().is_some_and(|groups| groups.catalog_size().is_some());
        sized
            || commit.ops.iter().any(|op| match op {
                Op::PutSpace { .. } | Op::DelSpace { .. } => true,
                Op::Row { key, .. } => row::is_prepared(key) || row::is_minidisk(key),
                _ => false,
            })
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
        if self.is_dirty() && self.since.elapsed() >= self.rule.interval {
            // A failure is noted; the next commit reports it.
            self.begin_fold();
        }
    }
}
