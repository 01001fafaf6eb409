//! Explicit locks as a user creates and deletes them.

use cp::name::UserId;

use super::grant::Access;
use super::{DirPath, WorkUnit};
use crate::pool::Pool;
use crate::pool::error::PoolError;
use crate::pool::lock::{LockKey, LockMode, Obstacle};
use crate::pool::row;
use crate::types::{FileId, LockDuration, LockInfo, LockResource, LockType, WantedLock};

impl Pool {
    /// Locks a committed file (an alias means its base) or a directory for `user`. `unit` is a work unit of his whose implicit
    /// locks are not in the way. A LASTING lock is durable on return.
    ///
    /// # Errors
    /// [`PoolError::NoFile`], [`PoolError::NoDirectory`], [`PoolError::LockExists`], [`PoolError::ExplicitLock`] when another
    /// user's lock is in the way, [`PoolError::Locked`] when a work unit changes the object; those of a commit.
    pub async fn create_lock(
        &self,
        unit: &WorkUnit,
        (dir, id): (DirPath<'_>, Option<FileId>),
        user: UserId,
        kind: LockType,
        duration: LockDuration,
    ) -> Result<(), PoolError> {
        let lock = LockInfo { user, kind, duration, created: self.inner.now() };
        self.put_lock(unit, (dir, id), lock).await
    }

    /// Puts a lock there as it is: [`Self::create_lock`], and the restoring of a LASTING lock.
    pub(crate) async fn put_lock(
        &self,
        unit: &WorkUnit,
        (dir, id): (DirPath<'_>, Option<FileId>),
        lock: LockInfo,
    ) -> Result<(), PoolError> {
        let LockInfo { user, kind, duration, .. } = lock;
        let own = self.begin_for(user);
        let (number, key, found) = own.with(|state, snapshot| {
            let (number, found, name) = state.object_number(snapshot, dir, id)?;
            Ok((number, WorkUnit::lock_keys(&found, name), found))
        })?;
        self.inner.explicit.add((object_kind(id), number), lock.clone())?;
        // Changes hold the directory shared and the file exclusively: whatever another unit holds is in the way, but for a
        // shared lock, which lets others go on changing nothing.
        let exclusive_only = kind == LockType::Share && id.is_some();
        let held = self.inner.locks.other_holder(&key, unit.serial(), exclusive_only);
        let stored = match held {
            Some(holder) => {
                Err(PoolError::Locked { holder, wanted: WantedLock { resource: object_kind(id), kind } })
            }
            None => own.with(|state, _| {
                // What is locked does not go before that is stored: not even by the user's own doing. Who changes very many files
                // has their directory exclusively, and who removes a file space has that.
                for key in [LockKey::Space(found.space.clone()), LockKey::Directory(found.id), key] {
                    match state.locks.take(key, LockMode::Shared) {
                        Err(PoolError::Locked { holder, .. }) if holder == unit.serial() => {}
                        taken => taken?,
                    }
                }
                if state.object_number(&self.inner.current(), dir, id)?.0 != number {
                    return Err(PoolError::NoFile);
                }
                if duration == LockDuration::Lasting {
                    let value = Some(row::lock_row(kind, lock.created));
                    state.overlay.rows.insert(row::lock_key(number, user), value);
                }
                Ok(())
            }),
        };
        let stored = match stored {
            Ok(()) => own.commit().await.map(|_| ()),
            failed => failed,
        };
        if let Err(error) = stored {
            self.forget_lock(number, user);
            return Err(error);
        }
        Ok(())
    }

    fn forget_lock(&self, number: u64, user: UserId) {
        // It was put there by the caller; somebody may have deleted it meanwhile.
        let _ = self.inner.explicit.remove(number, user);
        self.inner.locks.wake();
    }

    /// Deletes the lock of `user` on a file or directory; a LASTING one durably.
    ///
    /// # Errors
    /// [`PoolError::NoLock`], [`PoolError::NoFile`], [`PoolError::NoDirectory`]; those of a commit.
    pub async fn delete_lock(
        &self,
        (dir, id): (DirPath<'_>, Option<FileId>),
        user: UserId,
    ) -> Result<(), PoolError> {
        let own = self.begin_for(user);
        let (number, _, _) = own.with(|state, snapshot| state.object_number(snapshot, dir, id))?;
        let lock = self.inner.explicit.remove(number, user)?;
        if lock.duration == LockDuration::Lasting {
            own.with(|state, _| {
                state.overlay.rows.insert(row::lock_key(number, user), None);
                Ok(())
            })?;
            if let Err(error) = own.commit().await {
                // Not deleted after all.
                let _ = self.inner.explicit.add((object_kind(id), number), lock);
                return Err(error);
            }
        }
        self.inner.locks.wake();
        Ok(())
    }

    /// The explicit locks on a file or directory. Source: QUERY LOCK.
    ///
    /// # Errors
    /// [`PoolError::NoFile`], [`PoolError::NoDirectory`].
    pub fn locks_on(&self, dir: DirPath<'_>, id: Option<FileId>) -> Result<Vec<LockInfo>, PoolError> {
        let (number, _, _) = self.begin().with(|state, snapshot| state.object_number(snapshot, dir, id))?;
        Ok(self.inner.explicit.on(number))
    }

    /// Ends the SESSION locks of a user whose last connection is gone.
    pub fn end_session_locks(&self, user: UserId) {
        self.inner.explicit.end_session(user);
        self.inner.locks.wake();
    }

    /// Number of explicit locks.
    pub fn explicit_lock_count(&self) -> usize {
        self.inner.explicit.count()
    }

    /// Which work units wait, by serial number, and for what. Source: QUERY FILEPOOL CONFLICT.
    pub fn waits(&self) -> Vec<(u64, Obstacle)> {
        self.inner.locks.waits()
    }
}

/// What an explicit lock is on: a file of that id, or the directory.
pub(super) fn object_kind(id: Option<FileId>) -> LockResource {
    id.map_or(LockResource::Directory, |_| LockResource::File)
}

impl Access {
    /// What an administrator may do.
    pub fn all(exists: bool) -> Self {
        Self { exists, alias: false, owner: true, read: true, write: true, dir_read: true, dir_write: true }
    }
}
