//! The log: a ring of recycled segments, written by one group-commit thread.
//!
//! An owner ([`LogOwner`]) submits entries; the writer thread takes everything that waits, lays it out as one batch,
//! writes it once, syncs once, hands the batch with the address of each payload to the owner, and completes the
//! submitters. So an entry is visible only after it is durable, and entries become visible in log order. The owner prepares a
//! batch while it is being written, and may show it while the next is.
//!
//! Invariants:
//! - one batch is being written at a time, so only the last batch can be torn, and a recovery that stops at it loses nothing
//!   that was acknowledged;
//! - a failed write or sync takes the log offline for good; it is never tried again, only reopened and recovered;
//! - the queue is bounded; a full one makes submitters wait, never fail.
//!
//! - a log that is closed ends with a batch without entries, so that damage to the last batch with entries is told from one
//!   that a crash cut off.
//!
//! A batch that the disk gives back changed does not end the log: recovery tells the owner of it ([`LogFound::Damage`]) and goes
//! on with the sound batches behind it, unless the owner refuses.
//!
//! Not here: what is alive in a segment. The owner knows, and recycles through [`LogSpace::recycle`].

mod beside;
mod damage;
mod format;
mod handle;
mod recover;
mod space;
mod tell;
mod writer;

use bytes::Bytes;

pub use damage::{DamagedBatch, DamagedStretch, Hole, ScannedBatch};
pub use handle::Log;
pub use recover::{LogFound, Recovered, RecoveredEntry, format};
pub use space::{LogPin, LogSpace, SegmentInfo};

use crate::BLOCK;
use crate::error::LogError;

/// A place in the log. Addresses grow with time and are never used twice.
///
/// A recovery position is only ever [`LogAddr::START`] or an `end` that was handed to the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogAddr(pub u64);

impl LogAddr {
    /// The first position of a freshly formatted log.
    pub const START: LogAddr = LogAddr(BLOCK);
}

/// Sizes of a log.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Segment files are called this, followed by a number.
    pub prefix: String,
    /// Length of a segment; a multiple of [`BLOCK`], fixed at format time.
    pub segment_bytes: u64,
    /// Zeroed segments that a background thread keeps ready. 0: no thread but the writer, segments are made when needed, and the owner
    /// prepares before the batch is written (for tests that want one order of writes).
    pub ahead: usize,
    /// Segments that only entries which give space back ([`LogOwner::relieves`]) may take when the disk is full: without them a full
    /// disk could not be emptied.
    pub reserve: usize,
    /// Recycled files kept for the next round; more are removed.
    pub keep_free: usize,
    /// Entries that may wait for the writer before submitters are held up.
    pub queue: usize,
    /// Octets at which a batch is closed even though more waits.
    pub batch_bytes: u64,
    /// How often [`LogOwner::idle`] is called. Only with a background thread.
    pub tick: std::time::Duration,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            prefix: "LOG".into(),
            // Zeroing one takes some tens of milliseconds; a busy mail system fills one in a few seconds.
            segment_bytes: 16 << 20,
            ahead: 2,
            reserve: 1,
            keep_free: 6,
            queue: 1024,
            batch_bytes: 4 << 20,
            tick: std::time::Duration::from_millis(500),
        }
    }
}

/// Whoever keeps data in a log. Its methods are never called at the same time, but from more than one thread.
pub trait LogOwner: Send + 'static {
    /// What is submitted.
    type Entry: Send + 'static;
    /// What a submitter gets back.
    type Outcome: Send + 'static;
    /// What was done for a batch before it was durable.
    type Prepared: Send + 'static;

    /// The payload to be logged for `entry`, as pieces that are laid out one behind the other, or an outcome that
    /// refuses it. Entries are admitted in the order in which they will stand in the log.
    ///
    /// # Errors
    /// The refusal, handed to the submitter as its outcome.
    fn admit(&mut self, entry: &mut Self::Entry) -> Result<Vec<Bytes>, Self::Outcome>;

    /// The batch is being written: do for it what can be done now. Nothing of it may be seen or kept yet. Every batch before has been
    /// shown.
    fn prepare(&mut self, end: LogAddr, batch: &[(LogAddr, Self::Entry)]) -> Self::Prepared;

    /// The batch is durable: make it visible. `end` is the position for a recovery that needs nothing of this batch or
    /// before. Returns one outcome an entry, in order. Further entries may have been admitted since it was prepared.
    fn applied(
        &mut self,
        prepared: Self::Prepared,
        end: LogAddr,
        batch: Vec<(LogAddr, Self::Entry)>,
    ) -> Vec<Self::Outcome>;

    /// The batch did not become durable, and the log is offline; [`Self::withdrawn`] follows.
    fn abandoned(&mut self, prepared: Self::Prepared, why: &LogError) {
        let _ = (prepared, why);
    }

    /// Whether `entry` changes what [`Self::admit`] goes by, so that nothing may be admitted before it is visible.
    fn must_be_seen(&self, _entry: &Self::Entry) -> bool {
        false
    }

    /// Admitted entries that did not become durable; what `admit` reserved is to be given back.
    fn withdrawn(&mut self, entries: Vec<Self::Entry>, why: &LogError);

    /// Whether `entry` gives space back, so that it may be logged although the disk is full.
    fn relieves(&self, _entry: &Self::Entry) -> bool {
        false
    }

    /// Called every [`LogConfig::tick`] when the log is in use or idle.
    fn idle(&mut self) {}
}
