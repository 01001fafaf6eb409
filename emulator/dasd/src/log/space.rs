//! The segments of a log ring: which file holds which part of the address space, reading, recycling.
//!
//! An address is `sequence number * segment length + offset` and is never used twice. A recycled segment's file is
//! stamped with a new sequence number when the writer next needs one. A segment that somebody has pinned is not
//! recycled before the pin is dropped. When no file is free, the ring grows; it never fails for want of recycling.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::damage::ScannedBatch;
use super::format::{BATCH_HEADER, BatchHeader, SegmentHeader, VERSION, u32_at};
use super::{LogAddr, LogConfig};
use crate::BLOCK;
use crate::buffers::Buffers;
use crate::error::{OpenError, ReadError};
use crate::io::{Dasd, Disk};
use crate::segment_name;

/// One segment of the ring that is in use.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) seq: u64,
    name: String,
    pub(crate) disk: Arc<dyn Disk>,
}

/// Keeps the segment of an address from being recycled while it lives.
#[derive(Debug, Clone)]
pub struct LogPin(Arc<Segment>);

/// What [`LogSpace::segments`] tells of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Sequence number: addresses `seq * segment length ..` lie in it.
    pub seq: u64,
    /// The writer is still filling it, so it cannot be recycled.
    pub current: bool,
}

#[derive(Debug, Default)]
struct State {
    live: BTreeMap<u64, Arc<Segment>>,
    // Recycled, but somebody may still hold a pin.
    retired: Vec<Arc<Segment>>,
    free: Vec<(String, Arc<dyn Disk>)>,
    /// Of the newest file; files are used in turn, so it is no sequence number.
    next_name: u64,
}

#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) dasd: Arc<dyn Dasd>,
    pub(crate) config: LogConfig,
    pub(crate) id: u64,
    buffers: Arc<Buffers>,
    state: Mutex<State>,
}

/// The readable side of a log: cheap to clone, usable from every thread.
#[derive(Debug, Clone)]
pub struct LogSpace {
    pub(crate) ring: Arc<Ring>,
}

impl LogSpace {
    pub(crate) fn new(dasd: Arc<dyn Dasd>, config: LogConfig, id: u64) -> Self {
        Self { ring: Arc::new(Ring { dasd, config, id, buffers: Arc::default(), state: Mutex::default() }) }
    }

    fn split(&self, addr: LogAddr) -> (u64, u64) {
        let len = self.ring.config.segment_bytes;
        (addr.0 / len, addr.0 % len)
    }

    pub(crate) fn segment(&self, seq: u64) -> Option<Arc<Segment>> {
        self.ring.state.lock().live.get(&seq).cloned()
    }

    /// Sequence number of the segment that holds `addr`.
    pub fn seq_of(&self, addr: LogAddr) -> u64 {
        self.split(addr).0
    }

    /// Reads `len` octets at `addr`. They are not verified: whoever stored them keeps their checksum.
    ///
    /// # Errors
    /// [`ReadError::NoSuchAddress`] when the segment has been recycled; disk errors.
    pub fn read(&self, addr: LogAddr, len: usize) -> Result<Bytes, ReadError> {
        let (seq, offset) = self.split(addr);
        let segment = self.segment(seq).ok_or(ReadError::NoSuchAddress(addr.0))?;
        if offset + len as u64 > self.ring.config.segment_bytes {
            return Err(ReadError::NoSuchAddress(addr.0));
        }
        Ok(self.ring.buffers.fill(offset, len, |octets| segment.disk.read_at(octets, offset))?)
    }

    /// Keeps the segment of `addr` readable until the pin is dropped; `None` when it has been recycled already.
    pub fn pin(&self, addr: LogAddr) -> Option<LogPin> {
        self.segment(self.split(addr).0).map(LogPin)
    }

    /// Reads at an address whose segment `pin` keeps, even when it has been recycled since.
    ///
    /// # Errors
    /// [`ReadError::NoSuchAddress`] when `addr` is not in the pinned segment; disk errors.
    pub fn read_pinned(&self, pin: &LogPin, addr: LogAddr, len: usize) -> Result<Bytes, ReadError> {
        let (seq, offset) = self.split(addr);
        if pin.0.seq != seq || offset + len as u64 > self.ring.config.segment_bytes {
            return Err(ReadError::NoSuchAddress(addr.0));
        }
        Ok(self.ring.buffers.fill(offset, len, |octets| pin.0.disk.read_at(octets, offset))?)
    }

    /// [`Self::read_pinned`] if that needs no waiting for a device; `None` if it would.
    ///
    /// # Errors
    /// As [`Self::read_pinned`].
    pub fn read_cached(&self, pin: &LogPin, addr: LogAddr, len: usize) -> Result<Option<Bytes>, ReadError> {
        let (seq, offset) = self.split(addr);
        if pin.0.seq != seq || offset + len as u64 > self.ring.config.segment_bytes {
            return Err(ReadError::NoSuchAddress(addr.0));
        }
        Ok(self.ring.buffers.try_fill(offset, len, |octets| pin.0.disk.read_cached(octets, offset))?)
    }

    /// Length of every segment in octets.
    pub fn segment_bytes(&self) -> u64 {
        self.ring.config.segment_bytes
    }

    /// The segments in use, oldest first.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let state = self.ring.state.lock();
        let last = state.live.keys().next_back().copied();
        state.live.keys().map(|seq| SegmentInfo { seq: *seq, current: Some(*seq) == last }).collect()
    }

    /// Gives segment `seq` back to the ring. False for the current one and for one that is not in use.
    ///
    /// The caller must know, durably, that nothing in it is needed: no live payload, and a recovery position behind it.
    /// Call it in the writer thread (from the owner's methods or [`Log::call`](super::Log::call)), so that the segment after
    /// it is known to hold a durable batch.
    pub fn recycle(&self, seq: u64) -> bool {
        let mut state = self.ring.state.lock();
        if state.live.keys().next_back() == Some(&seq) {
            return false;
        }
        let Some(segment) = state.live.remove(&seq) else { return false };
        state.retired.push(segment);
        self.ring.reap(&mut state);
        true
    }

    /// Calls `each` with every entry of segment `seq`, in order, damaged batches left out.
    ///
    /// # Errors
    /// [`ReadError`] of the disk or of a segment that is not in use.
    pub fn scan_segment(&self, seq: u64, mut each: impl FnMut(LogAddr, Bytes)) -> Result<(), ReadError> {
        self.scan_batches(seq, |batch| {
            if let ScannedBatch::Sound(entries) = batch {
                entries.into_iter().for_each(|entry| each(entry.addr, entry.payload));
            }
        })
    }

    /// True when the header of a batch that follows `prev_end`, of `epoch` or later, stands at `addr`. Only asked where no sound batch was found.
    pub(crate) fn unsound_at(&self, addr: LogAddr, prev_end: LogAddr, epoch: u64) -> bool {
        let (seq, offset) = self.split(addr);
        let Some(segment) = self.segment(seq).filter(|_| offset >= BLOCK) else { return false };
        let mut first = vec![0; BLOCK as usize];
        segment.disk.read_at(&mut first, offset).is_ok()
            && BatchHeader::decode(&first).is_some_and(|header| {
                header.ring == self.ring.id
                    && header.addr == addr.0
                    && header.prev_end == prev_end.0
                    && header.epoch >= epoch
            })
    }

    /// The sound batch at `addr`, or `None` when there is none.
    pub(crate) fn batch_at(&self, addr: LogAddr) -> Result<Option<(BatchHeader, Bytes)>, ReadError> {
        let found = self.batch_as_it_is(addr)?;
        Ok(found.filter(|(header, octets)| header.verify(octets)))
    }

    /// The octets at `addr` that its header says are a batch of this ring there; not verified.
    pub(crate) fn batch_as_it_is(&self, addr: LogAddr) -> Result<Option<(BatchHeader, Bytes)>, ReadError> {
        let (seq, offset) = self.split(addr);
        let room = self.ring.config.segment_bytes - offset;
        let Some(segment) = self.segment(seq).filter(|_| offset >= BLOCK && room >= BLOCK) else {
            return Ok(None);
        };
        let mut first = vec![0; BLOCK as usize];
        match segment.disk.read_at(&mut first, offset) {
            // A segment whose tail was never written down before a crash.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let Some(header) = BatchHeader::decode(&first) else { return Ok(None) };
        if header.ring != self.ring.id || header.addr != addr.0 || header.extent() > room {
            return Ok(None);
        }
        let extent = header.extent() as usize;
        if extent > first.len() {
            first.resize(extent, 0);
            match segment.disk.read_at(&mut first[BLOCK as usize..], offset + BLOCK) {
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                other => other?,
            }
        }
        Ok(Some((header, Bytes::from(first))))
    }
}

/// Cuts a verified batch into its entries.
pub(crate) fn for_each_entry(
    at: LogAddr,
    header: &BatchHeader,
    batch: &Bytes,
    each: &mut impl FnMut(LogAddr, Bytes),
) {
    let mut offset = BATCH_HEADER + 4 * header.count as usize;
    for i in 0..header.count as usize {
        let len = u32_at(batch, BATCH_HEADER + 4 * i) as usize;
        each(LogAddr(at.0 + offset as u64), batch.slice(offset..offset + len));
        offset += len;
    }
}

impl Ring {
    /// Moves retired segments that nobody pins to the free list; removes files beyond what is worth keeping.
    fn reap(&self, state: &mut State) {
        let (held, done): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.retired).into_iter().partition(|s| Arc::strong_count(s) > 1);
        state.retired = held;
        for segment in done {
            if state.free.len() < self.config.keep_free.max(self.config.reserve) {
                state.free.push((segment.name.clone(), segment.disk.clone()));
            } else if let Err(error) = self.dasd.remove(&segment.name) {
                tracing::warn!(name = segment.name, %error, "surplus log segment not removed");
            }
        }
    }

    /// Number of zeroed files that wait for use.
    pub(crate) fn free_count(&self) -> usize {
        let mut state = self.state.lock();
        self.reap(&mut state);
        state.free.len()
    }

    /// Creates one zeroed file and adds it to the free list.
    pub(crate) fn add_free(&self) -> io::Result<()> {
        let name = {
            let mut state = self.state.lock();
            state.next_name += 1;
            segment_name::of(&self.config.prefix, state.next_name)
        };
        let made = self.dasd.create(&name).and_then(|disk| {
            disk.zero(self.config.segment_bytes)?;
            disk.sync()?;
            self.dasd.sync_names()?;
            Ok(disk)
        });
        match made {
            Ok(disk) => {
                self.state.lock().free.push((name, disk));
                Ok(())
            }
            Err(error) => {
                // A half-made file of a full disk would hold space that others need.
                if let Err(second) = self.dasd.remove(&name) {
                    tracing::debug!(name, %second, "half-made log segment not removed");
                }
                Err(error)
            }
        }
    }

    /// Takes a free file: one beyond the reserve, a new one, or with `relief` one of the reserve. The flag tells the last.
    fn take_file(&self, relief: bool) -> io::Result<(String, Arc<dyn Disk>, bool)> {
        {
            let mut state = self.state.lock();
            self.reap(&mut state);
            if state.free.len() > self.config.reserve
                && let Some((name, disk)) = state.free.pop()
            {
                return Ok((name, disk, false));
            }
        }
        let made = self.add_free();
        let from_reserve = match made {
            Ok(()) => false,
            Err(error) if relief && error.kind() == io::ErrorKind::StorageFull => true,
            Err(error) => return Err(error),
        };
        let popped = self.state.lock().free.pop();
        let (name, disk) = popped.ok_or_else(|| io::Error::from(io::ErrorKind::StorageFull))?;
        Ok((name, disk, from_reserve))
    }

    /// Stamps a free file as segment `seq` and makes it the current one. The stamp is durable with the next sync. The flag says
    /// that the file is of the reserve, which only `relief` may take.
    pub(crate) fn take(&self, seq: u64, relief: bool) -> io::Result<(Arc<Segment>, bool)> {
        let (name, disk, from_reserve) = self.take_file(relief)?;
        let header = SegmentHeader {
            version: VERSION,
            blocks: u32::try_from(self.config.segment_bytes / BLOCK).map_err(io::Error::other)?,
            ring: self.id,
            seq,
        };
        disk.write_at(&header.encode(), 0)?;
        let segment = Arc::new(Segment { seq, name, disk });
        self.state.lock().live.insert(seq, segment.clone());
        Ok((segment, from_reserve))
    }

    /// No file that is made from now on gets the name of one that is there.
    pub(crate) fn pass_over(&self, name: &str) {
        let number = segment_name::number(name, &self.config.prefix).unwrap_or(0);
        let mut state = self.state.lock();
        state.next_name = state.next_name.max(number);
    }

    /// Adds a file found at open: as a segment when it carries a header of this ring, else as a free one.
    pub(crate) fn adopt(&self, name: String, disk: Arc<dyn Disk>, header: Option<SegmentHeader>) {
        self.pass_over(&name);
        let mut state = self.state.lock();
        match header {
            Some(h) => {
                state.live.insert(h.seq, Arc::new(Segment { seq: h.seq, name, disk }));
            }
            None => state.free.push((name, disk)),
        }
    }

    /// Unstamps every segment behind `seq`: nothing in them was ever acknowledged.
    pub(crate) fn drop_behind(&self, seq: u64) -> Result<(), OpenError> {
        let behind: Vec<_> = {
            let mut state = self.state.lock();
            let behind = state.live.split_off(&(seq + 1));
            behind.into_values().collect()
        };
        for segment in behind {
            segment.disk.write_at(&vec![0; BLOCK as usize], 0)?;
            segment.disk.sync()?;
            self.state.lock().free.push((segment.name.clone(), segment.disk.clone()));
        }
        Ok(())
    }
}
