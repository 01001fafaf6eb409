//! What can go wrong in a file pool.

use std::sync::Arc;

use cp::name::UserId;
use thiserror::Error;

use super::codec::Malformed;
use super::lock::{LockHolder, Obstacle};
use crate::types::{StorageGroup, WantedLock};

/// Why a request to a file pool failed. A failed request leaves the work unit as it was, unless the variant says that the
/// work unit was rolled back.
#[derive(Debug, Clone, Error)]
pub enum PoolError {
    /// No such file (or external appearance of one that may not be seen).
    #[error("file not found")]
    NoFile,
    /// No such directory.
    #[error("directory not found")]
    NoDirectory,
    /// The user has no file space in this pool.
    #[error("file space not found")]
    NoSpace,
    /// A file of that name is there already.
    #[error("file exists already")]
    FileExists,
    /// A directory of that name is there already.
    #[error("directory exists already")]
    DirectoryExists,
    /// The user is enrolled already.
    #[error("file space exists already")]
    SpaceExists,
    /// The directory holds files or directories.
    #[error("directory is not empty")]
    NotEmpty,
    /// More than eight levels, or a level name that is none.
    #[error("directory name is not valid")]
    BadDirectory,
    /// Source and target are in different file spaces.
    #[error("source and target are in different file spaces")]
    OtherSpace,
    /// Another work unit changes the object.
    #[error("locked by another work unit")]
    Locked {
        /// Serial number of a work unit that holds it.
        holder: u64,
        /// What was asked for.
        wanted: WantedLock,
    },
    /// An explicit lock is in the way.
    #[error("locked explicitly by {holder}")]
    ExplicitLock {
        /// Whose it is.
        holder: UserId,
        /// What was asked for.
        wanted: WantedLock,
    },
    /// The user has a lock on the object already.
    #[error("lock exists already")]
    LockExists,
    /// No such authority was granted.
    #[error("no such authority")]
    NoGrant,
    /// There is no such lock.
    #[error("no such lock")]
    NoLock,
    /// The entry is an external object, which has no data.
    #[error("external object")]
    External,
    /// The operation is not possible with the attribute of the directory.
    #[error("not possible in a directory of this attribute")]
    WrongControl,
    /// Waiting for the lock would never end.
    #[error("deadlock")]
    Deadlock,
    /// The file is open in this work unit.
    #[error("file is open")]
    FileOpen,
    /// The token does not name an open of this work unit (any more).
    #[error("not open")]
    NotOpen,
    /// The open does not allow this operation.
    #[error("not opened for this operation")]
    WrongIntent,
    /// Reading behind the last record.
    #[error("end of file")]
    EndOfFile,
    /// The record is longer than the buffer.
    #[error("buffer too short")]
    BufferTooShort,
    /// A record length that the file cannot have, or data that is not whole records.
    #[error("record length not valid")]
    RecordLength,
    /// A block number that leaves a gap, or a length that such a block cannot have.
    #[error("block number or length not valid")]
    BlockLength,
    /// The blocks of a file are not whole records, or not as many as were announced.
    #[error("data blocks are not whole records")]
    BlockData,
    /// A record number that the file cannot have.
    #[error("record number not valid")]
    RecordNumber,
    /// The request is over a limit of the pool.
    #[error("over a limit: {0}")]
    Limit(&'static str),
    /// The file space would hold more blocks than its limit. The work unit was rolled back.
    #[error("file space limit exceeded")]
    SpaceLimit,
    /// The disks of the pool are full. The work unit was rolled back.
    #[error("file pool is out of space")]
    StorageFull,
    /// The storage group of the file space would be over the size of its minidisks. The work unit was rolled back.
    #[error("storage group {0} is full")]
    GroupFull(StorageGroup),
    /// There is no such storage group, or it is not one for this purpose.
    #[error("storage group not found")]
    NoGroup,
    /// The file space is in that storage group.
    #[error("the file space is in storage group {0} already")]
    SameGroup(StorageGroup),
    /// The file pool has a minidisk with that device number.
    #[error("the file pool has a minidisk of that device number")]
    MinidiskExists,
    /// The storage group or file space is disabled.
    #[error("storage group or file space is disabled")]
    Disabled,
    /// The storage group or file space is not disabled.
    #[error("storage group or file space is not disabled")]
    NotDisabled,
    /// A write to the pool's disks failed; it refuses work until it has been restarted and recovered. Whether a commit
    /// that was under way is kept shows then.
    #[error("file pool is offline: {0}")]
    Offline(Arc<str>),
    /// What a disk returned is not what was written.
    #[error("damaged data: {0}")]
    Damaged(Arc<str>),
    /// The octets are not in memory; only from the calls that promise not to wait.
    #[error("would wait for a disk")]
    WouldWait,
    /// The work unit is just being committed.
    #[error("work unit is busy")]
    Busy,
}

impl PoolError {
    /// Whether the work unit was rolled back.
    pub fn rolled_back(&self) -> bool {
        matches!(self, Self::SpaceLimit | Self::StorageFull | Self::GroupFull(_) | Self::Offline(_))
    }
}

impl PoolError {
    /// Whose lock is in the way of which, if that is the reason.
    pub fn obstacle(&self) -> Option<Obstacle> {
        match *self {
            Self::Locked { holder, wanted } => Some(Obstacle { holder: LockHolder::Unit(holder), wanted }),
            Self::ExplicitLock { holder, wanted } => {
                Some(Obstacle { holder: LockHolder::Explicit(holder), wanted })
            }
            _ => None,
        }
    }
}

impl From<Malformed> for PoolError {
    fn from(error: Malformed) -> Self {
        Self::Damaged(error.to_string().into())
    }
}

impl From<dasd::ReadError> for PoolError {
    fn from(error: dasd::ReadError) -> Self {
        Self::Damaged(error.to_string().into())
    }
}

macro_rules! from_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for PoolError {
            fn from(error: $error) -> Self {
                Self::Damaged(error.to_string().into())
            }
        })*
    };
}

from_redb!(
    redb::Error,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError
);
