//! Reading bodies where they lie: log or volume, verified, pinned against recycling.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use dasd::{LogAddr, LogPin, LogSpace, ReadError, VolAddr, VolPin, Volume};

use super::catalog::{BodyId, BodyRec, CRC_CHUNK, Storage};
use super::checksum::checksum;
use super::error::PoolError;

/// The two storages of a pool.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) log: LogSpace,
    pub(crate) volume: Arc<Volume>,
    /// Reads that would wait for a device fail with [`PoolError::WouldWait`] instead.
    pub(crate) cached_only: bool,
    /// Readers of a whole state: while there is one, no storage is given back.
    pub(crate) held: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Pin {
    Log(LogPin),
    Volume(VolPin),
}

/// A body that stays readable at its place while this lives, whatever becomes of the file meanwhile.
#[derive(Debug)]
pub(crate) struct OpenBody {
    pub(crate) id: BodyId,
    pub(crate) rec: BodyRec,
    pin: Pin,
}

impl Store {
    /// The segment of storage that `addr` lies in.
    pub(crate) fn segment_of(&self, storage: Storage, addr: u64) -> u64 {
        match storage {
            Storage::Log => self.log.seq_of(LogAddr(addr)),
            Storage::Volume => self.volume.seq_of(VolAddr(addr)),
        }
    }

    /// Octets that a body of `len` takes where it lies.
    pub(crate) fn footprint(&self, storage: Storage, len: u32) -> i64 {
        match storage {
            Storage::Log => i64::from(len),
            Storage::Volume => dasd::extent_bytes(u64::from(len)) as i64,
        }
    }

    /// Pins the body where `rec` says it lies; `None` when the segment has been recycled since `rec` was read.
    pub(crate) fn open(&self, id: BodyId, rec: BodyRec) -> Option<Arc<OpenBody>> {
        let pin = match rec.storage {
            Storage::Log => Pin::Log(self.log.pin(LogAddr(rec.addr))?),
            Storage::Volume => Pin::Volume(self.volume.pin(VolAddr(rec.addr))?),
        };
        Some(Arc::new(OpenBody { id, rec, pin }))
    }

    /// One checksummed chunk of a body.
    ///
    /// # Errors
    /// As [`Self::read_chunks`].
    pub(crate) fn read_chunk(&self, body: &OpenBody, chunk: usize) -> Result<Bytes, PoolError> {
        self.read_chunks(body, chunk..chunk + 1)
    }

    /// Checksummed chunks of a body in one piece; fewer octets only at its end.
    ///
    /// # Errors
    /// [`PoolError::Damaged`] when they are not what was written; disk errors.
    pub(crate) fn read_chunks(&self, body: &OpenBody, chunks: Range<usize>) -> Result<Bytes, PoolError> {
        if chunks.is_empty() {
            return Ok(Bytes::new());
        }
        let rec = &body.rec;
        let from = chunks.start * CRC_CHUNK;
        let len = (rec.len as usize).saturating_sub(from).min(chunks.len() * CRC_CHUNK);
        let (log_addr, vol_addr) = (LogAddr(rec.addr + from as u64), VolAddr(rec.addr));
        let data = match (&body.pin, self.cached_only) {
            (Pin::Log(pin), false) => self.log.read_pinned(pin, log_addr, len)?,
            (Pin::Volume(pin), false) => self.volume.read_pinned(pin, vol_addr, from as u64, len)?,
            (Pin::Log(pin), true) => self.log.read_cached(pin, log_addr, len)?.ok_or(PoolError::WouldWait)?,
            (Pin::Volume(pin), true) => {
                self.volume.read_cached(pin, vol_addr, from as u64, len)?.ok_or(PoolError::WouldWait)?
            }
        };
        let found = data.chunks(CRC_CHUNK).map(checksum);
        let written = rec.crcs.get(chunks.start..).unwrap_or_default().iter().copied();
        let wanted = len.div_ceil(CRC_CHUNK);
        if wanted == 0 || found.zip(written).filter(|(found, written)| found == written).count() != wanted {
            return Err(ReadError::Checksum(rec.addr).into());
        }
        Ok(data)
    }

    /// All of a body.
    ///
    /// # Errors
    /// As [`Self::read_chunk`].
    pub(crate) fn read_all(&self, body: &OpenBody) -> Result<Bytes, PoolError> {
        self.read_chunks(body, 0..body.rec.crcs.len())
    }
}

/// The chunk read last, so that reading record by record does not read and verify the same octets again and again.
#[derive(Debug, Default)]
pub(crate) struct ChunkCache {
    last: Option<(BodyId, usize, Bytes)>,
}

impl ChunkCache {
    pub(crate) fn chunk(&mut self, store: &Store, body: &OpenBody, chunk: usize) -> Result<Bytes, PoolError> {
        if let Some((id, n, data)) = &self.last
            && *id == body.id
            && *n == chunk
        {
            return Ok(data.clone());
        }
        let data = store.read_chunk(body, chunk)?;
        self.last = Some((body.id, chunk, data.clone()));
        Ok(data)
    }
}
