//! Files as CMS commands see them: on a minidisk or in an SFS directory, behind one trait.
//!
//! A file mode is a letter with a [`FileStore`] behind it. Records travel as images: for RECFM F the records end to end,
//! for RECFM V each with its length in a halfword in front.
//!
//! Invariants: a file that is being written is invisible, or shows its old content, until [`WriteFile::close`] returns;
//! what was closed is durable; dropping a [`WriteFile`] leaves no trace.

mod access;
mod directory;
mod minidisk;
mod pattern;
mod records;
mod selected;

use bytes::Bytes;
use futures::future::BoxFuture;
use sfs::types::{Attributes, FileId, FileStatus, Stamp};
use thiserror::Error;

pub use access::{Accessed, FileModes, Place};
pub use directory::DirectoryStore;
pub(crate) use directory::from_csl;
pub use minidisk::MinidiskFiles;
pub use pattern::{FilePattern, NamePattern, parse_mode};
pub use records::{RecordError, append_record, pad_record, records, to_lines};
pub use selected::SelectedFiles;

/// Octets asked for at a time when a file is read through.
pub const READ_CHUNK: usize = 256 * 1024;

/// Why a file operation failed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StoreError {
    /// No such file, or no authority to see it.
    #[error("file not found")]
    NotFound,
    /// The file exists already.
    #[error("file already exists")]
    Exists,
    /// The place is read-only for this user.
    #[error("read-only")]
    ReadOnly,
    /// No space left on the disk, or in the file space.
    #[error("no space left")]
    Full,
    /// Somebody else has the file in a way that excludes this.
    #[error("file sharing conflict")]
    Conflict,
    /// The file pool lets nobody connect who is not enrolled.
    #[error("not enrolled in {0}")]
    NotEnrolled(String),
    /// The server or the disk cannot be reached.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Anything else, with the codes of the layer below.
    #[error("return code {rc}, reason {reason}")]
    Other {
        /// Return code.
        rc: i32,
        /// Reason code.
        reason: String,
    },
}

/// Result of a file operation.
pub type StoreResult<T> = Result<T, StoreError>;

/// A place with files.
pub trait FileStore: Send + Sync {
    /// True when the disk below has been taken away; no file can be reached again.
    fn is_gone(&self) -> bool {
        false
    }

    /// The file mode goes away: what was held for it is given back.
    fn release(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// All files, sorted by name and type.
    fn list(&self) -> BoxFuture<'_, StoreResult<Vec<FileStatus>>>;

    /// What is known of one file.
    fn state(&self, id: FileId) -> BoxFuture<'_, StoreResult<Option<FileStatus>>>;

    /// Opens a file for reading.
    fn open(&self, id: FileId) -> BoxFuture<'_, StoreResult<Box<dyn ReadFile>>>;

    /// Starts a file that will replace any file of the same name when it is closed.
    fn create(&self, id: FileId, attributes: Attributes) -> BoxFuture<'_, StoreResult<Box<dyn WriteFile>>>;

    /// Erases a file.
    fn erase(&self, id: FileId) -> BoxFuture<'_, StoreResult<()>>;

    /// Gives a file another name.
    fn rename(&self, from: FileId, to: FileId) -> BoxFuture<'_, StoreResult<()>>;
}

/// A file open for reading.
pub trait ReadFile: Send {
    /// What the file is.
    fn status(&self) -> &FileStatus;

    /// The next whole records as an image of about [`READ_CHUNK`] octets; empty at the end.
    fn next(&mut self) -> BoxFuture<'_, StoreResult<Bytes>>;
}

/// A file being written.
pub trait WriteFile: Send {
    /// Adds records given as an image.
    fn write(&mut self, image: Bytes) -> BoxFuture<'_, StoreResult<()>>;

    /// Gives the file this date of last update when it is closed, instead of that of the last write.
    fn date(&mut self, updated: Stamp);

    /// Makes the file what it is now, durably.
    fn close(self: Box<Self>) -> BoxFuture<'static, StoreResult<()>>;
}

/// Reads a whole file of at most `limit` octets as an image.
///
/// # Errors
/// [`StoreError`]; a longer file is [`StoreError::Full`].
pub async fn read_all(store: &dyn FileStore, id: FileId, limit: usize) -> StoreResult<(FileStatus, Vec<u8>)> {
    let mut file = store.open(id).await?;
    let status = file.status().clone();
    let mut image = Vec::new();
    loop {
        let chunk = file.next().await?;
        if chunk.is_empty() {
            return Ok((status, image));
        }
        if image.len() + chunk.len() > limit {
            return Err(StoreError::Full);
        }
        image.extend_from_slice(&chunk);
    }
}

/// Writes a whole file from an image and closes it.
///
/// # Errors
/// [`StoreError`].
pub async fn write_all(
    store: &dyn FileStore,
    id: FileId,
    attributes: Attributes,
    image: Vec<u8>,
) -> StoreResult<()> {
    let mut file = store.create(id, attributes).await?;
    file.write(Bytes::from(image)).await?;
    file.close().await
}
