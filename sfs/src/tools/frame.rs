//! Frames of a backup.
//!
//! | backup | octets | | frame | octets |
//! |---|---|---|---|---|
//! | magic `SFSBKUP\x01` | 8 | | kind | 1 |
//! | frames, the last one of kind 8 | | | length of the item | 4 |
//! | | | | CRC32C of kind and item | 4 |
//! | | | | item | |
//!
//! Kinds 1 and 3 are those of earlier versions, without storage group and without date of reference: they are read, not written.

use std::io::{ErrorKind, Read, Write};

use bytes::Bytes;
use cp::name::{FileName, FileType, UserId};
use crc_fast::{CrcAlgorithm, Digest};

use super::ToolError;
use crate::pool::codec::{Malformed, Reader, Writer};
use crate::pool::row;
use crate::types::{
    DirControl, DisableInfo, EntryType, FileId, FileStatus, Grantee, LockDuration, LockInfo, Minidisk,
    ModeNumber, PoolPart, RecordFormat, Rights, Stamp, StorageGroup,
};

const MAGIC: [u8; 8] = *b"SFSBKUP\x01";
/// Greatest item: a piece of data, and names.
const MAX_ITEM: usize = 2 << 20;

/// A file space without what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpaceItem {
    pub(crate) name: String,
    pub(crate) limit: u64,
    pub(crate) threshold: u8,
    pub(crate) label: String,
    pub(crate) group: StorageGroup,
}

/// A file without its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileItem {
    pub(super) levels: Vec<String>,
    pub(super) status: FileStatus,
}

/// File space, directory levels and name of a base file.
pub(crate) type BasePath = (String, Vec<String>, FileId);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Space(SpaceItem),
    Directory {
        levels: Vec<String>,
        control: DirControl,
    },
    File(FileItem),
    /// A piece of the image of the file before.
    Data(Bytes),
    Alias {
        levels: Vec<String>,
        id: FileId,
        base: Option<BasePath>,
    },
    External {
        levels: Vec<String>,
        id: FileId,
        data: Vec<u8>,
    },
    Grant {
        levels: Vec<String>,
        id: Option<FileId>,
        to: Grantee,
        rights: Rights,
    },
    /// A LASTING lock.
    Lock {
        levels: Vec<String>,
        id: Option<FileId>,
        lock: LockInfo,
    },
    /// A minidisk of the pool; before all file spaces.
    Minidisk(Minidisk),
    /// A storage group or file space that is disabled; behind all file spaces.
    Disabled(PoolPart, DisableInfo),
    /// Whether PUBLIC is enrolled; behind all file spaces.
    Public(bool),
    /// The end, with the number of files.
    End(u64),
}

fn put_text(w: &mut Writer, text: &str) {
    w.bytes(text.as_bytes());
}

fn put_levels(w: &mut Writer, levels: &[String]) {
    w.u8(levels.len() as u8);
    levels.iter().for_each(|l| put_text(w, l));
}

fn put_id(w: &mut Writer, id: FileId) {
    put_text(w, id.name.as_str());
    put_text(w, id.kind.as_str());
}

fn text(r: &mut Reader<'_>) -> Result<String, Malformed> {
    String::from_utf8(r.bytes()?.to_vec()).map_err(|_| r.malformed())
}

fn levels(r: &mut Reader<'_>) -> Result<Vec<String>, Malformed> {
    (0..r.u8()?).map(|_| text(r)).collect()
}

fn id(r: &mut Reader<'_>) -> Result<FileId, Malformed> {
    let name = FileName::new(&text(r)?).map_err(|_| r.malformed())?;
    let kind = FileType::new(&text(r)?).map_err(|_| r.malformed())?;
    Ok(FileId { name, kind })
}

impl Item {
    fn encode(&self) -> (u8, Vec<u8>) {
        let mut w = Writer::default();
        let kind = match self {
            Self::Space(space) => {
                put_text(&mut w, &space.name);
                w.u64(space.limit);
                w.u8(space.threshold);
                put_text(&mut w, &space.label);
                w.raw(&space.group.get().to_le_bytes());
                9
            }
            Self::Directory { levels, control } => {
                put_levels(&mut w, levels);
                w.u8(u8::from(*control == DirControl::Directory));
                2
            }
            Self::File(file) => {
                put_levels(&mut w, &file.levels);
                put_status(&mut w, &file.status);
                w.i64(file.status.referenced.0);
                10
            }
            Self::Data(data) => {
                w.raw(data);
                4
            }
            Self::Alias { levels, id, base } => {
                put_levels(&mut w, levels);
                put_id(&mut w, *id);
                w.u8(u8::from(base.is_some()));
                if let Some((space, levels, id)) = base {
                    put_text(&mut w, space);
                    put_levels(&mut w, levels);
                    put_id(&mut w, *id);
                }
                5
            }
            Self::External { levels, id, data } => {
                put_levels(&mut w, levels);
                put_id(&mut w, *id);
                w.bytes(data);
                6
            }
            Self::Grant { levels, id, to, rights } => {
                put_levels(&mut w, levels);
                w.u8(u8::from(id.is_some()));
                if let Some(id) = id {
                    put_id(&mut w, *id);
                }
                match to {
                    Grantee::Public => put_text(&mut w, ""),
                    Grantee::User(user) => put_text(&mut w, user.as_str()),
                }
                w.u8(rights.bits());
                7
            }
            Self::Lock { levels, id, lock } => {
                put_levels(&mut w, levels);
                w.u8(u8::from(id.is_some()));
                if let Some(id) = id {
                    put_id(&mut w, *id);
                }
                put_text(&mut w, lock.user.as_str());
                w.bytes(&row::lock_row(lock.kind, lock.created));
                11
            }
            Self::Minidisk(minidisk) => {
                let (key, value) = row::minidisk(minidisk);
                w.bytes(&key);
                w.bytes(&value);
                12
            }
            Self::Disabled(part, info) => {
                w.bytes(&row::disabled_key(part));
                w.bytes(&row::disabled_row(info));
                13
            }
            Self::Public(enrolled) => {
                w.u8(u8::from(*enrolled));
                14
            }
            Self::End(files) => {
                w.u64(*files);
                8
            }
        };
        (kind, w.out)
    }

    fn decode(kind: u8, item: &Bytes) -> Result<Self, Malformed> {
        if kind == 4 {
            return Ok(Self::Data(item.clone()));
        }
        let mut r = Reader::new("item of a backup", item);
        let decoded = match kind {
            1 => Self::Space(space(&mut r)?),
            9 => {
                let group = space(&mut r)?;
                let number = u16::from_le_bytes(r.array()?);
                Self::Space(SpaceItem { group: StorageGroup::new(number).ok_or(r.malformed())?, ..group })
            }
            10 => {
                let mut file = FileItem { levels: levels(&mut r)?, status: status(&mut r)? };
                file.status.referenced = Stamp(r.i64()?);
                Self::File(file)
            }
            11 => {
                let levels = levels(&mut r)?;
                let file = if r.u8()? == 0 { None } else { Some(id(&mut r)?) };
                let user = UserId::new(&text(&mut r)?).map_err(|_| r.malformed())?;
                let (kind, created) = row::read_lock(r.bytes()?)?;
                let lock = LockInfo { user, kind, duration: LockDuration::Lasting, created };
                Self::Lock { levels, id: file, lock }
            }
            12 => {
                let key = r.bytes()?;
                Self::Minidisk(row::read_minidisk(key, r.bytes()?)?)
            }
            13 => {
                let part = row::disabled_part(r.bytes()?)?;
                Self::Disabled(part, row::read_disabled(r.bytes()?)?)
            }
            14 => Self::Public(match r.u8()? {
                0 => false,
                1 => true,
                _ => return Err(r.malformed()),
            }),
            2 => {
                let levels = levels(&mut r)?;
                let control = if r.u8()? == 0 { DirControl::File } else { DirControl::Directory };
                Self::Directory { levels, control }
            }
            3 => Self::File(FileItem { levels: levels(&mut r)?, status: status(&mut r)? }),
            5 => {
                let (levels, alias) = (levels(&mut r)?, id(&mut r)?);
                let base = match r.u8()? {
                    0 => None,
                    _ => Some((text(&mut r)?, self::levels(&mut r)?, id(&mut r)?)),
                };
                Self::Alias { levels, id: alias, base }
            }
            6 => Self::External { levels: levels(&mut r)?, id: id(&mut r)?, data: r.bytes()?.to_vec() },
            7 => {
                let levels = levels(&mut r)?;
                let file = if r.u8()? == 0 { None } else { Some(id(&mut r)?) };
                let to = match text(&mut r)?.as_str() {
                    "" => Grantee::Public,
                    user => Grantee::User(UserId::new(user).map_err(|_| r.malformed())?),
                };
                let rights = Rights::from_bits(r.u8()?).ok_or(r.malformed())?;
                Self::Grant { levels, id: file, to, rights }
            }
            8 => Self::End(r.u64()?),
            _ => return Err(r.malformed()),
        };
        r.end()?;
        Ok(decoded)
    }
}

fn space(r: &mut Reader<'_>) -> Result<SpaceItem, Malformed> {
    let (name, limit, threshold) = (text(r)?, r.u64()?, r.u8()?);
    Ok(SpaceItem { name, limit, threshold, label: text(r)?, group: StorageGroup::FIRST })
}

fn put_status(w: &mut Writer, s: &FileStatus) {
    put_id(w, s.id);
    let flags = [s.recfm == RecordFormat::Variable, !s.recover, s.in_place];
    w.u8(flags.iter().rev().fold(0, |bits, flag| bits << 1 | u8::from(*flag)));
    w.u8(s.mode.get());
    w.u32(s.lrecl);
    w.u32(s.records);
    w.u64(s.bytes);
    w.i64(s.created.0);
    w.i64(s.updated.0);
}

fn status(r: &mut Reader<'_>) -> Result<FileStatus, Malformed> {
    let id = id(r)?;
    let flags = r.u8()?;
    let mode = ModeNumber::new(r.u8()?).ok_or(r.malformed())?;
    let (lrecl, records, bytes) = (r.u32()?, r.u32()?, r.u64()?);
    let (created, updated) = (Stamp(r.i64()?), Stamp(r.i64()?));
    Ok(FileStatus {
        id,
        mode,
        recfm: if flags & 1 == 0 { RecordFormat::Fixed } else { RecordFormat::Variable },
        lrecl,
        records,
        blocks: bytes.div_ceil(crate::types::BLOCK),
        bytes,
        created,
        updated,
        unique: 0,
        entry: EntryType::Base,
        referenced: updated,
        recover: flags & 2 == 0,
        in_place: flags & 4 != 0,
        readable: true,
        writable: true,
    })
}

/// Writes frames.
pub(super) struct Frames<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Frames<'a> {
    pub(super) fn begin(out: &'a mut dyn Write) -> Result<Self, ToolError> {
        out.write_all(&MAGIC)?;
        Ok(Self { out })
    }

    pub(super) fn put(&mut self, item: &Item) -> Result<(), ToolError> {
        let (kind, item) = item.encode();
        self.out.write_all(&[kind])?;
        // Bounded by a piece of data or by names.
        self.out.write_all(&(item.len() as u32).to_le_bytes())?;
        self.out.write_all(&checksum(kind, &item).to_le_bytes())?;
        Ok(self.out.write_all(&item)?)
    }

    pub(super) fn finish(self) -> Result<(), ToolError> {
        Ok(self.out.flush()?)
    }
}

fn checksum(kind: u8, item: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&[kind]);
    digest.update(item);
    // A CRC of 32 bits.
    digest.finalize() as u32
}

/// Reads frames one by one.
pub(super) struct Items<'a> {
    input: &'a mut (dyn Read + Send),
}

impl<'a> Items<'a> {
    pub(super) fn begin(input: &'a mut (dyn Read + Send)) -> Result<Self, ToolError> {
        let mut magic = [0; 8];
        fill(input, &mut magic)?;
        if magic == MAGIC { Ok(Self { input }) } else { Err(ToolError::Damaged("it does not begin as one")) }
    }

    pub(super) fn next(&mut self) -> Result<Item, ToolError> {
        next(self.input)
    }
}

fn fill(input: &mut dyn Read, buf: &mut [u8]) -> Result<(), ToolError> {
    input.read_exact(buf).map_err(|e| match e.kind() {
        ErrorKind::UnexpectedEof => ToolError::Damaged("it is cut short"),
        _ => e.into(),
    })
}

fn next(input: &mut dyn Read) -> Result<Item, ToolError> {
    let mut head = [0; 9];
    fill(input, &mut head)?;
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let len = number(1) as usize;
    if len > MAX_ITEM {
        return Err(ToolError::Damaged("an item is too long"));
    }
    let mut item = vec![0; len];
    fill(input, &mut item)?;
    if checksum(head[0], &item) != number(5) {
        return Err(ToolError::Damaged("a checksum is wrong"));
    }
    Item::decode(head[0], &Bytes::from(item)).map_err(|_| ToolError::Damaged("an item is malformed"))
}

/// Calls `f` with every item but the end.
pub(super) fn each(
    input: &mut dyn Read,
    mut f: impl FnMut(Item) -> Result<(), ToolError>,
) -> Result<(), ToolError> {
    let mut magic = [0; 8];
    fill(input, &mut magic)?;
    if magic != MAGIC {
        return Err(ToolError::Damaged("it does not begin as one"));
    }
    loop {
        match next(input)? {
            Item::End(_) => return Ok(()),
            item => f(item)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_earlier_versions_are_read() {
        let group = StorageGroup::new(7).unwrap();
        let space = SpaceItem { name: "JOE".into(), limit: 5, threshold: 90, label: String::new(), group };
        let (kind, bytes) = Item::Space(space.clone()).encode();
        let decode = |kind, bytes: &[u8]| Item::decode(kind, &Bytes::copy_from_slice(bytes)).unwrap();
        assert_eq!(decode(kind, &bytes), Item::Space(space.clone()));
        let first = SpaceItem { group: StorageGroup::FIRST, ..space };
        assert_eq!(decode(1, &bytes[..bytes.len() - 2]), Item::Space(first));
        let mut w = Writer::default();
        put_levels(&mut w, &[]);
        let id = FileId::new("A".parse().unwrap(), "FILE".parse().unwrap());
        put_text(&mut w, id.name.as_str());
        put_text(&mut w, id.kind.as_str());
        w.u8(0);
        w.u8(1);
        w.u32(80);
        w.u32(2);
        w.u64(160);
        w.i64(3);
        w.i64(4);
        let Item::File(old) = decode(3, &w.out) else { panic!("no file") };
        assert_eq!(old.status.referenced, Stamp(4));
        w.i64(2);
        let Item::File(new) = decode(10, &w.out) else { panic!("no file") };
        assert_eq!(new.status.referenced, Stamp(2));
        assert_eq!(Item::File(new).encode(), (10, w.out));
    }
}
