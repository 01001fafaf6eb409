//! Stretches of records on the disk: written ahead of their file, kept readable while somebody reads.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use dasd::{LogAddr, ReadError, VolAddr};

use super::{Index, Pin, Spool};
use crate::error::SpoolError;
use crate::file::{Chunk, Place, SpoolFile};

/// A chunk that was written and that nobody has yet; forgotten with it when whoever wanted it has gone.
struct Written {
    spool: Arc<Spool>,
    chunk: Option<Chunk>,
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            self.spool.forget_chunks(&[chunk]);
        }
    }
}

impl Spool {
    /// Fails when `more` octets do not fit under the limit.
    pub(crate) fn room_for(&self, index: &Index, more: u64) -> Result<(), SpoolError> {
        if index.octets.saturating_add(more) > self.config.max_octets {
            Err(SpoolError::Full)
        } else {
            Ok(())
        }
    }

    /// Writes a chunk to the volume. Counted as in use until [`Index::drop_chunk`].
    pub(crate) async fn write_chunk(&self, data: Vec<u8>) -> Result<Chunk, SpoolError> {
        let len = data.len() as u64;
        {
            let mut index = self.index.lock();
            self.room_for(&index, len)?;
            index.octets += len;
        }
        let spool = self.arc();
        let extent = self.next_extent.fetch_add(1, Ordering::Relaxed);
        let written = tokio::task::spawn_blocking(move || {
            let data = Bytes::from(data);
            let crc = crc_fast::crc32_iscsi(&data);
            let _not_removed = spool.extents.read();
            let written = spool.volume.append(&[(extent, data)]);
            let no_address = || std::io::Error::other("the volume gave no address");
            let written = written.and_then(|places| places.first().copied().ok_or_else(no_address));
            let place = match written {
                Ok(addr) => Place::Volume(addr),
                Err(error) => {
                    let mut index = spool.index.lock();
                    index.octets = index.octets.saturating_sub(len);
                    return Err(error.into());
                }
            };
            let chunk = Chunk { place, len: u32::try_from(len).unwrap_or(u32::MAX), crc };
            spool.index.lock().hold_chunk(place);
            Ok(Written { spool: spool.clone(), chunk: Some(chunk) })
        })
        .await
        .unwrap_or(Err(SpoolError::Stopped));
        written?.chunk.take().ok_or(SpoolError::Stopped)
    }

    /// Forgets chunks of output that became no file, or that the index counts itself by now.
    pub(crate) fn forget_chunks(&self, chunks: &[Chunk]) {
        let mut index = self.index.lock();
        for chunk in chunks.iter().filter(|c| matches!(c.place, Place::Volume(_))) {
            index.drop_chunk(chunk.place);
            index.octets = index.octets.saturating_sub(u64::from(chunk.len));
        }
    }

    /// Keeps all chunks of a file readable.
    pub(crate) fn pin(&self, file: &SpoolFile) -> Result<Vec<Pin>, SpoolError> {
        let lost = || SpoolError::Damaged(file.id);
        file.chunks
            .iter()
            .map(|chunk| match chunk.place {
                Place::Log(addr) => self.space.pin(addr).map(Pin::Log).ok_or_else(lost),
                Place::Volume(addr) => self.volume.pin(addr).map(Pin::Volume).ok_or_else(lost),
                Place::Inline => Err(lost()),
            })
            .collect()
    }

    /// Reads a chunk and checks it.
    pub(crate) fn read_chunk(&self, file: &SpoolFile, chunk: &Chunk, pin: &Pin) -> Result<Bytes, SpoolError> {
        match self.read_chunk_as_it_is(chunk, pin) {
            Ok(data) if crc_fast::crc32_iscsi(&data) == chunk.crc => Ok(data),
            Ok(_) | Err(_) => {
                tracing::error!(owner = %file.owner, id = %file.id, "a spool file cannot be read back");
                Err(SpoolError::Damaged(file.id))
            }
        }
    }

    /// Reads a chunk that may be damaged.
    pub(crate) fn read_chunk_as_it_is(&self, chunk: &Chunk, pin: &Pin) -> Result<Bytes, ReadError> {
        let len = chunk.len as usize;
        match (chunk.place, pin) {
            (Place::Log(addr), Pin::Log(pin)) => self.space.read_pinned(pin, addr, len),
            (Place::Volume(addr), Pin::Volume(pin)) => self.volume.read_pinned(pin, addr, 0, len),
            (Place::Log(LogAddr(addr)) | Place::Volume(VolAddr(addr)), _) => {
                Err(ReadError::NoSuchAddress(addr))
            }
            (Place::Inline, _) => Err(ReadError::NoSuchAddress(0)),
        }
    }
}
