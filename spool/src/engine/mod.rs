//! The spool engine: durable files over a log and a volume.
//!
//! Every file is an entry of the log ([`layout`]): its block and, up to [`INLINE_OCTETS`], its records; longer records
//! lie in extents of the volume that are written first. The index of all files is in memory and is rebuilt from the
//! log at a warm start. An operation returns when its entry is durable; entries of concurrent operations share a sync.
//!
//! The log is its own checkpoint: what is still alive in its oldest segment is written again at its end, and then the
//! segment is recycled ([`clean`]).
//!
//! Invariants: a file is announced only after it is durable; a unique id is never given twice; a file that is being
//! read is not purged or changed by anybody else; what failed changed nothing.

mod chunks;
mod clean;
mod damage;
mod index;
pub(crate) mod layout;
mod operations;
mod start;

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use cp::Cp;
use cp::clock::Clock;
use cp::name::{SpoolId, UserId};
use dasd::{
    Anchor, Log, LogAddr, LogConfig, LogError, LogOwner, LogPin, LogSpace, VolPin, Volume, VolumeConfig,
};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::error::SpoolError;
use crate::file::{Queue, SharedFile, SpoolFile, UniqueId};
pub(crate) use index::Index;
use layout::Op;
pub use start::{StartKind, StartReport};

/// Records up to this many octets ride in the log entry; one sync makes the file durable. Mail mostly fits.
pub(crate) const INLINE_OCTETS: usize = 256 << 10;
/// Output is written to the volume whenever so many octets wait, so that an open file takes bounded storage.
pub(crate) const SPILL_OCTETS: usize = 1 << 20;
/// Files in one log entry at most; a command that changes more writes several.
pub(crate) const MAX_OPS: usize = 512;

/// Sizes of a spool.
#[derive(Debug, Clone)]
pub struct SpoolConfig {
    /// The log.
    pub log: LogConfig,
    /// The volume for long files.
    pub volume: VolumeConfig,
    /// Octets that all files together may have; one more and the spool is full.
    pub max_octets: u64,
    /// Log segments before cleaning is thought of.
    pub keep_segments: usize,
    /// Whether a thread cleans; tests that want one order of writes call [`Spool::clean`] themselves.
    pub auto_clean: bool,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            log: LogConfig { prefix: "SPLOG".into(), ..LogConfig::default() },
            volume: VolumeConfig { prefix: "SPVOL".into(), ..VolumeConfig::default() },
            // A volume of a size that a workstation has to spare.
            max_octets: 64 << 30,
            keep_segments: 6,
            auto_clean: true,
        }
    }
}

/// What happened to a file, for whoever waits for files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was closed by `origin` and went to its owner's queue.
    Created,
    /// It came from another queue.
    Transferred {
        /// Who issued the command.
        by: UserId,
        /// Who had it.
        from: UserId,
        /// The number it had there.
        was: SpoolId,
        /// The queue it was in.
        queue: Queue,
    },
    /// It was held or in use, and is not any more.
    Released,
}

/// Told of each file that comes into a queue, after it is durable.
pub(crate) trait Watcher: Send + Sync {
    fn arrived(&self, file: &SharedFile, event: Event);
}

/// What is submitted to the log.
pub(crate) struct SpoolEntry {
    pub(crate) ops: Vec<Op>,
    pub(crate) inline: Bytes,
    head: u64,
}

/// The side of the engine that runs in the log writer's thread.
pub(crate) struct Owner {
    index: Arc<Mutex<Index>>,
    anchor: Anchor,
    space: LogSpace,
    keep_segments: usize,
    wake: Option<std::sync::mpsc::SyncSender<()>>,
}

impl LogOwner for Owner {
    type Entry = SpoolEntry;
    type Outcome = ();
    type Prepared = ();

    fn admit(&mut self, entry: &mut SpoolEntry) -> Result<Vec<Bytes>, ()> {
        let head = layout::encode(&entry.ops);
        entry.head = head.len() as u64;
        Ok(vec![head.into(), entry.inline.clone()])
    }

    fn prepare(&mut self, _end: LogAddr, _batch: &[(LogAddr, SpoolEntry)]) {}

    fn applied(&mut self, (): (), end: LogAddr, batch: Vec<(LogAddr, SpoolEntry)>) -> Vec<()> {
        let mut index = self.index.lock();
        let count = batch.len();
        for (addr, entry) in batch {
            index.ends.insert(addr.0 / self.space.segment_bytes(), end);
            let inline_at = LogAddr(addr.0 + entry.head);
            for op in entry.ops {
                match op {
                    Op::Put(mut file) => {
                        layout::settle(&mut file, inline_at);
                        index.put(*file, addr);
                    }
                    Op::Purge(unique) => index.remove(unique),
                }
            }
        }
        let many = index.ends.len() > self.keep_segments;
        drop(index);
        if let Some(wake) = self.wake.as_ref().filter(|_| many) {
            // A cleaner that has been woken already need not be woken again.
            let _woken = wake.try_send(());
        }
        vec![(); count]
    }

    fn withdrawn(&mut self, entries: Vec<SpoolEntry>, _why: &LogError) {
        let mut index = self.index.lock();
        for op in entries.iter().flat_map(|entry| &entry.ops) {
            let unique = match op {
                Op::Put(file) => file.unique,
                Op::Purge(unique) => *unique,
            };
            if let Some(held) = index.held_mut(unique) {
                held.changing = false;
            }
        }
    }
}

/// The spool of a system.
pub struct Spool {
    pub(crate) index: Arc<Mutex<Index>>,
    pub(crate) log: Log<Owner>,
    space: LogSpace,
    pub(crate) volume: Arc<Volume>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cp: OnceLock<Weak<Cp>>,
    pub(crate) watchers: RwLock<Vec<Arc<dyn Watcher>>>,
    arrivals: Mutex<HashMap<UserId, Arc<Notify>>>,
    config: SpoolConfig,
    next_extent: AtomicU64,
    /// Held for reading from the append of an extent until it is counted, for writing by whoever removes segments.
    extents: RwLock<()>,
    pub(crate) inline_octets: usize,
    pub(crate) spill_octets: usize,
    own: Weak<Spool>,
}

/// Keeps a chunk readable for as long as somebody reads it.
#[derive(Debug)]
pub(crate) enum Pin {
    Log(LogPin),
    Volume(VolPin),
}

impl Spool {
    fn arc(&self) -> Arc<Self> {
        self.own.upgrade().expect("a spool that is in use is alive")
    }

    /// Ends the spool: what has been submitted is written. Later operations fail with [`SpoolError::Stopped`].
    pub fn stop(&self) {
        self.log.close();
    }

    /// Why the spool takes nothing any more, if it does not.
    pub fn offline(&self) -> Option<Arc<str>> {
        self.log.offline().or_else(|| self.volume.offline())
    }

    /// Makes `ops` durable and visible. Files in them have been marked as changing; that ends here whatever happens.
    /// Runs to its end although the caller goes away, and then calls `after`.
    pub(crate) async fn commit<R: Send + 'static>(
        &self,
        ops: Vec<Op>,
        inline: Bytes,
        after: impl FnOnce(&Spool, Result<(), SpoolError>) -> R + Send + 'static,
    ) -> Result<R, SpoolError> {
        let spool = self.arc();
        let work = tokio::spawn(async move {
            let uniques: Vec<UniqueId> = ops
                .iter()
                .map(|op| match op {
                    Op::Put(file) => file.unique,
                    Op::Purge(unique) => *unique,
                })
                .collect();
            let done = spool.log.submit(SpoolEntry { ops, inline, head: 0 }).await.map_err(SpoolError::from);
            if done.is_err() {
                let mut index = spool.index.lock();
                for unique in uniques {
                    if let Some(held) = index.held_mut(unique) {
                        held.changing = false;
                    }
                }
            }
            after(&spool, done)
        });
        work.await.map_err(|_| SpoolError::Stopped)
    }

    /// The files of a queue in order.
    pub fn files(&self, owner: UserId, queue: Queue) -> Vec<SharedFile> {
        self.index.lock().queue(owner, queue).cloned().collect()
    }

    /// The files of all owners in a queue, by owner and then in order.
    pub fn all_files(&self, queue: Queue) -> Vec<SharedFile> {
        let index = self.index.lock();
        index
            .owners(queue)
            .into_iter()
            .flat_map(|owner| index.queue(owner, queue).cloned().collect::<Vec<_>>())
            .collect()
    }

    /// How many files a queue has.
    pub fn count(&self, owner: UserId, queue: Queue) -> usize {
        self.index.lock().queue_len(owner, queue)
    }

    /// How many files there are in all.
    pub fn total(&self, queue: Queue) -> usize {
        self.index.lock().files().filter(|file| file.queue == queue).count()
    }

    /// A file by owner and number.
    pub fn file(&self, owner: UserId, id: SpoolId) -> Option<SharedFile> {
        self.index.lock().by_id(owner, id).map(|held| held.file.clone())
    }

    /// Whether a file is open somewhere.
    pub(crate) fn is_active(&self, unique: UniqueId) -> bool {
        self.index.lock().held(unique).is_some_and(|held| held.active)
    }

    /// Marks a file as being changed; fails when it is in use, gone, or not whose it was any more.
    pub(crate) fn begin_change(&self, file: &SpoolFile) -> Result<SharedFile, SpoolError> {
        let mut index = self.index.lock();
        let held = index.free(file)?;
        held.changing = true;
        Ok(held.file.clone())
    }

    /// Ends a change that did not come to a commit.
    pub(crate) fn end_change(&self, unique: UniqueId) {
        if let Some(held) = self.index.lock().held_mut(unique) {
            held.changing = false;
        }
    }

    /// Opens a file for reading; fails when it is in use, gone, or not whose it was any more.
    pub(crate) fn activate(&self, file: &SpoolFile) -> Result<SharedFile, SpoolError> {
        let mut index = self.index.lock();
        let held = index.free(file)?;
        held.active = true;
        Ok(held.file.clone())
    }

    /// Puts a file that was open back into its queue.
    pub(crate) fn deactivate(&self, unique: UniqueId) {
        let file = {
            let mut index = self.index.lock();
            let Some(held) = index.held_mut(unique) else { return };
            held.active = false;
            held.file.clone()
        };
        if !file.hold.is_held() {
            self.notify(&file, Event::Released);
        }
    }

    /// Tells whoever waits for files.
    pub(crate) fn notify(&self, file: &SharedFile, event: Event) {
        if file.queue == Queue::Reader {
            let waiting = self.arrivals.lock().get(&file.owner).cloned();
            if let Some(waiting) = waiting {
                waiting.notify_waiters();
            }
        }
        let watchers = self.watchers.read().clone();
        for watcher in watchers {
            watcher.arrived(file, event);
        }
    }

    /// What is notified when a file comes into the reader queue of `owner`.
    pub(crate) fn arrival_of(&self, owner: UserId) -> Arc<Notify> {
        self.arrivals.lock().entry(owner).or_default().clone()
    }

    /// The greatest number of files `owner` may have.
    pub(crate) fn limit_of(&self, owner: UserId) -> u16 {
        let cp = self.cp.get().and_then(Weak::upgrade);
        cp.and_then(|cp| cp.entry(owner)).map_or(SpoolId::MAX, |entry| entry.maxspool)
    }
}
