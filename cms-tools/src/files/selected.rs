//! Some of the files of a place, to be read: what an ACCESS of selected files has behind its mode, and a minidisk that is accessed
//! read-only without its private files.
//!
//! What is not selected does not exist here; nothing can be written, since that would be to write beside files that are not seen.

use futures::future::BoxFuture;
use sfs::types::{Attributes, FileId, FileStatus, ModeNumber};

use super::{FilePattern, FileStore, ReadFile, StoreError, StoreResult, WriteFile};

/// A store of which some files are seen.
pub struct SelectedFiles<S> {
    files: S,
    pattern: FilePattern,
    /// Files with mode number 0 are seen, too.
    private: bool,
}

impl<S: FileStore> SelectedFiles<S> {
    /// The files of `files` that fit `pattern`; with mode number 0 only if `private`.
    pub fn new(files: S, pattern: FilePattern, private: bool) -> Self {
        Self { files, pattern, private }
    }

    fn shows(&self, status: &FileStatus) -> bool {
        self.pattern.fits(status) && (self.private || status.mode != ModeNumber::PRIVATE)
    }
}

fn refused<T>() -> BoxFuture<'static, StoreResult<T>>
where
    T: Send + 'static,
{
    Box::pin(async { Err(StoreError::ReadOnly) })
}

impl<S: FileStore> FileStore for SelectedFiles<S> {
    fn is_gone(&self) -> bool {
        self.files.is_gone()
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        self.files.release()
    }

    fn list(&self) -> BoxFuture<'_, StoreResult<Vec<FileStatus>>> {
        Box::pin(async move {
            let mut all = self.files.list().await?;
            all.retain(|status| self.shows(status));
            Ok(all)
        })
    }

    fn state(&self, id: FileId) -> BoxFuture<'_, StoreResult<Option<FileStatus>>> {
        Box::pin(async move { Ok(self.files.state(id).await?.filter(|status| self.shows(status))) })
    }

    fn open(&self, id: FileId) -> BoxFuture<'_, StoreResult<Box<dyn ReadFile>>> {
        Box::pin(async move {
            let file = self.files.open(id).await?;
            if self.shows(file.status()) { Ok(file) } else { Err(StoreError::NotFound) }
        })
    }

    fn create(&self, _: FileId, _: Attributes) -> BoxFuture<'_, StoreResult<Box<dyn WriteFile>>> {
        refused()
    }

    fn erase(&self, _: FileId) -> BoxFuture<'_, StoreResult<()>> {
        refused()
    }

    fn rename(&self, _: FileId, _: FileId) -> BoxFuture<'_, StoreResult<()>> {
        refused()
    }
}
