//! Bringing the catalog to its disk.
//!
//! A fold takes the rows that were changed since the last one, writes them in one durable transaction together with the log
//! position that they stand for, and puts what the disk has then under the state that readers see. It runs in a thread of its own,
//! so that no commit waits for the catalog's disk; without a background it runs in the thread of whoever begins it.
//!
//! Invariants: one fold at a time; a crash during one leaves the fold before, whose position says from where the log is redone; what
//! nothing lives in any more is given back only behind a fold that says so; after a failed one there is no other.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use crossbeam_channel::Sender;
use dasd::LogAddr;
use parking_lot::{Condvar, Mutex};
use redb::{Database, Durability, Key as RedbKey, Table, WriteTransaction};

use super::apply::Live;
use super::bulk::{self, Fate, MANY};
use super::catalog::{BODY, DIR, ENTRY, LIVE, META, META_NEXT, META_REDO, PAGE, ROW, SPACE, Storage};
use super::error::PoolError;
use super::recent::{Change, Key, Layer, TableId};
use super::snapshot::{Base, Snapshot};
use super::store::Store;

/// What is to be folded.
pub(crate) struct Job {
    /// The rows; readers see them as being folded already.
    pub(crate) rows: Layer,
    /// The log position behind them.
    pub(crate) end: LogAddr,
    /// The next number for a directory, file or body.
    pub(crate) next: u64,
    /// Octets of living bodies, as of `end`.
    pub(crate) live: Live,
    /// Segments for which that has changed since the last fold.
    pub(crate) changed: HashSet<(Storage, u64)>,
}

#[derive(Debug)]
struct State {
    busy: bool,
    /// The position from which the log would be redone.
    kept: LogAddr,
    failed: Option<Arc<str>>,
    /// Volume segments in which nothing lived at the last fold.
    dead_volume: Vec<u64>,
}

struct Shared {
    db: Arc<Database>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    store: Store,
    state: Mutex<State>,
    ended: Condvar,
}

/// Where folds are done.
pub(crate) struct Folder {
    shared: Arc<Shared>,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// Waits for folds, in threads that hold nothing up.
#[derive(Clone)]
pub(crate) struct FoldWaiter(Arc<Shared>);

impl Folder {
    /// `kept` is the position that the catalog on the disk stands for.
    pub(crate) fn start(
        db: Arc<Database>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        store: Store,
        kept: LogAddr,
        background: bool,
    ) -> io::Result<Self> {
        let state = State { busy: false, kept, failed: None, dead_volume: Vec::new() };
        let shared =
            Arc::new(Shared { db, snapshot, store, state: Mutex::new(state), ended: Condvar::new() });
        if !background {
            return Ok(Self { shared, jobs: None, thread: None });
        }
        let (jobs, todo) = crossbeam_channel::bounded::<Job>(1);
        let work = {
            let shared = shared.clone();
            move || {
                dasd::give_way();
                todo.iter().for_each(|job| shared.run(&job));
            }
        };
        let thread = std::thread::Builder::new().name("pool-fold".into()).spawn(work)?;
        Ok(Self { shared, jobs: Some(jobs), thread: Some(thread) })
    }

    /// Begins a fold; there must be none under way.
    pub(crate) fn begin(&self, job: Job) {
        self.shared.state.lock().busy = true;
        let undone = match &self.jobs {
            Some(jobs) => jobs.send(job).err().map(|unsent| unsent.0),
            None => Some(job),
        };
        if let Some(job) = undone {
            self.shared.run(&job);
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.shared.state.lock().busy
    }

    /// The catalog cannot be trusted or written any more: there is no other fold.
    pub(crate) fn fail(&self, why: Arc<str>) {
        self.shared.state.lock().failed.get_or_insert(why);
    }

    /// Why there can be no fold any more.
    pub(crate) fn failed(&self) -> Option<Arc<str>> {
        self.shared.state.lock().failed.clone()
    }

    /// The position that the catalog on the disk stands for.
    pub(crate) fn kept(&self) -> LogAddr {
        self.shared.state.lock().kept
    }

    pub(crate) fn waiter(&self) -> FoldWaiter {
        FoldWaiter(self.shared.clone())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that folds the catalog panicked");
        }
    }
}

impl FoldWaiter {
    /// Waits until no fold is under way. Blocks the thread.
    pub(crate) fn wait(&self) {
        let mut state = self.0.state.lock();
        while state.busy {
            self.0.ended.wait(&mut state);
        }
    }

    /// Octets of the catalog's disk that are in use: a walk through all tables. Blocks the thread, also until a fold is over.
    pub(crate) fn octets_in_use(&self) -> Result<u64, PoolError> {
        // Pages that the last fold gave up are free behind another commit.
        self.0.db.begin_write()?.commit()?;
        let txn = self.0.db.begin_write()?;
        let stats = txn.stats()?;
        txn.abort()?;
        Ok(stats.allocated_pages().saturating_mul(stats.page_size() as u64))
    }

    /// Why there can be no fold any more.
    pub(crate) fn failed(&self) -> Option<Arc<str>> {
        self.0.state.lock().failed.clone()
    }

    /// Volume segments in which nothing lived at the last fold.
    pub(crate) fn dead_volume_segments(&self) -> Vec<u64> {
        self.0.state.lock().dead_volume.clone()
    }
}

/// Ends a fold, also one that panics.
struct Ending<'s> {
    shared: &'s Shared,
    done: Result<(LogAddr, Vec<u64>), Arc<str>>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.busy = false;
        match &mut self.done {
            Ok((kept, dead)) => (state.kept, state.dead_volume) = (*kept, std::mem::take(dead)),
            Err(why) => state.failed = Some(why.clone()),
        }
        self.shared.ended.notify_all();
    }
}

impl Shared {
    fn run(&self, job: &Job) {
        let mut ending = Ending { shared: self, done: Err("the catalog could not be folded".into()) };
        match self.fold(job) {
            Ok(()) => ending.done = Ok((job.end, self.give_back(job))),
            Err(error) => {
                tracing::error!(%error, "catalog failed: the pool goes offline");
                ending.done = Err(error.to_string().into());
            }
        }
    }

    fn fold(&self, job: &Job) -> Result<(), PoolError> {
        let mut txn = self.db.begin_write()?;
        txn.set_durability(Durability::Immediate)?;
        write_rows(&txn, &job.rows)?;
        {
            let mut meta = txn.open_table(META)?;
            meta.insert(META_REDO, job.end.0)?;
            meta.insert(META_NEXT, job.next)?;
            let mut live = txn.open_table(LIVE)?;
            for key in &job.changed {
                match job.live.get(key).copied().filter(|octets| *octets > 0) {
                    Some(octets) => live.insert((key.0.code(), key.1), octets)?,
                    None => live.remove((key.0.code(), key.1))?,
                };
            }
        }
        txn.commit()?;
        let base = Arc::new(Base::new(&self.db)?);
        self.snapshot.rcu(|now| now.end_fold(base.clone()));
        Ok(())
    }

    /// Recycles the log segments that are needed neither for a redo nor by a living body; the dead segments of the volume.
    fn give_back(&self, job: &Job) -> Vec<u64> {
        let is_dead = |storage, seq| job.live.get(&(storage, seq)).is_none_or(|octets| *octets <= 0);
        if self.store.held.load(Ordering::SeqCst) == 0 {
            let redo = self.store.log.seq_of(job.end);
            for segment in self.store.log.segments() {
                if segment.seq < redo && !segment.current && is_dead(Storage::Log, segment.seq) {
                    self.store.log.recycle(segment.seq);
                }
            }
        }
        let mut volume = self.store.volume.segments().unwrap_or_default();
        volume.pop(); // the newest is being written
        volume.into_iter().map(|(seq, _)| seq).filter(|seq| is_dead(Storage::Volume, *seq)).collect()
    }
}

/// Brings changed rows into the tables.
pub(super) fn write_rows(txn: &WriteTransaction, rows: &Layer) -> Result<(), PoolError> {
    let all: Vec<_> = rows.iter().collect();
    let of = |table| {
        let from = all.partition_point(|(key, _)| key.table() < table as u8);
        let upto = all.partition_point(|(key, _)| key.table() <= table as u8);
        &all[from..upto]
    };
    write_table(&mut txn.open_table(SPACE)?, of(TableId::Space), |key| {
        std::str::from_utf8(key.row()).unwrap_or_default()
    })?;
    for (table, id) in
        [(DIR, TableId::Dir), (ENTRY, TableId::Entry), (PAGE, TableId::Page), (ROW, TableId::Row)]
    {
        write_table(&mut txn.open_table(table)?, of(id), |key| key.row())?;
    }
    write_table(&mut txn.open_table(BODY)?, of(TableId::Body), |key| {
        key.row().try_into().map_or(0, u64::from_be_bytes)
    })
}

fn write_table<K: RedbKey + 'static>(
    table: &mut Table<'_, K, &'static [u8]>,
    changes: &[(&Key, &Change)],
    key: impl for<'k> Fn(&'k &Key) -> K::SelfType<'k>,
) -> Result<(), PoolError> {
    let (put, gone): (Vec<_>, Vec<_>) = changes.iter().partition(|(_, change)| change.is_some());
    let gone: Vec<_> = gone.into_iter().map(|(key, _)| key).collect();
    let sifted = gone.len() >= MANY && bulk::sift(table, &gone, &key, |_, _| Fate::Remove)?;
    if !sifted {
        for gone in &gone {
            table.remove(key(gone))?;
        }
    }
    let put: Vec<_> = put.into_iter().filter_map(|(key, row)| row.as_deref().map(|row| (key, row))).collect();
    bulk::put(table, &put, &key)
}
