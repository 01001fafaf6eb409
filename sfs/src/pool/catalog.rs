//! The catalog (storage group 1): its tables, keys and records.
//!
//! | table | key | record |
//! |---|---|---|
//! | `meta` | name | one number |
//! | `space` | file space name | [`SpaceRec`] |
//! | `dir` | parent directory, level name | [`DirRec`] |
//! | `entry` | directory, file name, file type | [`FileRec`] |
//! | `page` | file, number of the first record | records of a file of short records: [`super::page`] |
//! | `body` | body number | [`BodyRec`] |
//! | `row` | kind, then as the kind says | aliases, external objects, authorities, locks, ...: [`super::row`] |
//! | `live` | storage kind, segment | octets of living bodies in that segment |
//!
//! Numbers in keys are big-endian, so that keys sort; names are padded with blanks to their full width. Every record
//! begins with its version. Directory, file and body numbers are never used twice.

use std::sync::Arc;

use redb::TableDefinition;
use smallvec::SmallVec;

use super::checksum::checksum;
use super::codec::{Malformed, Reader, Writer};
use crate::types::{EntryType, FileId, FileStatus, ModeNumber, RecordFormat, Stamp, StorageGroup};

pub(crate) const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
pub(crate) const SPACE: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("space");
pub(crate) const DIR: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("dir");
pub(crate) const ENTRY: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("entry");
/// Of versions 1 to 3: a row for each record.
pub(crate) const RECORD: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("record");
pub(crate) const PAGE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("page");
pub(crate) const BODY: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("body");
pub(crate) const LIVE: TableDefinition<'static, (u8, u64), i64> = TableDefinition::new("live");

/// What is kept beside files: see [`super::row`].
pub(crate) const ROW: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("row");

/// `meta`: version of the catalog.
pub(crate) const META_VERSION: &str = "version";
/// `meta`: position from which the log is redone.
pub(crate) const META_REDO: &str = "redo";
/// `meta`: the next number for a directory, file or body.
pub(crate) const META_NEXT: &str = "next";
/// Version of the catalog that this program writes.
pub(crate) const CATALOG_VERSION: u64 = 5;
const RECORD_VERSION: u8 = 1;
/// Version of file records: 2 brought object number, date of reference, RECOVER and INPLACE.
const FILE_VERSION: u8 = 2;
/// Version of file space records: 2 brought the storage group.
const SPACE_VERSION: u8 = 2;

/// Octets of a file space record beside its label.
const SPACE_FIXED: usize = 40;
/// Octets of a file record in front of its slices, and of each slice.
const FILE_HEAD: usize = 63;
const SLICE: usize = 16;
/// Octets of a body record in front of its checksums.
const BODY_HEAD: usize = 18;

/// Octets covered by one checksum of a body: a partial read verifies at most this much more than it returns.
pub(crate) const CRC_CHUNK: usize = 64 << 10;

/// Number of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DirId(pub(crate) u64);
/// Number of a file: a replaced file gets a new one, a renamed one keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileNo(pub(crate) u64);
/// Number of a body: octets stored once, shared by the files that name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BodyId(pub(crate) u64);

/// A file name and type, or a directory level, at its full width of 16.
pub(crate) type Name16 = [u8; 16];

pub(crate) fn file_key(id: FileId) -> Name16 {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&id.name.padded());
    key[8..].copy_from_slice(&id.kind.padded());
    key
}

pub(crate) fn file_id(key: &[u8]) -> Result<FileId, Malformed> {
    let bad = Malformed("directory entry key");
    let text = std::str::from_utf8(key).map_err(|_| bad)?;
    let (name, kind) = text.split_at_checked(8).ok_or(bad)?;
    let name = cp::name::FileName::new(name.trim_end()).map_err(|_| bad)?;
    let kind = cp::name::FileType::new(kind.trim_end()).map_err(|_| bad)?;
    Ok(FileId { name, kind })
}

/// `None` when `level` is no directory level name.
pub(crate) fn level_key(level: &str) -> Option<Name16> {
    let bytes = level.as_bytes();
    if bytes.is_empty() || bytes.len() > 16 {
        return None;
    }
    let mut key = [b' '; 16];
    key[..bytes.len()].copy_from_slice(bytes);
    Some(key)
}

pub(crate) fn level_name(key: &[u8]) -> String {
    String::from_utf8_lossy(key).trim_end().to_owned()
}

pub(crate) fn named_key(dir: DirId, name: Name16) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&dir.0.to_be_bytes());
    key[8..].copy_from_slice(&name);
    key
}

pub(crate) fn record_key(file: FileNo, number: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&file.0.to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

/// Which storage a body lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Storage {
    Log,
    Volume,
}

impl Storage {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Log => 0,
            Self::Volume => 1,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Log),
            1 => Some(Self::Volume),
            _ => None,
        }
    }
}

/// A file space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpaceRec {
    pub(crate) top: DirId,
    pub(crate) limit: u64,
    pub(crate) used: u64,
    pub(crate) threshold: u8,
    pub(crate) created: Stamp,
    /// Free text: the label of a minidisk.
    pub(crate) label: String,
    pub(crate) group: StorageGroup,
}

impl SpaceRec {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(SPACE_FIXED + self.label.len());
        w.u8(SPACE_VERSION);
        w.u64(self.top.0);
        w.u64(self.limit);
        w.u64(self.used);
        w.u8(self.threshold);
        w.i64(self.created.0);
        w.bytes(self.label.as_bytes());
        w.raw(&self.group.get().to_le_bytes());
        w.out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new("file space record", bytes);
        let version = r.u8()?;
        if !(RECORD_VERSION..=SPACE_VERSION).contains(&version) {
            return Err(r.malformed());
        }
        let mut rec = Self {
            top: DirId(r.u64()?),
            limit: r.u64()?,
            used: r.u64()?,
            threshold: r.u8()?,
            created: Stamp(r.i64()?),
            label: String::from_utf8(r.bytes()?.to_vec()).map_err(|_| r.malformed())?,
            group: StorageGroup::FIRST,
        };
        if version >= SPACE_VERSION {
            rec.group = StorageGroup::new(u16::from_le_bytes(r.array()?)).ok_or(r.malformed())?;
        }
        r.end()?;
        Ok(rec)
    }
}

fn check_version(r: &mut Reader<'_>) -> Result<(), Malformed> {
    if r.u8()? == RECORD_VERSION { Ok(()) } else { Err(r.malformed()) }
}

/// A directory below a top directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirRec {
    pub(crate) id: DirId,
    pub(crate) created: Stamp,
}

impl DirRec {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.u8(RECORD_VERSION);
        w.u64(self.id.0);
        w.i64(self.created.0);
        w.out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new("directory record", bytes);
        check_version(&mut r)?;
        let rec = Self { id: DirId(r.u64()?), created: Stamp(r.i64()?) };
        r.end()?;
        Ok(rec)
    }
}

/// A stretch of a body that is a stretch of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) body: BodyId,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

/// The stretches of a file: mostly one.
pub(crate) type Slices = SmallVec<[Slice; 1]>;

/// Number of a file as an object: kept when its content is replaced as a whole, so that authorities, aliases and locks stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectNo(pub(crate) u64);

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileRec {
    pub(crate) file: FileNo,
    pub(crate) object: ObjectNo,
    pub(crate) recfm: RecordFormat,
    /// Its records stand in the `page` table; `slices` is empty.
    pub(crate) keyed: bool,
    /// RECOVER.
    pub(crate) recover: bool,
    /// INPLACE.
    pub(crate) in_place: bool,
    pub(crate) mode: ModeNumber,
    pub(crate) lrecl: u32,
    pub(crate) records: u32,
    pub(crate) bytes: u64,
    pub(crate) created: Stamp,
    pub(crate) updated: Stamp,
    pub(crate) referenced: Stamp,
    pub(crate) slices: Slices,
}

impl FileRec {
    pub(crate) fn blocks(&self) -> u64 {
        self.bytes.div_ceil(crate::types::BLOCK)
    }

    pub(crate) fn status(&self, id: FileId) -> FileStatus {
        FileStatus {
            id,
            mode: self.mode,
            recfm: self.recfm,
            lrecl: self.lrecl,
            records: self.records,
            blocks: self.blocks(),
            bytes: self.bytes,
            created: self.created,
            updated: self.updated,
            unique: self.file.0,
            entry: EntryType::Base,
            referenced: self.referenced,
            recover: self.recover,
            in_place: self.in_place,
            readable: true,
            writable: true,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(FILE_HEAD + self.slices.len() * SLICE);
        self.write(&mut w);
        w.out
    }

    /// [`Self::encode`] behind other things.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.u8(FILE_VERSION);
        w.u64(self.file.0);
        let flags = [self.recfm == RecordFormat::Variable, self.keyed, !self.recover, self.in_place];
        w.u8(flags.iter().rev().fold(0, |bits, flag| bits << 1 | u8::from(*flag)));
        w.u8(self.mode.get());
        w.u32(self.lrecl);
        w.u32(self.records);
        w.u64(self.bytes);
        w.i64(self.created.0);
        w.i64(self.updated.0);
        w.u64(self.object.0);
        w.i64(self.referenced.0);
        w.u32(self.slices.len() as u32);
        for slice in &self.slices {
            w.u64(slice.body.0);
            w.u32(slice.offset);
            w.u32(slice.len);
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new("file record", bytes);
        let version = r.u8()?;
        if !(RECORD_VERSION..=FILE_VERSION).contains(&version) {
            return Err(r.malformed());
        }
        let file = FileNo(r.u64()?);
        let flags = r.u8()?;
        let recfm = if flags & 1 == 0 { RecordFormat::Fixed } else { RecordFormat::Variable };
        let mode = ModeNumber::new(r.u8()?).ok_or(r.malformed())?;
        let mut rec = Self {
            file,
            object: ObjectNo(file.0),
            recfm,
            keyed: flags & 2 != 0,
            recover: flags & 4 == 0,
            in_place: flags & 8 != 0,
            mode,
            lrecl: r.u32()?,
            records: r.u32()?,
            bytes: r.u64()?,
            created: Stamp(r.i64()?),
            updated: Stamp(r.i64()?),
            referenced: Stamp::default(),
            slices: Slices::new(),
        };
        rec.referenced = rec.updated;
        if version >= FILE_VERSION {
            rec.object = ObjectNo(r.u64()?);
            rec.referenced = Stamp(r.i64()?);
        }
        for _ in 0..r.u32()? {
            rec.slices.push(Slice { body: BodyId(r.u64()?), offset: r.u32()?, len: r.u32()? });
        }
        r.end()?;
        Ok(rec)
    }
}

/// Where a body lies, how many file stretches name it, and its checksums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BodyRec {
    pub(crate) refs: u32,
    pub(crate) storage: Storage,
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) crcs: Vec<u32>,
}

impl BodyRec {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(BODY_HEAD + self.crcs.len() * 4);
        self.write(&mut w);
        w.out
    }

    /// [`Self::encode`] behind other things.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.u8(RECORD_VERSION);
        w.u32(self.refs);
        w.u8(self.storage.code());
        w.u64(self.addr);
        w.u32(self.len);
        for crc in &self.crcs {
            w.u32(*crc);
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new("body record", bytes);
        check_version(&mut r)?;
        let refs = r.u32()?;
        let storage = Storage::from_code(r.u8()?).ok_or(r.malformed())?;
        let mut rec = Self { refs, storage, addr: r.u64()?, len: r.u32()?, crcs: Vec::new() };
        for _ in 0..(rec.len as usize).div_ceil(CRC_CHUNK) {
            rec.crcs.push(r.u32()?);
        }
        r.end()?;
        Ok(rec)
    }
}

/// Where the count of references stands in an encoded record.
const REFS: std::ops::Range<usize> = 1..5;

/// An encoded body record after its references were counted again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Nothing names it any more; it lay there.
    Gone(Extent),
    /// What its record is now.
    Kept(Arc<[u8]>),
}

/// Where a body lies, and its octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) storage: Storage,
    pub(crate) addr: u64,
    pub(crate) len: u32,
}

impl BodyRec {
    /// Counts references of an encoded record, without taking apart what stays.
    pub(crate) fn counted(row: &[u8], delta: i32) -> Result<Counted, Malformed> {
        let mut r = Reader::new("body record", row);
        check_version(&mut r)?;
        let refs = r.u32()?.saturating_add_signed(delta);
        if refs == 0 {
            let storage = Storage::from_code(r.u8()?).ok_or(r.malformed())?;
            return Ok(Counted::Gone(Extent { storage, addr: r.u64()?, len: r.u32()? }));
        }
        let mut changed: Arc<[u8]> = row.into();
        // Nobody else has it yet, and the version and the count were read from it.
        if let Some(count) = Arc::get_mut(&mut changed).and_then(|row| row.get_mut(REFS)) {
            count.copy_from_slice(&refs.to_le_bytes());
        }
        Ok(Counted::Kept(changed))
    }

    /// Where it lies.
    pub(crate) fn extent(&self) -> Extent {
        Extent { storage: self.storage, addr: self.addr, len: self.len }
    }
}

/// The checksums of a body, one for each [`CRC_CHUNK`].
pub(crate) fn checksums(body: &[u8]) -> Vec<u32> {
    body.chunks(CRC_CHUNK).map(checksum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_octets_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let mut versioned = vec![RECORD_VERSION];
            versioned.extend_from_slice(&bytes);
            let _ = SpaceRec::decode(&versioned);
            let _ = DirRec::decode(&versioned);
            let _ = FileRec::decode(&versioned);
            let _ = BodyRec::decode(&versioned);
            let _ = file_id(&bytes);
        }

        #[test]
        fn records_read_back(a: u64, b: u64, n: u32, len in 0u32..300_000, stamp: i64, keyed: bool, label in "[A-Z0-9]{0,6}") {
            let space = SpaceRec { top: DirId(a), limit: b, used: a, threshold: 90, created: Stamp(stamp), label,
                group: StorageGroup::new(keyed as u16 + 2).unwrap() };
            prop_assert_eq!(space.encode().len(), SPACE_FIXED + space.label.len());
            prop_assert_eq!(SpaceRec::decode(&space.encode()).unwrap(), space);
            let file = FileRec {
                file: FileNo(a), object: ObjectNo(b), recover: keyed, in_place: !keyed, referenced: Stamp(stamp),
                recfm: RecordFormat::Variable, keyed, mode: ModeNumber::new(2).unwrap(), lrecl: n, records: n,
                bytes: b, created: Stamp(stamp), updated: Stamp(stamp),
                slices: vec![Slice { body: BodyId(b), offset: n, len }; (n % 4) as usize].into(),
            };
            prop_assert_eq!(file.encode().len(), FILE_HEAD + file.slices.len() * SLICE);
            prop_assert_eq!(FileRec::decode(&file.encode()).unwrap(), file);
            let crcs = vec![n; (len as usize).div_ceil(CRC_CHUNK)];
            let body = BodyRec { refs: n, storage: Storage::Volume, addr: b, len, crcs };
            prop_assert_eq!(body.encode().len(), BODY_HEAD + body.crcs.len() * 4);
            prop_assert_eq!(BodyRec::decode(&body.encode()).unwrap(), body.clone());
            let counted = |delta| BodyRec::counted(&body.encode(), delta).unwrap();
            let expect = |refs| match refs {
                0 => Counted::Gone(body.extent()),
                refs => Counted::Kept(BodyRec { refs, ..body.clone() }.encode().into()),
            };
            prop_assert_eq!(counted(7), expect(n.saturating_add(7)));
            prop_assert_eq!(counted(-7), expect(n.saturating_sub(7)));
            prop_assert_eq!(BodyRec::counted(&body.encode(), i32::MIN).unwrap(), expect(n.saturating_sub(1 << 31)));
        }
    }

    #[test]
    fn names_read_back_from_their_keys() {
        let id = FileId { name: "A".parse().unwrap(), kind: "NOTE".parse().unwrap() };
        assert_eq!(file_id(&file_key(id)).unwrap(), id);
        assert_eq!(level_name(&level_key("INBOX").unwrap()), "INBOX");
        assert!(level_key("").is_none());
        assert!(level_key("A2345678901234567").is_none());
    }
}
