//! The checker: verifies the invariants of catalog and bodies and says what is wrong.
//!
//! Looks at one committed state, so it can run while the pool is used.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::catalog::{BodyId, DirId, FileNo, FileRec};
use super::error::PoolError;
use super::page::{self, Page};
use super::row;
use super::snapshot::Snapshot;
use super::{Pool, store::Store};
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
        let mut walk = Walk {
            snapshot: &snapshot,
            found: Findings::default(),
            refs: HashMap::new(),
            seen: HashSet::new(),
            keyed: HashMap::new(),
        };
        let groups: HashSet<_> = super::group::minidisks(&snapshot)?.iter().map(|m| m.group).collect();
        for (name, rec) in snapshot.spaces()? {
            walk.found.spaces += 1;
            if !groups.contains(&rec.group) {
                walk.found.problem(|| format!("{name}: storage group {} has no minidisk", rec.group));
            }
            if rec.group == StorageGroup::CATALOG {
                walk.found.problem(|| format!("{name}: storage group 1 holds no file spaces"));
            }
            let blocks = walk.directory(&name, rec.top)?;
            if blocks != rec.used {
                let used = rec.used;
                walk.found.problem(|| format!("{name}: {used} blocks counted, {blocks} in files"));
            }
        }
        walk.pages()?;
        walk.rows()?;
        walk.bodies(&self.inner.store, read_bodies)?;
        Ok(walk.found)
    }
}

impl Walk<'_> {
    /// Blocks of all files below `dir`.
    fn directory(&mut self, name: &str, dir: DirId) -> Result<u64, PoolError> {
        if !self.seen.insert(dir) {
            self.found.problem(|| format!("{name}: directory {} stands in two places", dir.0));
            return Ok(0);
        }
        self.found.directories += 1;
        let mut files: Vec<(String, FileRec)> = Vec::new();
        self.snapshot.files(dir, |id, rec| files.push((id.to_string(), rec)))?;
        let mut blocks = 0;
        for (id, rec) in files {
            blocks += rec.blocks();
            self.file(&format!("{name} {id}"), &rec)?;
        }
        for (level, rec) in self.snapshot.dirs(dir)? {
            blocks += self.directory(&format!("{name}.{level}"), rec.id)?;
        }
        Ok(blocks)
    }

    fn file(&mut self, name: &str, rec: &FileRec) -> Result<(), PoolError> {
        self.found.files += 1;
        let sum: u64 = rec.slices.iter().map(|s| u64::from(s.len)).sum();
        if !rec.keyed && sum != rec.bytes {
            self.found.problem(|| format!("{name}: {} octets recorded, {sum} in extents", rec.bytes));
        }
        if rec.keyed {
            self.keyed.insert(rec.file, Shape { lrecl: rec.lrecl, records: rec.records });
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
                Ok(row::Meaning::Other) => None,
                Err(_) => Some("malformed"),
            };
            if let Some(wrong) = wrong {
                self.found.problem(|| format!("row {key:02x?}: {wrong}"));
            }
        }
        Ok(())
    }

    fn bodies(&mut self, store: &Store, read: bool) -> Result<(), PoolError> {
        let mut all = Vec::new();
        self.snapshot.bodies(|id, rec| all.push((id, rec)))?;
        for (id, rec) in all {
            self.found.bodies += 1;
            let named = self.refs.get(&id).copied().unwrap_or(0);
            if named != rec.refs {
                self.found
                    .problem(|| format!("body {}: {} references counted, {named} found", id.0, rec.refs));
            }
            if read {
                // A body that the mover takes away meanwhile is read at its new place another time.
                let Some(body) = store.open(id, rec) else { continue };
                if let Err(error) = store.read_all(&body) {
                    self.found.problem(|| format!("body {}: {error}", id.0));
                }
            }
        }
        Ok(())
    }
}
