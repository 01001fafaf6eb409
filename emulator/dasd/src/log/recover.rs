//! Formatting a log, and finding again what it holds after a stop or a crash.

use std::sync::Arc;

use bytes::Bytes;

use super::format::{SegmentHeader, VERSION};
use super::space::{LogSpace, for_each_entry};
use super::writer::{Log, Tail};
use super::{LogAddr, LogConfig, LogOwner};
use crate::BLOCK;
use crate::error::{OpenError, ReadError};
use crate::io::Dasd;

/// An entry found again by recovery.
#[derive(Debug, Clone)]
pub struct RecoveredEntry {
    /// Address of the payload's first octet: the same that [`LogOwner::applied`] was given.
    pub addr: LogAddr,
    /// The payload.
    pub payload: Bytes,
    /// Position behind the batch that holds the entry.
    pub end: LogAddr,
}

/// A log whose entries have been read back and that waits for its owner.
#[derive(Debug)]
pub struct Recovered {
    space: LogSpace,
    tail: Tail,
    unsound: Option<LogAddr>,
}

/// Creates an empty log. `ring_id` tells this log's batches from those of any other; take it at random.
///
/// Writes one zeroed segment; the others and the reserve come from the background thread.
///
/// # Errors
/// [`OpenError::State`] when there is a log of that prefix already or the sizes make no sense; disk errors.
pub fn format(dasd: Arc<dyn Dasd>, config: &LogConfig, ring_id: u64) -> Result<(), OpenError> {
    if !config.segment_bytes.is_multiple_of(BLOCK)
        || config.segment_bytes < 4 * BLOCK
        || config.segment_bytes > u64::from(u32::MAX)
    {
        return Err(OpenError::State("a log segment is 4 blocks to 4 GiB, in whole blocks"));
    }
    if dasd.list()?.iter().any(|n| n.starts_with(&config.prefix)) {
        return Err(OpenError::State("there is a log already"));
    }
    let space = LogSpace::new(dasd, config.clone(), ring_id);
    // With a background thread it is that one's to make the reserve.
    for _ in 0..if config.ahead == 0 { config.reserve } else { 0 } {
        space.ring.add_free()?;
    }
    let first = space.ring.take(0, false)?.0;
    first.disk.sync()?;
    Ok(())
}

impl Recovered {
    /// Opens the log and calls `each` with every entry from position `from` to the last sound batch.
    ///
    /// # Errors
    /// [`OpenError`]; or the first error of `each`, converted.
    pub fn open<E: From<OpenError>>(
        dasd: Arc<dyn Dasd>,
        config: &LogConfig,
        from: LogAddr,
        mut each: impl FnMut(RecoveredEntry) -> Result<(), E>,
    ) -> Result<Self, E> {
        let space = load(dasd, config)?;
        let mut at = from;
        let mut epoch = 0;
        let unsound;
        loop {
            let len = space.segment_bytes();
            let next = LogAddr((at.0.div_ceil(len)) * len + BLOCK);
            let mut found = None;
            for place in [at, next] {
                let batch = space.batch_at(place).map_err(read_error)?;
                if let Some((header, batch)) = batch
                    && header.prev_end == at.0
                    && header.epoch >= epoch
                {
                    found = Some((place, header, batch));
                    break;
                }
            }
            let Some((place, header, batch)) = found else {
                unsound = [at, next].into_iter().find(|place| space.unsound_at(*place, at, epoch));
                break;
            };
            let end = LogAddr(place.0 + header.extent());
            let mut entries = Vec::with_capacity(header.count as usize);
            for_each_entry(place, &header, &batch, &mut |addr, payload| {
                entries.push(RecoveredEntry { addr, payload, end });
            });
            for entry in entries {
                each(entry)?;
            }
            epoch = header.epoch;
            at = end;
        }
        if let Some(place) = unsound {
            tracing::warn!(
                log = config.prefix,
                address = place.0,
                "log ends at a batch that was not finished before a crash, or was damaged since"
            );
        }
        // `at` may be the very end of a segment, which is written as an offset of zero in the next.
        let seq = (at.0 - 1) / space.segment_bytes();
        space.ring.drop_behind(seq)?;
        if space.segment(seq).is_none() {
            return Err(OpenError::State("the log segment of the recovery position is missing").into());
        }
        Ok(Self { space, tail: Tail { at, seq, epoch: epoch + 1 }, unsound })
    }

    /// The readable side of the log.
    pub fn space(&self) -> LogSpace {
        self.space.clone()
    }

    /// Position behind the last sound batch.
    pub fn end(&self) -> LogAddr {
        self.tail.at
    }

    /// The batch that ended the log because its contents do not fit its header, if one did.
    ///
    /// After a crash that is the batch that was being written, and nobody was told that it is safe. After a clean stop it is
    /// damage, and what was written behind it is lost with it.
    pub fn unsound(&self) -> Option<LogAddr> {
        self.unsound
    }

    /// Starts the writer thread.
    ///
    /// # Errors
    /// When the host cannot start a thread.
    pub fn start<O: LogOwner>(self, owner: O) -> std::io::Result<Log<O>> {
        Log::start(self.space, self.tail, owner)
    }
}

fn read_error(error: ReadError) -> OpenError {
    match error {
        ReadError::Io(e) => OpenError::Io(e),
        ReadError::NoSuchAddress(_) | ReadError::Checksum(_) => OpenError::State("a log segment is missing"),
    }
}

/// Reads the headers of all segment files.
fn load(dasd: Arc<dyn Dasd>, config: &LogConfig) -> Result<LogSpace, OpenError> {
    let mut files = Vec::new();
    let mut newest: Option<(u64, u64)> = None;
    for name in dasd.list()?.into_iter().filter(|n| n.starts_with(&config.prefix)) {
        let disk = dasd.open(&name)?;
        if disk.len()? < BLOCK {
            // The zeroing of this one was cut short; it holds nothing.
            files.push((name, disk, None));
            continue;
        }
        let mut block = vec![0; BLOCK as usize];
        disk.read_at(&mut block, 0)?;
        let header = SegmentHeader::decode(&block);
        if let Some(h) = header {
            if h.version != VERSION {
                return Err(OpenError::Version { name, found: h.version, known: VERSION });
            }
            if u64::from(h.blocks) * BLOCK != config.segment_bytes {
                return Err(OpenError::State("the log was formatted with another segment length"));
            }
            if newest.is_none_or(|(seq, _)| h.seq >= seq) {
                newest = Some((h.seq, h.ring));
            }
        }
        files.push((name, disk, header));
    }
    let (_, ring) = newest.ok_or(OpenError::State("there is no log"))?;
    let space = LogSpace::new(dasd.clone(), config.clone(), ring);
    for (name, disk, header) in files {
        let header = header.filter(|h| h.ring == ring);
        if header.is_none() && disk.len()? != config.segment_bytes {
            dasd.remove(&name)?;
            continue;
        }
        space.ring.adopt(name, disk, header);
    }
    Ok(space)
}
