//! Layout of a log segment, version 1, all numbers little-endian.
//!
//! | segment header, block 0 | offset | octets |
//! |---|---|---|
//! | magic `DASDLOG\x01` | 0 | 8 |
//! | layout version | 8 | 4 |
//! | segment length in blocks | 12 | 4 |
//! | ring id | 16 | 8 |
//! | segment sequence number | 24 | 8 |
//! | CRC32C of the octets before | 32 | 4 |
//!
//! | batch header, at each batch | offset | octets |
//! |---|---|---|
//! | magic `LBAT` | 0 | 4 |
//! | CRC32C of everything after this field, table and payloads included | 4 | 4 |
//! | ring id | 8 | 8 |
//! | address of this batch | 16 | 8 |
//! | address at which the batch before it ended | 24 | 8 |
//! | epoch: how often the log has been opened | 32 | 8 |
//! | octets of table and payloads | 40 | 4 |
//! | number of entries n | 44 | 4 |
//! | table: length of each payload | 48 | 4 n |
//! | payloads, one behind the other | 48 + 4 n | |
//!
//! A batch begins on a block boundary. A leftover of an earlier round of the ring never parses as a batch of this one,
//! because an address is never used twice and stands in the checksummed header.

use crc_fast::{CrcAlgorithm, Digest};

use crate::BLOCK;

/// Version of both layouts.
pub(crate) const VERSION: u32 = 1;
/// Octets of the batch header without its table.
pub(crate) const BATCH_HEADER: usize = 48;
const SEGMENT_MAGIC: [u8; 8] = *b"DASDLOG\x01";
const BATCH_MAGIC: u32 = u32::from_le_bytes(*b"LBAT");
const SEGMENT_HEADER: usize = 36;

/// Reads a little-endian u32; zero when `bytes` ends before.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Reads a little-endian u64; zero when `bytes` ends before.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// The header of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) version: u32,
    pub(crate) blocks: u32,
    pub(crate) ring: u64,
    pub(crate) seq: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BLOCK as usize);
        out.extend_from_slice(&SEGMENT_MAGIC);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.blocks.to_le_bytes());
        out.extend_from_slice(&self.ring.to_le_bytes());
        out.extend_from_slice(&self.seq.to_le_bytes());
        let crc = crc_fast::crc32_iscsi(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.resize(BLOCK as usize, 0);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..SEGMENT_HEADER)?;
        let sound =
            head.starts_with(&SEGMENT_MAGIC) && crc_fast::crc32_iscsi(&head[..32]) == u32_at(head, 32);
        sound.then(|| Self {
            version: u32_at(head, 8),
            blocks: u32_at(head, 12),
            ring: u64_at(head, 16),
            seq: u64_at(head, 24),
        })
    }
}

/// The header of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) ring: u64,
    pub(crate) addr: u64,
    pub(crate) prev_end: u64,
    pub(crate) epoch: u64,
    pub(crate) body: u32,
    pub(crate) count: u32,
}

impl BatchHeader {
    /// Octets of the batch on disk, padding included.
    pub(crate) fn extent(&self) -> u64 {
        crate::round_to_block(BATCH_HEADER as u64 + u64::from(self.body))
    }

    /// Parses the header alone; the checksum is [`Self::verify`]'s.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..BATCH_HEADER)?;
        (u32_at(head, 0) == BATCH_MAGIC).then(|| Self {
            ring: u64_at(head, 8),
            addr: u64_at(head, 16),
            prev_end: u64_at(head, 24),
            epoch: u64_at(head, 32),
            body: u32_at(head, 40),
            count: u32_at(head, 44),
        })
    }

    /// The header in front of a body (table, payloads) that is the parts of `body` one behind the other, with the checksum of it all.
    pub(crate) fn seal<'a>(&self, body: impl IntoIterator<Item = &'a [u8]>) -> [u8; BATCH_HEADER] {
        let mut head = [0; BATCH_HEADER];
        head[..4].copy_from_slice(&BATCH_MAGIC.to_le_bytes());
        head[8..16].copy_from_slice(&self.ring.to_le_bytes());
        head[16..24].copy_from_slice(&self.addr.to_le_bytes());
        head[24..32].copy_from_slice(&self.prev_end.to_le_bytes());
        head[32..40].copy_from_slice(&self.epoch.to_le_bytes());
        head[40..44].copy_from_slice(&self.body.to_le_bytes());
        head[44..48].copy_from_slice(&self.count.to_le_bytes());
        let mut crc = Digest::new(CrcAlgorithm::Crc32Iscsi);
        crc.update(&head[8..]);
        body.into_iter().for_each(|part| crc.update(part));
        head[4..8].copy_from_slice(&(crc.finalize() as u32).to_le_bytes());
        head
    }

    /// The checksum that a sealed batch carries.
    pub(crate) fn checksum(batch: &[u8]) -> u32 {
        u32_at(batch, 4)
    }

    /// Whether the table of `batch` adds up to its length.
    pub(crate) fn adds_up(&self, batch: &[u8]) -> bool {
        let table = 4 * self.count as usize;
        let Some(lengths) = batch.get(BATCH_HEADER..BATCH_HEADER + table) else { return false };
        let sum: u64 = lengths.chunks_exact(4).map(|c| u64::from(u32_at(c, 0))).sum();
        table as u64 + sum == u64::from(self.body)
    }

    /// Whether `batch` (header, table, payloads) is what was sealed, and its table adds up.
    pub(crate) fn verify(&self, batch: &[u8]) -> bool {
        let end = BATCH_HEADER + self.body as usize;
        let Some(covered) = batch.get(8..end) else { return false };
        crc_fast::crc32_iscsi(covered) == Self::checksum(batch) && self.adds_up(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn headers_read_back_and_no_damaged_one_does(ring: u64, seq: u64, bit in 0usize..SEGMENT_HEADER * 8) {
            let header = SegmentHeader { version: VERSION, blocks: 16, ring, seq };
            let mut bytes = header.encode();
            prop_assert_eq!(SegmentHeader::decode(&bytes), Some(header));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(SegmentHeader::decode(&bytes), None);
        }

        #[test]
        fn a_damaged_batch_does_not_verify(payload in prop::collection::vec(any::<u8>(), 0..200), bit: prop::sample::Index) {
            let body = 4 + u32::try_from(payload.len()).unwrap();
            let header = BatchHeader { ring: 7, addr: 4096, prev_end: 4096, epoch: 1, body, count: 1 };
            let table = u32::try_from(payload.len()).unwrap().to_le_bytes();
            let (one, two) = payload.split_at(payload.len() / 3);
            let mut bytes = header.seal([&table[..], one, two]).to_vec();
            bytes.extend_from_slice(&table);
            bytes.extend_from_slice(&payload);
            prop_assert_eq!(BatchHeader::decode(&bytes), Some(header));
            prop_assert!(header.verify(&bytes));
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let sound = BatchHeader::decode(&bytes).is_some_and(|h| h.verify(&bytes));
            prop_assert!(!sound);
        }
    }
}
