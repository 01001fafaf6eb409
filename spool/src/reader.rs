//! A spool file open for reading: one reader at a time, record by record.

use std::sync::Arc;

use bytes::Bytes;

use crate::engine::{Pin, Spool};
use crate::error::SpoolError;
use crate::file::{SharedFile, UniqueId};
use crate::record::{self, Record};

/// Chunks up to this length are read where they are needed; longer ones in a thread that may block.
const READ_INLINE: u32 = 256 << 10;

/// What becomes of a file after reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It is gone, as after an ordinary read.
    Purge,
    /// It stays in its queue as it is.
    Keep,
    /// It stays, in user hold.
    Hold,
}

/// The records of a file, read one after the other.
pub struct Records {
    spool: Arc<Spool>,
    file: SharedFile,
    pins: Arc<Vec<Pin>>,
    next_chunk: usize,
    body: Bytes,
}

impl Records {
    /// The records of `file` from the first on. They stay readable whatever happens to the file.
    pub(crate) fn new(spool: &Arc<Spool>, file: &SharedFile) -> Result<Self, SpoolError> {
        let pins = Arc::new(spool.pin(file)?);
        Ok(Self { spool: spool.clone(), file: file.clone(), pins, next_chunk: 0, body: Bytes::new() })
    }

    /// The next record; `None` at the end of the file.
    ///
    /// # Errors
    /// [`SpoolError::Damaged`].
    pub async fn next(&mut self) -> Result<Option<Record>, SpoolError> {
        loop {
            match record::take(&mut self.body) {
                Some(Ok(record)) => return Ok(Some(record)),
                Some(Err(())) => return Err(SpoolError::Damaged(self.file.id)),
                None => {}
            }
            let Some(chunk) = self.file.chunks.get(self.next_chunk).copied() else { return Ok(None) };
            let at = self.next_chunk;
            self.body = if chunk.len <= READ_INLINE {
                self.spool.read_chunk(&self.file, &chunk, &self.pins[at])?
            } else {
                let (spool, file, pins) = (self.spool.clone(), self.file.clone(), self.pins.clone());
                let read = tokio::task::spawn_blocking(move || spool.read_chunk(&file, &chunk, &pins[at]));
                read.await.map_err(|_| SpoolError::Stopped)??
            };
            self.next_chunk += 1;
        }
    }

    /// Begins again at the first record.
    pub fn rewind(&mut self) {
        self.next_chunk = 0;
        self.body = Bytes::new();
    }
}

/// The mark that a file is open; the file goes back to its queue when this is dropped.
pub(crate) struct Active {
    spool: Arc<Spool>,
    unique: UniqueId,
    armed: bool,
}

impl Active {
    pub(crate) fn open(spool: &Arc<Spool>, file: &SharedFile) -> Result<(Self, SharedFile), SpoolError> {
        let file = spool.activate(file)?;
        Ok((Self { spool: spool.clone(), unique: file.unique, armed: true }, file))
    }

    /// Ends the use of the file. A purge, or a hold, is durable on return.
    pub(crate) async fn close(
        mut self,
        file: &SharedFile,
        disposition: Disposition,
    ) -> Result<(), SpoolError> {
        match disposition {
            Disposition::Keep => Ok(()),
            Disposition::Purge => {
                self.spool.purge_active(self.unique).await?;
                self.armed = false;
                Ok(())
            }
            Disposition::Hold => {
                let mut held = (**file).clone();
                held.hold.user = true;
                self.spool.replace(held).await
            }
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if self.armed {
            self.spool.deactivate(self.unique);
        }
    }
}

/// A spool file that a virtual reader has open.
pub struct ReaderFile {
    active: Active,
    file: SharedFile,
    records: Records,
    disposition: Disposition,
}

impl ReaderFile {
    /// Opens a file; `disposition` is what its own and its reader's attributes say shall become of it.
    pub(crate) fn open(spool: &Arc<Spool>, file: &SharedFile, keep: bool) -> Result<Self, SpoolError> {
        let (active, file) = Active::open(spool, file)?;
        let records = Records::new(spool, &file)?;
        let disposition = if keep || file.keep { Disposition::Hold } else { Disposition::Purge };
        Ok(Self { active, file, records, disposition })
    }

    /// The file.
    pub fn file(&self) -> &SharedFile {
        &self.file
    }

    /// The next record; `None` at the end of the file.
    ///
    /// # Errors
    /// [`SpoolError::Damaged`].
    pub async fn next(&mut self) -> Result<Option<Record>, SpoolError> {
        self.records.next().await
    }

    /// Begins again at the first record.
    pub fn rewind(&mut self) {
        self.records.rewind();
    }

    /// What the file's KEEP and the reader's HOLD and KEEP say shall become of it.
    pub fn disposition(&self) -> Disposition {
        self.disposition
    }

    /// Closes the file; what becomes of it is durable on return.
    ///
    /// # Errors
    /// [`SpoolError`] of the disk; the file is in its queue then.
    pub async fn close(self, disposition: Disposition) -> Result<(), SpoolError> {
        self.active.close(&self.file, disposition).await
    }
}
