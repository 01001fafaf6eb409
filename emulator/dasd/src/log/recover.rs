//! Formatting a log, and finding again what it holds after a stop or a crash.

use std::sync::Arc;

use bytes::Bytes;

use super::damage::DamagedStretch;
use super::format::{BatchHeader, SegmentHeader, VERSION};
use super::handle::Log;
use super::space::{LogSpace, for_each_entry};
use super::writer::Tail;
use super::{LogAddr, LogConfig, LogOwner};
use crate::BLOCK;
use crate::error::{OpenError, ReadError};
use crate::io::{Dasd, Disk};
use crate::segment_name;

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

/// What recovery finds, in the order of the log.
#[derive(Debug, Clone)]
pub enum LogFound {
    /// An entry as it was written.
    Entry(RecoveredEntry),
    /// Damage, with sound batches behind it.
    Damage(DamagedStretch),
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
    /// Opens the log and calls `each` with everything from position `from` to the last sound batch.
    ///
    /// # Errors
    /// [`OpenError`]; or the first error of `each`, converted: so an owner refuses damage.
    pub fn open<E: From<OpenError>>(
        dasd: Arc<dyn Dasd>,
        config: &LogConfig,
        from: LogAddr,
        mut each: impl FnMut(LogFound) -> Result<(), E>,
    ) -> Result<Self, E> {
        let space = load(dasd, config)?.ok_or(OpenError::State("there is no log"))?;
        let len = space.segment_bytes();
        let mut at = from;
        let mut epoch = 0;
        let mut marked = true;
        let unsound = loop {
            let next = LogAddr(at.0.div_ceil(len) * len + BLOCK);
            let mut found = None;
            for place in [at, next] {
                let follows = |h: &BatchHeader| h.prev_end == at.0 && h.epoch >= epoch;
                found = space.batch_at(place).map_err(read_error)?.filter(|(header, _)| follows(header));
                if found.is_some() {
                    break;
                }
            }
            let (header, batch) = match found {
                Some(found) => found,
                None => match space.damage_after(at, epoch).map_err(read_error)? {
                    Some((stretch, header, batch)) => {
                        tracing::error!(
                            log = config.prefix,
                            from = stretch.from.0,
                            to = stretch.to.0,
                            "log is damaged"
                        );
                        each(LogFound::Damage(stretch))?;
                        (header, batch)
                    }
                    None => break [at, next].into_iter().find(|place| space.unsound_at(*place, at, epoch)),
                },
            };
            let end = LogAddr(header.addr + header.extent());
            let mut entries = Vec::with_capacity(header.count as usize);
            for_each_entry(LogAddr(header.addr), &header, &batch, &mut |addr, payload| {
                entries.push(RecoveredEntry { addr, payload, end });
            });
            for entry in entries {
                each(LogFound::Entry(entry))?;
            }
            epoch = header.epoch;
            marked = header.count == 0;
            at = end;
        };
        if let Some(place) = unsound {
            tracing::warn!(
                log = config.prefix,
                address = place.0,
                "log ends at a batch that a crash cut off; nobody was told that it is safe"
            );
        }
        // `at` may be the very end of a segment, which is written as an offset of zero in the next.
        let seq = (at.0 - 1) / space.segment_bytes();
        space.ring.drop_behind(seq)?;
        if space.segment(seq).is_none() {
            return Err(OpenError::State("the log segment of the recovery position is missing").into());
        }
        Ok(Self { space, tail: Tail { at, seq, epoch: epoch + 1, marked }, unsound })
    }

    /// The readable side of the log.
    pub fn space(&self) -> LogSpace {
        self.space.clone()
    }

    /// Position behind the last sound batch.
    pub fn end(&self) -> LogAddr {
        self.tail.at
    }

    /// The batch that ended the log because its contents do not fit its header, if one did: the one that a crash cut off. After
    /// a clean stop a mark stands behind the last batch, so that damage to it is told from this.
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

impl LogSpace {
    /// The log as it lies on its disks, for an owner who has lost the position to recover from: every segment that is in use is
    /// there to be scanned, and none if there is no log. Removes half-made segments, so give it disks that may change.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn find(dasd: Arc<dyn Dasd>, config: &LogConfig) -> Result<Self, OpenError> {
        let found = load(dasd.clone(), config)?;
        Ok(found.unwrap_or_else(|| Self::new(dasd, config.clone(), 0)))
    }
}

/// Reads the headers of all segment files; `None` when no segment is in use.
fn load(dasd: Arc<dyn Dasd>, config: &LogConfig) -> Result<Option<LogSpace>, OpenError> {
    let mut files = Vec::new();
    let mut newest: Option<(u64, u64)> = None;
    let is_segment = |name: &String| segment_name::number(name, &config.prefix).is_some();
    for name in dasd.list()?.into_iter().filter(is_segment) {
        let disk = dasd.open(&name)?;
        if disk.len()? < BLOCK {
            // The zeroing of this one was cut short; it holds nothing.
            files.push((name, disk, None));
            continue;
        }
        let mut block = vec![0; BLOCK as usize];
        disk.read_at(&mut block, 0)?;
        let header = match SegmentHeader::decode(&block) {
            Some(header) => Some(header),
            None => header_from_batch(&*disk, &block, config)?,
        };
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
    let Some((_, ring)) = newest else { return Ok(None) };
    let space = LogSpace::new(dasd.clone(), config.clone(), ring);
    for (name, disk, header) in files {
        let header = header.filter(|h| h.ring == ring);
        if header.is_none() && holds_something(&*disk, config)? {
            tracing::error!(name, "a log segment whose headers are damaged is left as it is");
            space.ring.pass_over(&name);
            continue;
        }
        if header.is_none() && disk.len()? != config.segment_bytes {
            dasd.remove(&name)?;
            continue;
        }
        space.ring.adopt(name, disk, header);
    }
    Ok(Some(space))
}

/// Whether a segment file of full length, of which nothing says where it belongs, holds what was written once. One that was never in
/// use is zeros; one whose first stamp a crash has cut off is, behind that.
fn holds_something(disk: &dyn Disk, config: &LogConfig) -> Result<bool, OpenError> {
    if disk.len()? != config.segment_bytes {
        return Ok(false);
    }
    let mut block = vec![0; BLOCK as usize];
    disk.read_at(&mut block, 0)?;
    if SegmentHeader::decode(&block).is_some() || block.iter().all(|octet| *octet == 0) {
        // Of another ring; or its stamp was taken away, since nothing in it counts.
        return Ok(false);
    }
    disk.read_at(&mut block, BLOCK)?;
    Ok(block.iter().any(|octet| *octet != 0))
}

/// The header of a segment whose first block is damaged, from the first batch in it: a batch says where it belongs. A segment
/// that is not in use has zeros in its first block.
fn header_from_batch(
    disk: &dyn Disk,
    first: &[u8],
    config: &LogConfig,
) -> Result<Option<SegmentHeader>, OpenError> {
    let len = disk.len()?;
    if first.iter().all(|b| *b == 0) || len != config.segment_bytes {
        return Ok(None);
    }
    let mut batch = vec![0; BLOCK as usize];
    disk.read_at(&mut batch, BLOCK)?;
    let Some(header) = BatchHeader::decode(&batch) else { return Ok(None) };
    if header.addr % len != BLOCK || header.extent() > len - BLOCK {
        return Ok(None);
    }
    batch.resize(usize::try_from(header.extent()).unwrap_or(0), 0);
    disk.read_at(&mut batch, BLOCK)?;
    let blocks = u32::try_from(len / BLOCK).unwrap_or(0);
    let rebuilt = SegmentHeader { version: VERSION, blocks, ring: header.ring, seq: header.addr / len };
    Ok(header.verify(&batch).then_some(rebuilt))
}
