//! Volumes: append-only segments of 4 KB aligned extents, for bodies too large for the log or moved out of it.
//!
//! An extent is a header of 32 octets and its data, padded to whole blocks. The header names its owner's number for it, so
//! that a mover, a cleaner or a salvager can walk a segment without a catalog. An extent is durable when
//! [`Volume::append`] returns; until somebody's log names it, it is garbage that a cleaner frees.
//!
//! | segment header, block 0 | octets | | extent header | octets |
//! |---|---|---|---|---|
//! | magic `DASDVOL\x01` | 8 | | magic `VEXT` | 4 |
//! | layout version | 4 | | CRC32C of the header fields after this one | 4 |
//! | reserved, zero | 4 | | address of the extent | 8 |
//! | sequence number | 8 | | owner's number | 8 |
//! | CRC32C of the octets before | 4 | | length of the data | 4 |
//! | | | | CRC32C of the data | 4 |
//!
//! Not here: which extents are alive.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use crate::buffers::Buffers;
use crate::error::{OpenError, ReadError};
use crate::io::{Dasd, Disk};
use crate::segment_name;
use crate::shared_sync::SharedSync;
use crate::{BLOCK, round_to_block};

const VERSION: u32 = 1;
const SEGMENT_MAGIC: [u8; 8] = *b"DASDVOL\x01";
/// Octets of data from which on an extent goes past the host's cache: copying it there takes more of the processor than writing it,
/// and it would drive out many small ones.
const LARGE: usize = 256 << 10;
/// What is behind the data of an extent, up to the next block.
const PADDING: [u8; BLOCK as usize] = [0; BLOCK as usize];
const EXTENT_MAGIC: [u8; 4] = *b"VEXT";
/// Octets of the header in front of an extent's data.
pub const EXTENT_HEADER: usize = 32;

/// Place of an extent: `sequence number * segment length + offset of its header`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolAddr(pub u64);

/// Sizes of a volume.
#[derive(Debug, Clone)]
pub struct VolumeConfig {
    /// Segment files are called this, followed by the sequence number.
    pub prefix: String,
    /// Greatest length of a segment; a multiple of [`BLOCK`].
    pub segment_bytes: u64,
}

impl Default for VolumeConfig {
    fn default() -> Self {
        Self { prefix: "VOL".into(), segment_bytes: 64 << 20 }
    }
}

/// What stands in front of an extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtentHeader {
    /// Where it is.
    pub addr: VolAddr,
    /// The owner's number for it.
    pub id: u64,
    /// Octets of data.
    pub len: u32,
    /// CRC32C of the data.
    pub crc: u32,
}

impl ExtentHeader {
    fn encode(&self) -> [u8; EXTENT_HEADER] {
        let mut out = [0; EXTENT_HEADER];
        out[..4].copy_from_slice(&EXTENT_MAGIC);
        out[8..16].copy_from_slice(&self.addr.0.to_le_bytes());
        out[16..24].copy_from_slice(&self.id.to_le_bytes());
        out[24..28].copy_from_slice(&self.len.to_le_bytes());
        out[28..32].copy_from_slice(&self.crc.to_le_bytes());
        let crc = crc_fast::crc32_iscsi(&out[8..]);
        out[4..8].copy_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..EXTENT_HEADER)?;
        let word = |at: usize| head[at..at + 4].try_into().map_or(0, u32::from_le_bytes);
        let long = |at: usize| head[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
        (head.starts_with(&EXTENT_MAGIC) && crc_fast::crc32_iscsi(&head[8..]) == word(4)).then(|| Self {
            addr: VolAddr(long(8)),
            id: long(16),
            len: word(24),
            crc: word(28),
        })
    }

    /// Octets the extent takes on the volume.
    pub fn extent(&self) -> u64 {
        extent_bytes(u64::from(self.len))
    }
}

/// Octets that an extent with `len` octets of data takes on a volume.
pub const fn extent_bytes(len: u64) -> u64 {
    round_to_block(EXTENT_HEADER as u64 + len)
}

/// Keeps a segment readable although it may have been removed.
#[derive(Debug, Clone)]
pub struct VolPin {
    seq: u64,
    disk: Arc<dyn Disk>,
}

/// Where the next extent goes: held while a segment is made, so that nobody who only reads waits for that.
#[derive(Debug)]
struct Tail {
    /// Next free octet of the newest segment.
    at: u64,
    next_seq: u64,
}

/// An extent on its way to its place.
struct Extent<'a> {
    header: ExtentHeader,
    head: [u8; EXTENT_HEADER],
    data: &'a Bytes,
    disk: Arc<dyn Disk>,
}

impl<'a> Extent<'a> {
    fn new(addr: VolAddr, disk: Arc<dyn Disk>, id: u64, data: &'a Bytes) -> Self {
        // No extent is longer than a segment, nor 4 GiB.
        let header = ExtentHeader { addr, id, len: data.len() as u32, crc: crc_fast::crc32_iscsi(data) };
        Self { header, head: header.encode(), data, disk }
    }

    /// All its octets, padding included.
    fn parts(&self) -> [&[u8]; 3] {
        let rest = self.header.extent() as usize - EXTENT_HEADER - self.data.len();
        [&self.head, self.data, &PADDING[..rest]]
    }
}

/// A volume in use. Shared by reference; every method may be called from any thread and may block on the disk.
#[derive(Debug)]
pub struct Volume {
    dasd: Arc<dyn Dasd>,
    config: VolumeConfig,
    segments: RwLock<BTreeMap<u64, Arc<dyn Disk>>>,
    tail: Mutex<Tail>,
    offline: OnceLock<Arc<str>>,
    buffers: Arc<Buffers>,
    mended: Vec<String>,
}

/// What a file with the name of a segment is.
enum Found {
    Sound,
    /// Its creation was never finished, so nothing can refer to it.
    HalfMade,
    /// Something is in it, so its header was durable once, and is damaged now.
    Headless,
    /// Another segment.
    Other,
}

/// Block 0 of a segment.
fn segment_head(seq: u64) -> Vec<u8> {
    let mut head = vec![0u8; BLOCK as usize];
    head[..8].copy_from_slice(&SEGMENT_MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[16..24].copy_from_slice(&seq.to_le_bytes());
    let crc = crc_fast::crc32_iscsi(&head[..24]);
    head[24..28].copy_from_slice(&crc.to_le_bytes());
    head
}

/// Looks at the segment file `name`, which by its name is number `seq`.
fn look_at(disk: &dyn Disk, name: &str, seq: u64) -> Result<Found, OpenError> {
    let len = disk.len()?;
    if len < BLOCK {
        return Ok(Found::HalfMade);
    }
    let mut head = [0u8; 28];
    disk.read_at(&mut head, 0)?;
    let sound =
        head.starts_with(&SEGMENT_MAGIC) && crc_fast::crc32_iscsi(&head[..24]).to_le_bytes() == head[24..28];
    if !sound {
        // A header is synced before anything goes behind it.
        return Ok(if len > BLOCK { Found::Headless } else { Found::HalfMade });
    }
    let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    if version != VERSION {
        return Err(OpenError::Version { name: name.to_owned(), found: version, known: VERSION });
    }
    let own = head[16..24].try_into().map_or(0, u64::from_le_bytes);
    Ok(if own == seq { Found::Sound } else { Found::Other })
}

impl Volume {
    /// Opens the volume; an empty one needs no formatting.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dasd: Arc<dyn Dasd>, config: VolumeConfig) -> Result<Self, OpenError> {
        if !config.segment_bytes.is_multiple_of(BLOCK) || config.segment_bytes < 2 * BLOCK {
            return Err(OpenError::State("a volume segment is two blocks at least, in whole blocks"));
        }
        let mut segments = BTreeMap::new();
        let (mut tail, mut next_seq, mut mended) = (0, 0, Vec::new());
        for name in dasd.list()? {
            let Some(seq) = segment_name::number(&name, &config.prefix) else { continue };
            let disk: Arc<dyn Disk> = Arc::new(SharedSync::new(dasd.open(&name)?));
            next_seq = next_seq.max(seq + 1);
            match look_at(&*disk, &name, seq)? {
                Found::Sound => {}
                Found::HalfMade => {
                    dasd.remove(&name)?;
                    continue;
                }
                Found::Headless => {
                    disk.write_at(&segment_head(seq), 0)?;
                    disk.sync()?;
                    tracing::error!(name, "the header of a volume segment was damaged, and is mended");
                    mended.push(name);
                }
                Found::Other => {
                    tracing::error!(name, "a volume segment has the name of another one, and is left out");
                    continue;
                }
            }
            if segments.keys().next_back().is_none_or(|last| *last < seq) {
                tail = round_to_block(disk.len()?);
            }
            segments.insert(seq, disk);
        }
        Ok(Self {
            dasd,
            config,
            segments: RwLock::new(segments),
            tail: Mutex::new(Tail { at: tail, next_seq }),
            offline: OnceLock::new(),
            buffers: Arc::default(),
            mended,
        })
    }

    /// Names of the segments whose headers were damaged when the volume was opened. What is in them has checksums of its own.
    pub fn mended(&self) -> &[String] {
        &self.mended
    }

    /// No segment that is made from now on has the number `seq` or a smaller one: the owner knows of one that is lost, and what took
    /// its place would seem to be what was there.
    pub fn pass_over(&self, seq: u64) {
        let mut tail = self.tail.lock();
        if tail.next_seq <= seq {
            // The newest that is there is not the newest there was: nothing more goes there.
            *tail = Tail { at: self.config.segment_bytes, next_seq: seq + 1 };
        }
    }

    /// Greatest data of one extent in octets.
    pub fn max_extent(&self) -> u64 {
        (self.config.segment_bytes - BLOCK - EXTENT_HEADER as u64).min(u64::from(u32::MAX))
    }

    /// Length of a full segment in octets.
    pub fn segment_bytes(&self) -> u64 {
        self.config.segment_bytes
    }

    /// Sequence number of the segment that holds `addr`.
    pub fn seq_of(&self, addr: VolAddr) -> u64 {
        addr.0 / self.config.segment_bytes
    }

    /// Why the volume is offline, if it is.
    pub fn offline(&self) -> Option<Arc<str>> {
        self.offline.get().cloned()
    }

    /// Writes extents and makes them durable, all with one sync where they share a segment, which others who write there at the same
    /// time share too. Returns their places.
    ///
    /// # Errors
    /// `StorageFull` (nothing refers to what was written); any other error takes the volume offline.
    pub fn append(&self, extents: &[(u64, Bytes)]) -> io::Result<Vec<VolAddr>> {
        if let Some(why) = self.offline.get() {
            return Err(io::Error::other(why.to_string()));
        }
        let done = self.append_all(extents);
        if let Err(error) = &done
            && error.kind() != io::ErrorKind::StorageFull
            && error.kind() != io::ErrorKind::InvalidInput
        {
            tracing::error!(%error, "volume write failed: the volume goes offline");
            let _ = self.offline.set(error.to_string().into());
        }
        done
    }

    fn append_all(&self, extents: &[(u64, Bytes)]) -> io::Result<Vec<VolAddr>> {
        if extents.iter().any(|(_, data)| data.len() as u64 > self.max_extent()) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let places = self.reserve(extents.iter().map(|(_, data)| extent_bytes(data.len() as u64)))?;
        let placed = places.into_iter().zip(extents);
        let extents: Vec<_> =
            placed.map(|((addr, disk), (id, data))| Extent::new(addr, disk, *id, data)).collect();
        for neighbours in extents.chunk_by(|a, b| a.header.addr.0 + a.header.extent() == b.header.addr.0) {
            let parts: Vec<_> = neighbours.iter().flat_map(Extent::parts).collect();
            let first = &neighbours[0];
            let at = first.header.addr.0 % self.config.segment_bytes;
            // Small ones together are of a mailbox that is being moved out of the log, and are read through the cache as before.
            match neighbours.iter().all(|extent| extent.data.len() >= LARGE) {
                true => first.disk.write_parts_past_cache(&parts, at)?,
                false => first.disk.write_parts(&parts, at)?,
            }
        }
        for segment in extents.chunk_by(|a, b| Arc::ptr_eq(&a.disk, &b.disk)) {
            segment[0].disk.sync()?;
        }
        Ok(extents.into_iter().map(|extent| extent.header.addr).collect())
    }

    /// Reserves stretches of these lengths at the tail, one behind the other, in a fresh segment where the newest is full.
    fn reserve(&self, lengths: impl Iterator<Item = u64>) -> io::Result<Vec<(VolAddr, Arc<dyn Disk>)>> {
        let mut tail = self.tail.lock();
        let mut newest = self.segments.read().last_key_value().map(|(seq, disk)| (*seq, disk.clone()));
        let mut places = Vec::with_capacity(lengths.size_hint().0);
        for len in lengths {
            let (seq, disk) = match &newest {
                Some((seq, disk)) if tail.at + len <= self.config.segment_bytes => (*seq, disk.clone()),
                _ => {
                    let seq = tail.next_seq;
                    let disk = self.create_segment(seq)?;
                    self.segments.write().insert(seq, disk.clone());
                    *tail = Tail { at: BLOCK, next_seq: seq + 1 };
                    newest = Some((seq, disk.clone()));
                    (seq, disk)
                }
            };
            places.push((VolAddr(seq * self.config.segment_bytes + tail.at), disk));
            tail.at += len;
        }
        Ok(places)
    }

    fn create_segment(&self, seq: u64) -> io::Result<Arc<dyn Disk>> {
        let name = self.name(seq);
        let disk: Arc<dyn Disk> = Arc::new(SharedSync::new(self.dasd.create(&name)?));
        if let Err(error) = disk.write_at(&segment_head(seq), 0) {
            if let Err(second) = self.dasd.remove(&name) {
                tracing::debug!(name, %second, "half-made volume segment not removed");
            }
            return Err(error);
        }
        disk.sync()?;
        self.dasd.sync_names()?;
        Ok(disk)
    }

    fn name(&self, seq: u64) -> String {
        segment_name::of(&self.config.prefix, seq)
    }

    fn disk(&self, seq: u64) -> Option<Arc<dyn Disk>> {
        self.segments.read().get(&seq).cloned()
    }

    /// Reads `len` octets of the data of the extent at `addr`, from `offset` on. They are not verified: the owner keeps
    /// its checksums.
    ///
    /// # Errors
    /// [`ReadError::NoSuchAddress`] when the segment is gone; disk errors.
    pub fn read(&self, addr: VolAddr, offset: u64, len: usize) -> Result<Bytes, ReadError> {
        let pin = self.pin(addr).ok_or(ReadError::NoSuchAddress(addr.0))?;
        self.read_pinned(&pin, addr, offset, len)
    }

    /// Keeps the segment of `addr` readable until the pin is dropped; `None` when it is gone already.
    pub fn pin(&self, addr: VolAddr) -> Option<VolPin> {
        let seq = self.seq_of(addr);
        self.disk(seq).map(|disk| VolPin { seq, disk })
    }

    /// [`Self::read`] from a segment that `pin` keeps.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_pinned(
        &self,
        pin: &VolPin,
        addr: VolAddr,
        offset: u64,
        len: usize,
    ) -> Result<Bytes, ReadError> {
        if pin.seq != self.seq_of(addr) {
            return Err(ReadError::NoSuchAddress(addr.0));
        }
        let at = addr.0 % self.config.segment_bytes + EXTENT_HEADER as u64 + offset;
        Ok(self.buffers.fill(at, len, |octets| pin.disk.read_at(octets, at))?)
    }

    /// [`Self::read_pinned`] if that needs no waiting for a device; `None` if it would.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_cached(
        &self,
        pin: &VolPin,
        addr: VolAddr,
        offset: u64,
        len: usize,
    ) -> Result<Option<Bytes>, ReadError> {
        if pin.seq != self.seq_of(addr) {
            return Err(ReadError::NoSuchAddress(addr.0));
        }
        let at = addr.0 % self.config.segment_bytes + EXTENT_HEADER as u64 + offset;
        Ok(self.buffers.try_fill(at, len, |octets| pin.disk.read_cached(octets, at))?)
    }

    /// The segments in use with their length so far in octets; the last one is still being filled.
    ///
    /// # Errors
    /// Any error of the host.
    pub fn segments(&self) -> io::Result<Vec<(u64, u64)>> {
        let segments: Vec<_> = self.segments.read().iter().map(|(s, d)| (*s, d.clone())).collect();
        segments.into_iter().map(|(seq, disk)| Ok((seq, disk.len()?))).collect()
    }

    /// The extent headers of segment `seq`, in order. Stretches that hold no sound extent are passed over.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn scan_segment(&self, seq: u64) -> Result<Vec<ExtentHeader>, ReadError> {
        let base = seq * self.config.segment_bytes;
        let disk = self.disk(seq).ok_or(ReadError::NoSuchAddress(base))?;
        let len = disk.len()?;
        let mut at = BLOCK;
        let mut found = Vec::new();
        let mut head = [0; EXTENT_HEADER];
        while at + EXTENT_HEADER as u64 <= len {
            disk.read_at(&mut head, at)?;
            match ExtentHeader::decode(&head).filter(|h| h.addr.0 == base + at && at + h.extent() <= len) {
                Some(header) => {
                    at += header.extent();
                    found.push(header);
                }
                None => at += BLOCK,
            }
        }
        Ok(found)
    }

    /// Removes segment `seq`, in which nothing is alive. False for the newest one and for one that is not in use.
    ///
    /// # Errors
    /// Any error of the host.
    pub fn remove_segment(&self, seq: u64) -> io::Result<bool> {
        {
            let mut segments = self.segments.write();
            if segments.keys().next_back() == Some(&seq) || segments.remove(&seq).is_none() {
                return Ok(false);
            }
        }
        self.dasd.remove(&self.name(seq))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultyDasd;

    fn config() -> VolumeConfig {
        VolumeConfig { prefix: "VOL".into(), segment_bytes: 8 * BLOCK }
    }

    #[test]
    fn extents_survive_a_crash_and_are_found_by_a_walk() {
        let dasd = FaultyDasd::new();
        let volume = Volume::open(Arc::new(dasd.clone()), config()).unwrap();
        let bodies: Vec<_> =
            (0..9u64).map(|i| (i, Bytes::from(vec![i as u8; 1 + 1000 * i as usize]))).collect();
        let addrs = volume.append(&bodies).unwrap();
        assert!(volume.segments().unwrap().len() > 1);
        let after = dasd.restart(|| 0);
        let volume = Volume::open(Arc::new(after), config()).unwrap();
        for ((id, body), addr) in bodies.iter().zip(&addrs) {
            assert_eq!(volume.read(*addr, 0, body.len()).unwrap(), body);
            let headers = volume.scan_segment(volume.seq_of(*addr)).unwrap();
            let header = headers.iter().find(|h| h.id == *id).unwrap();
            assert_eq!((header.addr, header.len as usize), (*addr, body.len()));
        }
        let more = volume.append(&[(99, Bytes::from_static(b"x"))]).unwrap();
        assert!(more[0] > *addrs.last().unwrap());
    }

    #[test]
    fn a_segment_goes_but_a_pin_still_reads() {
        let volume = Volume::open(Arc::new(FaultyDasd::new()), config()).unwrap();
        let a = volume.append(&[(1, Bytes::from(vec![7; 20_000]))]).unwrap()[0];
        assert!(!volume.remove_segment(0).unwrap(), "the newest segment stays");
        volume.append(&[(2, Bytes::from(vec![8; 20_000]))]).unwrap();
        let pin = volume.pin(a).unwrap();
        assert!(volume.remove_segment(0).unwrap());
        assert!(volume.read(a, 0, 1).is_err());
        assert_eq!(volume.read_pinned(&pin, a, 19_999, 1).unwrap(), vec![7]);
    }

    /// The names and contents of all segments, and a volume with one extent in its only one.
    fn one_extent() -> (FaultyDasd, VolAddr) {
        let dasd = FaultyDasd::new();
        let volume = Volume::open(Arc::new(dasd.clone()), config()).unwrap();
        let addr = volume.append(&[(7, Bytes::from(vec![7; 5000]))]).unwrap()[0];
        (dasd, addr)
    }

    #[test]
    fn a_damaged_header_costs_nothing_of_what_is_behind_it() {
        for at in 0..28 {
            let (dasd, addr) = one_extent();
            dasd.flip_bit("VOL000000", at, 3);
            let volume = Volume::open(Arc::new(dasd.clone()), config()).unwrap();
            assert_eq!(volume.mended(), ["VOL000000"], "octet {at}");
            assert_eq!(volume.read(addr, 0, 5000).unwrap(), vec![7; 5000]);
            let volume = Volume::open(Arc::new(dasd), config()).unwrap();
            assert!(volume.mended().is_empty(), "the header is whole again");
            assert_eq!(volume.read(addr, 0, 5000).unwrap(), vec![7; 5000]);
        }
    }

    #[test]
    fn a_half_made_segment_goes_and_other_files_are_left_alone() {
        let (dasd, addr) = one_extent();
        let whole = dasd.contents("VOL000000").unwrap();
        for (name, octets) in
            [("VOL000001", &whole[..100]), ("VOL000000.BAK", &whole), ("VOL2", &whole), ("VOL000003", &whole)]
        {
            dasd.create(name).unwrap().write_at(octets, 0).unwrap();
        }
        let volume = Volume::open(Arc::new(dasd.clone()), config()).unwrap();
        assert_eq!(dasd.list().unwrap(), ["VOL000000", "VOL000000.BAK", "VOL000003", "VOL2"]);
        assert_eq!(volume.segments().unwrap().len(), 1);
        let next = volume.append(&[(8, Bytes::from_static(b"x"))]).unwrap()[0];
        assert_eq!(volume.seq_of(next), volume.seq_of(addr), "it goes on where it was");
        let further = volume.append(&[(9, Bytes::from(vec![9; 25_000]))]).unwrap()[0];
        assert_eq!(volume.seq_of(further), 4, "a name that is taken is passed over");
    }

    #[test]
    fn a_lost_segment_has_no_successor_of_its_number() {
        let (dasd, addr) = one_extent();
        dasd.remove("VOL000000").unwrap();
        let volume = Volume::open(Arc::new(dasd), config()).unwrap();
        volume.pass_over(3);
        let next = volume.append(&[(8, Bytes::from(vec![8; 5000]))]).unwrap()[0];
        assert_eq!(volume.seq_of(next), 4);
        assert!(volume.read(addr, 0, 5000).is_err());
    }

    #[test]
    fn the_largest_extent_fits_and_one_more_octet_does_not() {
        let volume = Volume::open(Arc::new(FaultyDasd::new()), config()).unwrap();
        let max = volume.max_extent() as usize;
        assert!(volume.append(&[(1, Bytes::from(vec![0; max]))]).is_ok());
        assert!(volume.append(&[(1, Bytes::from(vec![0; max + 1]))]).is_err());
        assert!(
            volume.append(&[(1, Bytes::from_static(b"a"))]).is_ok(),
            "a refusal does not take it offline"
        );
    }
}
