//! A minidisk as a file store.
//!
//! Which disk a virtual device number means is CP's to say (`cp::minidisk`). A disk that has been detached has no files any
//! more.

use std::sync::Arc;

use bytes::Bytes;
use cp::Cp;
use cp::minidisk::{self, MinidiskDevice};
use cp::name::Vdev;
use cp::vm::Vm;
use futures::future::BoxFuture;
use sfs::csl::OpenOptions;
use sfs::minidisk::{LinkMode, Minidisk, MinidiskError, MinidiskFile, MinidiskStore};
use sfs::pool::PoolError;
use sfs::types::{Attributes, FileId, FileStatus, Intent, Stamp};

use super::records::write_shape;
use super::{FileStore, READ_CHUNK, ReadFile, StoreError, StoreResult, WriteFile};

/// Records asked for at a time; the buffer is what limits a read.
const READ_RECORDS: u32 = 1 << 20;

/// Files of a minidisk.
pub struct MinidiskFiles {
    device: MinidiskDevice,
    link: Minidisk,
}

/// What attaching a device gives: the files, the label, and whether it is read-only.
pub type Attached = (MinidiskFiles, String, bool);

impl MinidiskFiles {
    /// The disk that the machine has at `vdev`; `None` when it has none there.
    ///
    /// # Errors
    /// [`StoreError`] when the disk exists and cannot be used.
    pub fn attach(cp: &Arc<Cp>, vm: &Vm, vdev: Vdev) -> StoreResult<Option<Attached>> {
        let Some(device) = minidisk::device(vm, vdev) else { return Ok(None) };
        let mode = if device.writable { LinkMode::ReadWrite } else { LinkMode::ReadOnly };
        let Some(store) = cp.ext.get::<MinidiskStore>() else {
            return Err(StoreError::Unavailable("the minidisks are not online".into()));
        };
        match store.link(device.owner, device.owner_vdev, mode) {
            Ok(disk) => {
                let label = disk.label().map_err(fail)?;
                Ok(Some((Self { device, link: disk }, label, mode == LinkMode::ReadOnly)))
            }
            Err(MinidiskError::NoMinidisk) => Ok(None),
            Err(error) => Err(from_minidisk(&error)),
        }
    }

    /// The disk, as long as it has not been detached.
    fn disk(&self) -> StoreResult<&Minidisk> {
        if self.device.is_detached() {
            return Err(StoreError::Unavailable(format!("device {} has been detached", self.device.vdev)));
        }
        Ok(&self.link)
    }
}

fn from_minidisk(error: &MinidiskError) -> StoreError {
    match error {
        MinidiskError::Pool(PoolError::NoFile) => StoreError::NotFound,
        MinidiskError::Pool(PoolError::FileExists) => StoreError::Exists,
        MinidiskError::ReadOnly => StoreError::ReadOnly,
        MinidiskError::Full | MinidiskError::Pool(PoolError::SpaceLimit | PoolError::StorageFull) => {
            StoreError::Full
        }
        MinidiskError::Pool(PoolError::Locked { .. } | PoolError::FileOpen | PoolError::Busy) => {
            StoreError::Conflict
        }
        other => StoreError::Unavailable(other.to_string()),
    }
}

fn fail(error: MinidiskError) -> StoreError {
    from_minidisk(&error)
}

impl FileStore for MinidiskFiles {
    fn is_gone(&self) -> bool {
        self.device.is_detached()
    }

    fn list(&self) -> BoxFuture<'_, StoreResult<Vec<FileStatus>>> {
        Box::pin(async move { self.disk()?.list().map_err(fail) })
    }

    fn state(&self, id: FileId) -> BoxFuture<'_, StoreResult<Option<FileStatus>>> {
        Box::pin(async move { self.disk()?.state(id).map_err(fail) })
    }

    fn open(&self, id: FileId) -> BoxFuture<'_, StoreResult<Box<dyn ReadFile>>> {
        Box::pin(async move {
            let file = self.disk()?.open(id, Intent::Read, &OpenOptions::default()).await.map_err(fail)?;
            let status = file.status().map_err(fail)?;
            Ok(Box::new(Reading { file, status }) as Box<dyn ReadFile>)
        })
    }

    fn create(&self, id: FileId, attributes: Attributes) -> BoxFuture<'_, StoreResult<Box<dyn WriteFile>>> {
        Box::pin(async move {
            let options = OpenOptions { attributes, allow_empty: true, ..OpenOptions::default() };
            let file = self.disk()?.open(id, Intent::Replace, &options).await.map_err(fail)?;
            Ok(Box::new(Writing { file, attributes }) as Box<dyn WriteFile>)
        })
    }

    fn erase(&self, id: FileId) -> BoxFuture<'_, StoreResult<()>> {
        Box::pin(async move { self.disk()?.erase(id).await.map_err(fail) })
    }

    fn rename(&self, from: FileId, to: FileId) -> BoxFuture<'_, StoreResult<()>> {
        Box::pin(async move { self.disk()?.rename(from, to).await.map_err(fail) })
    }
}

struct Reading {
    file: MinidiskFile,
    status: FileStatus,
}

impl ReadFile for Reading {
    fn status(&self) -> &FileStatus {
        &self.status
    }

    fn next(&mut self) -> BoxFuture<'_, StoreResult<Bytes>> {
        Box::pin(async move {
            let room = READ_CHUNK.max(self.status.lrecl as usize + 2);
            match self.file.read(READ_RECORDS, room).await {
                Ok(read) => Ok(read.data),
                Err(MinidiskError::Pool(PoolError::EndOfFile)) => Ok(Bytes::new()),
                Err(error) => Err(fail(error)),
            }
        })
    }
}

struct Writing {
    file: MinidiskFile,
    attributes: Attributes,
}

impl WriteFile for Writing {
    fn write(&mut self, image: Bytes) -> BoxFuture<'_, StoreResult<()>> {
        Box::pin(async move {
            let shape = write_shape(&image, self.attributes.recfm, self.attributes.lrecl);
            let Some((count, data)) = shape else { return Ok(()) };
            self.file.write(&data, count).await.map_err(fail)
        })
    }

    fn date(&mut self, updated: Stamp) {
        self.file.date(updated);
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, StoreResult<()>> {
        Box::pin(async move { self.file.close().await.map(|_| ()).map_err(fail) })
    }
}
