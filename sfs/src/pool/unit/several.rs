//! Copying, renaming and erasing many files of one directory at once: what is true of the directory is found and locked once, and
//! the files are found on one walk.
//!
//! All locks are taken before anything is changed, so that a call which has to wait for one can be tried again as a whole. For
//! very many files the directory is locked in their place, when nobody else works in it.

use super::state::FoundDir;
use super::{DirPath, State, WorkUnit};
use crate::pool::catalog::{DirId, FileNo, FileRec, Name16, ObjectNo, file_key};
use crate::pool::draft::{Draft, FileChange};
use crate::pool::error::PoolError;
use crate::pool::explicit::Purpose;
use crate::pool::lock::{LockKey, LockMode};
use crate::pool::references;
use crate::pool::row::{self, Place};
use crate::pool::snapshot::Snapshot;
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
            let names = keys(ids.iter().copied());
            // A name given twice is gone the second time.
            let names = distinct(names).ok_or(PoolError::NoFile)?;
            let whole = state.lock_files(found.id, &names, LockMode::Exclusive)?;
            state.none_open(found.id, &names)?;
            let files = state.bases(&self.inner.current(), found.id, &names)?;
            for (object, _) in &files {
                self.inner.explicit.check((LockResource::File, object.0), state.user, Purpose::Erase)?;
                // Who grants something holds the directory shared.
                if !whole {
                    state.lock_object(object.0)?;
                }
            }
            // With what was granted before it was locked.
            let current = &self.inner.current();
            files.iter().try_for_each(|(object, _)| state.drop_object(current, object.0))?;
            let mut changes = Vec::with_capacity(names.len());
            for (name, (_, rec)) in names.into_iter().zip(files) {
                state.take_away(&found, name, rec, &mut changes)?;
            }
            state.overlay.add(changes);
            Ok(())
        })
    }

    /// Copies files of one directory to names of another that are free, as [`WorkUnit::copy_file`] does each.
    ///
    /// # Errors
    /// Those of [`WorkUnit::copy_file`], also for a name that is no base file; nothing is copied then.
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
            let old = keys(pairs.iter().map(|(old, _)| *old));
            let new = keys(pairs.iter().map(|(_, new)| *new));
            state.lock_files(source.id, &old, LockMode::Shared)?;
            state.lock_files(target.id, &new, LockMode::Exclusive)?;
            let current = self.inner.current();
            state.all_free(&current, target.id, &new)?;
            let mut files = vec![None; old.len()];
            current.named(source.id, &old, |at, row| {
                files[at] = Some(FileRec::decode(row)?);
                Ok(())
            })?;
            let now = self.inner.now();
            let mut drafts = Vec::with_capacity(pairs.len());
            for (old, rec) in old.iter().zip(files) {
                // The base of an alias is somewhere else, and locked nowhere yet: an alias is no file here.
                let mut draft = state.copy_source(&self.inner, (source.id, *old), rec)?;
                let object = draft.rec.object;
                self.inner.explicit.check((LockResource::File, object.0), state.user, Purpose::Read)?;
                draft.rec.file = FileNo(self.inner.new_number());
                draft.rec.object = ObjectNo(draft.rec.file.0);
                (draft.rec.created, draft.rec.updated) = (now, now);
                draft.rec.referenced = references::day(now);
                drafts.push(draft);
            }
            let changes = new.into_iter().zip(drafts).map(|(name, draft)| state.bring(&target, name, draft));
            let changes = changes.collect();
            state.overlay.add(changes);
            Ok(())
        })
    }

    /// Gives base files of one directory names of another of the same file space that are free, as [`WorkUnit::rename_file`] does
    /// each: they stay the same objects, and nothing is counted anew.
    ///
    /// # Errors
    /// Those of [`WorkUnit::rename_file`], also for a name that is no base file; nothing is renamed then.
    pub fn rename_files(
        &self,
        from: DirPath<'_>,
        to: DirPath<'_>,
        pairs: &[(FileId, FileId)],
    ) -> Result<(), PoolError> {
        if from.space != to.space {
            return Err(PoolError::OtherSpace);
        }
        self.with(|state, snapshot| {
            let source = state.resolve(snapshot, from)?;
            let target = state.resolve(snapshot, to)?;
            // Each is a change where it was and where it is.
            state.room_for_changes(2 * pairs.len())?;
            state.lock_names(&self.inner, &source)?;
            state.lock_names(&self.inner, &target)?;
            let old = keys(pairs.iter().map(|(old, _)| *old));
            let new = keys(pairs.iter().map(|(_, new)| *new));
            state.lock_files(source.id, &old, LockMode::Exclusive)?;
            state.lock_files(target.id, &new, LockMode::Exclusive)?;
            state.none_open(source.id, &old)?;
            let current = &self.inner.current();
            state.all_free(current, target.id, &new)?;
            if distinct(old.clone()).is_none() {
                // A name given twice is gone the second time.
                return Err(PoolError::NoFile);
            }
            let files = state.bases(current, source.id, &old)?;
            for (object, _) in &files {
                self.inner.explicit.check((LockResource::File, object.0), state.user, Purpose::Erase)?;
            }
            let mut changes = Vec::with_capacity(2 * pairs.len());
            for ((old, new), (object, rec)) in old.into_iter().zip(new).zip(files) {
                let committed = rec.as_deref().map(Draft::boxed);
                let own = state.take_away(&source, old, rec, &mut changes)?;
                let place = row::object_key(object);
                if state.row(current, &place)?.is_some() {
                    let now = Place { dir: target.id, name: new, space: target.space.to_string() };
                    state.overlay.rows.insert(place, Some(now.encode()));
                }
                let moved = own.or(committed).ok_or(PoolError::NoFile)?;
                changes.push(state.bring(&target, new, moved));
            }
            state.overlay.add(changes);
            Ok(())
        })
    }
}

/// The object number of a base file, and its committed record if the unit has not changed it.
type Base = (ObjectNo, Option<Box<FileRec>>);

/// A change of a file with its directory and name.
pub(super) type Change = ((DirId, Name16), FileChange);

/// From so many files on their directory is locked.
const MANY_LOCKS: usize = 256;

fn keys(ids: impl Iterator<Item = FileId>) -> Vec<Name16> {
    ids.map(file_key).collect()
}

/// The names, ascending; `None` when one is among them twice.
fn distinct(mut names: Vec<Name16>) -> Option<Vec<Name16>> {
    names.sort_unstable();
    let same = |pair: &[Name16]| pair[0] == pair[1];
    (!names.windows(2).any(same)).then_some(names)
}

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

    /// None of these files is open in this unit.
    fn none_open(&self, dir: DirId, names: &[Name16]) -> Result<(), PoolError> {
        if self.files.is_empty() {
            return Ok(());
        }
        let open: std::collections::HashSet<_> = self.files.values().map(|f| f.key).collect();
        match names.iter().any(|name| open.contains(&(dir, *name))) {
            true => Err(PoolError::FileOpen),
            false => Ok(()),
        }
    }

    /// Nothing has one of these names, and none is given twice.
    fn all_free(&self, snapshot: &Snapshot, dir: DirId, names: &[Name16]) -> Result<(), PoolError> {
        let ascends = names.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascends && distinct(names.to_vec()).is_none() {
            return Err(PoolError::FileExists);
        }
        let own = |name: &Name16| self.overlay.files.get(&(dir, *name)).map(|change| change.now.is_some());
        snapshot.named(dir, names, |at, _| match own(&names[at]) {
            Some(false) => Ok(()),
            _ => Err(PoolError::FileExists),
        })?;
        let special = !self.overlay.rows.is_empty() || snapshot.may_have(&row::special_prefix(dir));
        for name in names {
            if own(name) == Some(true) || (special && self.special(snapshot, (dir, *name))?.is_some()) {
                return Err(PoolError::FileExists);
            }
        }
        Ok(())
    }

    /// The object numbers of base files, and the committed records of those that this unit has not changed.
    fn bases(&self, snapshot: &Snapshot, dir: DirId, names: &[Name16]) -> Result<Vec<Base>, PoolError> {
        let own = |name: &Name16| self.overlay.files.get(&(dir, *name));
        let mut all = vec![None; names.len()];
        snapshot.named(dir, names, |at, row| {
            if own(&names[at]).is_none() {
                let rec = FileRec::decode(row)?;
                all[at] = Some((rec.object, Some(Box::new(rec))));
            }
            Ok(())
        })?;
        let known = |(name, found): (&Name16, Option<_>)| {
            let changed = own(name).map(|change| change.now.as_ref().map(|draft| (draft.rec.object, None)));
            changed.unwrap_or(found).ok_or(PoolError::NoFile)
        };
        names.iter().zip(all).map(known).collect()
    }

    /// Takes a file away whose locks are all held. `base` is its committed record if this unit has not changed it before: its change
    /// is added to `changes`. Else it is given back as it was changed.
    pub(super) fn take_away(
        &mut self,
        dir: &FoundDir,
        name: Name16,
        base: Option<Box<FileRec>>,
        changes: &mut Vec<Change>,
    ) -> Result<Option<Box<Draft>>, PoolError> {
        let key = (dir.id, name);
        if base.is_some() {
            changes.push((key, FileChange { space: dir.space.clone(), base, now: None }));
            return Ok(None);
        }
        let own = self.overlay.files.get_mut(&key).and_then(|change| change.now.take());
        own.map(Some).ok_or(PoolError::NoFile)
    }

    /// The change that gives a file a name which is free and locked.
    fn bring(&mut self, dir: &FoundDir, name: Name16, file: Box<Draft>) -> Change {
        let key = (dir.id, name);
        // A file of that name may have gone in this unit: what was committed of it is kept in mind.
        let base = self.overlay.files.remove(&key).and_then(|change| change.base);
        (key, FileChange { space: dir.space.clone(), base, now: Some(file) })
    }
}
