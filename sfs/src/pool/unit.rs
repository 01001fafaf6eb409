//! Work units: what one user does between two commits.
//!
//! A work unit sees the last committed state and its own changes over it. What it opens for reading stays as it was at the
//! open. It locks what it changes from the first change on; conflicts are told at once. Dropping it rolls it back.
//!
//! Names of directories and files are here; file spaces in [`space`], opens in [`open`], the end of a unit in
//! [`super::commit`].

mod open;
mod space;
mod state;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

pub use super::file::ReadOut;
pub use open::{OpenRequest, Opened, Token, Waiting};

use super::Inner;
use super::catalog::{DirId, DirRec, FileNo, Name16, file_id, file_key, level_key};
use super::draft::Overlay;
use super::error::PoolError;
use super::lock::{LockKey, LockMode};
use super::snapshot::Snapshot;
use crate::types::{DirStatus, FileId, FileStatus};
pub(crate) use state::State;

/// Greatest depth of directories below a top directory. Source: the SFS directory naming rules.
pub const MAX_LEVELS: usize = cp::name::DirName::MAX_LEVELS;
/// Percentage of its limit at which a new file space begins to warn.
pub(crate) const DEFAULT_THRESHOLD: u8 = 90;
/// Opens that one work unit may have at once: a bound on what a client can make the server keep.
pub const MAX_OPEN: usize = 4096;
/// Files and directories that one work unit may change: the same kind of bound.
pub const MAX_CHANGES: usize = 1_000_000;
/// Octets that one work unit may have written and not committed: they are kept in memory. Well above the largest message a mail
/// system takes.
pub const MAX_PENDING: u64 = 1 << 30;
/// Tries to read a file whose storage is recycled while it is being opened. Each needs a commit of the mover in between.
pub(crate) const OPEN_TRIES: usize = 16;

/// A directory: file space and levels below its top directory.
#[derive(Debug, Clone, Copy)]
pub struct DirPath<'a> {
    /// The file space.
    pub space: &'a str,
    /// Level names, outermost first; none for the top directory.
    pub levels: &'a [String],
}

/// What one user does between two commits.
pub struct WorkUnit {
    pub(crate) inner: Arc<Inner>,
    pub(crate) state: Mutex<State>,
}

impl std::fmt::Debug for WorkUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkUnit").field("serial", &self.serial()).finish_non_exhaustive()
    }
}

impl WorkUnit {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        let locks = inner.new_locks();
        let state =
            State { overlay: Overlay::default(), locks, files: HashMap::new(), pending: 0, busy: false };
        Self { inner, state: Mutex::new(state) }
    }

    /// The holder's number on this unit's locks: another one after each commit and rollback, and never used twice while the
    /// pool is open. So a commit whose caller went away still stands in the way of the same unit until it is visible.
    pub fn serial(&self) -> u64 {
        self.state.lock().locks.unit()
    }

    /// True when there is something to commit.
    pub fn is_active(&self) -> bool {
        !self.state.lock().overlay.is_empty()
    }

    fn with<R>(
        &self,
        f: impl FnOnce(&mut State, &Arc<Snapshot>) -> Result<R, PoolError>,
    ) -> Result<R, PoolError> {
        let mut state = self.state.lock();
        if state.busy {
            return Err(PoolError::Busy);
        }
        f(&mut state, &self.inner.current())
    }

    /// The directory's file space exists and so does each level.
    ///
    /// # Errors
    /// [`PoolError::NoSpace`], [`PoolError::NoDirectory`].
    pub fn find_dir(&self, dir: DirPath<'_>) -> Result<(), PoolError> {
        self.with(|state, snapshot| state.resolve(snapshot, dir).map(|_| ()))
    }

    /// What is known of a directory.
    ///
    /// # Errors
    /// [`PoolError::NoSpace`], [`PoolError::NoDirectory`].
    pub fn dir_status(&self, dir: DirPath<'_>) -> Result<DirStatus, PoolError> {
        self.with(|state, snapshot| match dir.levels.split_last() {
            None => {
                let rec = state.space(snapshot, dir.space)?.ok_or(PoolError::NoSpace)?;
                Ok(DirStatus { level: String::new(), created: rec.created, unique: rec.top.0 })
            }
            Some((last, above)) => {
                let parent = state.resolve(snapshot, DirPath { levels: above, ..dir })?;
                let rec = state.level(snapshot, parent.id, last)?.ok_or(PoolError::NoDirectory)?;
                Ok(DirStatus { level: last.clone(), created: rec.created, unique: rec.id.0 })
            }
        })
    }

    /// Creates the last level of `dir`.
    ///
    /// # Errors
    /// [`PoolError::DirectoryExists`], [`PoolError::NoDirectory`] when a level above is missing, [`PoolError::Locked`].
    pub fn create_dir(&self, dir: DirPath<'_>) -> Result<(), PoolError> {
        let Some((last, above)) = dir.levels.split_last() else { return Err(PoolError::DirectoryExists) };
        let name = checked_level(last, dir.levels.len())?;
        self.with(|state, snapshot| {
            let parent = state.resolve(snapshot, DirPath { levels: above, ..dir })?;
            state.room_for_change()?;
            state.lock_within(&parent)?;
            state.locks.take(LockKey::Level(parent.id, name), LockMode::Exclusive)?;
            let snapshot = &self.inner.current();
            if state.level(snapshot, parent.id, last)?.is_some() {
                return Err(PoolError::DirectoryExists);
            }
            let rec = DirRec { id: DirId(self.inner.new_number()), created: self.inner.now() };
            state.overlay.dirs.insert((parent.id, name), Some(rec));
            Ok(())
        })
    }

    /// Removes a directory that holds nothing.
    ///
    /// # Errors
    /// [`PoolError::NotEmpty`], [`PoolError::NoDirectory`], [`PoolError::Locked`]; [`PoolError::BadDirectory`] for a top
    /// directory.
    pub fn erase_dir(&self, dir: DirPath<'_>) -> Result<(), PoolError> {
        let Some((last, above)) = dir.levels.split_last() else { return Err(PoolError::BadDirectory) };
        let name = checked_level(last, dir.levels.len())?;
        self.with(|state, snapshot| {
            let parent = state.resolve(snapshot, DirPath { levels: above, ..dir })?;
            state.lock_within(&parent)?;
            state.locks.take(LockKey::Level(parent.id, name), LockMode::Exclusive)?;
            let snapshot = &self.inner.current();
            let rec = state.level(snapshot, parent.id, last)?.ok_or(PoolError::NoDirectory)?;
            state.locks.take(LockKey::Directory(rec.id), LockMode::Exclusive)?;
            let snapshot = &self.inner.current();
            if !state.dir_is_empty(snapshot, rec.id)? {
                return Err(PoolError::NotEmpty);
            }
            state.overlay.dirs.insert((parent.id, name), None);
            Ok(())
        })
    }

    /// Gives a directory another last level, or moves it (with all it holds) below another directory of its file space.
    ///
    /// # Errors
    /// [`PoolError::DirectoryExists`], [`PoolError::NoDirectory`], [`PoolError::OtherSpace`], [`PoolError::BadDirectory`]
    /// when the target lies inside the source or too deep, [`PoolError::Locked`].
    pub fn rename_dir(&self, from: DirPath<'_>, to: DirPath<'_>) -> Result<(), PoolError> {
        let (Some((old, above_old)), Some((new, above_new))) =
            (from.levels.split_last(), to.levels.split_last())
        else {
            return Err(PoolError::BadDirectory);
        };
        if from.space != to.space {
            return Err(PoolError::OtherSpace);
        }
        if to.levels.starts_with(from.levels) && to.levels.len() > from.levels.len() {
            return Err(PoolError::BadDirectory);
        }
        let old_name = checked_level(old, from.levels.len())?;
        let new_name = checked_level(new, to.levels.len())?;
        self.with(|state, snapshot| {
            let source = state.resolve(snapshot, DirPath { levels: above_old, ..from })?;
            let target = state.resolve(snapshot, DirPath { levels: above_new, ..to })?;
            state.lock_within(&source)?;
            state.lock_within(&target)?;
            state.locks.take(LockKey::Level(source.id, old_name), LockMode::Exclusive)?;
            state.locks.take(LockKey::Level(target.id, new_name), LockMode::Exclusive)?;
            let snapshot = &self.inner.current();
            let rec = state.level(snapshot, source.id, old)?.ok_or(PoolError::NoDirectory)?;
            if state.level(snapshot, target.id, new)?.is_some() {
                return Err(PoolError::DirectoryExists);
            }
            let depth = state.depth(snapshot, rec.id)?;
            if to.levels.len() + depth > MAX_LEVELS {
                return Err(PoolError::BadDirectory);
            }
            state.overlay.dirs.insert((source.id, old_name), None);
            state.overlay.dirs.insert((target.id, new_name), Some(rec));
            Ok(())
        })
    }

    /// The files of a directory, by name and type.
    ///
    /// # Errors
    /// [`PoolError::NoSpace`], [`PoolError::NoDirectory`].
    pub fn list_files(&self, dir: DirPath<'_>) -> Result<Vec<FileStatus>, PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            let mut all = Vec::new();
            snapshot.files(found.id, |id, rec| {
                if !state.overlay.files.contains_key(&(found.id, file_key(id))) {
                    all.push(rec.status(id));
                }
            })?;
            let committed = all.len();
            let range = (found.id, [0; 16])..=(found.id, [0xff; 16]);
            for ((_, name), change) in state.overlay.files.range(range) {
                if let Some(draft) = &change.now {
                    all.push(draft.rec.status(file_id(name)?));
                }
            }
            if all.len() > committed {
                all.sort_by_key(|s| file_key(s.id));
            }
            Ok(all)
        })
    }

    /// The directories right below a directory, by name.
    ///
    /// # Errors
    /// [`PoolError::NoSpace`], [`PoolError::NoDirectory`].
    pub fn list_dirs(&self, dir: DirPath<'_>) -> Result<Vec<DirStatus>, PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            let dirs = state.levels_of(snapshot, found.id)?;
            let status =
                |(level, rec): (String, DirRec)| DirStatus { level, created: rec.created, unique: rec.id.0 };
            Ok(dirs.into_iter().map(status).collect())
        })
    }

    /// What is known of a file, this unit's changes included.
    ///
    /// # Errors
    /// [`PoolError::NoFile`] and those of the directory.
    pub fn status(&self, dir: DirPath<'_>, id: FileId) -> Result<FileStatus, PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            match state.overlay.files.get(&(found.id, file_key(id))) {
                Some(change) => change.now.as_ref().map(|d| d.rec.status(id)).ok_or(PoolError::NoFile),
                None => snapshot.file(found.id, file_key(id))?.map(|r| r.status(id)).ok_or(PoolError::NoFile),
            }
        })
    }

    /// Removes a file.
    ///
    /// # Errors
    /// [`PoolError::NoFile`], [`PoolError::FileOpen`] when this unit has it open, [`PoolError::Locked`].
    pub fn erase_file(&self, dir: DirPath<'_>, id: FileId) -> Result<(), PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            let key = (found.id, file_key(id));
            if state.files.values().any(|f| f.key == key) {
                return Err(PoolError::FileOpen);
            }
            state.change_file(&self.inner, &found, id)?;
            let change = state.overlay.files.get_mut(&key).ok_or(PoolError::NoFile)?;
            if change.now.take().is_none() {
                return Err(PoolError::NoFile);
            }
            Ok(())
        })
    }

    /// Gives a file another name, or moves it to another directory of its file space.
    ///
    /// # Errors
    /// [`PoolError::NoFile`], [`PoolError::FileExists`], [`PoolError::FileOpen`], [`PoolError::OtherSpace`],
    /// [`PoolError::Locked`].
    pub fn rename_file(
        &self,
        from: DirPath<'_>,
        old: FileId,
        to: DirPath<'_>,
        new: FileId,
    ) -> Result<(), PoolError> {
        if from.space != to.space {
            return Err(PoolError::OtherSpace);
        }
        self.with(|state, snapshot| {
            let source = state.resolve(snapshot, from)?;
            let target = state.resolve(snapshot, to)?;
            let (old_key, new_key) = ((source.id, file_key(old)), (target.id, file_key(new)));
            if state.files.values().any(|f| f.key == old_key) {
                return Err(PoolError::FileOpen);
            }
            if !state.exists(snapshot, old_key)? {
                return Err(PoolError::NoFile);
            }
            if state.exists(snapshot, new_key)? {
                return Err(PoolError::FileExists);
            }
            state.change_file(&self.inner, &source, old)?;
            state.change_file(&self.inner, &target, new)?;
            // Looked at again under the locks.
            let occupied = state.overlay.files.get(&new_key).is_some_and(|c| c.now.is_some());
            if occupied {
                return Err(PoolError::FileExists);
            }
            let moved = state.overlay.files.get_mut(&old_key).and_then(|c| c.now.take());
            let moved = moved.ok_or(PoolError::NoFile)?;
            if let Some(change) = state.overlay.files.get_mut(&new_key) {
                change.now = Some(moved);
            }
            Ok(())
        })
    }

    /// Copies a file. The copy shares the stored octets; only records kept one by one are copied. The source stays locked
    /// against changes until the unit ends, since the copy refers to what it stores.
    ///
    /// # Errors
    /// [`PoolError::NoFile`], [`PoolError::FileExists`] unless `replace`, [`PoolError::FileOpen`], [`PoolError::Locked`].
    pub fn copy_file(
        &self,
        from: DirPath<'_>,
        source: FileId,
        to: DirPath<'_>,
        target: FileId,
        replace: bool,
    ) -> Result<(), PoolError> {
        self.with(|state, snapshot| {
            let source_dir = state.resolve(snapshot, from)?;
            let target_dir = state.resolve(snapshot, to)?;
            let (source_key, target_key) =
                ((source_dir.id, file_key(source)), (target_dir.id, file_key(target)));
            if source_key == target_key {
                return Err(PoolError::FileExists);
            }
            if state.files.values().any(|f| f.key == target_key) {
                return Err(PoolError::FileOpen);
            }
            state.lock_within(&source_dir)?;
            state.locks.take(LockKey::File(source_dir.id, source_key.1), LockMode::Shared)?;
            let mut draft = state.copy_source(&self.inner, source_key)?;
            draft.rec.file = FileNo(self.inner.new_number());
            let now = self.inner.now();
            (draft.rec.created, draft.rec.updated) = (now, now);
            if !replace && state.exists(&self.inner.current(), target_key)? {
                return Err(PoolError::FileExists);
            }
            state.change_file(&self.inner, &target_dir, target)?;
            let change = state.overlay.files.get_mut(&target_key).ok_or(PoolError::NoFile)?;
            if change.now.is_some() && !replace {
                return Err(PoolError::FileExists);
            }
            change.now = Some(draft);
            Ok(())
        })
    }
}

/// The key of a level name at depth `depth`.
fn checked_level(level: &str, depth: usize) -> Result<Name16, PoolError> {
    if depth > MAX_LEVELS {
        return Err(PoolError::BadDirectory);
    }
    level_key(level).ok_or(PoolError::BadDirectory)
}
