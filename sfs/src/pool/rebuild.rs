//! What can be told of a pool whose catalog is lost, from its log and its volume.
//!
//! The log segments that are still there hold changes: those since the last fold in any case, and older ones as long as a body in
//! them lives. The volume has the number of its body in front of each extent. All changes are made again in an empty catalog in
//! memory, in the order of the log; what they leave open is filled in:
//!
//! - a body that a file names and no change brings is looked for on the volume by its number;
//! - a directory whose name is not known becomes `Dn`, n its number, below the top directory of its file space, if all commits that
//!   changed it and charge one file space charge the same; else of file space [`LOST_SPACE`];
//! - a body that no file names becomes `Bnnnnnnn BODYnnnn` in directory [`BODIES`] of [`LOST_SPACE`], its number in the digits;
//! - PUBLIC is not enrolled, unless the log says behind its last gap that it is.
//!
//! A segment that was recycled may have held later changes than one in front of it: whatever was last changed in front of such a gap
//! is said to be perhaps not the latest. Memory grows with the files and extents that are found, not with their octets.

mod nameless;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use dasd::{
    DamagedBatch, Dasd, ExtentHeader, LogAddr, LogSpace, RecoveredEntry, ScannedBatch, VolAddr, Volume,
};
use redb::Database;
use redb::backends::InMemoryBackend;

use super::apply::Live;
use super::catalog::{
    BODY, BodyId, BodyRec, DIR, DirId, DirRec, ENTRY, FileNo, Name16, PAGE, SPACE, SpaceRec, Storage,
    checksums, level_key, named_key,
};
use super::checksum::checksum;
use super::error::PoolError;
use super::group::FIRST_MINIDISKS;
use super::op::{self, Op, Payload};
use super::recent::TableId;
use super::snapshot::Snapshot;
use super::source::BackupSource;
use super::store::Store;
use super::tables::{self, Account};
use super::unit::MAX_LEVELS;
use super::{PoolConfig, PoolOpenError, commit, redo, row, upgrade};
use crate::types::{Stamp, StorageGroup};

/// File space of what belongs to no known one.
const LOST_SPACE: &str = "SALVAGED";
/// Its directory of bodies without a name.
const BODIES: &str = "BODIES";
/// Numbers of directories and bodies that a name has room for. They count from 1; a greater one is damage.
const MOST: u64 = 100_000_000_000;
/// Threshold of a file space that is made.
const THRESHOLD: u8 = 90;

/// The file space that a directory seems to belong to; `None` when commits disagree.
type Vote = Option<String>;

struct Rebuild<'s> {
    draft: Snapshot,
    store: Store,
    live: Live,
    changed: HashSet<(Storage, u64)>,
    /// From here to the end no segment of the log is missing.
    gapless: LogAddr,
    /// Where each file was last put.
    files: BTreeMap<(DirId, Name16), LogAddr>,
    /// Records that are known of files of short records: number of the first, and behind the last, of each stretch.
    records: HashMap<FileNo, BTreeMap<u32, u32>>,
    /// Directories by number, with the place of their names.
    dirs: BTreeMap<DirId, (DirId, Name16)>,
    votes: HashMap<DirId, Vote>,
    /// Directories in which there is something besides files.
    others: HashSet<DirId>,
    /// File space of what belongs to no known one.
    lost: String,
    /// Bodies that came behind the last gap: all that became of them is known.
    followed: HashSet<BodyId>,
    /// Where it was last said whether PUBLIC is enrolled, with nothing unread behind it.
    public: Option<LogAddr>,
    highest: u64,
    unreadable: usize,
    say: &'s mut (dyn FnMut(&str) + Send),
}

/// Puts together what log and volume on `dasd` tell, and says what is what. Writes to `dasd`; give it an overlay.
///
/// # Errors
/// When neither can be read at all.
pub(crate) fn rebuild(
    dasd: &Arc<dyn Dasd>,
    config: &PoolConfig,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<BackupSource, PoolOpenError> {
    let log = LogSpace::find(dasd.clone(), &config.log)?;
    let volume = Arc::new(Volume::open(dasd.clone(), config.volume.clone())?);
    let store = Store { log, volume, cached_only: false, held: Arc::default() };
    let catalog = empty_catalog().map_err(PoolOpenError::Pool)?;
    let mut job = Rebuild {
        draft: Snapshot::new(&catalog)?,
        gapless: gapless(&store.log),
        store,
        live: Live::new(),
        changed: HashSet::new(),
        files: BTreeMap::new(),
        records: HashMap::new(),
        dirs: BTreeMap::new(),
        votes: HashMap::new(),
        others: HashSet::new(),
        lost: LOST_SPACE.into(),
        followed: HashSet::new(),
        public: None,
        highest: 0,
        unreadable: 0,
        say,
    };
    job.read_log();
    job.fill_in()?;
    Ok(BackupSource::new(Arc::new(job.draft), job.store, Some(catalog)))
}

/// A catalog in memory with nothing in it.
pub(super) fn empty_catalog() -> Result<Database, PoolError> {
    let catalog = Database::builder().create_with_backend(InMemoryBackend::new())?;
    let txn = catalog.begin_write()?;
    txn.open_table(SPACE)?;
    for table in [DIR, ENTRY, PAGE] {
        txn.open_table(table)?;
    }
    txn.open_table(BODY)?;
    upgrade::define_minidisks(&txn, &FIRST_MINIDISKS)?;
    txn.commit()?;
    Ok(catalog)
}

/// Where the last run of segments without a gap begins.
fn gapless(log: &LogSpace) -> LogAddr {
    let mut first: Option<u64> = None;
    for segment in log.segments().iter().rev() {
        if first.is_some_and(|first| segment.seq + 1 != first) {
            break;
        }
        first = Some(segment.seq);
    }
    LogAddr(first.unwrap_or(0).saturating_mul(log.segment_bytes()))
}

/// What the log tells.
impl Rebuild<'_> {
    fn read_log(&mut self) {
        let segments = self.store.log.segments();
        let mut entries = 0usize;
        // Batches that no sound one follows yet: a crash may have cut the last one off.
        let mut damaged = Vec::new();
        for segment in &segments {
            let mut found = Vec::new();
            let log = self.store.log.clone();
            if let Err(error) = log.scan_batches(segment.seq, |batch| found.push(batch)) {
                (self.say)(&format!("log segment {}: {error}; read up to there", segment.seq));
            }
            for batch in found {
                match batch {
                    ScannedBatch::Damaged(batch) => damaged.push(batch),
                    ScannedBatch::Sound(sound) => {
                        for batch in damaged.drain(..) {
                            entries += self.read_damaged(batch);
                        }
                        entries += sound.len();
                        self.read_entries(sound);
                    }
                }
            }
        }
        (self.say)(&format!("{} log segments with {entries} commits are there", segments.len()));
        if self.unreadable > 0 {
            (self.say)(&format!("{} commits or changes could not be read", self.unreadable));
        }
    }

    fn read_entries(&mut self, entries: Vec<RecoveredEntry>) {
        for RecoveredEntry { addr, payload, .. } in entries {
            match self.changes(addr, &payload) {
                Ok((bodies, ops)) => self.make(addr, bodies, &ops),
                Err(_) => {
                    self.unreadable += 1;
                    self.public = None;
                }
            }
        }
    }

    /// Makes the changes of a batch in which nothing but octets of files is damaged; those of any other may be wrong, since they have
    /// no checksum but that of the batch. Returns how many commits were made.
    fn read_damaged(&mut self, batch: DamagedBatch) -> usize {
        let (at, count) = (batch.addr().0, batch.entries.len());
        if !redo::only_bodies_are_damaged(&batch) {
            (self.say)(&format!("the log is damaged at {at:#x}: {count} commits are left out"));
            self.public = None;
            return 0;
        }
        (self.say)(&format!(
            "the log is damaged at {at:#x}: octets of files; what its {count} commits changed is known"
        ));
        self.read_entries(batch.entries);
        count
    }

    fn changes(&self, addr: LogAddr, payload: &Bytes) -> Result<(u64, Vec<Op>), PoolError> {
        Ok(match op::decode_payload(payload)? {
            Payload::Direct { ops, bodies } => (addr.0 + bodies, ops),
            Payload::Indirect(extents) => (0, commit::read_indirect(&self.store, &extents)?),
        })
    }

    /// Makes the changes of one commit, as far as what they change is known.
    fn make(&mut self, addr: LogAddr, bodies: u64, ops: &[Op]) {
        self.vote(ops);
        for op in ops {
            self.highest = self.highest.max(redo::highest_number(op));
            let mut account =
                Account { store: &self.store, live: &mut self.live, changed: &mut self.changed };
            let made = tables::apply(&mut self.draft, std::slice::from_ref(op), bodies, &mut account);
            if made.is_err() {
                // References of a body that is older than the log are counted in vain.
                self.unreadable += usize::from(!matches!(op, Op::RefBody { .. }));
                continue;
            }
            self.note(addr, op);
        }
    }

    fn note(&mut self, addr: LogAddr, op: &Op) {
        match op {
            Op::PutFile { dir, name, .. } => drop(self.files.insert((*dir, *name), addr)),
            Op::DelFile { dir, name } => drop(self.files.remove(&(*dir, *name))),
            Op::PutDir { parent, name, rec } => drop(self.dirs.insert(rec.id, (*parent, *name))),
            Op::DelDir { parent, name } => self.dirs.retain(|_, place| *place != (*parent, *name)),
            Op::Row { key, .. } if *key == row::public_key() => self.public = Some(addr),
            Op::Row { key, value: Some(_) } => self.others.extend(row::special_dir(key)),
            Op::PutBody { id, .. } if addr >= self.gapless => drop(self.followed.insert(*id)),
            Op::PutRecords { file, first, lrecl, data } => {
                let end = first.saturating_add((data.len() / (*lrecl).max(1) as usize) as u32);
                add_stretch(self.records.entry(*file).or_default(), *first, end);
            }
            Op::CutRecords { file, from } => {
                let known = self.records.entry(*file).or_default();
                known.retain(|first, _| first < from);
                known.values_mut().for_each(|end| *end = (*end).min(*from));
            }
            _ => {}
        }
    }

    /// A commit that charges one file space most likely changes only that one's directories.
    fn vote(&mut self, ops: &[Op]) {
        let mut charged = ops.iter().filter_map(|op| match op {
            Op::Charge { name, .. } => Some(name),
            _ => None,
        });
        let (Some(space), None) = (charged.next(), charged.next()) else { return };
        for op in ops {
            if let Op::PutFile { dir, .. } | Op::DelFile { dir, .. } = op {
                let vote = self.votes.entry(*dir).or_insert_with(|| Some(space.clone()));
                if vote.as_ref() != Some(space) {
                    *vote = None;
                }
            }
        }
    }
}

/// Adds a stretch to others, which do not touch each other.
fn add_stretch(known: &mut BTreeMap<u32, u32>, mut first: u32, mut end: u32) {
    while let Some((start, stop)) = known.range(..=end).next_back().map(|(a, b)| (*a, *b)) {
        if stop < first {
            break;
        }
        known.remove(&start);
        (first, end) = (first.min(start), end.max(stop));
    }
    known.insert(first, end);
}

/// What is filled in.
impl Rebuild<'_> {
    fn fill_in(&mut self) -> Result<(), PoolError> {
        self.choose_lost_space()?;
        let extents = self.extents()?;
        let named = self.find_bodies(&extents)?;
        self.attach()?;
        self.name_bodies(&extents, &named)?;
        self.report_files()?;
        self.close_to_public()?;
        self.make_room()
    }

    /// Where it is not known whether everybody may connect, not everybody may.
    fn close_to_public(&mut self) -> Result<(), PoolError> {
        if self.public.is_some_and(|addr| addr >= self.gapless) {
            return Ok(());
        }
        let key = row::public_key();
        if self.draft.row(&key)?.is_some() {
            self.draft.remove(TableId::Row, &key)?;
        }
        (self.say)(
            "whether PUBLIC is enrolled is not known: it is not; ENROLL PUBLIC lets everybody connect",
        );
        Ok(())
    }

    /// The extents of the volume by the number of their body; of several the last.
    fn extents(&mut self) -> Result<HashMap<BodyId, ExtentHeader>, PoolError> {
        let mut all: HashMap<BodyId, ExtentHeader> = HashMap::new();
        let segments = self.store.volume.segments().map_err(|e| PoolError::Offline(e.to_string().into()))?;
        for (seq, _) in segments {
            match self.store.volume.scan_segment(seq) {
                // Extents without a number hold changes, not octets of files.
                Ok(found) => all.extend(found.into_iter().filter(|h| h.id != 0).map(|h| (BodyId(h.id), h))),
                Err(error) => (self.say)(&format!("volume segment {seq}: {error}; left out")),
            }
        }
        self.highest = all.keys().map(|id| id.0).filter(|n| *n < MOST).fold(self.highest, u64::max);
        (self.say)(&format!("{} extents of the volume are there", all.len()));
        Ok(all)
    }

    /// Looks for the bodies that files name, and returns their numbers.
    fn find_bodies(&mut self, extents: &HashMap<BodyId, ExtentHeader>) -> Result<HashSet<BodyId>, PoolError> {
        let mut named = HashSet::new();
        for (dir, name) in self.files.keys().copied().collect::<Vec<_>>() {
            let Some(rec) = self.draft.file(dir, name)? else { continue };
            for slice in &rec.slices {
                if named.insert(slice.body)
                    && !self.is_there(slice.body)?
                    && let Some(header) = extents.get(&slice.body)
                {
                    self.take_extent(header)?;
                }
            }
        }
        Ok(named)
    }

    fn is_there(&self, id: BodyId) -> Result<bool, PoolError> {
        Ok(self.draft.body(id)?.is_some_and(|rec| self.store.open(id, rec).is_some()))
    }

    /// Enters an extent as a body and returns its octets, if they are what was written.
    fn take_extent(&mut self, header: &ExtentHeader) -> Result<Option<Bytes>, PoolError> {
        let ExtentHeader { addr: VolAddr(addr), id, len, crc } = *header;
        let data = match self.store.volume.read(VolAddr(addr), 0, len as usize) {
            Ok(data) if checksum(&data) == crc => data,
            _ => {
                (self.say)(&format!("body {id} on the volume is damaged"));
                return Ok(None);
            }
        };
        let rec = BodyRec { refs: 1, storage: Storage::Volume, addr, len, crcs: checksums(&data) };
        self.draft.put(TableId::Body, &id.to_be_bytes(), &rec.encode())?;
        Ok(Some(data))
    }

    fn number(&mut self) -> u64 {
        self.highest += 1;
        self.highest
    }

    /// The top directory of a file space, which is made if it is not known.
    fn top(&mut self, space: &str) -> Result<DirId, PoolError> {
        if let Some(rec) = self.draft.space(space)? {
            return Ok(rec.top);
        }
        let top = DirId(self.number());
        let (limit, used, label) = (0, 0, String::new());
        let (created, group) = (Stamp::default(), StorageGroup::FIRST);
        let rec = SpaceRec { top, limit, used, threshold: THRESHOLD, created, label, group };
        self.draft.put(TableId::Space, space.as_bytes(), &rec.encode())?;
        (self.say)(&format!("file space {space}: made; its limit is not known"));
        Ok(top)
    }

    /// A file space that is nobody's: [`LOST_SPACE`], or with a digit in place of its last letter.
    fn choose_lost_space(&mut self) -> Result<(), PoolError> {
        let known = |name: &String| -> Result<bool, PoolError> {
            let voted = self.votes.values().flatten().any(|vote| vote == name);
            Ok(voted || self.draft.space(name)?.is_some())
        };
        let stem = &LOST_SPACE[..LOST_SPACE.len() - 1];
        for name in std::iter::once(LOST_SPACE.into()).chain((0..10).map(|n| format!("{stem}{n}"))) {
            if !known(&name)? {
                self.lost = name;
                break;
            }
        }
        Ok(())
    }

    /// Gives every directory that something is in a place below a file space.
    fn attach(&mut self) -> Result<(), PoolError> {
        let tops: HashSet<DirId> = self.draft.spaces()?.into_iter().map(|(_, rec)| rec.top).collect();
        let mut below: HashMap<DirId, Vec<DirId>> = HashMap::new();
        for (dir, (parent, _)) in &self.dirs {
            below.entry(*parent).or_default().push(*dir);
        }
        let in_use = self.files.keys().map(|(dir, _)| *dir).chain(self.dirs.keys().copied());
        let in_use = in_use.chain(self.others.iter().copied());
        let mut roots: Vec<DirId> = in_use.map(|dir| self.uppermost(dir)).collect();
        roots.sort_unstable();
        roots.dedup();
        for root in roots {
            if tops.contains(&root) {
                continue;
            }
            let mut space = None;
            let mut waiting = vec![(root, 1)];
            while let Some((dir, level)) = waiting.pop() {
                space = space.or_else(|| self.votes.get(&dir).cloned().flatten());
                for child in below.get(&dir).into_iter().flatten().copied() {
                    if level < MAX_LEVELS {
                        waiting.push((child, level + 1));
                    } else if let Some((parent, name)) = self.dirs.remove(&child) {
                        // No room below what was put in front.
                        self.draft.remove(TableId::Dir, &named_key(parent, name))?;
                        self.hang(child, space.clone())?;
                    }
                }
            }
            self.hang(root, space)?;
        }
        Ok(())
    }

    /// The uppermost directory that is known above `dir`.
    fn uppermost(&self, dir: DirId) -> DirId {
        let mut at = dir;
        // Damage could make a ring of them.
        for _ in 0..=MAX_LEVELS {
            match self.dirs.get(&at) {
                Some((parent, _)) => at = *parent,
                None => break,
            }
        }
        at
    }

    fn hang(&mut self, dir: DirId, space: Option<String>) -> Result<(), PoolError> {
        let space = space.unwrap_or_else(|| self.lost.clone());
        let top = self.top(&space)?;
        let mut level = format!("D{}", dir.0);
        let name = loop {
            let Some(name) = level_key(&level).filter(|_| dir.0 < MOST) else {
                (self.say)(&format!("directory {} has a number that none can have; left out", dir.0));
                return Ok(());
            };
            if self.draft.dir(top, name)?.is_none() {
                break name;
            }
            level.push('_');
        };
        let rec = DirRec { id: dir, created: Stamp::default() };
        self.draft.put(TableId::Dir, &named_key(top, name), &rec.encode())?;
        (self.say)(&format!("{space}.{level}: a directory whose name is not known"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stretches_are_what_was_added(adds in prop::collection::vec((1u32..60, 1u32..12), 0..30)) {
            let (mut known, mut model) = (BTreeMap::new(), HashSet::new());
            for (first, count) in adds {
                add_stretch(&mut known, first, first + count);
                model.extend(first..first + count);
            }
            let mut all: Vec<u32> = model.into_iter().collect();
            all.sort_unstable();
            prop_assert_eq!(known.iter().flat_map(|(a, b)| *a..*b).collect::<Vec<_>>(), all);
        }
    }
}
