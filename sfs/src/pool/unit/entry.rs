//! Entries of a directory beside base files: aliases and external objects; and the attributes of files and directories.

use super::state::FoundDir;
use super::{DirPath, State, WorkUnit};
use crate::pool::Inner;
use crate::pool::catalog::{DirId, Name16, ObjectNo, file_id, file_key};
use crate::pool::error::PoolError;
use crate::pool::explicit::Purpose;
use crate::pool::lock::{LockKey, LockMode};
use crate::pool::row::{self, Place, Special, SpecialRec};
use crate::pool::snapshot::Snapshot;
use crate::types::{
    DirControl, EntryType, FileId, FileStatus, LockResource, ModeNumber, RecordFormat, Rights, Stamp,
};

/// Octets of data that an external object may carry: enough for the names of what it stands for.
pub const MAX_EXTERNAL: usize = 4096;

/// Changes to what is known of a file; `None` leaves it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileChanges {
    /// RECOVER or NORECOVER.
    pub recover: Option<bool>,
    /// INPLACE or NOTINPLACE.
    pub in_place: Option<bool>,
    /// Mode number.
    pub mode: Option<ModeNumber>,
    /// Date and time of last update.
    pub updated: Option<Stamp>,
    /// Date of creation.
    pub created: Option<Stamp>,
}

impl State {
    /// An alias as a list shows it: with the figures of its base; an external object without any.
    pub(super) fn special_status(
        &self,
        snapshot: &Snapshot,
        dir: &FoundDir,
        id: FileId,
        special: &SpecialRec,
    ) -> Result<FileStatus, PoolError> {
        let bare = |entry| FileStatus {
            id,
            mode: ModeNumber::DEFAULT,
            recfm: RecordFormat::Variable,
            lrecl: 0,
            records: 0,
            blocks: 0,
            bytes: 0,
            created: special.created,
            updated: special.created,
            unique: 0,
            entry,
            referenced: special.created,
            recover: true,
            in_place: false,
            readable: entry == EntryType::Alias,
            writable: false,
        };
        let Special::Alias(object) = &special.what else { return Ok(bare(EntryType::External)) };
        let Some((base_dir, name)) = self.place(snapshot, *object)? else {
            return Ok(bare(EntryType::Erased));
        };
        let Some(rec) = self.record(snapshot, (base_dir.id, name))? else {
            return Ok(bare(EntryType::Erased));
        };
        if *base_dir.space != *dir.space {
            let owner = self.rights_of(snapshot, base_dir.id, Some(rec.object), &dir.space)?;
            if !owner.has(Rights::READ) {
                return Ok(bare(EntryType::Revoked));
            }
        }
        Ok(FileStatus { entry: EntryType::Alias, ..rec.status(id) })
    }

    /// Gives an alias or external object another name.
    pub(super) fn rename_special(
        &mut self,
        inner: &Inner,
        from: (&FoundDir, Name16),
        to: (&FoundDir, Name16),
    ) -> Result<(), PoolError> {
        self.change_special(inner, from.0, from.1)?;
        self.change_special(inner, to.0, to.1)?;
        let snapshot = &inner.current();
        let special = self.special(snapshot, (from.0.id, from.1))?.ok_or(PoolError::NoFile)?;
        if self.occupied(snapshot, (to.0.id, to.1))? {
            return Err(PoolError::FileExists);
        }
        self.file_control(snapshot, to.0.id)?;
        self.overlay.rows.insert(row::special_key(from.0.id, from.1), None);
        self.overlay.rows.insert(row::special_key(to.0.id, to.1), Some(special.encode()));
        Ok(())
    }

    fn file_control(&self, snapshot: &Snapshot, dir: DirId) -> Result<(), PoolError> {
        match self.control(snapshot, dir)? {
            DirControl::File => Ok(()),
            DirControl::Directory => Err(PoolError::WrongControl),
        }
    }
}

impl WorkUnit {
    /// Creates an alias of `base` (or of the base of the alias `base`). Only in FILECONTROL directories.
    ///
    /// # Errors
    /// [`PoolError::NoFile`], [`PoolError::FileExists`], [`PoolError::WrongControl`], [`PoolError::Locked`] also when `base` is
    /// being created or renamed by another unit.
    pub fn create_alias(
        &self,
        base_dir: DirPath<'_>,
        base: FileId,
        dir: DirPath<'_>,
        alias: FileId,
    ) -> Result<(), PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            let name = file_key(alias);
            let base_found = state.resolve(snapshot, base_dir)?;
            let target = state.follow(snapshot, base_found, file_key(base))?;
            if state.occupied(snapshot, (found.id, name))? {
                return Err(PoolError::FileExists);
            }
            state.file_control(snapshot, found.id)?;
            state.change_special(&self.inner, &found, name)?;
            // The base neither moves nor goes until the alias is there.
            state.lock_within(&target.dir)?;
            state.locks.take(LockKey::File(target.dir.id, target.name), LockMode::Shared)?;
            let snapshot = &self.inner.current();
            if state.occupied(snapshot, (found.id, name))? {
                return Err(PoolError::FileExists);
            }
            let rec = state.record(snapshot, target.key())?.ok_or(PoolError::NoFile)?;
            let place = Place { dir: target.dir.id, name: target.name, space: target.dir.space.to_string() };
            let special = SpecialRec { created: self.inner.now(), what: Special::Alias(rec.object) };
            state.overlay.rows.insert(row::object_key(rec.object), Some(place.encode()));
            state.overlay.rows.insert(row::special_key(found.id, name), Some(special.encode()));
            Ok(())
        })
    }

    /// Creates an alias whose base is erased, as a backup knows it.
    ///
    /// # Errors
    /// [`PoolError::FileExists`], [`PoolError::WrongControl`], [`PoolError::Locked`].
    pub(crate) fn create_erased_alias(&self, dir: DirPath<'_>, alias: FileId) -> Result<(), PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            let name = file_key(alias);
            state.file_control(snapshot, found.id)?;
            state.change_special(&self.inner, &found, name)?;
            if state.occupied(&self.inner.current(), (found.id, name))? {
                return Err(PoolError::FileExists);
            }
            // A number that no object has or will have.
            let nobody = ObjectNo(self.inner.new_number());
            // Changes nothing, and tells recovery that the number is used up.
            state.overlay.rows.insert(row::decided_key(nobody.0), None);
            let special = SpecialRec { created: self.inner.now(), what: Special::Alias(nobody) };
            state.overlay.rows.insert(row::special_key(found.id, name), Some(special.encode()));
            Ok(())
        })
    }

    /// Sets the date of last reference of a file.
    ///
    /// # Errors
    /// As [`Self::change_attributes`].
    pub(crate) fn set_referenced(
        &self,
        dir: DirPath<'_>,
        id: FileId,
        referenced: Stamp,
    ) -> Result<(), PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            state.change_file(&self.inner, &found, file_key(id), Purpose::Write)?;
            let draft = state.overlay.files.get_mut(&(found.id, file_key(id))).and_then(|c| c.now.as_mut());
            draft.ok_or(PoolError::NoFile)?.rec.referenced = referenced;
            Ok(())
        })
    }

    /// Where the base file of an alias is: file space, directory levels, name. `None` when it is erased.
    ///
    /// # Errors
    /// [`PoolError::NoFile`] when the name is no alias.
    pub fn base_of(
        &self,
        dir: DirPath<'_>,
        alias: FileId,
    ) -> Result<Option<(String, Vec<String>, FileId)>, PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            let special = state.special(snapshot, (found.id, file_key(alias)))?.ok_or(PoolError::NoFile)?;
            let Special::Alias(object) = special.what else { return Err(PoolError::NoFile) };
            let Some((base, name)) = state.place(snapshot, object)? else { return Ok(None) };
            let top = state.space(snapshot, &base.space)?.ok_or(PoolError::NoSpace)?.top;
            let levels = state.path_to(snapshot, top, base.id)?.ok_or(PoolError::NoDirectory)?;
            Ok(Some((base.space.to_string(), levels, file_id(&name)?)))
        })
    }

    /// Creates an external object: an entry that names something kept elsewhere.
    ///
    /// # Errors
    /// [`PoolError::FileExists`], [`PoolError::WrongControl`], [`PoolError::Limit`] for more than [`MAX_EXTERNAL`] octets.
    pub fn create_external(&self, dir: DirPath<'_>, id: FileId, data: &[u8]) -> Result<(), PoolError> {
        if data.len() > MAX_EXTERNAL {
            return Err(PoolError::Limit("data of an external object"));
        }
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            let name = file_key(id);
            state.file_control(snapshot, found.id)?;
            if state.occupied(snapshot, (found.id, name))? {
                return Err(PoolError::FileExists);
            }
            state.change_special(&self.inner, &found, name)?;
            if state.occupied(&self.inner.current(), (found.id, name))? {
                return Err(PoolError::FileExists);
            }
            let special = SpecialRec { created: self.inner.now(), what: Special::External(data.to_vec()) };
            state.overlay.rows.insert(row::special_key(found.id, name), Some(special.encode()));
            Ok(())
        })
    }

    /// The data of an external object.
    ///
    /// # Errors
    /// [`PoolError::NoFile`] when the name is none.
    pub fn external(&self, dir: DirPath<'_>, id: FileId) -> Result<Vec<u8>, PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            match state.special(snapshot, (found.id, file_key(id)))?.map(|s| s.what) {
                Some(Special::External(data)) => Ok(data),
                _ => Err(PoolError::NoFile),
            }
        })
    }

    /// Changes attributes and dates of a file; of the base when `id` is an alias.
    ///
    /// # Errors
    /// [`PoolError::NoFile`], [`PoolError::Locked`], [`PoolError::WrongIntent`] for INPLACE with RECOVER.
    pub fn change_attributes(
        &self,
        dir: DirPath<'_>,
        id: FileId,
        changes: &FileChanges,
    ) -> Result<(), PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            let target = state.follow(snapshot, found, file_key(id))?;
            state.change_file(&self.inner, &target.dir, target.name, Purpose::Write)?;
            let draft = state.overlay.files.get_mut(&target.key()).and_then(|c| c.now.as_mut());
            let rec = &mut draft.ok_or(PoolError::NoFile)?.rec;
            let recover = changes.recover.unwrap_or(rec.recover);
            let in_place = changes.in_place.unwrap_or(rec.in_place && !recover);
            if recover && in_place {
                return Err(PoolError::WrongIntent);
            }
            (rec.recover, rec.in_place) = (recover, in_place);
            rec.mode = changes.mode.unwrap_or(rec.mode);
            rec.updated = changes.updated.unwrap_or(rec.updated);
            rec.created = changes.created.unwrap_or(rec.created);
            Ok(())
        })
    }

    /// Changes a directory to FILECONTROL or DIRCONTROL. It must hold no aliases and no authorities, which mean other things in
    /// the other kind.
    ///
    /// # Errors
    /// [`PoolError::NoDirectory`], [`PoolError::WrongControl`] for a top directory and for one that holds aliases or authorities,
    /// [`PoolError::Locked`].
    pub fn change_control(&self, dir: DirPath<'_>, control: DirControl) -> Result<(), PoolError> {
        if dir.levels.is_empty() {
            return Err(PoolError::WrongControl);
        }
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            state.locks.take(LockKey::Space(found.space.clone()), LockMode::Shared)?;
            state.gate.check(&found.space, true)?;
            state.locks.take(LockKey::Directory(found.id), LockMode::Exclusive)?;
            let snapshot = &self.inner.current();
            self.inner.explicit.check((LockResource::Directory, found.id.0), state.user, Purpose::Erase)?;
            if state.control(snapshot, found.id)? == control {
                return Ok(());
            }
            let special = !state.rows(snapshot, &row::special_prefix(found.id))?.is_empty();
            if special || !state.rows(snapshot, &row::grant_prefix(found.id.0))?.is_empty() {
                return Err(PoolError::WrongControl);
            }
            let value = (control == DirControl::Directory).then(Vec::new);
            state.overlay.rows.insert(row::control_key(found.id), value);
            Ok(())
        })
    }
}
