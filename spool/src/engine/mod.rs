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

mod clean;
mod index;
pub(crate) mod layout;
mod start;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
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
use crate::file::{Chunk, Place, Queue, SharedFile, SpoolFile, UniqueId};
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

    fn admit(&mut self, entry: &mut SpoolEntry) -> Result<Vec<Bytes>, ()> {
        let head = layout::encode(&entry.ops);
        entry.head = head.len() as u64;
        Ok(vec![head.into(), entry.inline.clone()])
    }

    fn applied(&mut self, end: LogAddr, batch: Vec<(LogAddr, SpoolEntry)>) -> Vec<()> {
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

    /// Fails when `more` octets do not fit under the limit.
    pub(crate) fn room_for(&self, index: &Index, more: u64) -> Result<(), SpoolError> {
        if index.octets.saturating_add(more) > self.config.max_octets {
            Err(SpoolError::Full)
        } else {
            Ok(())
        }
    }

    /// Writes a chunk to the volume. Counted as in use until [`Index::drop_chunk`].
    pub(crate) async fn write_chunk(&self, data: Vec<u8>) -> Result<Chunk, SpoolError> {
        let len = data.len() as u64;
        {
            let mut index = self.index.lock();
            self.room_for(&index, len)?;
            index.octets += len;
        }
        let spool = self.arc();
        let extent = self.next_extent.fetch_add(1, Ordering::Relaxed);
        let written = tokio::task::spawn_blocking(move || {
            let data = Bytes::from(data);
            let crc = crc32c::crc32c(&data);
            let _not_removed = spool.extents.read();
            let written = spool.volume.append(&[(extent, data)]);
            let mut index = spool.index.lock();
            match written.map(|places| places.first().copied()) {
                Ok(Some(addr)) => {
                    let chunk = Chunk {
                        place: Place::Volume(addr),
                        len: u32::try_from(len).unwrap_or(u32::MAX),
                        crc,
                    };
                    index.hold_chunk(chunk.place);
                    Ok(chunk)
                }
                Ok(None) => Err(SpoolError::Offline("the volume gave no address".into())),
                Err(error) => Err(error.into()),
            }
        })
        .await
        .unwrap_or(Err(SpoolError::Stopped));
        if written.is_err() {
            let mut index = self.index.lock();
            index.octets = index.octets.saturating_sub(len);
        }
        written
    }

    /// Forgets chunks of output that became no file, or that the index counts itself by now.
    pub(crate) fn forget_chunks(&self, chunks: &[Chunk]) {
        let mut index = self.index.lock();
        for chunk in chunks.iter().filter(|c| matches!(c.place, Place::Volume(_))) {
            index.drop_chunk(chunk.place);
            index.octets = index.octets.saturating_sub(u64::from(chunk.len));
        }
    }

    /// Keeps all chunks of a file readable.
    pub(crate) fn pin(&self, file: &SpoolFile) -> Result<Vec<Pin>, SpoolError> {
        let lost = || SpoolError::Damaged(file.id);
        file.chunks
            .iter()
            .map(|chunk| match chunk.place {
                Place::Log(addr) => self.space.pin(addr).map(Pin::Log).ok_or_else(lost),
                Place::Volume(addr) => self.volume.pin(addr).map(Pin::Volume).ok_or_else(lost),
                Place::Inline => Err(lost()),
            })
            .collect()
    }

    /// Reads a chunk and checks it.
    pub(crate) fn read_chunk(&self, file: &SpoolFile, chunk: &Chunk, pin: &Pin) -> Result<Bytes, SpoolError> {
        let len = chunk.len as usize;
        let read = match (chunk.place, pin) {
            (Place::Log(addr), Pin::Log(pin)) => self.space.read_pinned(pin, addr, len),
            (Place::Volume(addr), Pin::Volume(pin)) => self.volume.read_pinned(pin, addr, 0, len),
            _ => return Err(SpoolError::Damaged(file.id)),
        };
        match read {
            Ok(data) if crc32c::crc32c(&data) == chunk.crc => Ok(data),
            Ok(_) | Err(_) => {
                tracing::error!(owner = %file.owner, id = %file.id, "a spool file cannot be read back");
                Err(SpoolError::Damaged(file.id))
            }
        }
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

    /// Marks a file as being changed; fails when it is in use or gone.
    pub(crate) fn begin_change(&self, unique: UniqueId, id: SpoolId) -> Result<SharedFile, SpoolError> {
        let mut index = self.index.lock();
        let held = index.held_mut(unique).ok_or(SpoolError::NoFile(id))?;
        if held.active || held.changing {
            return Err(SpoolError::InUse(id));
        }
        held.changing = true;
        Ok(held.file.clone())
    }

    /// Ends a change that did not come to a commit.
    pub(crate) fn end_change(&self, unique: UniqueId) {
        if let Some(held) = self.index.lock().held_mut(unique) {
            held.changing = false;
        }
    }

    /// Opens a file for reading; fails when it is in use or gone.
    pub(crate) fn activate(&self, unique: UniqueId, id: SpoolId) -> Result<SharedFile, SpoolError> {
        let mut index = self.index.lock();
        let held = index.held_mut(unique).ok_or(SpoolError::NoFile(id))?;
        if held.active || held.changing {
            return Err(SpoolError::InUse(id));
        }
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

    /// Purges files; those that are in use stay. Returns how many are gone.
    ///
    /// # Errors
    /// [`SpoolError`] of the disk; files of earlier entries may be gone then.
    pub async fn purge(&self, files: &[SharedFile]) -> Result<usize, SpoolError> {
        let mut done = 0;
        for part in files.chunks(MAX_OPS) {
            let marked = part.iter().filter_map(|f| self.begin_change(f.unique, f.id).ok());
            let ops: Vec<Op> = marked.map(|f| Op::Purge(f.unique)).collect();
            if ops.is_empty() {
                continue;
            }
            let count = ops.len();
            self.commit(ops, Bytes::new(), |_, done| done).await??;
            done += count;
        }
        Ok(done)
    }

    /// Purges a file that the caller has open.
    pub(crate) async fn purge_active(&self, unique: UniqueId) -> Result<(), SpoolError> {
        self.commit(vec![Op::Purge(unique)], Bytes::new(), |_, done| done).await?
    }

    /// Replaces a file that has been marked as changing (or that the caller has open) by `changed`.
    pub(crate) async fn replace(&self, changed: SpoolFile) -> Result<(), SpoolError> {
        self.commit(vec![Op::Put(Box::new(changed))], Bytes::new(), |_, done| done).await?
    }

    /// Changes attributes of files; those in use stay as they are. Returns how many were changed.
    ///
    /// # Errors
    /// [`SpoolError`] of the disk.
    pub async fn change(
        &self,
        files: &[SharedFile],
        change: impl Fn(&mut SpoolFile) + Send + Sync,
    ) -> Result<usize, SpoolError> {
        let mut done = 0;
        for part in files.chunks(MAX_OPS) {
            let mut released = Vec::new();
            let mut ops = Vec::new();
            for file in part {
                let Ok(current) = self.begin_change(file.unique, file.id) else { continue };
                let mut changed = (*current).clone();
                change(&mut changed);
                if current.hold.is_held() && !changed.hold.is_held() {
                    released.push(changed.unique);
                }
                ops.push(Op::Put(Box::new(changed)));
            }
            let count = ops.len();
            if count == 0 {
                continue;
            }
            self.commit(ops, Bytes::new(), move |spool, done| {
                done?;
                for unique in released {
                    let file = spool.index.lock().held(unique).map(|held| held.file.clone());
                    if let Some(file) = file {
                        spool.notify(&file, Event::Released);
                    }
                }
                Ok::<(), SpoolError>(())
            })
            .await??;
            done += count;
        }
        Ok(done)
    }

    /// Moves files to the head of their queue, in the order given. Returns how many were moved.
    ///
    /// # Errors
    /// [`SpoolError`] of the disk.
    pub async fn order(&self, files: &[SharedFile]) -> Result<usize, SpoolError> {
        // The last of them goes to the head first, so that the first ends up before it.
        let mut orders: HashMap<UniqueId, i64> = HashMap::new();
        {
            let mut index = self.index.lock();
            for file in files.iter().rev() {
                orders.insert(file.unique, index.head_order());
            }
        }
        self.change(files, |file| {
            if let Some(order) = orders.get(&file.unique) {
                file.order = *order;
            }
        })
        .await
    }

    /// Gives a file to another user or queue: it gets a number of the new owner's, keeps origin, data and attributes,
    /// and stands last in its new queue. Durable and announced on return. `by` is who does it.
    ///
    /// # Errors
    /// [`SpoolError::InUse`], [`SpoolError::NoFile`], [`SpoolError::TooMany`], or of the disk.
    pub async fn transfer(
        &self,
        file: &SharedFile,
        by: UserId,
        to: UserId,
        queue: Queue,
    ) -> Result<SharedFile, SpoolError> {
        let limit = self.limit_of(to);
        let current = self.begin_change(file.unique, file.id)?;
        let mut changed = (*current).clone();
        let moved = to != current.owner;
        {
            let mut index = self.index.lock();
            if moved {
                let Some(id) = index.reserve_id(to, limit) else {
                    drop(index);
                    self.end_change(file.unique);
                    return Err(SpoolError::TooMany(to));
                };
                changed.id = id;
            }
            changed.order = index.new_order();
        }
        changed.owner = to;
        changed.queue = queue;
        let (unique, id) = (changed.unique, changed.id);
        let event = Event::Transferred { by, from: current.owner, was: current.id, queue: current.queue };
        self.commit(vec![Op::Put(Box::new(changed))], Bytes::new(), move |spool, done| {
            if let Err(error) = done {
                if moved {
                    spool.index.lock().release_id(to, id);
                }
                return Err(error);
            }
            let file = spool.index.lock().held(unique).map(|held| held.file.clone());
            let file = file.ok_or(SpoolError::NoFile(id))?;
            spool.notify(&file, event);
            Ok(file)
        })
        .await?
    }
}

/// The marks of files that have been looked at.
impl Spool {
    /// The first file of a queue that nobody has looked at and that may be read.
    pub(crate) fn next_unseen(&self, owner: UserId, queue: Queue) -> Option<SharedFile> {
        let index = self.index.lock();
        let eligible = |file: &&SharedFile| {
            let held = index.held(file.unique);
            held.is_some_and(|held| !held.seen && !held.active && !held.changing) && !file.hold.is_held()
        };
        index.queue(owner, queue).find(eligible).cloned()
    }

    /// Marks a file as looked at.
    pub(crate) fn mark_seen(&self, unique: UniqueId) {
        if let Some(held) = self.index.lock().held_mut(unique) {
            held.seen = true;
        }
    }

    /// Whether nobody has looked at a file yet.
    pub(crate) fn is_unseen(&self, unique: UniqueId) -> bool {
        self.index.lock().held(unique).is_some_and(|held| !held.seen)
    }

    /// Makes all files of a queue unseen again.
    pub(crate) fn reset_seen(&self, owner: UserId, queue: Queue) {
        let mut index = self.index.lock();
        let files: Vec<UniqueId> = index.queue(owner, queue).map(|file| file.unique).collect();
        for unique in files {
            if let Some(held) = index.held_mut(unique) {
                held.seen = false;
            }
        }
    }
}
