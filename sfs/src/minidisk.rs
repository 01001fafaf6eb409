//! CMS minidisks on the same engine as file pools, in a pool of their own that no server identifies.
//!
//! A minidisk is a file space named after its owner and virtual device number, with one flat directory. Files are written as CMS
//! writes them: the old file stays until the new one is closed, and the close is durable and all-or-nothing. Each open file is a
//! work unit of its own; dropping it without closing undoes it.
//!
//! Not here: who may link to what (CP's), and file mode letters (CMS's).

use std::sync::Arc;

use bytes::Bytes;
use cp::name::{UserId, Vdev};
use thiserror::Error;

use crate::csl::OpenOptions;
use crate::pool::{DirPath, FileChanges, OpenRequest, Pool, PoolError, ReadOut, Token, WorkUnit};
use crate::types::{FileId, FileStatus, Intent, SpaceStatus, Stamp};

/// Length of a minidisk label in characters.
pub const MAX_LABEL: usize = 6;

/// Why a minidisk request failed.
#[derive(Debug, Clone, Error)]
pub enum MinidiskError {
    /// There is no such minidisk.
    #[error("no such minidisk")]
    NoMinidisk,
    /// There is one of that owner and number already.
    #[error("minidisk exists already")]
    Exists,
    /// The link is read only.
    #[error("minidisk is read/only")]
    ReadOnly,
    /// A label is 1 to 6 letters, digits or `$ # @`.
    #[error("label is not valid")]
    BadLabel,
    /// No space left on the minidisk.
    #[error("minidisk is full")]
    Full,
    /// The file, or the disks below.
    #[error(transparent)]
    Pool(PoolError),
}

impl From<PoolError> for MinidiskError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::NoSpace => Self::NoMinidisk,
            PoolError::SpaceExists => Self::Exists,
            PoolError::SpaceLimit => Self::Full,
            other => Self::Pool(other),
        }
    }
}

/// How a minidisk is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkMode {
    /// R/O.
    ReadOnly,
    /// R/W.
    ReadWrite,
}

/// A minidisk as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinidiskInfo {
    /// Whose it is.
    pub owner: UserId,
    /// Its virtual device number in its owner's directory entry.
    pub vdev: Vdev,
    /// Blocks in all and in use.
    pub space: SpaceStatus,
}

/// All minidisks of a system. Clones are the same.
#[derive(Debug, Clone)]
pub struct MinidiskStore {
    pool: Pool,
}

/// The file space of a minidisk. No user id contains a period.
fn space_name(owner: UserId, vdev: Vdev) -> String {
    format!("{owner}.{vdev}")
}

fn check_label(label: &str) -> Result<(), MinidiskError> {
    let sound = (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"$#@".contains(&b));
    if sound { Ok(()) } else { Err(MinidiskError::BadLabel) }
}

impl MinidiskStore {
    /// The minidisks kept in `pool`.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// The pool below, to take a checkpoint or close it.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Makes an empty formatted minidisk of `blocks` 4096-byte blocks.
    ///
    /// # Errors
    /// [`MinidiskError::Exists`], [`MinidiskError::BadLabel`].
    pub async fn define(
        &self,
        owner: UserId,
        vdev: Vdev,
        label: &str,
        blocks: u64,
    ) -> Result<(), MinidiskError> {
        check_label(label)?;
        let unit = self.pool.begin();
        unit.enroll(&space_name(owner, vdev), blocks, label)?;
        unit.commit().await?;
        Ok(())
    }

    /// Removes a minidisk with all that is on it.
    ///
    /// # Errors
    /// [`MinidiskError::NoMinidisk`]; [`PoolError::Locked`] while it is being written.
    pub async fn remove(&self, owner: UserId, vdev: Vdev) -> Result<(), MinidiskError> {
        let unit = self.pool.begin();
        unit.remove_space(&space_name(owner, vdev))?;
        unit.commit().await?;
        Ok(())
    }

    /// All minidisks, by owner and number.
    ///
    /// # Errors
    /// Damage.
    pub fn list(&self) -> Result<Vec<MinidiskInfo>, MinidiskError> {
        let spaces = self.pool.spaces()?;
        let info = |(name, space): (String, SpaceStatus)| {
            let (owner, vdev) = name.split_once('.')?;
            let (owner, vdev) = (UserId::new(owner).ok()?, vdev.parse().ok()?);
            Some(MinidiskInfo { owner, vdev, space })
        };
        Ok(spaces.into_iter().filter_map(info).collect())
    }

    /// Links to a minidisk.
    ///
    /// # Errors
    /// [`MinidiskError::NoMinidisk`].
    pub fn link(&self, owner: UserId, vdev: Vdev, mode: LinkMode) -> Result<Minidisk, MinidiskError> {
        let space: Arc<str> = space_name(owner, vdev).into();
        self.pool.space_status(&space)?;
        Ok(Minidisk { pool: self.pool.clone(), space, owner, vdev, mode })
    }
}

/// A link to a minidisk. Clones are the same link.
#[derive(Debug, Clone)]
pub struct Minidisk {
    pool: Pool,
    space: Arc<str>,
    owner: UserId,
    vdev: Vdev,
    mode: LinkMode,
}

impl Minidisk {
    /// Whose it is.
    pub fn owner(&self) -> UserId {
        self.owner
    }

    /// Its number in its owner's directory entry.
    pub fn vdev(&self) -> Vdev {
        self.vdev
    }

    /// How it is linked.
    pub fn mode(&self) -> LinkMode {
        self.mode
    }

    fn dir(&self) -> DirPath<'_> {
        DirPath { space: &self.space, levels: &[] }
    }

    fn writable(&self) -> Result<(), MinidiskError> {
        match self.mode {
            LinkMode::ReadWrite => Ok(()),
            LinkMode::ReadOnly => Err(MinidiskError::ReadOnly),
        }
    }

    /// The label.
    ///
    /// # Errors
    /// [`MinidiskError::NoMinidisk`] when it has been removed.
    pub fn label(&self) -> Result<String, MinidiskError> {
        Ok(self.pool.begin().label(&self.space)?)
    }

    /// Blocks in all and in use.
    ///
    /// # Errors
    /// [`MinidiskError::NoMinidisk`] when it has been removed.
    pub fn space(&self) -> Result<SpaceStatus, MinidiskError> {
        Ok(self.pool.space_status(&self.space)?)
    }

    /// The files, by name and type.
    ///
    /// # Errors
    /// [`MinidiskError::NoMinidisk`] when it has been removed.
    pub fn list(&self) -> Result<Vec<FileStatus>, MinidiskError> {
        Ok(self.pool.begin().list_files(self.dir())?)
    }

    /// What is known of a file; `None` when there is none.
    ///
    /// # Errors
    /// [`MinidiskError::NoMinidisk`] when it has been removed.
    pub fn state(&self, id: FileId) -> Result<Option<FileStatus>, MinidiskError> {
        match self.pool.begin().status(self.dir(), id) {
            Ok(status) => Ok(Some(status)),
            Err(PoolError::NoFile) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`MinidiskError::ReadOnly`] for any intent but READ on a R/O link; [`PoolError::NoFile`], [`PoolError::FileExists`],
    /// [`PoolError::Locked`] when somebody else is writing it.
    pub async fn open(
        &self,
        id: FileId,
        intent: Intent,
        options: &OpenOptions,
    ) -> Result<MinidiskFile, MinidiskError> {
        if intent != Intent::Read {
            self.writable()?;
        }
        let unit = self.pool.begin();
        let OpenOptions { attributes, allow_empty, dates } = *options;
        let request = OpenRequest { dir: self.dir(), id, intent, attributes, allow_empty };
        let opened = unit.open_as(&request, dates)?;
        let (space, updated) = (self.space.clone(), None);
        Ok(MinidiskFile { unit, token: opened.token, created: opened.created, space, id, updated })
    }

    /// Erases a file.
    ///
    /// # Errors
    /// [`MinidiskError::ReadOnly`], [`PoolError::NoFile`], [`PoolError::Locked`].
    pub async fn erase(&self, id: FileId) -> Result<(), MinidiskError> {
        self.writable()?;
        let unit = self.pool.begin();
        unit.erase_file(self.dir(), id)?;
        unit.commit().await?;
        Ok(())
    }

    /// Renames a file.
    ///
    /// # Errors
    /// [`MinidiskError::ReadOnly`], [`PoolError::NoFile`], [`PoolError::FileExists`], [`PoolError::Locked`].
    pub async fn rename(&self, old: FileId, new: FileId) -> Result<(), MinidiskError> {
        self.writable()?;
        let unit = self.pool.begin();
        unit.rename_file(self.dir(), old, self.dir(), new)?;
        unit.commit().await?;
        Ok(())
    }

    /// FORMAT: erases everything and gives it a label.
    ///
    /// # Errors
    /// [`MinidiskError::ReadOnly`], [`MinidiskError::BadLabel`], [`PoolError::Locked`] while it is being written.
    pub async fn format(&self, label: &str) -> Result<(), MinidiskError> {
        self.writable()?;
        check_label(label)?;
        let limit = self.space()?.limit;
        let unit = self.pool.begin();
        unit.remove_space(&self.space)?;
        unit.enroll(&self.space, limit, label)?;
        unit.commit().await?;
        Ok(())
    }
}

/// An open file of a minidisk. Dropping it without [`MinidiskFile::close`] undoes what was written.
#[derive(Debug)]
pub struct MinidiskFile {
    unit: WorkUnit,
    token: Token,
    created: bool,
    space: Arc<str>,
    id: FileId,
    /// What the date of last update becomes, if not that of the last write.
    updated: Option<Stamp>,
}

impl MinidiskFile {
    /// Gives the file this date of last update when it is closed.
    pub fn date(&mut self, updated: Stamp) {
        self.updated = Some(updated);
    }

    /// The file as it is open now.
    ///
    /// # Errors
    /// Damage.
    pub fn status(&self) -> Result<FileStatus, MinidiskError> {
        Ok(self.unit.open_status(self.token)?)
    }

    /// Whether the open created it.
    pub fn created(&self) -> bool {
        self.created
    }

    /// Up to `num_recs` records that fit into `buflen` octets, in the form of DMSREAD.
    ///
    /// # Errors
    /// [`PoolError::EndOfFile`], [`PoolError::BufferTooShort`], damage.
    pub async fn read(&mut self, num_recs: u32, buflen: usize) -> Result<ReadOut, MinidiskError> {
        Ok(self.unit.read(self.token, num_recs, buflen)?)
    }

    /// Writes `num_recs` records, in the form of DMSWRITE.
    ///
    /// # Errors
    /// [`PoolError::WrongIntent`], [`PoolError::RecordLength`], [`PoolError::RecordNumber`].
    pub async fn write(&mut self, data: &Bytes, num_recs: u32) -> Result<(), MinidiskError> {
        Ok(self.unit.write(self.token, data, num_recs)?)
    }

    /// Moves the read or write position; numbers count from 1.
    ///
    /// # Errors
    /// [`PoolError::RecordNumber`].
    pub async fn point(&mut self, read: Option<u32>, write: Option<u32>) -> Result<(), MinidiskError> {
        Ok(self.unit.point(self.token, read, write)?)
    }

    /// The read and write positions.
    ///
    /// # Errors
    /// Damage.
    pub fn positions(&self) -> Result<(u32, u32), MinidiskError> {
        Ok(self.unit.positions(self.token)?)
    }

    /// Keeps the first `records` records.
    ///
    /// # Errors
    /// [`PoolError::WrongIntent`], [`PoolError::RecordNumber`].
    pub async fn truncate(&mut self, records: u32) -> Result<(), MinidiskError> {
        Ok(self.unit.truncate(self.token, records)?)
    }

    /// Closes the file; what was written is durable on return and replaces what was there. Returns the file as it was closed.
    ///
    /// # Errors
    /// [`MinidiskError::Full`] and the disks' errors: the file is as it was before the open.
    pub async fn close(self) -> Result<FileStatus, MinidiskError> {
        let mut status = self.unit.open_status(self.token)?;
        self.unit.close(self.token)?;
        if let Some(updated) = self.updated {
            let changes = FileChanges { updated: Some(updated), ..FileChanges::default() };
            self.unit.change_attributes(DirPath { space: &self.space, levels: &[] }, self.id, &changes)?;
            status.updated = updated;
        }
        self.unit.commit().await?;
        Ok(status)
    }
}
