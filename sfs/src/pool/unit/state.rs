//! What a work unit sees: its own changes over the committed state; and how it takes an object to change it.

use std::collections::HashMap;
use std::sync::Arc;

use super::open::OpenFile;
use super::{DirPath, MAX_CHANGES, MAX_LEVELS, OPEN_TRIES};
use cp::name::UserId;

use crate::pool::Inner;
use crate::pool::catalog::{
    DirId, DirRec, FileRec, Name16, ObjectNo, SpaceRec, file_key, level_key, level_name,
};
use crate::pool::disable::Gate;
use crate::pool::draft::{Content, Draft, FileChange, Keyed, Overlay};
use crate::pool::error::PoolError;
use crate::pool::explicit::Purpose;
use crate::pool::lock::{LockKey, LockMode, LockSet};
use crate::pool::row::{self, Place, RowKey, Special, SpecialRec};
use crate::pool::snapshot::Snapshot;
use crate::types::{DirControl, LockResource};

/// A work unit's changes, locks and opens.
pub(crate) struct State {
    pub(crate) overlay: Overlay,
    pub(crate) locks: LockSet,
    pub(crate) files: HashMap<u64, OpenFile>,
    /// Octets written since the last commit or rollback.
    pub(crate) pending: u64,
    /// Octets of files among them that are in memory, at most.
    pub(crate) memory: u64,
    /// From how many on they are spilled.
    pub(crate) spill_at: u64,
    pub(crate) busy: bool,
    /// Whose unit it is; `None`: the system's own.
    pub(crate) user: Option<UserId>,
    pub(crate) gate: Gate,
}

/// A directory that was found.
#[derive(Debug, Clone)]
pub(crate) struct FoundDir {
    pub(crate) id: DirId,
    pub(crate) space: Arc<str>,
}

/// Where a name leads to: the file itself, or the base of an alias.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) dir: FoundDir,
    pub(crate) name: Name16,
    /// The base's object number, when an alias led here.
    pub(crate) alias: Option<ObjectNo>,
}

impl Target {
    pub(crate) fn key(&self) -> (DirId, Name16) {
        (self.dir.id, self.name)
    }
}

impl State {
    pub(crate) fn row(&self, snapshot: &Snapshot, key: &[u8]) -> Result<Option<Vec<u8>>, PoolError> {
        match self.overlay.rows.get(key) {
            Some(own) => Ok(own.clone()),
            None => snapshot.row(key),
        }
    }

    /// Rows whose keys begin with `prefix`, in order.
    pub(crate) fn rows(
        &self,
        snapshot: &Snapshot,
        prefix: &[u8],
    ) -> Result<Vec<(RowKey, Vec<u8>)>, PoolError> {
        let mut all = snapshot.rows(prefix)?;
        let own = self.overlay.rows.range(prefix.to_vec()..row::behind(prefix));
        for (key, value) in own {
            all.retain(|(k, _)| k != key);
            all.extend(value.iter().map(|v| (key.clone(), v.clone())));
        }
        all.sort();
        Ok(all)
    }

    /// The alias or external object of a name.
    pub(crate) fn special(
        &self,
        snapshot: &Snapshot,
        key: (DirId, Name16),
    ) -> Result<Option<SpecialRec>, PoolError> {
        let row = self.row(snapshot, &row::special_key(key.0, key.1))?;
        Ok(row.map(|r| SpecialRec::decode(&r)).transpose()?)
    }

    /// Where the base with that object number is; `None` when it is erased.
    pub(crate) fn place(
        &self,
        snapshot: &Snapshot,
        object: ObjectNo,
    ) -> Result<Option<(FoundDir, Name16)>, PoolError> {
        let Some(row) = self.row(snapshot, &row::object_key(object))? else { return Ok(None) };
        let Place { dir, name, space } = Place::decode(&row)?;
        Ok(Some((FoundDir { id: dir, space: space.into() }, name)))
    }

    /// Whether a name is taken, by whatever.
    pub(crate) fn occupied(&self, snapshot: &Snapshot, key: (DirId, Name16)) -> Result<bool, PoolError> {
        Ok(self.exists(snapshot, key)? || self.special(snapshot, key)?.is_some())
    }

    /// Where a name leads to; a name that is free leads to itself.
    ///
    /// # Errors
    /// [`PoolError::NoFile`] for an alias whose base is erased, [`PoolError::External`].
    pub(crate) fn follow(
        &self,
        snapshot: &Snapshot,
        dir: FoundDir,
        name: Name16,
    ) -> Result<Target, PoolError> {
        let exists = self.exists(snapshot, (dir.id, name))?;
        let special = if exists { None } else { self.special(snapshot, (dir.id, name))? };
        self.follow_special(snapshot, dir, name, special)
    }

    /// [`Self::follow`] when it is known what the name is, if it is no file.
    pub(super) fn follow_special(
        &self,
        snapshot: &Snapshot,
        dir: FoundDir,
        name: Name16,
        special: Option<SpecialRec>,
    ) -> Result<Target, PoolError> {
        match special.map(|s| s.what) {
            None => Ok(Target { dir, name, alias: None }),
            Some(Special::External(_)) => Err(PoolError::External),
            Some(Special::Alias(object)) => {
                let (dir, name) = self.place(snapshot, object)?.ok_or(PoolError::NoFile)?;
                self.gate.check(&dir.space, false)?;
                Ok(Target { dir, name, alias: Some(object) })
            }
        }
    }

    /// FILECONTROL or DIRCONTROL.
    pub(crate) fn control(&self, snapshot: &Snapshot, dir: DirId) -> Result<DirControl, PoolError> {
        let row = self.row(snapshot, &row::control_key(dir))?;
        Ok(if row.is_some() { DirControl::Directory } else { DirControl::File })
    }

    /// The committed or own record of a file.
    pub(crate) fn record(
        &self,
        snapshot: &Snapshot,
        key: (DirId, Name16),
    ) -> Result<Option<FileRec>, PoolError> {
        match self.overlay.files.get(&key) {
            Some(change) => Ok(change.now.as_ref().map(|d| d.rec.clone())),
            None => snapshot.file(key.0, key.1),
        }
    }

    /// Locks the names of a directory against being taken by others, and checks its explicit locks.
    pub(crate) fn lock_names(&mut self, inner: &Inner, dir: &FoundDir) -> Result<(), PoolError> {
        self.lock_within(dir)?;
        if self.control(&inner.glance(), dir.id)? == DirControl::Directory {
            self.locks.take(LockKey::Writer(dir.id), LockMode::Exclusive)?;
        }
        inner.explicit.check((LockResource::Directory, dir.id.0), self.user, Purpose::Write)
    }

    /// Locks what goes with an object that goes. It comes before anything is changed, so that a request which has to wait for
    /// somebody's grant has changed nothing; and before one looks at what there is, so that no grant comes behind.
    pub(crate) fn lock_object(&mut self, number: u64) -> Result<(), PoolError> {
        self.locks.take(LockKey::Authority(number), LockMode::Exclusive)
    }

    /// What goes with an object that goes: its authorities, locks, and the place that its aliases know. They are locked
    /// ([`Self::lock_object`]), or the whole directory is.
    pub(crate) fn drop_object(&mut self, snapshot: &Snapshot, number: u64) -> Result<(), PoolError> {
        self.overlay.gone.push(number);
        if self.overlay.rows.is_empty() && !row::WITH_OBJECTS.iter().any(|kind| snapshot.may_have(&[*kind])) {
            return Ok(());
        }
        if self.row(snapshot, &row::object_key(ObjectNo(number)))?.is_some() {
            self.overlay.rows.insert(row::object_key(ObjectNo(number)), None);
        }
        for prefix in [row::grant_prefix(number), row::lock_prefix(number)] {
            if !snapshot.rows(&prefix)?.is_empty() {
                self.overlay.drops.push(prefix.clone());
            }
            if !self.overlay.rows.is_empty() {
                self.overlay.rows.retain(|key, _| !key.starts_with(&prefix));
            }
        }
        Ok(())
    }

    pub(crate) fn space(&self, snapshot: &Snapshot, name: &str) -> Result<Option<SpaceRec>, PoolError> {
        match self.overlay.spaces.get(name) {
            Some(own) => Ok(own.clone()),
            None => snapshot.space(name),
        }
    }

    pub(super) fn level(
        &self,
        snapshot: &Snapshot,
        parent: DirId,
        level: &str,
    ) -> Result<Option<DirRec>, PoolError> {
        let name = level_key(level).ok_or(PoolError::BadDirectory)?;
        match self.overlay.dirs.get(&(parent, name)) {
            Some(own) => Ok(own.clone()),
            None => snapshot.dir(parent, name),
        }
    }

    pub(crate) fn resolve(&self, snapshot: &Snapshot, dir: DirPath<'_>) -> Result<FoundDir, PoolError> {
        if dir.levels.len() > MAX_LEVELS {
            return Err(PoolError::BadDirectory);
        }
        self.gate.check(dir.space, false)?;
        let mut id = self.space(snapshot, dir.space)?.ok_or(PoolError::NoSpace)?.top;
        for level in dir.levels {
            id = self.level(snapshot, id, level)?.ok_or(PoolError::NoDirectory)?.id;
        }
        Ok(FoundDir { id, space: dir.space.into() })
    }

    /// Whether one object more may be changed.
    pub(super) fn room_for_change(&self) -> Result<(), PoolError> {
        if self.overlay.files.len() + self.overlay.dirs.len() + self.overlay.rows.len() >= MAX_CHANGES {
            return Err(PoolError::Limit("objects changed in one work unit"));
        }
        Ok(())
    }

    /// Keeps a directory and its file space from going away.
    pub(crate) fn lock_within(&mut self, dir: &FoundDir) -> Result<(), PoolError> {
        // Asked first, so that who is kept out holds nothing.
        self.gate.check(&dir.space, true)?;
        self.locks.take(LockKey::Space(dir.space.clone()), LockMode::Shared)?;
        self.gate.check(&dir.space, true)?;
        self.locks.take(LockKey::Directory(dir.id), LockMode::Shared)
    }

    pub(super) fn levels_of(
        &self,
        snapshot: &Snapshot,
        dir: DirId,
    ) -> Result<Vec<(String, DirRec)>, PoolError> {
        let mut all = snapshot.dirs(dir)?;
        let range = (dir, [0; 16])..=(dir, [0xff; 16]);
        for ((_, name), own) in self.overlay.dirs.range(range) {
            let level = level_name(name);
            all.retain(|(l, _)| *l != level);
            if let Some(rec) = own {
                all.push((level, rec.clone()));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
    }

    pub(super) fn dir_is_empty(&self, snapshot: &Snapshot, dir: DirId) -> Result<bool, PoolError> {
        let range = (dir, [0; 16])..=(dir, [0xff; 16]);
        if self.overlay.files.range(range.clone()).any(|(_, c)| c.now.is_some())
            || self.overlay.dirs.range(range).any(|(_, d)| d.is_some())
        {
            return Ok(false);
        }
        if snapshot.is_empty(dir)? {
            return Ok(!self.has_special(snapshot, dir)?);
        }
        let mut left = !self.levels_of(snapshot, dir)?.is_empty();
        snapshot.files(dir, |id, _| left |= !self.overlay.files.contains_key(&(dir, file_key(id))))?;
        Ok(!left && !self.has_special(snapshot, dir)?)
    }

    fn has_special(&self, snapshot: &Snapshot, dir: DirId) -> Result<bool, PoolError> {
        Ok(!self.rows(snapshot, &row::special_prefix(dir))?.is_empty())
    }

    /// Levels below `dir`, 0 when there are none.
    pub(super) fn depth(&self, snapshot: &Snapshot, dir: DirId) -> Result<usize, PoolError> {
        let mut deepest = 0;
        for (_, rec) in self.levels_of(snapshot, dir)? {
            deepest = deepest.max(1 + self.depth(snapshot, rec.id)?);
        }
        Ok(deepest)
    }

    pub(crate) fn exists(&self, snapshot: &Snapshot, key: (DirId, Name16)) -> Result<bool, PoolError> {
        match self.overlay.files.get(&key) {
            Some(change) => Ok(change.now.is_some()),
            None => snapshot.has_file(key.0, key.1),
        }
    }

    /// Locks a file name for this unit and takes its committed state into the overlay.
    pub(crate) fn change_file(
        &mut self,
        inner: &Inner,
        dir: &FoundDir,
        name: Name16,
        purpose: Purpose,
    ) -> Result<(), PoolError> {
        if !self.overlay.files.contains_key(&(dir.id, name)) {
            self.room_for_change()?;
            self.lock_names(inner, dir)?;
            self.locks.take(LockKey::File(dir.id, name), LockMode::Exclusive)?;
            self.adopt(inner, dir, name)?;
        }
        let base = self.overlay.files.get(&(dir.id, name)).and_then(|c| c.base.as_ref());
        base.map_or(Ok(()), |b| inner.explicit.check((LockResource::File, b.object.0), self.user, purpose))
    }

    /// Locks a name that is, or becomes, an alias or an external object.
    pub(crate) fn change_special(
        &mut self,
        inner: &Inner,
        dir: &FoundDir,
        name: Name16,
    ) -> Result<(), PoolError> {
        self.room_for_change()?;
        self.lock_names(inner, dir)?;
        self.locks.take(LockKey::File(dir.id, name), LockMode::Exclusive)
    }

    pub(super) fn adopt(&mut self, inner: &Inner, dir: &FoundDir, name: Name16) -> Result<(), PoolError> {
        let base = inner.glance().file(dir.id, name)?.map(Box::new);
        let now = base.as_deref().map(Draft::boxed);
        let change = FileChange { space: dir.space.clone(), base, now };
        self.overlay.files.insert((dir.id, name), change);
        Ok(())
    }

    /// What a copy of a file begins as: this unit's state of it, or else the committed one, which `committed` is. The file is locked.
    pub(super) fn copy_source(
        &mut self,
        inner: &Inner,
        key: (DirId, Name16),
        committed: Option<FileRec>,
    ) -> Result<Box<Draft>, PoolError> {
        if self.in_blocks(key) {
            return Err(PoolError::FileOpen);
        }
        let draft = match self.overlay.files.get(&key) {
            Some(own) => own.now.clone(),
            None => committed.map(|rec| Box::new(Draft::of(rec))),
        };
        let draft = draft.ok_or(PoolError::NoFile)?;
        let Content::Keyed(keyed) = &draft.content else { return Ok(draft) };
        // Records in the catalog belong to one file: the copy gets its own.
        let (mut copy, lrecl) = (Keyed::default(), draft.rec.lrecl);
        if let Some(file) = keyed.base {
            let upto = keyed.cut.map_or(u32::MAX, |cut| cut - 1);
            inner.current().records(file, lrecl, 1, upto, |first, data| {
                copy.puts.put(lrecl, first, bytes::Bytes::copy_from_slice(data));
            })?;
        }
        keyed.puts.each(lrecl, 1, u32::MAX, |first, data| {
            copy.puts.put(lrecl, first, bytes::Bytes::copy_from_slice(data));
        });
        self.memory += copy.puts.in_memory();
        Ok(Box::new(Draft { rec: draft.rec, content: Content::Keyed(copy) }))
    }

    pub(super) fn remove_tree(&mut self, snapshot: &Snapshot, dir: &FoundDir) -> Result<(), PoolError> {
        for (level, rec) in self.levels_of(snapshot, dir.id)? {
            self.remove_tree(snapshot, &FoundDir { id: rec.id, space: dir.space.clone() })?;
            let name = level_key(&level).ok_or(PoolError::BadDirectory)?;
            self.overlay.dirs.insert((dir.id, name), None);
        }
        self.drop_object(snapshot, dir.id.0)?;
        self.overlay.rows.insert(row::control_key(dir.id), None);
        for (key, _) in self.rows(snapshot, &row::special_prefix(dir.id))? {
            self.overlay.rows.insert(key, None);
        }
        let mut committed = Vec::new();
        snapshot.files(dir.id, |id, rec| committed.push((file_key(id), rec)))?;
        for (name, rec) in committed {
            self.drop_object(snapshot, rec.object.0)?;
            let change = FileChange { space: dir.space.clone(), base: Some(Box::new(rec)), now: None };
            self.overlay.files.entry((dir.id, name)).or_insert(change).now = None;
        }
        // Files that only this work unit knows have aliases and authorities as others do.
        let range = (dir.id, [0; 16])..=(dir.id, [0xff; 16]);
        let own = self.overlay.files.range_mut(range).filter_map(|(_, change)| change.now.take());
        for object in own.map(|draft| draft.rec.object).collect::<Vec<_>>() {
            self.drop_object(snapshot, object.0)?;
        }
        Ok(())
    }
}

/// The content of a committed file that is locked, pinned; tried again when the mover is faster.
pub(super) fn load_locked(inner: &Inner, rec: &FileRec) -> Result<Content, PoolError> {
    for _ in 0..OPEN_TRIES {
        if let Some(content) = Content::load(rec, &inner.glance(), &inner.store, false)? {
            return Ok(content);
        }
    }
    Err(PoolError::Damaged("a body's storage cannot be found".into()))
}

/// The committed file of a name, with its content pinned; tried again when the mover is faster.
pub(crate) fn load_committed(
    inner: &Inner,
    key: (DirId, Name16),
    reader: bool,
) -> Result<Option<(FileRec, Content)>, PoolError> {
    for _ in 0..OPEN_TRIES {
        let snapshot = inner.glance();
        let Some(rec) = snapshot.file(key.0, key.1)? else { return Ok(None) };
        if let Some(content) = Content::load(&rec, &snapshot, &inner.store, reader)? {
            return Ok(Some((rec, content)));
        }
    }
    Err(PoolError::Damaged("a body's storage cannot be found".into()))
}
