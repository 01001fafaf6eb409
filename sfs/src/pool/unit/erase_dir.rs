//! Erasing a directory: an empty one, or one with the files in it.
//!
//! All locks are taken and everything that could hinder is looked for before anything is changed. The exclusive lock on the directory
//! keeps out who would change a file in it, since that takes it shared, and who would grant something on one. What is open for reading
//! elsewhere stays open. Not here: directories with directories in them.

use super::state::FoundDir;
use super::{DirPath, State, WorkUnit, checked_level};
use crate::pool::catalog::{DirId, FileRec, Name16, ObjectNo, file_key};
use crate::pool::error::PoolError;
use crate::pool::explicit::Purpose;
use crate::pool::lock::{LockKey, LockMode};
use crate::pool::row::{self, RowKey};
use crate::pool::snapshot::Snapshot;
use crate::types::{DirControl, LockResource};

/// What a directory holds that goes with it.
#[derive(Default)]
struct Contents {
    /// Base files; with the committed record of those that this unit has not changed.
    files: Vec<(Name16, ObjectNo, Option<Box<FileRec>>)>,
    /// Rows of aliases and external objects.
    specials: Vec<RowKey>,
}

impl WorkUnit {
    /// Removes a directory that holds nothing.
    ///
    /// # Errors
    /// [`PoolError::NotEmpty`], [`PoolError::NoDirectory`], [`PoolError::ExplicitLock`], [`PoolError::Locked`];
    /// [`PoolError::BadDirectory`] for a top directory.
    pub fn erase_dir(&self, dir: DirPath<'_>) -> Result<(), PoolError> {
        self.remove_dir(dir, |state, snapshot, id| match state.dir_is_empty(snapshot, id)? {
            true => Ok(Contents::default()),
            false => Err(PoolError::NotEmpty),
        })
    }

    /// Removes a directory and the files, aliases and external objects in it; nothing, unless all of them can go. Aliases elsewhere of
    /// the files stay, as ERASED.
    ///
    /// # Errors
    /// Those of [`Self::erase_dir`], [`PoolError::NotEmpty`] when a directory is in it; [`PoolError::FileOpen`] when this unit has a
    /// file in it open, [`PoolError::Limit`].
    pub fn erase_dir_with_files(&self, dir: DirPath<'_>) -> Result<(), PoolError> {
        self.remove_dir(dir, |state, snapshot, id| {
            if !state.levels_of(snapshot, id)?.is_empty() {
                return Err(PoolError::NotEmpty);
            }
            if state.files.values().any(|f| f.key.0 == id) {
                return Err(PoolError::FileOpen);
            }
            let contents = state.contents(snapshot, id)?;
            state.room_for_changes(contents.files.len() + contents.specials.len())?;
            for (_, object, _) in &contents.files {
                self.inner.explicit.check((LockResource::File, object.0), state.user, Purpose::Erase)?;
            }
            Ok(contents)
        })
    }

    fn remove_dir(
        &self,
        dir: DirPath<'_>,
        contents: impl FnOnce(&State, &Snapshot, DirId) -> Result<Contents, PoolError>,
    ) -> Result<(), PoolError> {
        let Some((last, above)) = dir.levels.split_last() else { return Err(PoolError::BadDirectory) };
        let name = checked_level(last, dir.levels.len())?;
        self.with(|state, snapshot| {
            let parent = state.resolve(snapshot, DirPath { levels: above, ..dir })?;
            state.lock_names(&self.inner, &parent)?;
            state.locks.take(LockKey::Level(parent.id, name), LockMode::Exclusive)?;
            let snapshot = &self.inner.current();
            let rec = state.level(snapshot, parent.id, last)?.ok_or(PoolError::NoDirectory)?;
            self.inner.explicit.check((LockResource::Directory, rec.id.0), state.user, Purpose::Erase)?;
            state.locks.take(LockKey::Directory(rec.id), LockMode::Exclusive)?;
            // With what was committed before it was locked.
            let snapshot = &self.inner.current();
            let Contents { files, specials } = contents(state, snapshot, rec.id)?;
            let found = FoundDir { id: rec.id, space: parent.space.clone() };
            let mut changes = Vec::with_capacity(files.len());
            for (name, object, base) in files {
                state.take_away(&found, name, base, &mut changes)?;
                state.drop_object(snapshot, object.0)?;
            }
            state.overlay.add(changes);
            state.overlay.rows.extend(specials.into_iter().map(|key| (key, None)));
            state.drop_object(snapshot, rec.id.0)?;
            if state.control(snapshot, rec.id)? == DirControl::Directory {
                state.overlay.rows.insert(row::control_key(rec.id), None);
            }
            state.overlay.dirs.insert((parent.id, name), None);
            Ok(())
        })
    }
}

impl State {
    /// What a directory holds beside directories.
    fn contents(&self, snapshot: &Snapshot, dir: DirId) -> Result<Contents, PoolError> {
        let mut files = Vec::new();
        snapshot.files(dir, |id, rec| {
            let name = file_key(id);
            if !self.overlay.files.contains_key(&(dir, name)) {
                files.push((name, rec.object, Some(Box::new(rec))));
            }
        })?;
        let range = (dir, [0; 16])..=(dir, [0xff; 16]);
        for ((_, name), change) in self.overlay.files.range(range) {
            files.extend(change.now.as_ref().map(|draft| (*name, draft.rec.object, None)));
        }
        let specials = self.rows(snapshot, &row::special_prefix(dir))?.into_iter().map(|(key, _)| key);
        Ok(Contents { files, specials: specials.collect() })
    }
}
