//! An SFS directory as a file store, through CSL.
//!
//! Reading uses the default work unit's snapshot; every file that is written has a work unit of its own, which is
//! committed by its close and rolled back when it is dropped.

use bytes::Bytes;
use cp::name::DirName;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use sfs::csl::{
    CommitOption, Csl, CslError, DirIntent, DirRecord, EraseScope, FileChanges, FilePattern, FileRef,
    OpenOptions, ReasonCode, SfsObject, Token, WorkUnitId,
};
use sfs::types::{Attributes, FileId, FileStatus, Intent, Stamp};

use super::records::write_shape;
use super::{FileStore, READ_CHUNK, ReadFile, StoreError, StoreResult, WriteFile};

/// Records asked for at a time; the buffer is what limits a read.
const READ_RECORDS: u32 = 1 << 20;

/// An access of a DIRCONTROL directory.
#[derive(Debug, Clone, Copy)]
struct Held {
    to_write: bool,
}

/// Files of a directory in a file pool.
pub struct DirectoryStore {
    csl: Csl,
    dir: DirName,
    /// The ACCESS that the file pool server keeps, until the release.
    held: Mutex<Option<Held>>,
}

impl DirectoryStore {
    /// The files of `dir`.
    pub fn new(csl: Csl, dir: DirName) -> Self {
        Self { csl, dir, held: Mutex::new(None) }
    }

    /// True when the directory exists and this user may see it.
    ///
    /// # Errors
    /// [`StoreError`] when the pool cannot be asked.
    pub async fn exists(&self) -> StoreResult<bool> {
        match self.csl.dmsexidi(&self.dir, WorkUnitId::DEFAULT).await {
            Ok(_) => Ok(true),
            Err(e) => match from_csl(&e) {
                StoreError::NotFound => Ok(false),
                other => Err(other),
            },
        }
    }

    /// Accesses the directory until the release: a DIRCONTROL directory that is not to be written is held as it is now.
    ///
    /// # Errors
    /// [`StoreError`] of the file pool.
    pub async fn access(&self, read_only: bool) -> StoreResult<()> {
        let held = match read_only {
            true => self.csl.access_directory(&self.dir).await,
            false => self.csl.access_directory_to_write(&self.dir).await,
        };
        if held.map_err(fail)? {
            *self.held.lock() = Some(Held { to_write: !read_only });
        }
        Ok(())
    }

    fn file(&self, id: FileId) -> FileRef {
        FileRef::new(id, self.dir.clone())
    }

    fn object(&self, id: FileId) -> SfsObject {
        SfsObject::File(self.file(id))
    }
}

/// The meaning of a CSL error for a command.
pub(crate) fn from_csl(error: &CslError) -> StoreError {
    use ReasonCode as R;
    match error.reason {
        R::FileNotFound | R::DirectoryNotFound | R::SpaceNotFound | R::NotAuthorized => StoreError::NotFound,
        R::FileExists | R::DirectoryExists => StoreError::Exists,
        R::SpaceLimit | R::PoolFull => StoreError::Full,
        R::Locked | R::FileOpen | R::ExplicitLock => StoreError::Conflict,
        R::NotEnrolled => StoreError::NotEnrolled(error.pool.map_or_else(String::new, |p| p.to_string())),
        R::PoolUnknown | R::PoolOffline | R::PoolDisabled | R::ConnectionRefused | R::ConnectionLost => {
            StoreError::Unavailable(error.pool.map_or_else(|| error.reason.to_string(), |p| p.to_string()))
        }
        reason => {
            StoreError::Other { rc: error.rc.code(), reason: format!("{} ({reason})", reason.number()) }
        }
    }
}

fn fail(error: CslError) -> StoreError {
    from_csl(&error)
}

impl Drop for DirectoryStore {
    fn drop(&mut self) {
        if let Some(Held { to_write }) = self.held.lock().take() {
            let (csl, dir) = (self.csl.clone(), self.dir.clone());
            // There is nobody left to wait for it.
            tokio::spawn(async move {
                let _released = csl.release_directory(&dir, to_write).await;
            });
        }
    }
}

impl FileStore for DirectoryStore {
    fn release(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let held = self.held.lock().take();
            if let Some(Held { to_write }) = held {
                // It fails when the connection that held it is gone, and so is what it held.
                let _released = self.csl.release_directory(&self.dir, to_write).await;
            }
        })
    }

    fn list(&self) -> BoxFuture<'_, StoreResult<Vec<FileStatus>>> {
        Box::pin(async move {
            let intent = DirIntent::File(FilePattern::ALL);
            let token = self.csl.dmsopdir(&self.dir, intent, WorkUnitId::DEFAULT).await.map_err(fail)?;
            let found = self.csl.dmsgetdi_all(token).await;
            let closed = self.csl.dmscldir(token).await;
            let found = found.map_err(fail)?;
            closed.map_err(fail)?;
            Ok(found
                .into_iter()
                .filter_map(|r| match r {
                    DirRecord::File(status) => Some(status),
                    DirRecord::Directory(_) => None,
                })
                .collect())
        })
    }

    fn state(&self, id: FileId) -> BoxFuture<'_, StoreResult<Option<FileStatus>>> {
        Box::pin(async move {
            match self.csl.dmsexifi(&self.file(id), WorkUnitId::DEFAULT).await {
                Ok(status) => Ok(Some(status)),
                Err(e) => match from_csl(&e) {
                    StoreError::NotFound => Ok(None),
                    other => Err(other),
                },
            }
        })
    }

    fn open(&self, id: FileId) -> BoxFuture<'_, StoreResult<Box<dyn ReadFile>>> {
        Box::pin(async move {
            let unit = self.csl.dmsgetwu().map_err(fail)?;
            let guard = UnitGuard::new(self.csl.clone(), unit);
            let options = OpenOptions::default();
            let opened =
                self.csl.dmsopen(&self.file(id), Intent::Read, &options, unit).await.map_err(fail)?;
            Ok(Box::new(Reading { guard, token: opened.token, status: opened.status }) as Box<dyn ReadFile>)
        })
    }

    fn create(&self, id: FileId, attributes: Attributes) -> BoxFuture<'_, StoreResult<Box<dyn WriteFile>>> {
        Box::pin(async move {
            let unit = self.csl.dmsgetwu().map_err(fail)?;
            let guard = UnitGuard::new(self.csl.clone(), unit);
            let options = OpenOptions { attributes, allow_empty: true, ..OpenOptions::default() };
            let opened =
                self.csl.dmsopen(&self.file(id), Intent::Replace, &options, unit).await.map_err(fail)?;
            let (token, file, updated) = (opened.token, self.file(id), None);
            Ok(Box::new(Writing { guard, token, attributes, file, updated }) as Box<dyn WriteFile>)
        })
    }

    fn erase(&self, id: FileId) -> BoxFuture<'_, StoreResult<()>> {
        Box::pin(async move {
            let unit = self.csl.dmsgetwu().map_err(fail)?;
            let guard = UnitGuard::new(self.csl.clone(), unit);
            let scope = EraseScope::Entire;
            let erased = self.csl.dmserase(&self.object(id), scope, CommitOption::Commit, unit).await;
            erased.map_err(fail)?;
            guard.finish().await
        })
    }

    fn rename(&self, from: FileId, to: FileId) -> BoxFuture<'_, StoreResult<()>> {
        Box::pin(async move {
            let unit = self.csl.dmsgetwu().map_err(fail)?;
            let guard = UnitGuard::new(self.csl.clone(), unit);
            let renamed =
                self.csl.dmsrenam(&self.object(from), &self.object(to), CommitOption::Commit, unit).await;
            renamed.map_err(fail)?;
            guard.finish().await
        })
    }
}

/// Rolls a work unit back and returns it, unless it was finished before.
struct UnitGuard {
    csl: Csl,
    unit: Option<WorkUnitId>,
}

impl UnitGuard {
    fn new(csl: Csl, unit: WorkUnitId) -> Self {
        Self { csl, unit: Some(unit) }
    }

    /// Returns the work unit, which commits what is pending on it.
    async fn finish(mut self) -> StoreResult<()> {
        match self.unit.take() {
            Some(unit) => self.csl.dmsretwu(unit).await.map(|_| ()).map_err(fail),
            None => Ok(()),
        }
    }
}

impl Drop for UnitGuard {
    fn drop(&mut self) {
        if let Some(unit) = self.unit.take() {
            let csl = self.csl.clone();
            // Rolling back is a call to the server; there is nobody left to wait for it.
            tokio::spawn(async move {
                let _rolled_back = csl.dmsrollb(unit).await;
                let _returned = csl.dmsretwu(unit).await;
            });
        }
    }
}

struct Reading {
    guard: UnitGuard,
    token: Token,
    status: FileStatus,
}

impl ReadFile for Reading {
    fn status(&self) -> &FileStatus {
        &self.status
    }

    fn next(&mut self) -> BoxFuture<'_, StoreResult<Bytes>> {
        Box::pin(async move {
            let room = READ_CHUNK.max(self.status.lrecl as usize + 2);
            match self.guard.csl.dmsread(self.token, READ_RECORDS, room).await {
                Ok(read) => Ok(read.data),
                Err(e) if e.reason == ReasonCode::EndOfFile => Ok(Bytes::new()),
                Err(e) => Err(fail(e)),
            }
        })
    }
}

struct Writing {
    guard: UnitGuard,
    token: Token,
    attributes: Attributes,
    file: FileRef,
    updated: Option<Stamp>,
}

impl WriteFile for Writing {
    fn write(&mut self, image: Bytes) -> BoxFuture<'_, StoreResult<()>> {
        Box::pin(async move {
            let shape = write_shape(&image, self.attributes.recfm, self.attributes.lrecl);
            let Some((count, data)) = shape else { return Ok(()) };
            let written = self.guard.csl.dmswrite(self.token, count, data, CommitOption::NoCommit).await;
            written.map(|_| ()).map_err(fail)
        })
    }

    fn date(&mut self, updated: Stamp) {
        self.updated = Some(updated);
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, StoreResult<()>> {
        Box::pin(async move {
            let Writing { guard, token, file, updated, .. } = *self;
            let Some(updated) = updated else {
                guard.csl.dmsclose(token, CommitOption::Commit).await.map_err(fail)?;
                return guard.finish().await;
            };
            guard.csl.dmsclose(token, CommitOption::NoCommit).await.map_err(fail)?;
            let changes = FileChanges { updated: Some(updated), ..FileChanges::default() };
            let unit = guard.unit.unwrap_or(WorkUnitId::DEFAULT);
            guard.csl.dmscattr(&file, changes, CommitOption::Commit, unit).await.map_err(fail)?;
            guard.finish().await
        })
    }
}
