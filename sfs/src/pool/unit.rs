//! Work units: what one user does between two commits.
//!
//! A work unit sees the last committed state and its own changes over it. What it opens for reading stays as it was at the
//! open. It locks what it changes from the first change on; conflicts are told at once. Dropping it rolls it back.
//!
//! Names of directories and files are here; file spaces in [`space`], opens in [`open`], the end of a unit in
//! [`super::commit`].

mod accessed;
mod entry;
mod erase_dir;
mod grant;
mod lock;
mod open;
mod several;
mod space;
mod state;

use std::collections::HashMap;
use std::sync::Arc;

use cp::name::UserId;
use parking_lot::Mutex;

pub use super::file::ReadOut;
pub use accessed::AccessedDir;
pub use entry::{FileChanges, MAX_EXTERNAL};
pub use grant::Access;
pub use open::{OpenRequest, Opened, Token, Waiting};

use super::Inner;
use super::catalog::{DirId, DirRec, FileNo, Name16, ObjectNo, file_id, file_key, level_key};
use super::disable::Gate;
use super::draft::Overlay;
use super::error::PoolError;
use super::explicit::Purpose;
use super::lock::{LockKey, LockMode};
use super::references;
use super::row::{self, Place, SpecialRec};
use super::snapshot::Snapshot;
use super::spill::SPILL_AT;
use crate::types::{DirControl, DirStatus, FileId, FileStatus, LockResource};
pub(crate) use state::{State, load_committed};

/// Greatest depth of directories below a top directory. Source: the SFS directory naming rules.
pub const MAX_LEVELS: usize = cp::name::DirName::MAX_LEVELS;
/// Percentage of its limit at which a new file space begins to warn.
pub(crate) const DEFAULT_THRESHOLD: u8 = 90;
/// Greatest warning threshold: at 100 the commit fails already.
pub const MAX_THRESHOLD: u8 = 99;
/// Opens that one work unit may have at once: a bound on what a client can make the server keep.
pub const MAX_OPEN: usize = 4096;
/// Files and directories that one work unit may change: the same kind of bound.
pub const MAX_CHANGES: usize = 1_000_000;
/// Octets that one work unit may have written and not committed; what is above a bound waits on the volume (see
/// [`super::spill`]). Well above the largest message a mail system takes.
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
    pub(crate) fn new(inner: Arc<Inner>, user: Option<UserId>) -> Self {
        let locks = inner.new_locks();
        let state = State {
            overlay: Overlay::default(),
            locks,
            files: HashMap::new(),
            pending: 0,
            memory: 0,
            spill_at: SPILL_AT,
            busy: false,
            user,
            gate: Gate { disables: inner.disables.clone(), snapshot: inner.snapshot.clone(), user },
        };
        Self { inner, state: Mutex::new(state) }
    }

    /// The holder's number on this unit's locks: another one after each commit and rollback, and never used twice while the
    /// pool is open. So a commit whose caller went away still stands in the way of the same unit until it is visible.
    pub fn serial(&self) -> u64 {
        self.state.lock().locks.unit()
    }

    /// Its serial number, and whose work unit it is.
    pub(crate) fn waits_as(&self) -> (u64, Option<UserId>) {
        let state = self.state.lock();
        (state.locks.unit(), state.user)
    }

    /// True when there is something to commit.
    pub fn is_active(&self) -> bool {
        !self.state.lock().overlay.is_empty()
    }

    pub(crate) fn with<R>(
        &self,
        f: impl FnOnce(&mut State, &Arc<Snapshot>) -> Result<R, PoolError>,
    ) -> Result<R, PoolError> {
        let mut state = self.state.lock();
        if state.busy {
            return Err(PoolError::Busy);
        }
        f(&mut state, &self.inner.glance())
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
                state.gate.check(dir.space, false)?;
                let rec = state.space(snapshot, dir.space)?.ok_or(PoolError::NoSpace)?;
                let control = state.control(snapshot, rec.top)?;
                Ok(DirStatus { level: String::new(), created: rec.created, unique: rec.top.0, control })
            }
            Some((last, above)) => {
                let parent = state.resolve(snapshot, DirPath { levels: above, ..dir })?;
                let rec = state.level(snapshot, parent.id, last)?.ok_or(PoolError::NoDirectory)?;
                let control = state.control(snapshot, rec.id)?;
                Ok(DirStatus { level: last.clone(), created: rec.created, unique: rec.id.0, control })
            }
        })
    }

    /// Creates the last level of `dir`.
    ///
    /// # Errors
    /// [`PoolError::DirectoryExists`], [`PoolError::NoDirectory`] when a level above is missing, [`PoolError::Locked`].
    pub fn create_dir(&self, dir: DirPath<'_>) -> Result<(), PoolError> {
        self.create_dir_as(dir, DirControl::File)
    }

    /// [`Self::create_dir`] with the attribute of the directory.
    ///
    /// # Errors
    /// As [`Self::create_dir`].
    pub fn create_dir_as(&self, dir: DirPath<'_>, control: DirControl) -> Result<(), PoolError> {
        let Some((last, above)) = dir.levels.split_last() else { return Err(PoolError::DirectoryExists) };
        let name = checked_level(last, dir.levels.len())?;
        self.with(|state, snapshot| {
            let parent = state.resolve(snapshot, DirPath { levels: above, ..dir })?;
            state.room_for_change()?;
            state.lock_names(&self.inner, &parent)?;
            state.locks.take(LockKey::Level(parent.id, name), LockMode::Exclusive)?;
            let snapshot = &self.inner.current();
            if state.level(snapshot, parent.id, last)?.is_some() {
                return Err(PoolError::DirectoryExists);
            }
            let rec = DirRec { id: DirId(self.inner.new_number()), created: self.inner.now() };
            if control == DirControl::Directory {
                state.overlay.rows.insert(row::control_key(rec.id), Some(Vec::new()));
            }
            state.overlay.dirs.insert((parent.id, name), Some(rec));
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
            state.lock_names(&self.inner, &source)?;
            state.lock_names(&self.inner, &target)?;
            state.locks.take(LockKey::Level(source.id, old_name), LockMode::Exclusive)?;
            state.locks.take(LockKey::Level(target.id, new_name), LockMode::Exclusive)?;
            let snapshot = &self.inner.current();
            let rec = state.level(snapshot, source.id, old)?.ok_or(PoolError::NoDirectory)?;
            self.inner.explicit.check((LockResource::Directory, rec.id.0), state.user, Purpose::Erase)?;
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
            for (key, row) in state.rows(snapshot, &row::special_prefix(found.id))? {
                let id = file_id(key.get(9..).unwrap_or_default())?;
                all.push(state.special_status(snapshot, &found, id, &SpecialRec::decode(&row)?)?);
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
            let status = |(level, rec): (String, DirRec)| {
                let control = state.control(snapshot, rec.id)?;
                Ok(DirStatus { level, created: rec.created, unique: rec.id.0, control })
            };
            dirs.into_iter().map(status).collect()
        })
    }

    /// What is known of a file, this unit's changes included.
    ///
    /// # Errors
    /// [`PoolError::NoFile`] and those of the directory.
    pub fn status(&self, dir: DirPath<'_>, id: FileId) -> Result<FileStatus, PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            let key = (found.id, file_key(id));
            if let Some(rec) = state.record(snapshot, key)? {
                return Ok(rec.status(id));
            }
            let special = state.special(snapshot, key)?.ok_or(PoolError::NoFile)?;
            state.special_status(snapshot, &found, id, &special)
        })
    }

    /// Removes a file, or the alias or external object of that name. Aliases of a file that goes stay, as ERASED.
    ///
    /// # Errors
    /// [`PoolError::NoFile`], [`PoolError::ExplicitLock`], [`PoolError::FileOpen`] when this unit has it open, [`PoolError::Locked`].
    pub fn erase_file(&self, dir: DirPath<'_>, id: FileId) -> Result<(), PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            let key = (found.id, file_key(id));
            if state.files.values().any(|f| f.key == key) {
                return Err(PoolError::FileOpen);
            }
            if !state.exists(snapshot, key)? && state.special(snapshot, key)?.is_some() {
                state.change_special(&self.inner, &found, key.1)?;
                if state.special(&self.inner.current(), key)?.is_none() {
                    return Err(PoolError::NoFile);
                }
                state.overlay.rows.insert(row::special_key(key.0, key.1), None);
                return Ok(());
            }
            state.change_file(&self.inner, &found, key.1, Purpose::Erase)?;
            let number = state.overlay.files.get(&key).and_then(|c| c.now.as_ref()).map(|d| d.rec.object.0);
            let number = number.ok_or(PoolError::NoFile)?;
            state.lock_object(number)?;
            state.drop_object(&self.inner.current(), number)?;
            if let Some(change) = state.overlay.files.get_mut(&key) {
                change.now = None;
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
            if state.occupied(snapshot, new_key)? {
                return Err(PoolError::FileExists);
            }
            if !state.exists(snapshot, old_key)? {
                return state.rename_special(&self.inner, (&source, old_key.1), (&target, new_key.1));
            }
            state.change_file(&self.inner, &source, old_key.1, Purpose::Erase)?;
            state.change_file(&self.inner, &target, new_key.1, Purpose::Write)?;
            // Looked at again under the locks.
            let snapshot = &self.inner.current();
            if state.occupied(snapshot, new_key)? {
                return Err(PoolError::FileExists);
            }
            let moved = state.overlay.files.get_mut(&old_key).and_then(|c| c.now.take());
            let moved = moved.ok_or(PoolError::NoFile)?;
            let object = row::object_key(moved.rec.object);
            if state.row(snapshot, &object)?.is_some() {
                let place = Place { dir: target.id, name: new_key.1, space: target.space.to_string() };
                state.overlay.rows.insert(object, Some(place.encode()));
            }
            if let Some(change) = state.overlay.files.get_mut(&new_key) {
                change.now = Some(moved);
            }
            Ok(())
        })
    }

    /// Copies a file. The copy shares the stored octets; only records kept in the catalog are copied. The source stays locked
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
            let source = state.follow(snapshot, source_dir, file_key(source))?;
            let source_dir = source.dir.clone();
            let target_dir = state.resolve(snapshot, to)?;
            let target = state.follow(snapshot, target_dir, file_key(target))?;
            let target_dir = target.dir.clone();
            let (source_key, target_key) = (source.key(), target.key());
            if source_key == target_key {
                return Err(PoolError::FileExists);
            }
            if state.files.values().any(|f| f.key == target_key) {
                return Err(PoolError::FileOpen);
            }
            state.lock_within(&source_dir)?;
            state.locks.take(LockKey::File(source_dir.id, source_key.1), LockMode::Shared)?;
            let committed = self.inner.current().file(source_key.0, source_key.1)?;
            let mut draft = state.copy_source(&self.inner, source_key, committed)?;
            let source_rec = draft.rec.object;
            self.inner.explicit.check((LockResource::File, source_rec.0), state.user, Purpose::Read)?;
            draft.rec.file = FileNo(self.inner.new_number());
            draft.rec.object = ObjectNo(draft.rec.file.0);
            let now = self.inner.now();
            (draft.rec.created, draft.rec.updated) = (now, now);
            draft.rec.referenced = references::day(now);
            if !replace && state.exists(&self.inner.current(), target_key)? {
                return Err(PoolError::FileExists);
            }
            state.change_file(&self.inner, &target_dir, target.name, Purpose::Write)?;
            let change = state.overlay.files.get_mut(&target_key).ok_or(PoolError::NoFile)?;
            if change.now.is_some() && !replace {
                return Err(PoolError::FileExists);
            }
            // What is replaced stays the same object.
            if let Some(old) = change.now.as_ref() {
                draft.rec.object = old.rec.object;
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
