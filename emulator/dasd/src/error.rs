//! What can go wrong below a file pool or the spool, one enum per operation.

use std::io;
use std::sync::Arc;

use thiserror::Error;

/// Why a commit was not made durable.
#[derive(Debug, Clone, Error)]
pub enum LogError {
    /// A write or sync failed earlier. What the disk holds is unknown, so the log must be reopened and recovered;
    /// a failed sync is never tried again.
    #[error("the log is offline: {0}")]
    Offline(Arc<str>),
    /// No space for a further segment. Nothing was written; the log is still usable.
    #[error("no space for a log segment")]
    Full,
    /// The payload does not fit into one segment.
    #[error("a log entry of {len} octets exceeds the limit of {max}")]
    TooLarge {
        /// Octets asked for.
        len: u64,
        /// [`Log::max_entry`](crate::Log::max_entry).
        max: u64,
    },
    /// The writer has ended, because the log was closed.
    #[error("the log is closed")]
    Closed,
}

/// Why octets could not be read back.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The disk reported an error.
    #[error("disk error: {0}")]
    Io(#[from] io::Error),
    /// No segment holds that address (any more).
    #[error("address {0:#x} is not on this disk")]
    NoSuchAddress(u64),
    /// What was read is not what was written.
    #[error("checksum mismatch at address {0:#x}")]
    Checksum(u64),
}

/// Why a log or a volume could not be opened or formatted.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The disk reported an error.
    #[error("disk error: {0}")]
    Io(#[from] io::Error),
    /// Something is there already, or nothing is there.
    #[error("{0}")]
    State(&'static str),
    /// Something in the middle of the log is damaged: sound batches follow.
    #[error("the log is damaged from {from:#x} to {to:#x}; what was written behind that is sound")]
    Damaged {
        /// Position behind the last sound batch before the damage.
        from: u64,
        /// Where the next sound batch begins.
        to: u64,
    },
    /// A segment header is of a version this program does not know.
    #[error("segment {name} has layout version {found}, this program knows {known}")]
    Version {
        /// Name of the file.
        name: String,
        /// Version found.
        found: u32,
        /// Version known.
        known: u32,
    },
}
