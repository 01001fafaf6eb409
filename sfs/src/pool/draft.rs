//! What a work unit has changed and not yet committed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::catalog::{BodyId, DirId, DirRec, FileNo, FileRec, Name16, SpaceRec};
use super::error::PoolError;
use super::image::{Image, Source};
use super::row::RowKey;
use super::runs::Runs;
use super::snapshot::Snapshot;
use super::spill::Spilled;
use super::store::Store;

/// Greatest record length of a RECFM F file whose records are kept in the catalog ([`super::page`]), so that replacing one is a
/// small change. Such are NOTE INDEX and MAILBOX INDEX; longer records would fill the catalog's pages badly.
pub(crate) const MAX_KEYED_LRECL: u32 = 1024;

/// Records of a file that keeps them in the catalog: the committed ones and what this work unit did to them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keyed {
    /// The committed file whose records show through.
    pub(crate) base: Option<FileNo>,
    /// Committed records numbered this and above are gone.
    pub(crate) cut: Option<u32>,
    pub(crate) puts: Runs,
    /// How often this work unit has changed it.
    pub(crate) changes: u64,
    /// The committed state that a reader goes on seeing; writers hold the lock and need none.
    pub(crate) seen: Option<Arc<Snapshot>>,
}

/// What a file contains.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Image(Image),
    Keyed(Keyed),
    /// What the slices of its record say. Nobody has looked at it yet: a file that is copied, renamed or erased need not be opened.
    Slices,
}

impl Content {
    /// Nothing, in the form that suits the record format.
    pub(crate) fn empty(keyed: bool) -> Self {
        if keyed { Self::Keyed(Keyed::default()) } else { Self::Image(Image::default()) }
    }

    /// The committed content of `rec`, not to be looked at before it is loaded.
    pub(crate) fn unloaded(rec: &FileRec) -> Self {
        if rec.keyed { Self::Keyed(Keyed { base: Some(rec.file), ..Keyed::default() }) } else { Self::Slices }
    }

    /// The committed content of `rec`; `None` when storage has been recycled since `rec` was read.
    pub(crate) fn load(
        rec: &FileRec,
        snapshot: &Arc<Snapshot>,
        store: &Store,
        reader: bool,
    ) -> Result<Option<Self>, PoolError> {
        if rec.keyed {
            let seen = reader.then(|| snapshot.clone());
            return Ok(Some(Self::Keyed(Keyed { base: Some(rec.file), seen, ..Keyed::default() })));
        }
        let mut image = Image::default();
        let mut last: Option<Arc<super::store::OpenBody>> = None;
        for slice in &rec.slices {
            let body = match &last {
                Some(body) if body.id == slice.body => body.clone(),
                _ => {
                    let body = snapshot.body(slice.body)?;
                    let body =
                        body.ok_or_else(|| PoolError::Damaged("a file names a missing body".into()))?;
                    match store.open(slice.body, body) {
                        Some(body) => body,
                        None => return Ok(None),
                    }
                }
            };
            image.push_stored(body.clone(), slice.offset, slice.len);
            last = Some(body);
        }
        Ok(Some(Self::Image(image)))
    }
}

/// A file as this work unit would leave it.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// Its record; `slices` are only filled in by the commit.
    pub(crate) rec: FileRec,
    pub(crate) content: Content,
}

impl Draft {
    /// The committed file, unchanged.
    pub(crate) fn of(rec: FileRec) -> Self {
        Self { content: Content::unloaded(&rec), rec }
    }

    /// [`Self::of`] for a file change.
    pub(crate) fn boxed(rec: &FileRec) -> Box<Self> {
        Box::new(Self::of(rec.clone()))
    }

    /// Whether its content lies in one of these bodies.
    pub(crate) fn names_any(&self, bodies: &HashSet<BodyId>) -> bool {
        match &self.content {
            Content::Image(image) => image.stretches().any(|(source, _)| match source {
                Source::Stored { body, .. } => bodies.contains(&body.id),
                _ => false,
            }),
            Content::Slices => self.rec.slices.iter().any(|slice| bodies.contains(&slice.body)),
            Content::Keyed(_) => false,
        }
    }
}

/// A name in a directory that this work unit has locked.
#[derive(Debug)]
pub(crate) struct FileChange {
    pub(crate) space: Arc<str>,
    /// The committed file of that name.
    pub(crate) base: Option<Box<FileRec>>,
    /// What is there now; `None`: nothing.
    pub(crate) now: Option<Box<Draft>>,
}

impl FileChange {
    /// A NORECOVER file keeps its changes over a rollback if it was one before.
    pub(crate) fn outlives_rollback(&self) -> bool {
        let was = self.base.as_ref().is_some_and(|b| !b.recover);
        was && self.now.as_ref().is_some_and(|d| !d.rec.recover)
    }
}

/// All that a work unit has changed.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    pub(crate) spaces: BTreeMap<String, Option<SpaceRec>>,
    pub(crate) dirs: BTreeMap<(DirId, Name16), Option<DirRec>>,
    pub(crate) files: BTreeMap<(DirId, Name16), FileChange>,
    pub(crate) rows: BTreeMap<RowKey, Option<Vec<u8>>>,
    /// What begins with these goes away with an object.
    pub(crate) drops: Vec<RowKey>,
    /// Objects and directories that go away.
    pub(crate) gone: Vec<u64>,
    /// Bodies that are on the volume already.
    pub(crate) spilled: Option<Spilled>,
}

/// So many entries of a map are moved into another in the time in which one finds its place.
const MOVES: usize = 8;

impl Overlay {
    /// Adds changes of files that it has none of.
    pub(crate) fn add(&mut self, changes: Vec<((DirId, Name16), FileChange)>) {
        // A map made of many at once is made without looking for the place of each, which pays although all are moved.
        if changes.len() > self.files.len() / MOVES {
            let mut all: BTreeMap<_, _> = changes.into_iter().collect();
            self.files.append(&mut all);
        } else {
            self.files.extend(changes);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spaces.is_empty() && self.dirs.is_empty() && self.files.is_empty() && self.rows.is_empty()
    }
}
