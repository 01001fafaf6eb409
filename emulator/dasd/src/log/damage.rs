//! What a disk gave back changed in the middle of the log.
//!
//! A batch is written only when the one before it is durable. So a sound batch behind an unsound one proves that the unsound
//! one was durable once and has been damaged since; without one behind it, it is the batch that a crash cut off.
//!
//! Whoever keeps checksums of his own in his entries can often prove more: that nothing but certain octets are damaged
//! ([`DamagedBatch::sound_but_for`]). Then every entry of the batch is as it was written, but for those octets.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum_combine, crc32_iscsi};

use super::LogAddr;
use super::format::{BATCH_HEADER, BatchHeader};
use super::recover::RecoveredEntry;
use super::space::{LogSpace, for_each_entry};
use crate::BLOCK;
use crate::error::ReadError;

/// A stretch of the log in which something is damaged, up to the next sound batch.
#[derive(Debug, Clone)]
pub struct DamagedStretch {
    /// Position behind the last sound batch.
    pub from: LogAddr,
    /// Where the next sound batch begins.
    pub to: LogAddr,
    /// The damaged batches whose extent can still be told, in order.
    pub batches: Vec<DamagedBatch>,
    /// Whether those are all there were.
    pub complete: bool,
}

/// A batch that is not as it was written.
#[derive(Debug, Clone)]
pub struct DamagedBatch {
    header: BatchHeader,
    octets: Bytes,
    /// Its entries as they are now. Any octet of them may be wrong.
    pub entries: Vec<RecoveredEntry>,
}

/// Octets of a batch whose checksum from the time of writing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// Where they begin.
    pub addr: LogAddr,
    /// How many.
    pub len: u64,
    /// Their CRC32C when they were written.
    pub crc: u32,
}

/// The checksum of octets with `crc` followed by `len` octets with `then`.
fn followed_by(crc: u32, then: u32, len: u64) -> u32 {
    // A CRC of 32 bits.
    checksum_combine(CrcAlgorithm::Crc32Iscsi, crc.into(), then.into(), len) as u32
}

/// What stands in a segment of the log.
#[derive(Debug, Clone)]
pub enum ScannedBatch {
    /// The entries of a batch that is as it was written.
    Sound(Vec<RecoveredEntry>),
    /// A batch that is not, and whose entries can still be told apart.
    Damaged(DamagedBatch),
}

/// The entries of a batch that begins at `addr`.
fn entries_of(addr: LogAddr, header: &BatchHeader, octets: &Bytes) -> Vec<RecoveredEntry> {
    let end = LogAddr(addr.0 + header.extent());
    let mut entries = Vec::with_capacity(header.count as usize);
    for_each_entry(addr, header, octets, &mut |addr, payload| {
        entries.push(RecoveredEntry { addr, payload, end });
    });
    entries
}

impl DamagedBatch {
    /// Where it begins.
    pub fn addr(&self) -> LogAddr {
        LogAddr(self.header.addr)
    }

    /// Position behind it.
    pub fn end(&self) -> LogAddr {
        LogAddr(self.header.addr + self.header.extent())
    }

    /// Whether all octets outside `holes` (in order of address, not overlapping), and the checksums of the holes, are as they
    /// were written: then the batch's own checksum comes out when the checksum of each hole's contents is replaced by the
    /// one it had.
    pub fn sound_but_for(&self, holes: &[Hole]) -> bool {
        // The checksum covers everything behind itself.
        let end = BATCH_HEADER as u64 + u64::from(self.header.body);
        let mut at = 8u64;
        let mut crc = 0;
        for hole in holes {
            let Some(from) = hole.addr.0.checked_sub(self.header.addr) else { return false };
            let Some(upto) = from.checked_add(hole.len) else { return false };
            if from < at || upto > end {
                return false;
            }
            crc = followed_by(crc, crc32_iscsi(self.slice(at, from)), from - at);
            crc = followed_by(crc, hole.crc, hole.len);
            at = upto;
        }
        let rest = crc32_iscsi(self.slice(at, end));
        followed_by(crc, rest, end - at) == BatchHeader::checksum(&self.octets)
    }

    fn slice(&self, from: u64, upto: u64) -> &[u8] {
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        self.octets.get(at(from)..at(upto)).unwrap_or_default()
    }
}

impl LogSpace {
    /// Hands over the batches of a segment in their order, damaged ones too. A damaged batch may be one that a crash cut off: only a
    /// sound one behind it proves that it was durable.
    ///
    /// # Errors
    /// When the segment is not there or cannot be read; what came before has been handed over.
    pub fn scan_batches(&self, seq: u64, mut each: impl FnMut(ScannedBatch)) -> Result<(), ReadError> {
        let mut at = LogAddr(seq * self.segment_bytes() + BLOCK);
        if self.segment(seq).is_none() {
            return Err(ReadError::NoSuchAddress(at.0));
        }
        let mut epoch = 0;
        while self.seq_of(at) == seq {
            // What an earlier opening of the log left behind its end is of an earlier epoch.
            let found = self.batch_as_it_is(at)?.filter(|(header, _)| header.epoch >= epoch);
            let mut next = LogAddr(at.0 + BLOCK);
            match found {
                Some((header, octets)) if header.verify(&octets) => {
                    each(ScannedBatch::Sound(entries_of(at, &header, &octets)));
                    epoch = header.epoch;
                    next = LogAddr(at.0 + header.extent());
                }
                // Its length may be wrong, so that what follows is looked for behind each block.
                Some((header, octets)) if header.adds_up(&octets) => {
                    let entries = entries_of(at, &header, &octets);
                    each(ScannedBatch::Damaged(DamagedBatch { header, octets, entries }));
                }
                _ => {}
            }
            at = next;
        }
        Ok(())
    }

    /// The stretch that begins at `from`, where no sound batch follows, and the sound batch behind it; `None` when there is no
    /// sound batch any more. `epoch` is the one of the last sound batch.
    pub(super) fn damage_after(
        &self,
        from: LogAddr,
        epoch: u64,
    ) -> Result<Option<(DamagedStretch, BatchHeader, Bytes)>, ReadError> {
        let Some((header, batch)) = self.sound_batch_behind(from, epoch)? else { return Ok(None) };
        let mut batches = Vec::new();
        let mut at = from;
        while let Some(batch) = self.readable_batch(at, epoch, header.addr)? {
            at = batch.end();
            batches.push(batch);
        }
        let complete = at.0 == header.prev_end;
        let stretch = DamagedStretch { from, to: LogAddr(header.addr), batches, complete };
        Ok(Some((stretch, header, batch)))
    }

    /// The first sound batch that was written after the one that ends at `from`, and not directly after it.
    fn sound_batch_behind(
        &self,
        from: LogAddr,
        epoch: u64,
    ) -> Result<Option<(BatchHeader, Bytes)>, ReadError> {
        let len = self.segment_bytes();
        for segment in self.segments().into_iter().filter(|s| (s.seq + 1) * len > from.0) {
            let mut at = LogAddr(from.0.max(segment.seq * len + BLOCK));
            while self.seq_of(at) == segment.seq {
                let follows = |h: &BatchHeader| h.prev_end > from.0 && h.epoch >= epoch;
                if let Some((header, batch)) = self.batch_at(at)?
                    && follows(&header)
                {
                    return Ok(Some((header, batch)));
                }
                at = LogAddr(at.0 + BLOCK);
            }
        }
        Ok(None)
    }

    /// The damaged batch that follows `prev_end`, if its header and its table still say where it ends.
    fn readable_batch(
        &self,
        prev_end: LogAddr,
        epoch: u64,
        limit: u64,
    ) -> Result<Option<DamagedBatch>, ReadError> {
        let len = self.segment_bytes();
        let next = LogAddr(prev_end.0.div_ceil(len) * len + BLOCK);
        for place in [prev_end, next] {
            let Some((header, octets)) = self.batch_as_it_is(place)? else { continue };
            let end = place.0 + header.extent();
            if header.prev_end != prev_end.0
                || header.epoch < epoch
                || end > limit
                || !header.adds_up(&octets)
            {
                continue;
            }
            let entries = entries_of(place, &header, &octets);
            return Ok(Some(DamagedBatch { header, octets, entries }));
        }
        Ok(None)
    }
}
