//! The index of all spool files, in memory.
//!
//! It changes only when a log entry has become durable ([`Index::put`], [`Index::remove`]); between those, files are
//! marked as being read or changed, and spool ids are reserved for files that are being made.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cp::name::{SpoolId, UserId};
use dasd::LogAddr;

use crate::error::SpoolError;
use crate::file::{Place, Queue, SharedFile, SpoolFile, UniqueId};

/// A file and what is going on with it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) file: SharedFile,
    /// Open by a reader or on an `*SPL` path.
    pub(crate) active: bool,
    /// A change is on its way to the log.
    pub(crate) changing: bool,
    /// Somebody has looked at it (DIAGNOSE X'14' subcode X'0FFE', `*SPL` SELECT next).
    pub(crate) seen: bool,
    /// Log segments that hold its block or records.
    segments: Vec<u64>,
}

/// The spool ids of one owner.
#[derive(Debug, Default)]
struct Ids {
    used: HashSet<u16>,
    last: u16,
}

/// All files.
#[derive(Debug, Default)]
pub(crate) struct Index {
    files: HashMap<UniqueId, Held>,
    queues: HashMap<(UserId, Queue), BTreeMap<(i64, UniqueId), SharedFile>>,
    by_id: HashMap<(UserId, u16), UniqueId>,
    ids: HashMap<UserId, Ids>,
    next_unique: u64,
    last_order: i64,
    first_order: i64,
    /// Octets of all files and of output that has been spilled already.
    pub(crate) octets: u64,
    /// Files with something in a log segment.
    log_live: HashMap<u64, BTreeSet<UniqueId>>,
    /// Chunks in a volume segment, those of output under way included.
    volume_live: HashMap<u64, u64>,
    /// For each log segment the position behind its last batch.
    pub(crate) ends: BTreeMap<u64, LogAddr>,
    log_octets: u64,
    log_segment: u64,
    volume_segment: u64,
}

/// Octets of a block in the log, about.
const BLOCK_OCTETS: u64 = 300;

/// How far a number in a doubtful block may be from the numbers that are known: a damaged stretch holds fewer files.
const DOUBTFUL_DISTANCE: u64 = 1 << 20;

/// Octets that a file has in the log, about.
fn octets_in_log(file: &SpoolFile) -> u64 {
    let chunks = file.chunks.iter().filter(|chunk| matches!(chunk.place, Place::Log(_)));
    BLOCK_OCTETS + chunks.map(|chunk| u64::from(chunk.len)).sum::<u64>()
}

impl Index {
    /// An empty index over segments of these sizes.
    pub(crate) fn new(log_segment: u64, volume_segment: u64) -> Self {
        Self { log_segment, volume_segment, next_unique: 1, ..Self::default() }
    }

    /// The least number that no file has or had.
    pub(crate) fn next_unique(&self) -> u64 {
        self.next_unique
    }

    /// Makes sure that numbers below `next` are not given again.
    pub(crate) fn raise_unique(&mut self, next: u64) {
        self.next_unique = self.next_unique.max(next);
    }

    /// A number for a new file.
    pub(crate) fn new_unique(&mut self) -> UniqueId {
        let unique = UniqueId(self.next_unique);
        self.next_unique += 1;
        unique
    }

    /// A place behind all files.
    pub(crate) fn new_order(&mut self) -> i64 {
        self.last_order += 1;
        self.last_order
    }

    /// A place before all files.
    pub(crate) fn head_order(&mut self) -> i64 {
        self.first_order -= 1;
        self.first_order
    }

    /// A spool id of `owner` that is not in use, the next one after the last given; `None` past `limit` files.
    pub(crate) fn reserve_id(&mut self, owner: UserId, limit: u16) -> Option<SpoolId> {
        let ids = self.ids.entry(owner).or_default();
        if ids.used.len() >= usize::from(limit.min(SpoolId::MAX)) {
            return None;
        }
        loop {
            ids.last = if ids.last >= SpoolId::MAX { 1 } else { ids.last + 1 };
            if ids.used.insert(ids.last) {
                return SpoolId::new(ids.last);
            }
        }
    }

    /// Gives back an id that no file has.
    pub(crate) fn release_id(&mut self, owner: UserId, id: SpoolId) {
        if let Some(ids) = self.ids.get_mut(&owner) {
            ids.used.remove(&id.get());
        }
    }

    fn log_seq(&self, addr: LogAddr) -> u64 {
        addr.0 / self.log_segment
    }

    /// Counts a chunk on the volume that no file in the index has yet.
    pub(crate) fn hold_chunk(&mut self, place: Place) {
        if let Place::Volume(addr) = place {
            *self.volume_live.entry(addr.0 / self.volume_segment).or_default() += 1;
        }
    }

    /// Counts it no longer.
    pub(crate) fn drop_chunk(&mut self, place: Place) {
        if let Place::Volume(addr) = place {
            let seq = addr.0 / self.volume_segment;
            if let Some(count) = self.volume_live.get_mut(&seq) {
                *count -= 1;
                if *count == 0 {
                    self.volume_live.remove(&seq);
                }
            }
        }
    }

    /// Whether a segment of the volume holds anything that is needed.
    pub(crate) fn volume_in_use(&self, seq: u64) -> bool {
        self.volume_live.contains_key(&seq)
    }

    /// The files with something in log segment `seq`.
    pub(crate) fn in_segment(&self, seq: u64) -> Vec<UniqueId> {
        self.log_live.get(&seq).map(|files| files.iter().copied().collect()).unwrap_or_default()
    }

    /// How many octets of files' records and blocks are in the log, about.
    pub(crate) fn log_octets(&self) -> u64 {
        self.log_octets
    }

    /// The file is from now on like this; `addr` is the log entry that says so.
    pub(crate) fn put(&mut self, file: SpoolFile, addr: LogAddr) {
        let unique = file.unique;
        let file = Arc::new(file);
        for chunk in &file.chunks {
            self.hold_chunk(chunk.place);
        }
        let (active, seen) = match self.take(unique) {
            // A file that changes hands is new to its new owner.
            Some(old) => {
                (old.active, old.seen && old.file.owner == file.owner && old.file.queue == file.queue)
            }
            None => (false, false),
        };
        let mut segments = vec![self.log_seq(addr)];
        for chunk in &file.chunks {
            if let Place::Log(addr) = chunk.place {
                let seq = self.log_seq(addr);
                if !segments.contains(&seq) {
                    segments.push(seq);
                }
            }
        }
        for seq in &segments {
            self.log_live.entry(*seq).or_default().insert(unique);
        }
        self.raise_unique(unique.0 + 1);
        self.last_order = self.last_order.max(file.order);
        self.first_order = self.first_order.min(file.order);
        self.octets += file.octets;
        self.log_octets += octets_in_log(&file);
        self.ids.entry(file.owner).or_default().used.insert(file.id.get());
        self.by_id.insert((file.owner, file.id.get()), unique);
        self.queues.entry((file.owner, file.queue)).or_default().insert((file.order, unique), file.clone());
        self.files.insert(unique, Held { file, active, changing: false, seen, segments });
    }

    /// Whether a block of which nothing is certain may be taken for a new file: it must neither push another file out nor
    /// carry numbers that no file of this system can have by now.
    pub(crate) fn may_take(&self, file: &SpoolFile) -> bool {
        let len: u64 = file.chunks.iter().map(|chunk| u64::from(chunk.len)).sum();
        let near = |known: i64| file.order.abs_diff(known) <= DOUBTFUL_DISTANCE;
        !self.files.contains_key(&file.unique)
            && !self.by_id.contains_key(&(file.owner, file.id.get()))
            && file.unique.0 <= self.next_unique.saturating_add(DOUBTFUL_DISTANCE)
            && ((self.first_order..=self.last_order).contains(&file.order)
                || near(self.first_order)
                || near(self.last_order))
            && file.octets == len
    }

    /// Takes a file out; its id is free again.
    fn take(&mut self, unique: UniqueId) -> Option<Held> {
        let held = self.files.remove(&unique)?;
        let file = &held.file;
        for seq in &held.segments {
            if let Some(files) = self.log_live.get_mut(seq) {
                files.remove(&unique);
                if files.is_empty() {
                    self.log_live.remove(seq);
                }
            }
        }
        for chunk in &file.chunks {
            self.drop_chunk(chunk.place);
        }
        self.octets = self.octets.saturating_sub(file.octets);
        self.log_octets -= octets_in_log(file);
        self.by_id.remove(&(file.owner, file.id.get()));
        self.release_id(file.owner, file.id);
        let key = (file.owner, file.queue);
        if let Some(queue) = self.queues.get_mut(&key) {
            queue.remove(&(file.order, unique));
            if queue.is_empty() {
                self.queues.remove(&key);
            }
        }
        Some(held)
    }

    /// The file is gone.
    pub(crate) fn remove(&mut self, unique: UniqueId) {
        self.raise_unique(unique.0 + 1);
        // A purge of a file that a FORCE start left out has nothing to take.
        let _was_there = self.take(unique);
    }

    /// A file by its system-wide number.
    pub(crate) fn held(&self, unique: UniqueId) -> Option<&Held> {
        self.files.get(&unique)
    }

    /// The same, to mark it.
    pub(crate) fn held_mut(&mut self, unique: UniqueId) -> Option<&mut Held> {
        self.files.get_mut(&unique)
    }

    /// A file that nobody reads or changes, and that is still where `known` says.
    pub(crate) fn free(&mut self, known: &SpoolFile) -> Result<&mut Held, SpoolError> {
        let held = self.files.get_mut(&known.unique).ok_or(SpoolError::NoFile(known.id))?;
        let file = &held.file;
        if (file.owner, file.id, file.queue) != (known.owner, known.id, known.queue) {
            return Err(SpoolError::NoFile(known.id));
        }
        if held.active || held.changing { Err(SpoolError::InUse(known.id)) } else { Ok(held) }
    }

    /// A file by owner and id.
    pub(crate) fn by_id(&self, owner: UserId, id: SpoolId) -> Option<&Held> {
        self.files.get(self.by_id.get(&(owner, id.get()))?)
    }

    /// The files of a queue in order.
    pub(crate) fn queue(&self, owner: UserId, queue: Queue) -> impl Iterator<Item = &SharedFile> {
        self.queues.get(&(owner, queue)).into_iter().flat_map(|files| files.values())
    }

    /// How many files a queue has.
    pub(crate) fn queue_len(&self, owner: UserId, queue: Queue) -> usize {
        self.queues.get(&(owner, queue)).map_or(0, BTreeMap::len)
    }

    /// All owners that have files in `queue`, sorted.
    pub(crate) fn owners(&self, queue: Queue) -> Vec<UserId> {
        let mut owners: Vec<_> = self.queues.keys().filter(|(_, q)| *q == queue).map(|(o, _)| *o).collect();
        owners.sort_unstable();
        owners
    }

    /// All files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &SharedFile> {
        self.files.values().map(|held| &held.file)
    }
}
