//! The disks below file pools and the spool: direct access storage devices, as VM calls them.
//!
//! Five parts, each in its own module:
//!
//! - [`io`]: the narrow trait through which everything above touches a disk, with the host's implementation
//!   ([`HostDasd`]) and a faulty twin in memory ([`FaultyDasd`]) that loses, tears and reorders what was not synced.
//! - [`log`]: a ring of recycled segments with one group-commit writer a volume ([`Log`], [`LogOwner`]). One write and
//!   one sync make everything durable that waited.
//! - [`volume`]: append-only segments of 4 KB aligned extents ([`Volume`]) for bodies that are too large for the log or
//!   have been moved out of it.
//! - [`overlay`]: disks as they are, with changes that stay in memory ([`OverlayDasd`]).
//! - [`anchor`]: a small value replaced as a whole ([`Anchor`]), such as a recovery position.
//!
//! What this crate does not know: files, catalogs, spool files. What is alive in a segment is its owner's knowledge,
//! so the owner says which segments may be recycled.
//!
//! All layouts on disk are little-endian, versioned, and checked with CRC32C.

pub mod anchor;
mod buffers;
mod direct;
pub mod error;
pub mod faulty;
pub mod host;
pub mod io;
pub mod log;
pub mod overlay;
mod segment_name;
mod shared_sync;
pub mod volume;

pub use anchor::Anchor;
pub use error::{LogError, OpenError, ReadError};
pub use faulty::{Faults, FaultyDasd};
pub use host::{HostDasd, give_way};
pub use io::{Dasd, Disk};
pub use log::{
    DamagedBatch, DamagedStretch, Hole, Log, LogAddr, LogConfig, LogFound, LogOwner, LogPin, LogSpace,
    Recovered, RecoveredEntry, ScannedBatch, SegmentInfo, format,
};
pub use overlay::OverlayDasd;
pub use volume::{ExtentHeader, VolAddr, VolPin, Volume, VolumeConfig, extent_bytes};

/// The unit of space of a disk in octets: batches and extents begin on a multiple of it.
///
/// 4096 is the CMS block, and no disk tears a write inside its own smaller sector, so a write to one block can never
/// damage the block before it.
pub const BLOCK: u64 = 4096;

/// `len` rounded up to whole blocks, in octets.
pub const fn round_to_block(len: u64) -> u64 {
    len.div_ceil(BLOCK) * BLOCK
}
