//! A mail store backend in memory, for tests of everything above it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use bytes::Bytes;
use futures::FutureExt;
use imapd::mailstore::backend::{Answer, DefinedKeyword, SpaceFigures};
use imapd::mailstore::columns::Columns;
use imapd::mailstore::flag_runs;
use imapd::mailstore::summaries::image;
use imapd::mailstore::types::{SpaceId, seconds};
use imapd::mailstore::{
    Access, Backend, Committed, Entries, FlagRun, LoadedMailbox, LoadedUser, MailboxRow, MessageRecord,
    ModSeq, NoteMarks, Op, OwnSeen, Shape, StoreError, SummaryPlace, Tombstone, UidValidity, UserHeader,
};
use imapd::vm::UserId;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

#[derive(Default, Clone)]
struct Dir {
    notes: BTreeMap<u32, Bytes>,
    records: BTreeMap<u32, MessageRecord>,
    keywords: BTreeMap<u32, DefinedKeyword>,
    tombstones: BTreeMap<u32, Tombstone>,
    floor: Option<ModSeq>,
    runs: BTreeMap<u32, FlagRun>,
    has_runs: bool,
    has_owners: bool,
    seen: Vec<Bytes>,
    summaries: BTreeMap<u32, (SummaryPlace, Bytes)>,
    texts: Vec<u8>,
}

impl Dir {
    fn used(&self) -> impl Iterator<Item = &u32> + Clone {
        let others = self.keywords.keys().chain(self.tombstones.keys()).chain(self.runs.keys());
        self.records.keys().chain(others)
    }
}

#[derive(Default, Clone)]
struct Space {
    blocks: u32,
    header: Option<UserHeader>,
    entries: Vec<Bytes>,
    rows: BTreeMap<u32, MailboxRow>,
    dirs: HashMap<String, Dir>,
}

impl Space {
    /// Octets of notes and texts.
    fn octets(&self) -> usize {
        let notes = self.dirs.values().flat_map(|d| d.notes.values()).map(Bytes::len);
        notes.chain(self.dirs.values().map(|d| d.texts.len())).sum()
    }
}

/// The backend.
#[derive(Default)]
pub struct Memory {
    spaces: Mutex<HashMap<UserId, Space>>,
    /// When set, commits fail with this.
    pub failure: Mutex<Option<StoreError>>,
    /// When set, commits are done but do not return before this lets them.
    pub hold: Mutex<Option<Arc<Semaphore>>>,
    /// When set, mailboxes are read but that does not return before this lets it.
    pub hold_loads: Mutex<Option<Arc<Semaphore>>>,
    /// When set, users are read but that does not return before this lets it.
    pub hold_users: Mutex<Option<Arc<Semaphore>>>,
    /// When set, users get their space but that does not return before this lets it.
    pub hold_spaces: Mutex<Option<Arc<Semaphore>>>,
    /// Rung when one is held.
    pub held: Notify,
    /// Rung when a note could not be read.
    pub missed: Notify,
    /// How often anything was asked.
    pub calls: AtomicUsize,
    held_texts: Mutex<Option<Arc<Held>>>,
    retired: AtomicU32,
}

/// Texts that are not written until that is allowed.
pub struct Held {
    reached: Semaphore,
    released: Semaphore,
}

impl Held {
    /// Waits until somebody is about to write some.
    pub async fn reached(&self) {
        self.reached.acquire().await.expect("never closed").forget();
    }

    /// Allows it.
    pub fn release(&self) {
        self.released.add_permits(1);
    }
}

impl Memory {
    fn now<T>(&self, result: Result<T, StoreError>) -> Answer<'_, T>
    where
        T: Send + 'static,
    {
        self.calls.fetch_add(1, Ordering::Relaxed);
        async move { result }.boxed()
    }

    /// Whether there are texts in a directory.
    pub fn has_texts(&self, user: UserId, dir: &str) -> bool {
        let spaces = self.spaces.lock();
        spaces.get(&user).and_then(|s| s.dirs.get(dir)).is_some_and(|d| !d.texts.is_empty())
    }

    /// Makes the next texts wait.
    pub fn hold_texts(&self) -> Arc<Held> {
        let held = Arc::new(Held { reached: Semaphore::new(0), released: Semaphore::new(0) });
        *self.held_texts.lock() = Some(held.clone());
        held
    }

    /// Makes all mailboxes as those of the format without tombstones.
    pub fn forget_tombstones(&self) {
        for dir in self.spaces.lock().values_mut().flat_map(|s| s.dirs.values_mut()) {
            dir.tombstones.clear();
            (dir.floor, dir.has_runs, dir.has_owners) = (None, false, false);
            assert!(dir.runs.is_empty(), "that format has none");
        }
    }

    fn try_commit(&self, parts: Vec<(UserId, Vec<Op>)>) -> Result<Committed, StoreError> {
        if let Some(e) = self.failure.lock().clone() {
            return Err(e);
        }
        let mut spaces = self.spaces.lock();
        let mut changed = Vec::new();
        for (user, ops) in parts {
            let mut space = spaces.get(&user).cloned().ok_or(StoreError::NotEnrolled)?;
            let before = space.octets();
            ops.into_iter().for_each(|op| apply(&mut space, op));
            if space.octets() > before && space.octets() > space.blocks as usize * 4096 {
                return Err(StoreError::OverQuota);
            }
            changed.push((user, space));
        }
        spaces.extend(changed);
        Ok(Committed::default())
    }
}

fn apply(space: &mut Space, op: Op) {
    match op {
        Op::PutHeader(header) => space.header = Some(header),
        Op::PutEntries(entries) => space.entries = entries.records(),
        Op::PutRow(row) => {
            space.rows.insert(row.slot, row);
        }
        Op::DropRow { slot, .. } => {
            space.rows.remove(&slot);
        }
        Op::CreateDir { dir } => {
            assert!(!space.dirs.contains_key(&dir), "directory is new");
            let dir = space.dirs.entry(dir).or_default();
            (dir.floor, dir.has_runs, dir.has_owners) = (Some(ModSeq(0)), true, true);
        }
        Op::RemoveDir { dir, notes } => {
            let gone = space.dirs.remove(&dir).expect("directory exists");
            assert_eq!(
                gone.notes.keys().copied().collect::<Vec<_>>(),
                notes.iter().map(|u| u.0).collect::<Vec<_>>()
            );
        }
        Op::AddNote { dir, uid, octets, .. } => {
            let old = space.dirs.get_mut(&dir).expect("directory exists").notes.insert(uid.0, octets);
            assert!(old.is_none(), "UID used twice");
        }
        Op::CopyNotes { from_dir, to_dir, pairs } => {
            for (from, to) in pairs {
                let octets = space.dirs[&from_dir].notes[&from.0].clone();
                space.dirs.get_mut(&to_dir).expect("directory exists").notes.insert(to.0, octets);
            }
        }
        Op::MoveNotes { from_dir, to_dir, pairs } => {
            for (from, to) in pairs {
                let notes = &mut space.dirs.get_mut(&from_dir).expect("directory exists").notes;
                let octets = notes.remove(&from.0).expect("note exists");
                let old = space.dirs.get_mut(&to_dir).expect("directory exists").notes.insert(to.0, octets);
                assert!(old.is_none(), "UID used twice");
            }
        }
        op @ (Op::PutSummary { .. } | Op::DropSummaries { .. } | Op::DropTexts { .. }) => {
            apply_to_summaries(space, op);
        }
        Op::RemoveNotes { dir, uids } => {
            let notes = &mut space.dirs.get_mut(&dir).expect("directory exists").notes;
            uids.iter().for_each(|uid| drop(notes.remove(&uid.0).expect("note exists")));
        }
        op => apply_to_index(space, op),
    }
}

/// Records of NOTE INDEX, and NOTE SEEN.
fn apply_to_index(space: &mut Space, op: Op) {
    match op {
        Op::PutRecords { dir, records: new } => {
            let Dir { records, has_owners, .. } = space.dirs.get_mut(&dir).expect("directory exists");
            for record in new {
                assert!(record.email.owner.is_none() || *has_owners, "no header");
                if let Some(old) = records.insert(record.slot, record) {
                    assert_eq!(old.uid, record.uid, "slot used twice");
                }
            }
        }
        Op::DropRecords { dir, slots } => {
            let dir = space.dirs.get_mut(&dir).expect("directory exists");
            for slot in slots {
                dir.records.remove(&slot);
                dir.tombstones.remove(&slot);
                dir.runs.remove(&slot);
            }
        }
        Op::PutKeyword { dir, defined } => {
            space.dirs.get_mut(&dir).expect("directory exists").keywords.insert(defined.slot, defined);
        }
        Op::PutTombstone { dir, tombstone } => {
            let dir = space.dirs.get_mut(&dir).expect("directory exists");
            assert!(!dir.records.contains_key(&tombstone.slot), "slot used twice");
            dir.tombstones.insert(tombstone.slot, tombstone);
        }
        Op::PutFlagRun { dir, run } => {
            let dir = space.dirs.get_mut(&dir).expect("directory exists");
            assert!(!dir.records.contains_key(&run.slot) && dir.has_runs, "slot used twice, or no header");
            dir.runs.insert(run.slot, run);
        }
        Op::PutSeen { dir, seen } => {
            space.dirs.get_mut(&dir).expect("directory exists").seen = seen.records();
        }
        Op::PutFloor { dir, floor } => {
            let dir = space.dirs.get_mut(&dir).expect("directory exists");
            (dir.floor, dir.has_runs, dir.has_owners) = (Some(floor), true, true);
        }
        other => panic!("no step of an index: {other:?}"),
    }
}

fn apply_to_summaries(space: &mut Space, op: Op) {
    match op {
        Op::PutSummary { dir, place, email, summary } => {
            let dir = space.dirs.get_mut(&dir).expect("directory exists");
            put_summary(dir, place, image(&summary, email).into());
        }
        Op::DropSummaries { dir } => {
            let dir = space.dirs.get_mut(&dir).expect("directory exists");
            dir.summaries.clear();
            dir.texts.clear();
        }
        Op::DropTexts { dirs } => {
            dirs.iter().for_each(|dir| space.dirs.get_mut(dir).expect("directory exists").texts.clear());
        }
        _ => {}
    }
}

/// Replaces whatever overlaps: places that nobody names are given out again.
fn put_summary(dir: &mut Dir, place: SummaryPlace, image: Bytes) {
    for r in dir.records.values().filter(|r| !r.summary.is_none() && r.summary != place) {
        // Those that lose it in the same work unit get their new record later.
        assert!(r.summary.end() <= place.first || place.end() <= r.summary.first, "place used twice");
    }
    dir.summaries.retain(|_, (p, _)| p.end() <= place.first || place.end() <= p.first);
    dir.summaries.insert(place.first, (place, image));
}

fn free(used: impl Iterator<Item = u32> + Clone, first: u32) -> (Vec<u32>, u32) {
    let next = used.clone().max().map_or(first, |m| m + 1).max(first);
    let used: std::collections::BTreeSet<u32> = used.collect();
    ((first..next).filter(|s| !used.contains(s)).collect(), next)
}

impl Backend for Memory {
    fn load_user(&self, user: UserId) -> Answer<'_, Option<LoadedUser>> {
        let loaded = self.spaces.lock().get(&user).and_then(|space| {
            let used = space.rows.values().flat_map(|r| [r.slot, r.name_slot]).filter(|s| *s != 0);
            let (free_slots, next_slot) = free(used, 3);
            Some(LoadedUser {
                header: space.header.clone()?,
                rows: space.rows.values().cloned().collect(),
                free_slots,
                next_slot,
                entries: Entries::read(&space.entries).expect("what was written reads back"),
                brought_back: false,
            })
        });
        self.calls.fetch_add(1, Ordering::Relaxed);
        let hold = self.hold_users.lock().clone();
        async move {
            if let Some(hold) = hold {
                let _go = hold.acquire().await;
            }
            Ok(loaded)
        }
        .boxed()
    }

    fn sharers(&self) -> Answer<'_, Vec<(UserId, Access)>> {
        let access =
            |space: &Space| Entries::read(&space.entries).expect("what was written reads back").access;
        let all = self.spaces.lock().iter().map(|(user, space)| (*user, access(space))).collect::<Vec<_>>();
        self.now(Ok(all.into_iter().filter(|(_, access)| !access.is_empty()).collect()))
    }

    fn load_mailbox<'a>(&'a self, user: UserId, dir: &'a str) -> Answer<'a, LoadedMailbox> {
        let loaded = self.spaces.lock().get(&user).and_then(|s| s.dirs.get(dir)).map(|d| {
            let mut records: Vec<MessageRecord> = d.records.values().copied().collect();
            records.sort_by_key(|r| r.uid);
            let runs: Vec<FlagRun> = d.runs.values().cloned().collect();
            assert_eq!(
                records.iter().map(|r| r.uid.0).collect::<Vec<_>>(),
                d.notes.keys().copied().collect::<Vec<_>>(),
                "index and notes agree"
            );
            let (free_slots, next_slot) = free(d.used().copied(), 2);
            let mut records: Columns = records.into_iter().collect();
            flag_runs::apply(&runs, &mut records);
            LoadedMailbox {
                records,
                keywords: d.keywords.values().cloned().collect(),
                tombstones: d.tombstones.values().cloned().collect(),
                tombstone_floor: d.floor,
                flag_runs: runs,
                has_runs: d.has_runs,
                has_owners: d.has_owners,
                free_slots,
                next_slot,
            }
        });
        self.calls.fetch_add(1, Ordering::Relaxed);
        let hold = self.hold_loads.lock().clone();
        async move {
            if let Some(hold) = hold {
                let _go = hold.acquire().await;
            }
            loaded.ok_or_else(|| StoreError::Damaged(format!("no directory {dir}")))
        }
        .boxed()
    }

    fn load_seen<'a>(&'a self, user: UserId, dir: &'a str) -> Answer<'a, OwnSeen> {
        let spaces = self.spaces.lock();
        let records = spaces.get(&user).and_then(|s| s.dirs.get(dir)).map(|d| d.seen.clone());
        self.now(OwnSeen::read(&records.unwrap_or_default()))
    }

    fn read_note<'a>(
        &'a self,
        user: UserId,
        dir: &'a str,
        record: &'a MessageRecord,
        octets: Range<u64>,
        _line: u64,
    ) -> Answer<'a, Bytes> {
        let spaces = self.spaces.lock();
        let note = spaces.get(&user).and_then(|s| s.dirs.get(dir)).and_then(|d| d.notes.get(&record.uid.0));
        let cut = note.map(|n| n.slice(octets.start as usize..octets.end as usize));
        if cut.is_none() {
            self.missed.notify_one();
        }
        self.now(cut.ok_or_else(|| StoreError::Damaged("no note".into())))
    }

    fn read_summaries<'a>(
        &'a self,
        user: UserId,
        dir: &'a str,
        places: &'a [SummaryPlace],
    ) -> Answer<'a, Vec<Bytes>> {
        let spaces = self.spaces.lock();
        let dir = spaces.get(&user).and_then(|s| s.dirs.get(dir));
        let image = |p: &SummaryPlace| {
            dir.and_then(|d| d.summaries.get(&p.first)).map_or_else(Bytes::new, |(_, image)| image.clone())
        };
        self.now(Ok(places.iter().map(image).collect()))
    }

    fn read_texts<'a>(&'a self, user: UserId, dir: &'a str, octets: Range<u64>) -> Answer<'a, Bytes> {
        let spaces = self.spaces.lock();
        let texts = spaces.get(&user).and_then(|s| s.dirs.get(dir)).map_or(&[][..], |d| &d.texts);
        let end = texts.len().min(octets.end as usize);
        self.now(Ok(Bytes::copy_from_slice(texts.get(octets.start as usize..end).unwrap_or_default())))
    }

    fn write_texts<'a>(&'a self, user: UserId, dir: &'a str, keep: u64, then: Bytes) -> Answer<'a, ()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let held = self.held_texts.lock().take();
        async move {
            if let Some(held) = held {
                held.reached.add_permits(1);
                held.released.acquire().await.expect("never closed").forget();
            }
            let mut spaces = self.spaces.lock();
            let dir = spaces.get_mut(&user).and_then(|s| s.dirs.get_mut(dir));
            let written = dir.filter(|d| d.texts.len() as u64 >= keep).map(|dir| {
                dir.texts.truncate(keep as usize);
                dir.texts.extend_from_slice(&then);
            });
            written.ok_or_else(|| StoreError::Damaged("no such texts".into()))
        }
        .boxed()
    }

    fn commit_together(&self, parts: Vec<(UserId, Vec<Op>)>) -> Answer<'_, Committed> {
        let done = self.try_commit(parts);
        let hold = self.hold.lock().clone();
        async move {
            if let Some(hold) = hold {
                self.held.notify_one();
                let _go = hold.acquire().await;
            }
            done
        }
        .boxed()
    }

    fn enroll(&self, user: UserId, blocks: u32) -> Answer<'_, SpaceId> {
        self.spaces.lock().entry(user).or_default().blocks = blocks;
        self.calls.fetch_add(1, Ordering::Relaxed);
        let hold = self.hold_spaces.lock().clone();
        async move {
            if let Some(hold) = hold {
                let _go = hold.acquire().await;
            }
            Ok(SpaceId::default())
        }
        .boxed()
    }

    fn space(&self, user: UserId) -> Answer<'_, SpaceFigures> {
        let figures = self.spaces.lock().get(&user).map(|space| SpaceFigures {
            used: space.octets().div_ceil(4096) as u64,
            limit: space.blocks.into(),
            threshold: 90,
        });
        self.now(figures.ok_or(StoreError::NotEnrolled))
    }

    fn group_space(&self, _user: UserId) -> Answer<'_, Option<SpaceFigures>> {
        self.now(Ok(None))
    }

    fn set_space(&self, user: UserId, blocks: u64) -> Answer<'_, ()> {
        let mut spaces = self.spaces.lock();
        let set = spaces.get_mut(&user).map(|space| space.blocks = u32::try_from(blocks).unwrap_or(u32::MAX));
        self.now(set.ok_or(StoreError::NotEnrolled))
    }

    fn delete_user(&self, user: UserId, last: UidValidity) -> Answer<'_, ()> {
        let gone = self.spaces.lock().remove(&user);
        self.retired.fetch_max(last.0, Ordering::Relaxed);
        self.now(gone.map(drop).ok_or(StoreError::NotEnrolled))
    }

    fn new_validities(&self, _count: u32, now: i64) -> Answer<'_, UidValidity> {
        self.now(Ok(UidValidity(seconds(now).max(self.retired.load(Ordering::Relaxed) + 1))))
    }

    fn shape(&self, _octets: &[u8]) -> Shape {
        Shape { records: 1, marks: NoteMarks(0), image: None }
    }

    fn first_slots(&self) -> (u32, u32) {
        (3, 2)
    }
}
