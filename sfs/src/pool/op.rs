//! The redo record of a commit: what it changes in the catalog, and the bodies it brings.
//!
//! | log entry, direct | octets | | log entry, indirect | octets |
//! |---|---|---|---|---|
//! | 0 | 1 | | 1 | 1 |
//! | length of the changes | 4 | | number of extents n | 4 |
//! | changes | | | n times: volume address, length, CRC32C | 8 + 4 + 4 |
//! | bodies, one behind the other | | | | |
//!
//! An indirect entry is a commit too large for one log segment: its changes stand in extents of the volume that were synced
//! before the entry was queued. Changes are replayed exactly once, because the position in the log and the changes up to it are
//! committed to the catalog together.

use bytes::Bytes;
use dasd::VolAddr;

use super::catalog::{
    BodyId, BodyRec, DirId, DirRec, FileNo, FileRec, Name16, SpaceRec, Storage, file_id, file_key,
};
use super::codec::{Malformed, Reader, Writer};
use super::page;
use super::row::RowKey;
use crate::types::Stamp;

/// One change of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// Enrols a file space, or changes its limit; the count of used blocks of an existing one is kept.
    PutSpace {
        name: String,
        rec: SpaceRec,
    },
    DelSpace {
        name: String,
    },
    /// Adds to the count of used blocks.
    Charge {
        name: String,
        delta: i64,
    },
    PutDir {
        parent: DirId,
        name: Name16,
        rec: DirRec,
    },
    DelDir {
        parent: DirId,
        name: Name16,
    },
    PutFile {
        dir: DirId,
        name: Name16,
        /// By itself: the other changes are short, and of these there are many in a commit.
        rec: Box<FileRec>,
    },
    DelFile {
        dir: DirId,
        name: Name16,
    },
    /// A new body. In the log: `rec.addr` counts from the first body of the entry.
    PutBody {
        id: BodyId,
        rec: BodyRec,
    },
    /// More or fewer references; the last one gone frees the body.
    RefBody {
        id: BodyId,
        delta: i32,
    },
    /// A body has been copied; of no effect when it is not at `from` any more.
    MoveBody {
        id: BodyId,
        from: (Storage, u64),
        to: u64,
    },
    /// Neighbouring records from number `first` on.
    PutRecords {
        file: FileNo,
        first: u32,
        lrecl: u32,
        data: Bytes,
    },
    /// Removes the records numbered `from` and above.
    CutRecords {
        file: FileNo,
        from: u32,
    },
    /// Sets a row beside the files; `None` removes it.
    Row {
        key: RowKey,
        value: Option<Vec<u8>>,
    },
    /// Removes all rows whose key begins so.
    DropRows {
        prefix: RowKey,
    },
    /// A file was referenced that day; of no effect when another file has the name by now.
    Touch {
        dir: DirId,
        name: Name16,
        file: FileNo,
        day: Stamp,
    },
}

const DIRECT: u8 = 0;
const INDIRECT: u8 = 1;
/// Octets in front of the changes of a direct entry.
const HEAD: usize = 5;

/// Octets of most changes that bring something, at most.
const USUAL: usize = 112;
/// Octets of a change that names a file or a body and brings nothing, at most.
const SHORT: usize = 26;

/// Octets that changes take, usually.
fn usual(ops: &[Op]) -> usize {
    let octets = |op: &Op| match op {
        Op::DelFile { .. } | Op::RefBody { .. } | Op::MoveBody { .. } | Op::CutRecords { .. } => SHORT,
        Op::PutRecords { data, .. } => USUAL + data.len(),
        _ => USUAL,
    };
    ops.iter().map(octets).sum()
}

/// Encodes changes alone.
pub(crate) fn encode_ops(ops: &[Op]) -> Vec<u8> {
    let mut w = Writer::with_capacity(usual(ops));
    ops.iter().for_each(|op| encode_op(&mut w, op));
    w.out
}

fn encode_op(w: &mut Writer, op: &Op) {
    match op {
        Op::PutSpace { name, rec } => {
            w.u8(1);
            w.bytes(name.as_bytes());
            w.bytes(&rec.encode());
        }
        Op::DelSpace { name } => {
            w.u8(2);
            w.bytes(name.as_bytes());
        }
        Op::Charge { name, delta } => {
            w.u8(3);
            w.bytes(name.as_bytes());
            w.i64(*delta);
        }
        Op::PutDir { parent, name, rec } => {
            w.u8(4);
            w.u64(parent.0);
            w.raw(name);
            w.bytes(&rec.encode());
        }
        Op::DelDir { parent, name } => {
            w.u8(5);
            w.u64(parent.0);
            w.raw(name);
        }
        Op::PutFile { dir, name, rec } => {
            w.u8(6);
            w.u64(dir.0);
            w.raw(name);
            w.nested(|w| rec.write(w));
        }
        Op::DelFile { dir, name } => {
            w.u8(7);
            w.u64(dir.0);
            w.raw(name);
        }
        Op::PutBody { id, rec } => {
            w.u8(8);
            w.u64(id.0);
            w.nested(|w| rec.write(w));
        }
        Op::RefBody { id, delta } => {
            w.u8(9);
            w.u64(id.0);
            w.raw(&delta.to_le_bytes());
        }
        Op::MoveBody { id, from, to } => {
            w.u8(10);
            w.u64(id.0);
            w.u8(from.0.code());
            w.u64(from.1);
            w.u64(*to);
        }
        Op::CutRecords { file, from } => {
            w.u8(12);
            w.u64(file.0);
            w.u32(*from);
        }
        Op::Row { key, value: Some(value) } => {
            w.u8(13);
            w.bytes(key);
            w.bytes(value);
        }
        Op::Row { key, value: None } => {
            w.u8(14);
            w.bytes(key);
        }
        Op::DropRows { prefix } => {
            w.u8(15);
            w.bytes(prefix);
        }
        Op::Touch { dir, name, file, day } => {
            w.u8(16);
            w.u64(dir.0);
            w.raw(name);
            w.u64(file.0);
            w.i64(day.0);
        }
        Op::PutRecords { file, first, lrecl, data } => {
            w.u8(17);
            w.u64(file.0);
            w.u32(*first);
            w.u32(*lrecl);
            w.bytes(data);
        }
    }
}

/// Decodes what [`encode_ops`] wrote.
///
/// # Errors
/// [`Malformed`].
pub(crate) fn decode_ops(bytes: &Bytes) -> Result<Vec<Op>, Malformed> {
    let mut r = Reader::new("log entry", bytes);
    let mut ops = Vec::new();
    while !r.is_done() {
        ops.push(decode_op(&mut r, bytes)?);
    }
    Ok(ops)
}

fn decode_op(r: &mut Reader<'_>, whole: &Bytes) -> Result<Op, Malformed> {
    Ok(match r.u8()? {
        1 => Op::PutSpace { name: text(r)?, rec: SpaceRec::decode(r.bytes()?)? },
        2 => Op::DelSpace { name: text(r)? },
        3 => Op::Charge { name: text(r)?, delta: r.i64()? },
        4 => Op::PutDir { parent: DirId(r.u64()?), name: r.array()?, rec: DirRec::decode(r.bytes()?)? },
        5 => Op::DelDir { parent: DirId(r.u64()?), name: r.array()? },
        6 => {
            let (dir, name) = (DirId(r.u64()?), r.array()?);
            // Damage that a salvage bears with must not bring names into the catalog that nobody can read back.
            if file_key(file_id(&name)?) != name {
                return Err(r.malformed());
            }
            Op::PutFile { dir, name, rec: Box::new(FileRec::decode(r.bytes()?)?) }
        }
        7 => Op::DelFile { dir: DirId(r.u64()?), name: r.array()? },
        8 => Op::PutBody { id: BodyId(r.u64()?), rec: BodyRec::decode(r.bytes()?)? },
        9 => Op::RefBody { id: BodyId(r.u64()?), delta: i32::from_le_bytes(r.array()?) },
        10 => {
            let id = BodyId(r.u64()?);
            let storage = match r.u8()? {
                0 => Storage::Log,
                1 => Storage::Volume,
                _ => return Err(r.malformed()),
            };
            Op::MoveBody { id, from: (storage, r.u64()?), to: r.u64()? }
        }
        // One record, as programs before catalog version 4 wrote it.
        11 => {
            let (file, first, data) = (FileNo(r.u64()?), r.u32()?, r.bytes()?);
            put_records(file, first, data.len() as u32, whole.slice_ref(data)).ok_or(r.malformed())?
        }
        12 => Op::CutRecords { file: FileNo(r.u64()?), from: r.u32()? },
        13 => Op::Row { key: r.bytes()?.to_vec(), value: Some(r.bytes()?.to_vec()) },
        14 => Op::Row { key: r.bytes()?.to_vec(), value: None },
        15 => Op::DropRows { prefix: r.bytes()?.to_vec() },
        16 => {
            let (dir, name) = (DirId(r.u64()?), r.array()?);
            Op::Touch { dir, name, file: FileNo(r.u64()?), day: Stamp(r.i64()?) }
        }
        17 => {
            let (file, first, lrecl, data) = (FileNo(r.u64()?), r.u32()?, r.u32()?, r.bytes()?);
            put_records(file, first, lrecl, whole.slice_ref(data)).ok_or(r.malformed())?
        }
        _ => return Err(r.malformed()),
    })
}

fn put_records(file: FileNo, first: u32, lrecl: u32, data: Bytes) -> Option<Op> {
    page::is_run(first, lrecl, &data).then_some(Op::PutRecords { file, first, lrecl, data })
}

fn text(r: &mut Reader<'_>) -> Result<String, Malformed> {
    String::from_utf8(r.bytes()?.to_vec()).map_err(|_| r.malformed())
}

/// The front part of a direct entry; the bodies follow it.
pub(crate) fn direct(ops: &[Op]) -> Bytes {
    let mut w = Writer::with_capacity(HEAD + usual(ops));
    w.u8(DIRECT);
    w.nested(|w| ops.iter().for_each(|op| encode_op(w, op)));
    Bytes::from(w.out)
}

/// The changes in what [`direct`] made.
pub(crate) fn direct_changes(head: &Bytes) -> Bytes {
    head.slice(HEAD..)
}

/// An extent of the volume that holds a part of an indirect entry's changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpExtent {
    pub(crate) addr: VolAddr,
    pub(crate) len: u32,
    pub(crate) crc: u32,
}

/// An indirect entry.
pub(crate) fn indirect(extents: &[OpExtent]) -> Bytes {
    let mut w = Writer::default();
    w.u8(INDIRECT);
    w.u32(extents.len() as u32);
    for extent in extents {
        w.u64(extent.addr.0);
        w.u32(extent.len);
        w.u32(extent.crc);
    }
    Bytes::from(w.out)
}

/// A log entry taken apart.
#[derive(Debug)]
pub(crate) enum Payload {
    /// The changes, and the offset of the first body inside the entry.
    Direct {
        ops: Vec<Op>,
        bodies: u64,
    },
    Indirect(Vec<OpExtent>),
}

/// Takes a log entry apart.
///
/// # Errors
/// [`Malformed`].
pub(crate) fn decode_payload(payload: &Bytes) -> Result<Payload, Malformed> {
    let mut r = Reader::new("log entry", payload);
    match r.u8()? {
        DIRECT => {
            let ops = r.bytes()?;
            let bodies = (HEAD + ops.len()) as u64;
            Ok(Payload::Direct { ops: decode_ops(&payload.slice_ref(ops))?, bodies })
        }
        INDIRECT => {
            let mut extents = Vec::new();
            for _ in 0..r.u32()? {
                extents.push(OpExtent { addr: VolAddr(r.u64()?), len: r.u32()?, crc: r.u32()? });
            }
            r.end()?;
            Ok(Payload::Indirect(extents))
        }
        _ => Err(r.malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_op() -> impl Strategy<Value = Op> {
        let name = any::<[u8; 16]>();
        prop_oneof![
            ("[A-Z]{1,8}", any::<i64>()).prop_map(|(name, delta)| Op::Charge { name, delta }),
            "[A-Z]{1,8}".prop_map(|name| Op::DelSpace { name }),
            (any::<u64>(), name).prop_map(|(d, name)| Op::DelFile { dir: DirId(d), name }),
            (any::<u64>(), any::<i32>()).prop_map(|(id, delta)| Op::RefBody { id: BodyId(id), delta }),
            (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(id, from, to)| Op::MoveBody {
                id: BodyId(id),
                from: (Storage::Log, from),
                to
            }),
            (any::<u64>(), 1u32..1 << 30, 1u32..20, 0usize..5).prop_map(|(f, first, lrecl, count)| {
                let data = Bytes::from(vec![first as u8; lrecl as usize * count]);
                Op::PutRecords { file: FileNo(f), first, lrecl, data }
            }),
            (any::<u64>(), any::<u32>()).prop_map(|(f, from)| Op::CutRecords { file: FileNo(f), from }),
            (
                prop::collection::vec(any::<u8>(), 1..30),
                prop::option::of(prop::collection::vec(any::<u8>(), 0..30))
            )
                .prop_map(|(key, value)| Op::Row { key, value }),
            prop::collection::vec(any::<u8>(), 1..30).prop_map(|prefix| Op::DropRows { prefix }),
            (any::<u64>(), name, any::<u64>(), any::<i64>()).prop_map(|(d, name, f, day)| Op::Touch {
                dir: DirId(d),
                name,
                file: FileNo(f),
                day: Stamp(day)
            }),
        ]
    }

    proptest! {
        #[test]
        fn changes_read_back(ops in prop::collection::vec(any_op(), 0..20)) {
            let entry = direct(&ops);
            prop_assert_eq!(&direct_changes(&entry)[..], encode_ops(&ops));
            let Payload::Direct { ops: back, bodies } = decode_payload(&entry).unwrap() else {
                panic!("not direct");
            };
            prop_assert_eq!(back, ops);
            prop_assert_eq!(bodies as usize, entry.len());
        }

        #[test]
        fn a_single_record_of_the_first_form_is_a_run_of_one(f: u64, number: u32, data in prop::collection::vec(any::<u8>(), 0..1100)) {
            let mut w = Writer::default();
            w.u8(11);
            w.u64(f);
            w.u32(number);
            w.bytes(&data);
            let read = decode_ops(&Bytes::from(w.out));
            let (file, lrecl) = (FileNo(f), data.len() as u32);
            if number == 0 || number > crate::types::MAX_RECORDS || lrecl == 0 || lrecl > 1024 {
                prop_assert!(read.is_err());
            } else {
                prop_assert_eq!(read.unwrap(), [Op::PutRecords { file, first: number, lrecl, data: data.into() }]);
            }
        }

        #[test]
        fn no_octets_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_payload(&Bytes::from(bytes.clone()));
            let _ = decode_ops(&Bytes::from(bytes));
        }
    }
}
