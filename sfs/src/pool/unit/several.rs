//! Copying and erasing many files of one directory at once: what is true of the directory is found and locked once.
//!
//! All locks are taken before anything is changed, so that a call which has to wait for one can be tried again as a whole. For
//! very many files the directory is locked in their place, when nobody else works in it.

use super::state::FoundDir;
use super::{DirPath, State, WorkUnit};
use crate::pool::catalog::{DirId, FileNo, FileRec, Name16, ObjectNo, file_key};
use crate::pool::draft::FileChange;
use crate::pool::error::PoolError;
use crate::pool::explicit::Purpose;
use crate::pool::lock::{LockKey, LockMode};
use crate::pool::references;
use crate::types::{FileId, LockResource};

impl WorkUnit {
    /// Removes base files of one directory, as [`WorkUnit::erase_file`] does each.
    ///
    /// # Errors
    /// Those of [`WorkUnit::erase_file`], also for a name that is no base file; nothing is erased then.
    pub fn erase_files(&self, dir: DirPath<'_>, ids: &[FileId]) -> Result<(), PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            state.room_for_changes(ids.len())?;
            state.lock_names(&self.inner, &found)?;
            let mut names: Vec<Name16> = ids.iter().map(|id| file_key(*id)).collect();
            names.sort_unstable();
            if names.windows(2).any(|pair| pair[0] == pair[1]) {
                // A name given twice is gone the second time.
                return Err(PoolError::NoFile);
            }
            let whole = state.lock_files(found.id, &names, LockMode::Exclusive)?;
            if !state.files.is_empty() {
                let open: std::collections::HashSet<_> = state.files.values().map(|f| f.key).collect();
                if names.iter().any(|name| open.contains(&(found.id, *name))) {
                    return Err(PoolError::FileOpen);
                }
            }
            let mut gone = Vec::with_capacity(names.len());
            let current = &self.inner.current();
            for name in &names {
                let known = state.overlay.files.get(&(found.id, *name)).map(|c| &c.now);
                let (object, rec) = match known {
                    Some(now) => (now.as_ref().map(|d| d.rec.object), None),
                    None => {
                        let rec = current.file(found.id, *name)?;
                        (rec.as_ref().map(|r| r.object), rec)
                    }
                };
                let object = object.ok_or(PoolError::NoFile)?;
                self.inner.explicit.check((LockResource::File, object.0), state.user, Purpose::Erase)?;
                // Who grants something holds the directory shared.
                if !whole {
                    state.lock_object(object.0)?;
                }
                gone.push((*name, object, rec));
            }
            // With what was granted before it was locked.
            let current = &self.inner.current();
            for (name, object, rec) in gone {
                state.erase_locked(&found, name, rec)?;
                state.drop_object(current, object.0)?;
            }
            Ok(())
        })
    }

    /// Copies files of one directory to names of another that are free, as [`WorkUnit::copy_file`] does each.
    ///
    /// # Errors
    /// Those of [`WorkUnit::copy_file`]; nothing is copied then.
    pub fn copy_files(
        &self,
        from: DirPath<'_>,
        to: DirPath<'_>,
        pairs: &[(FileId, FileId)],
    ) -> Result<(), PoolError> {
        self.with(|state, snapshot| {
            let source = state.resolve(snapshot, from)?;
            let target = state.resolve(snapshot, to)?;
            state.room_for_changes(pairs.len())?;
            state.lock_within(&source)?;
            state.lock_names(&self.inner, &target)?;
            let old: Vec<Name16> = pairs.iter().map(|(old, _)| file_key(*old)).collect();
            let new: Vec<Name16> = pairs.iter().map(|(_, new)| file_key(*new)).collect();
            state.lock_files(source.id, &old, LockMode::Shared)?;
            state.lock_files(target.id, &new, LockMode::Exclusive)?;
            let now = self.inner.now();
            let mut drafts = Vec::with_capacity(pairs.len());
            for (old, new) in pairs {
                let key = (target.id, file_key(*new));
                if state.occupied(&self.inner.current(), key)? {
                    return Err(PoolError::FileExists);
                }
                // The base of an alias is somewhere else, and locked nowhere yet: an alias is no file here.
                let mut draft = state.copy_source(&self.inner, (source.id, file_key(*old)))?;
                self.inner.explicit.check(
                    (LockResource::File, draft.rec.object.0),
                    state.user,
                    Purpose::Read,
                )?;
                draft.rec.file = FileNo(self.inner.new_number());
                draft.rec.object = ObjectNo(draft.rec.file.0);
                (draft.rec.created, draft.rec.updated) = (now, now);
                draft.rec.referenced = references::day(now);
                drafts.push((key, draft));
            }
            let mut twice = std::collections::HashSet::with_capacity(drafts.len());
            if !drafts.iter().all(|(key, _)| twice.insert(*key)) {
                return Err(PoolError::FileExists);
            }
            for (key, draft) in drafts {
                let new = FileChange { space: target.space.clone(), base: None, now: None };
                // A file of that name may have gone in this unit: what was committed of it is kept in mind.
                state.overlay.files.entry(key).or_insert(new).now = Some(draft);
            }
            Ok(())
        })
    }
}

/// From so many files on their directory is locked.
const MANY_LOCKS: usize = 256;

impl State {
    /// Locks files of a directory which is locked shared already. An exclusive lock on it keeps out everybody who would change one of
    /// its files, since that takes it shared. Gives back whether that was done.
    fn lock_files(&mut self, dir: DirId, names: &[Name16], mode: LockMode) -> Result<bool, PoolError> {
        let whole = names.len() >= MANY_LOCKS
            && self.locks.take(LockKey::Directory(dir), LockMode::Exclusive).is_ok();
        if !whole {
            names.iter().try_for_each(|name| self.locks.take(LockKey::File(dir, *name), mode))?;
        }
        Ok(whole)
    }

    pub(super) fn room_for_changes(&self, more: usize) -> Result<(), PoolError> {
        let held = self.overlay.files.len() + self.overlay.dirs.len() + self.overlay.rows.len();
        if held + more > super::MAX_CHANGES {
            return Err(PoolError::Limit("objects changed in one work unit"));
        }
        Ok(())
    }

    /// Removes a file whose locks are all held; `base` is its committed record, unless this unit has changed it before.
    pub(super) fn erase_locked(
        &mut self,
        dir: &FoundDir,
        name: Name16,
        base: Option<FileRec>,
    ) -> Result<(), PoolError> {
        match self.overlay.files.get_mut(&(dir.id, name)) {
            Some(change) => change.now.take().map(drop).ok_or(PoolError::NoFile),
            None => {
                let change = FileChange { space: dir.space.clone(), base, now: None };
                self.overlay.files.insert((dir.id, name), change);
                Ok(())
            }
        }
    }
}
