//! The checker: verifies the invariants of catalog and bodies and says what is wrong.
//!
//! Looks at one committed state, so it can run while the pool is used.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::catalog::{BodyId, BodyRec, DirId, FileNo, FileRec, ObjectNo};
use super::error::PoolError;
use super::page::{self, Page};
use super::row;
use super::snapshot::Snapshot;
use super::store::OpenBody;
use super::unit::MAX_LEVELS;
use super::{Inner, Pool};
use crate::types::StorageGroup;

/// Most problems listed; beyond it only their number is kept.
const MAX_LISTED: usize = 1000;

/// What the checker found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// File spaces, directories (top directories included), files and bodies looked at.
    pub spaces: u64,
    /// See `spaces`.
    pub directories: u64,
    /// See `spaces`.
    pub files: u64,
    /// See `spaces`.
    pub bodies: u64,
    /// What is wrong, in words.
    pub problems: Vec<String>,
    /// How many problems there are, listed or not.
    pub problem_count: u64,
}

impl Findings {
    fn problem(&mut self, text: impl FnOnce() -> String) {
        self.problem_count += 1;
        if self.problems.len() < MAX_LISTED {
            self.problems.push(text());
        }
    }
}

struct Walk<'a> {
    snapshot: &'a Snapshot,
    found: Findings,
    refs: HashMap<BodyId, u32>,
    seen: HashSet<DirId>,
    /// Files whose records are in pages.
    keyed: HashMap<FileNo, Shape>,
    /// Objects and directories that have authorities, locks or attributes, as far as they were not come upon.
    missing: HashSet<u64>,
    objects: HashSet<ObjectNo>,
    /// The greatest number of a directory, object, file or body.
    greatest: u64,
    /// Bodies whose octets cannot be read, and why.
    unreadable: BTreeMap<BodyId, String>,
}

/// What the pages of a file must agree with.
struct Shape {
    lrecl: u32,
    records: u32,
}

impl Shape {
    /// Whether a page whose first record has number `start` is one of such a file.
    fn has(&self, start: u32, page: &Page<'_>) -> bool {
        page.lrecl == self.lrecl
            && start > 0
            && start == page::first_of(start, self.lrecl)
            && u64::from(start) + u64::from(page.count()) <= u64::from(self.records) + 1
    }
}

impl Pool {
    /// Verifies the pool. With `read_bodies` every stored octet is read and its checksum verified.
    ///
    /// # Errors
    /// When the catalog cannot be read at all.
    pub fn check(&self, read_bodies: bool) -> Result<Findings, PoolError> {
        let snapshot: Arc<Snapshot> = self.inner.current();
        let mut walk = Walk::new(&snapshot);
        walk.catalog()?;
        walk.bodies(&self.inner, read_bodies)?;
        walk.numbers(self.inner.next_number());
        Ok(walk.found)
    }
}

impl<'a> Walk<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            found: Findings::default(),
            refs: HashMap::new(),
            seen: HashSet::new(),
            keyed: HashMap::new(),
            missing: HashSet::new(),
            objects: HashSet::new(),
            greatest: 0,
            unreadable: BTreeMap::new(),
        }
    }

    /// Everything but the stored octets.
    fn catalog(&mut self) -> Result<(), PoolError> {
        let snapshot = self.snapshot;
        for prefix in row::of_objects() {
            for (key, value) in snapshot.rows(&prefix)? {
                if let Ok(row::Meaning::Of(number)) = row::meaning(&key, &value) {
                    self.missing.insert(number);
                }
            }
        }
        let groups: HashSet<_> = super::group::minidisks(snapshot)?.iter().map(|m| m.group).collect();
        for (name, rec) in snapshot.spaces()? {
            self.found.spaces += 1;
            if !groups.contains(&rec.group) {
                self.found.problem(|| format!("{name}: storage group {} has no minidisk", rec.group));
            }
            if rec.group == StorageGroup::CATALOG {
                self.found.problem(|| format!("{name}: storage group 1 holds no file spaces"));
            }
            let blocks = self.directory(&name, rec.top, 0)?;
            if blocks != rec.used {
                let used = rec.used;
                self.found.problem(|| format!("{name}: {used} blocks counted, {blocks} in files"));
            }
        }
        self.unreached()?;
        self.pages()?;
        self.rows()
    }

    /// Every name is in a directory that a file space leads to.
    fn unreached(&mut self) -> Result<(), PoolError> {
        let mut lost: BTreeMap<DirId, u64> = BTreeMap::new();
        self.snapshot.names(|dir| {
            if !self.seen.contains(&dir) {
                *lost.entry(dir).or_default() += 1;
            }
        })?;
        for (dir, names) in lost {
            self.found.problem(|| format!("directory {}: {names} names, and no file space has it", dir.0));
        }
        Ok(())
    }

    /// What comes next has a number that nothing has.
    fn numbers(&mut self, next: u64) {
        let greatest = self.greatest;
        if greatest >= next {
            self.found.problem(|| format!("number {greatest} is in use, and {next} is to be given out next"));
        }
    }
}

impl Walk<'_> {
    /// Blocks of all files below `dir`.
    fn directory(&mut self, name: &str, dir: DirId, depth: usize) -> Result<u64, PoolError> {
        if !self.seen.insert(dir) {
            self.found.problem(|| format!("{name}: directory {} stands in two places", dir.0));
            return Ok(0);
        }
        self.found.directories += 1;
        self.missing.remove(&dir.0);
        self.greatest = self.greatest.max(dir.0);
        if depth > MAX_LEVELS {
            // Nor does this go down any further, however deep it goes.
            self.found.problem(|| format!("{name}: more than {MAX_LEVELS} levels"));
            return Ok(0);
        }
        let mut files: Vec<(String, FileRec)> = Vec::new();
        self.snapshot.files(dir, |id, rec| files.push((id.to_string(), rec)))?;
        let mut blocks = 0;
        for (id, rec) in files {
            blocks += rec.blocks();
            self.file(&format!("{name} {id}"), &rec)?;
        }
        for (level, rec) in self.snapshot.dirs(dir)? {
            blocks += self.directory(&format!("{name}.{level}"), rec.id, depth + 1)?;
        }
        Ok(blocks)
    }

    fn file(&mut self, name: &str, rec: &FileRec) -> Result<(), PoolError> {
        self.found.files += 1;
        self.missing.remove(&rec.object.0);
        self.greatest = self.greatest.max(rec.object.0).max(rec.file.0);
        if !self.objects.insert(rec.object) {
            self.found.problem(|| format!("{name}: object {} stands in two places", rec.object.0));
        }
        let sum: u64 = rec.slices.iter().map(|s| u64::from(s.len)).sum();
        if !rec.keyed && sum != rec.bytes {
            self.found.problem(|| format!("{name}: {} octets recorded, {sum} in extents", rec.bytes));
        }
        if rec.keyed {
            let shape = Shape { lrecl: rec.lrecl, records: rec.records };
            if self.keyed.insert(rec.file, shape).is_some() {
                self.found.problem(|| format!("{name}: file {} has its records in two places", rec.file.0));
            }
        }
        for slice in &rec.slices {
            *self.refs.entry(slice.body).or_default() += 1;
            match self.snapshot.body(slice.body)? {
                Some(body) if u64::from(slice.offset) + u64::from(slice.len) <= u64::from(body.len) => {}
                Some(_) => self.found.problem(|| format!("{name}: reaches behind body {}", slice.body.0)),
                None => self.found.problem(|| format!("{name}: body {} is missing", slice.body.0)),
            }
        }
        Ok(())
    }

    /// Every page of records belongs to a file that can have it.
    fn pages(&mut self) -> Result<(), PoolError> {
        let Self { snapshot, found, keyed, .. } = self;
        snapshot.pages(|file, start, page| {
            let wrong = match (keyed.get(&file), page) {
                (None, _) => "belong to no file",
                (Some(shape), Some(page)) if shape.has(start, &page) => return,
                (Some(_), Some(_)) => "are none that the file can have",
                (Some(_), None) => "cannot be read",
            };
            found.problem(|| format!("file {}: records from {start} on {wrong}", file.0));
        })
    }

    /// Aliases and external objects stand in directories that are there and hide no file; object rows lead to their file; the
    /// rest can be read.
    fn rows(&mut self) -> Result<(), PoolError> {
        for (key, value) in self.snapshot.rows(&[])? {
            let wrong = match row::meaning(&key, &value) {
                Ok(row::Meaning::Special(dir, name)) => {
                    let hides = self.snapshot.file(dir, name)?.is_some();
                    (!self.seen.contains(&dir) || hides).then_some("an entry that cannot be there")
                }
                Ok(row::Meaning::Object(object, place)) => {
                    let file = self.snapshot.file(place.dir, place.name)?;
                    file.is_none_or(|f| f.object != object).then_some("the place of a file is wrong")
                }
                Ok(row::Meaning::Of(number)) => {
                    self.missing.contains(&number).then_some("of nothing that is there")
                }
                Ok(row::Meaning::Other) => None,
                Err(_) => Some("malformed"),
            };
            if let Some(wrong) = wrong {
                self.found.problem(|| format!("row {key:02x?}: {wrong}"));
            }
        }
        Ok(())
    }

    fn bodies(&mut self, inner: &Inner, read: bool) -> Result<(), PoolError> {
        let store = &inner.store;
        let mut all = Vec::new();
        self.snapshot.bodies(|id, rec| all.push((id, rec)))?;
        self.apart(&all);
        for (id, rec) in all {
            self.greatest = self.greatest.max(id.0);
            self.found.bodies += 1;
            let named = self.refs.get(&id).copied().unwrap_or(0);
            if named != rec.refs {
                self.found
                    .problem(|| format!("body {}: {} references counted, {named} found", id.0, rec.refs));
            }
            let read = |body: &OpenBody| if read { store.read_all(body).map(drop) } else { Ok(()) };
            let wrong = match store.open(id, rec.clone()) {
                Some(body) => read(&body).err().map(|error| error.to_string()),
                None => is_lost(inner, id, &rec)?.then(|| format!("no disk has address {:#x}", rec.addr)),
            };
            if let Some(wrong) = wrong {
                self.unreadable.insert(id, wrong);
            }
        }
        self.unreadable()
    }

    /// Tells which bodies cannot be read, with the files that they are of.
    fn unreadable(&mut self) -> Result<(), PoolError> {
        if self.unreadable.is_empty() {
            return Ok(());
        }
        let Self { snapshot, unreadable, .. } = self;
        let mut names: HashMap<BodyId, Vec<String>> = HashMap::new();
        let mut waiting: Vec<(String, DirId)> =
            snapshot.spaces()?.into_iter().map(|(name, rec)| (format!("{name}."), rec.top)).collect();
        let mut seen = HashSet::new();
        while let Some((name, dir)) = waiting.pop() {
            if !seen.insert(dir) {
                continue;
            }
            snapshot.files(dir, |id, rec| {
                for body in rec.slices.iter().map(|slice| slice.body).filter(|b| unreadable.contains_key(b)) {
                    names.entry(body).or_default().push(format!("{id} {name}"));
                }
            })?;
            let dot = if name.ends_with('.') { "" } else { "." };
            let below = snapshot.dirs(dir)?.into_iter();
            waiting.extend(below.map(|(level, rec)| (format!("{name}{dot}{level}"), rec.id)));
        }
        for (id, wrong) in std::mem::take(&mut self.unreadable) {
            let mut of = names.remove(&id).unwrap_or_default();
            of.dedup();
            self.found.problem(|| format!("body {}{}: {wrong}", id.0, of_files(&of)));
        }
        Ok(())
    }

    /// No two bodies lie in the same place.
    fn apart(&mut self, all: &[(BodyId, BodyRec)]) {
        let place = |(id, rec): &(BodyId, BodyRec)| (rec.storage.code(), rec.addr, rec.len, *id);
        let mut places: Vec<_> = all.iter().map(place).filter(|(_, _, len, _)| *len > 0).collect();
        places.sort_unstable();
        for pair in places.windows(2) {
            let [(storage, addr, len, one), (other_storage, other_addr, _, other)] = [pair[0], pair[1]];
            if storage == other_storage && addr + u64::from(len) > other_addr {
                self.found.problem(|| format!("bodies {} and {} lie in the same place", one.0, other.0));
            }
        }
    }
}

/// Files that a body is of, the first ones by name.
fn of_files(names: &[String]) -> String {
    const NAMED: usize = 3;
    let further = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match names {
        [] => String::new(),
        _ => format!(" of {}{further}", names[..names.len().min(NAMED)].join(", ")),
    }
}

/// Whether the place of a body that is on no disk is its last one: the mover may have taken it elsewhere since the state that is
/// looked at.
fn is_lost(inner: &Inner, id: BodyId, rec: &BodyRec) -> Result<bool, PoolError> {
    let now = inner.current().body(id)?;
    Ok(now.is_some_and(|now| now.storage == rec.storage && now.addr == rec.addr))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::catalog::{DirRec, SpaceRec, Storage, file_key, level_key, named_key};
    use crate::pool::recent::TableId;
    use crate::types::{FileId, Grantee, ModeNumber, RecordFormat, Rights, Stamp, StorageGroup};

    const NOW: Stamp = Stamp(0);

    fn file(number: u64) -> FileRec {
        FileRec {
            file: FileNo(number),
            object: ObjectNo(number),
            recfm: RecordFormat::Fixed,
            keyed: true,
            recover: true,
            in_place: false,
            mode: ModeNumber::DEFAULT,
            lrecl: 8,
            records: 0,
            bytes: 0,
            created: NOW,
            updated: NOW,
            referenced: NOW,
            slices: crate::pool::catalog::Slices::new(),
        }
    }

    fn put_dir(state: &mut Snapshot, parent: u64, level: &str, id: u64) {
        let rec = DirRec { id: DirId(id), created: NOW };
        let key = named_key(DirId(parent), level_key(level).unwrap());
        state.put(TableId::Dir, &key, &rec.encode()).unwrap();
    }

    fn put_file(state: &mut Snapshot, dir: u64, name: &str, rec: &FileRec) {
        let (name, kind) = name.split_once(' ').unwrap();
        let id = FileId::new(name.parse().unwrap(), kind.parse().unwrap());
        let key = named_key(DirId(dir), file_key(id));
        state.put(TableId::Entry, &key, &rec.encode()).unwrap();
    }

    /// What is wrong in a pool with file space JOE (directory 1) and what `change` puts there.
    fn problems(change: impl FnOnce(&mut Snapshot)) -> Vec<String> {
        let db = crate::pool::rebuild::empty_catalog().unwrap();
        let mut state = Snapshot::new(&db).unwrap();
        let group = StorageGroup::FIRST;
        let (label, top) = (String::new(), DirId(1));
        let rec = SpaceRec { top, limit: 10, used: 0, threshold: 90, created: NOW, label, group };
        state.put(TableId::Space, b"JOE", &rec.encode()).unwrap();
        change(&mut state);
        let mut walk = Walk::new(&state);
        walk.catalog().unwrap();
        walk.numbers(100);
        walk.found.problems
    }

    fn one_problem(change: impl FnOnce(&mut Snapshot), words: &str) {
        let found = problems(change);
        assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
    }

    #[test]
    fn a_sound_catalog_has_no_problems() {
        let sound = |state: &mut Snapshot| {
            (1..=MAX_LEVELS as u64).for_each(|n| put_dir(state, n, "SUB", n + 1));
            put_file(state, 3, "A FILE", &file(98));
            put_file(state, 4, "A FILE", &file(99));
            let key = row::grant_key(98, Grantee::Public);
            state.put(TableId::Row, &key, &row::rights_row(Rights::READ)).unwrap();
            state.put(TableId::Row, &row::public_key(), &row::public_row()).unwrap();
        };
        assert_eq!(problems(sound), Vec::<String>::new());
    }

    #[test]
    fn what_nothing_leads_to_is_found() {
        one_problem(|state| put_file(state, 7, "A FILE", &file(9)), "directory 7: 1 names");
        one_problem(|state| put_dir(state, 7, "SUB", 8), "directory 7: 1 names");
        let authority = |state: &mut Snapshot| {
            let key = row::grant_key(9, Grantee::Public);
            state.put(TableId::Row, &key, &row::rights_row(Rights::READ)).unwrap();
        };
        one_problem(authority, "of nothing that is there");
    }

    #[test]
    fn numbers_that_stand_twice_or_are_to_come_are_found() {
        let twice = |state: &mut Snapshot| {
            put_file(state, 1, "A FILE", &file(9));
            put_file(state, 1, "B FILE", &FileRec { file: FileNo(10), ..file(9) });
        };
        one_problem(twice, "object 9 stands in two places");
        let records = |state: &mut Snapshot| {
            put_file(state, 1, "A FILE", &file(9));
            put_file(state, 1, "B FILE", &FileRec { object: ObjectNo(10), ..file(9) });
        };
        one_problem(records, "file 9 has its records in two places");
        one_problem(|state| put_file(state, 1, "A FILE", &file(100)), "number 100 is in use");
        one_problem(|state| put_dir(state, 1, "SUB", 1), "stands in two places");
    }

    #[test]
    fn a_level_too_many_is_found() {
        let deep = |state: &mut Snapshot| {
            (1..=MAX_LEVELS as u64 + 1).for_each(|n| put_dir(state, n, "SUB", n + 1));
        };
        one_problem(deep, "more than 8 levels");
    }

    #[test]
    fn bodies_in_one_place_are_found() {
        let body = |id: u64, storage, addr, len| {
            (BodyId(id), BodyRec { refs: 1, storage, addr, len, crcs: Vec::new() })
        };
        let db = crate::pool::rebuild::empty_catalog().unwrap();
        let state = Snapshot::new(&db).unwrap();
        let mut walk = Walk::new(&state);
        walk.apart(&[
            body(1, Storage::Log, 0, 10),
            body(2, Storage::Volume, 0, 10),
            body(3, Storage::Log, 10, 5),
            body(4, Storage::Log, 12, 0),
        ]);
        assert_eq!(walk.found.problem_count, 0);
        walk.apart(&[body(5, Storage::Volume, 9, 1), body(6, Storage::Volume, 0, 10)]);
        assert_eq!(walk.found.problems, ["bodies 6 and 5 lie in the same place"]);
    }
}
