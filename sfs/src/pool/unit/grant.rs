//! Authorities on files and directories: granting them, and what somebody has in effect.

use cp::name::UserId;

use super::lock::object_kind;
use super::state::FoundDir;
use super::{DirPath, State, WorkUnit};
use crate::pool::catalog::{DirId, ObjectNo, file_key, level_key};
use crate::pool::error::PoolError;
use crate::pool::explicit::Purpose;
use crate::pool::lock::{LockKey, LockMode};
use crate::pool::row::{self, Special};
use crate::pool::snapshot::Snapshot;
use crate::types::{DirControl, FileId, Grantee, Rights};

/// What a user may do with a name and its directory. Everything is false where nothing is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Access {
    /// There is a file, alias or external object of that name.
    pub exists: bool,
    /// It is an alias.
    pub alias: bool,
    /// The user owns the file (the base of an alias), or without a file the directory.
    pub owner: bool,
    /// The file (the base of an alias) may be read.
    pub read: bool,
    /// The file (the base of an alias) may be written.
    pub write: bool,
    /// The directory may be read: the names in it seen.
    pub dir_read: bool,
    /// The directory may be written: names come and go.
    pub dir_write: bool,
}

impl State {
    /// What `user` has of a directory or, with `object`, of a file in it: READ, WRITE or neither, from whatever authority.
    pub(super) fn rights_of(
        &self,
        snapshot: &Snapshot,
        dir: DirId,
        object: Option<ObjectNo>,
        user: &str,
    ) -> Result<Rights, PoolError> {
        let by_dir = self.control(snapshot, dir)? == DirControl::Directory;
        let number = object.filter(|_| !by_dir).map_or(dir.0, |o| o.0);
        let mut all = Rights::NONE;
        let named = UserId::new(user).ok().map(Grantee::User);
        for to in [Some(Grantee::Public), named].into_iter().flatten() {
            if let Some(found) = self.row(snapshot, &row::grant_key(number, to))? {
                all = all.and(row::read_rights(&found)?);
            }
        }
        let (read, write) =
            if by_dir { (Rights::DIRREAD, Rights::DIRWRITE) } else { (Rights::READ, Rights::WRITE) };
        Ok(if all.has(write) {
            Rights::WRITE
        } else if all.has(read) {
            Rights::READ
        } else {
            Rights::NONE
        })
    }

    /// The number that authorities and locks on a file or directory are kept under, and where it is.
    pub(super) fn object_number(
        &self,
        snapshot: &Snapshot,
        dir: DirPath<'_>,
        id: Option<FileId>,
    ) -> Result<(u64, FoundDir, Option<crate::pool::catalog::Name16>), PoolError> {
        let found = self.resolve(snapshot, dir)?;
        let Some(id) = id else { return Ok((found.id.0, found, None)) };
        let target = self.follow(snapshot, found, file_key(id))?;
        let rec = self.record(snapshot, target.key())?.ok_or(PoolError::NoFile)?;
        Ok((rec.object.0, target.dir, Some(target.name)))
    }

    /// The levels that lead from `at` to `dir`.
    pub(super) fn path_to(
        &self,
        snapshot: &Snapshot,
        at: DirId,
        dir: DirId,
    ) -> Result<Option<Vec<String>>, PoolError> {
        if at == dir {
            return Ok(Some(Vec::new()));
        }
        for (level, rec) in self.levels_of(snapshot, at)? {
            if let Some(mut below) = self.path_to(snapshot, rec.id, dir)? {
                level_key(&level).ok_or(PoolError::BadDirectory)?;
                below.insert(0, level);
                return Ok(Some(below));
            }
        }
        Ok(None)
    }
}

impl WorkUnit {
    /// What `user` may do, who is neither administrator nor asked about as one. Owners may do everything in their file space.
    ///
    /// # Errors
    /// [`PoolError::NoSpace`], [`PoolError::NoDirectory`]; damage.
    pub fn access(&self, dir: DirPath<'_>, id: Option<FileId>, user: UserId) -> Result<Access, PoolError> {
        self.with(|state, snapshot| {
            let found = state.resolve(snapshot, dir)?;
            let owner = *found.space == *user.as_str();
            let all = Rights::WRITE;
            let of_dir = match owner {
                true => all,
                false => state.rights_of(snapshot, found.id, None, user.as_str())?,
            };
            let mut access = Access {
                owner,
                dir_read: of_dir.has(Rights::READ),
                dir_write: of_dir.has(Rights::WRITE),
                ..Access::default()
            };
            let Some(id) = id else { return Ok(access) };
            let name = file_key(id);
            if let Some(rec) = state.record(snapshot, (found.id, name))? {
                let rights = match owner {
                    true => all,
                    false => state.rights_of(snapshot, found.id, Some(rec.object), user.as_str())?,
                };
                access.exists = true;
                access.read = rights.has(Rights::READ);
                access.write = rights.has(Rights::WRITE);
                return Ok(access);
            }
            let Some(special) = state.special(snapshot, (found.id, name))? else { return Ok(access) };
            access.exists = true;
            let Special::Alias(object) = special.what else {
                (access.read, access.write) = (access.dir_read, access.dir_write);
                return Ok(access);
            };
            access.alias = true;
            access.owner = false;
            if let Some((base, _)) = state.place(snapshot, object)? {
                let owner = *base.space == *user.as_str();
                let rights = state.rights_of(snapshot, base.id, Some(object), user.as_str())?;
                access.owner = owner;
                access.read = owner || rights.has(Rights::READ);
                access.write = owner || rights.has(Rights::WRITE);
            }
            Ok(access)
        })
    }

    /// Grants `rights` on a file (`id`; an alias means its base) or directory. A grant on a file that somebody writes succeeds.
    ///
    /// # Errors
    /// [`PoolError::NoFile`], [`PoolError::NoDirectory`], [`PoolError::WrongControl`] for an authority that the kind of directory
    /// does not have, [`PoolError::ExplicitLock`] when another user has it locked EXCLUSIVE.
    pub fn grant(
        &self,
        dir: DirPath<'_>,
        id: Option<FileId>,
        to: Grantee,
        rights: Rights,
    ) -> Result<(), PoolError> {
        self.change_grant(dir, id, to, |state, snapshot, found, old| {
            let by_dir = state.control(snapshot, found.id)? == DirControl::Directory;
            let fits = match (by_dir, id) {
                (true, Some(_)) => false,
                (true, None) => Rights::DIRWRITE.has(rights),
                (false, Some(_)) => Rights::WRITE.has(rights),
                (false, None) => Rights::WRITE.and(Rights::NEWWRITE).has(rights),
            };
            if fits && !rights.is_none() { Ok(old.and(rights)) } else { Err(PoolError::WrongControl) }
        })
    }

    /// Takes authority away: all of it, or with `keep_read` only what goes beyond reading. Returns false when there was none.
    ///
    /// # Errors
    /// As [`Self::grant`].
    pub fn revoke(
        &self,
        dir: DirPath<'_>,
        id: Option<FileId>,
        from: Grantee,
        keep_read: bool,
    ) -> Result<bool, PoolError> {
        let mut had = false;
        self.change_grant(dir, id, from, |_, _, _, old| {
            had = !old.is_none();
            Ok(if keep_read { old.reads() } else { Rights::NONE })
        })?;
        Ok(had)
    }

    fn change_grant(
        &self,
        dir: DirPath<'_>,
        id: Option<FileId>,
        to: Grantee,
        change: impl FnOnce(&State, &Snapshot, &FoundDir, Rights) -> Result<Rights, PoolError>,
    ) -> Result<(), PoolError> {
        self.with(|state, snapshot| {
            let (number, found, _) = state.object_number(snapshot, dir, id)?;
            // Reading is what only an EXCLUSIVE lock of somebody else forbids, and so it is with granting.
            self.inner.explicit.check((object_kind(id), number), state.user, Purpose::Read)?;
            state.room_for_change()?;
            state.lock_within(&found)?;
            state.locks.take(LockKey::Authority(number), LockMode::Exclusive)?;
            let snapshot = &self.inner.current();
            let (again, found, _) = state.object_number(snapshot, dir, id)?;
            if again != number {
                return Err(PoolError::NoFile);
            }
            let key = row::grant_key(number, to);
            let old = state.row(snapshot, &key)?.map(|r| row::read_rights(&r)).transpose()?;
            let new = change(state, snapshot, &found, old.unwrap_or_default())?;
            let value = (!new.is_none()).then(|| row::rights_row(new));
            state.overlay.rows.insert(key, value);
            Ok(())
        })
    }

    /// The authorities granted on a file or directory, PUBLIC first.
    ///
    /// # Errors
    /// [`PoolError::NoFile`], [`PoolError::NoDirectory`].
    pub fn grants(&self, dir: DirPath<'_>, id: Option<FileId>) -> Result<Vec<(Grantee, Rights)>, PoolError> {
        self.with(|state, snapshot| {
            let (number, _, _) = state.object_number(snapshot, dir, id)?;
            let rows = state.rows(snapshot, &row::grant_prefix(number))?;
            rows.iter().map(|(key, value)| Ok((row::grantee(key)?, row::read_rights(value)?))).collect()
        })
    }
}

impl WorkUnit {
    /// Serves locks: see [`super::lock`].
    pub(super) fn lock_keys(found: &FoundDir, name: Option<crate::pool::catalog::Name16>) -> LockKey {
        match name {
            Some(name) => LockKey::File(found.id, name),
            None => LockKey::Directory(found.id),
        }
    }
}
