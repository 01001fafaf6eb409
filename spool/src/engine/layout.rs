//! The layout of a log entry of the spool, version 1.
//!
//! ```text
//! entry  := version u8 = 1, count u16, op*, inline
//! op     := 1 u8, length u32, block          a file as it is from now on
//!         | 2 u8, unique u64                 a file is purged
//! inline := octets of at most one chunk whose place is Inline
//! ```
//!
//! All numbers are little-endian; the log itself has a checksum over the entry.

use bytes::Bytes;
use cp::name::{SpoolId, UserId};
use dasd::{LogAddr, VolAddr};
use jiff::Timestamp;

use crate::file::{Chunk, DeviceType, Hold, Place, Queue, SpoolFile, UniqueId};

const VERSION: u8 = 1;

/// What an entry does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// The file is from now on like this.
    Put(Box<SpoolFile>),
    /// The file is gone.
    Purge(UniqueId),
}

/// Writes the part of an entry that stands before the inline octets.
pub(crate) fn encode(ops: &[Op]) -> Vec<u8> {
    let mut out = vec![VERSION];
    // An entry holds the files of one command: far fewer than 65,536, which the engine sees to.
    out.extend_from_slice(&u16::try_from(ops.len()).unwrap_or(u16::MAX).to_le_bytes());
    for op in ops {
        match op {
            Op::Put(file) => {
                out.push(1);
                let at = out.len();
                out.extend_from_slice(&[0; 4]);
                put_file(&mut out, file);
                let len = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
                out[at..at + 4].copy_from_slice(&len.to_le_bytes());
            }
            Op::Purge(unique) => {
                out.push(2);
                out.extend_from_slice(&unique.0.to_le_bytes());
            }
        }
    }
    out
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // Every text of a block is checked to be far shorter than 64 K.
    let len = u16::try_from(text.len()).unwrap_or(0);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&text.as_bytes()[..usize::from(len)]);
}

fn put_file(out: &mut Vec<u8>, file: &SpoolFile) {
    out.extend_from_slice(&file.unique.0.to_le_bytes());
    out.extend_from_slice(&file.order.to_le_bytes());
    out.extend_from_slice(&file.created.as_microsecond().to_le_bytes());
    out.extend_from_slice(&file.records.to_le_bytes());
    out.extend_from_slice(&file.octets.to_le_bytes());
    out.extend_from_slice(&file.record_size.to_le_bytes());
    out.extend_from_slice(&file.id.get().to_le_bytes());
    out.extend_from_slice(&file.origin_id.get().to_le_bytes());
    out.push(match file.queue {
        Queue::Reader => 1,
        Queue::Printer => 2,
        Queue::Punch => 3,
    });
    out.push(match file.device {
        DeviceType::Printer => 1,
        DeviceType::Punch => 2,
        DeviceType::Console => 3,
        DeviceType::Reader => 4,
    });
    out.push(file.class as u8);
    out.push(file.copies);
    let flags = [file.copy_star, file.hold.user, file.hold.system, file.keep, file.msg];
    out.push(flags.iter().enumerate().fold(0, |bits, (i, on)| bits | u8::from(*on) << i));
    for text in [
        file.owner.as_str(),
        file.origin.as_str(),
        &file.form,
        &file.dist,
        &file.dest,
        &file.name,
        &file.ftype,
        &file.tag,
    ] {
        put_text(out, text);
    }
    out.extend_from_slice(&u32::try_from(file.chunks.len()).unwrap_or(u32::MAX).to_le_bytes());
    for chunk in &file.chunks {
        let (kind, addr) = match chunk.place {
            Place::Inline => (0u8, 0),
            Place::Log(addr) => (1, addr.0),
            Place::Volume(addr) => (2, addr.0),
        };
        out.push(kind);
        out.extend_from_slice(&addr.to_le_bytes());
        out.extend_from_slice(&chunk.len.to_le_bytes());
        out.extend_from_slice(&chunk.crc.to_le_bytes());
    }
}

/// A reader of little-endian fields.
struct Fields<'a>(&'a [u8]);

type Field<T> = Result<T, &'static str>;

impl<'a> Fields<'a> {
    fn octets(&mut self, count: usize) -> Field<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count).ok_or("the record is cut off")?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Field<[u8; N]> {
        self.octets(N)?.try_into().map_err(|_| "the record is cut off")
    }

    fn u8(&mut self) -> Field<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> Field<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Field<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Field<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Field<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn text(&mut self) -> Field<String> {
        let len = usize::from(self.u16()?);
        String::from_utf8(self.octets(len)?.to_vec()).map_err(|_| "a text is not UTF-8")
    }

    fn userid(&mut self) -> Field<UserId> {
        let text = self.text()?;
        if text == UserId::SYSTEM.as_str() {
            Ok(UserId::SYSTEM)
        } else {
            UserId::new(&text).map_err(|_| "bad userid")
        }
    }

    fn spool_id(&mut self) -> Field<SpoolId> {
        SpoolId::new(self.u16()?).ok_or("bad spool id")
    }
}

fn take_file(fields: &mut Fields<'_>) -> Field<SpoolFile> {
    let unique = UniqueId(fields.u64()?);
    let order = fields.i64()?;
    let created = Timestamp::from_microsecond(fields.i64()?).map_err(|_| "bad time")?;
    let (records, octets, record_size) = (fields.u64()?, fields.u64()?, fields.u32()?);
    let (id, origin_id) = (fields.spool_id()?, fields.spool_id()?);
    let queue = match fields.u8()? {
        1 => Queue::Reader,
        2 => Queue::Printer,
        3 => Queue::Punch,
        _ => return Err("bad queue"),
    };
    let device = match fields.u8()? {
        1 => DeviceType::Printer,
        2 => DeviceType::Punch,
        3 => DeviceType::Console,
        4 => DeviceType::Reader,
        _ => return Err("bad device type"),
    };
    let class = char::from(fields.u8()?);
    let copies = fields.u8()?;
    let flags = fields.u8()?;
    let flag = |bit: u8| flags & (1 << bit) != 0;
    let (owner, origin) = (fields.userid()?, fields.userid()?);
    let (form, dist, dest) = (fields.text()?, fields.text()?, fields.text()?);
    let (name, ftype, tag) = (fields.text()?, fields.text()?, fields.text()?);
    let count = fields.u32()?;
    let mut chunks = Vec::new();
    for _ in 0..count {
        let (kind, addr) = (fields.u8()?, fields.u64()?);
        let place = match kind {
            0 => Place::Inline,
            1 => Place::Log(LogAddr(addr)),
            2 => Place::Volume(VolAddr(addr)),
            _ => return Err("bad place of a chunk"),
        };
        chunks.push(Chunk { place, len: fields.u32()?, crc: fields.u32()? });
    }
    Ok(SpoolFile {
        unique,
        owner,
        id,
        queue,
        origin,
        origin_id,
        device,
        class,
        records,
        record_size,
        octets,
        copies,
        copy_star: flag(0),
        form,
        dist,
        dest,
        hold: Hold { user: flag(1), system: flag(2) },
        keep: flag(3),
        msg: flag(4),
        name,
        ftype,
        created,
        tag,
        order,
        chunks,
    })
}

/// Gives inline chunks their place: `inline_at` is the address of the octet behind the ops.
pub(crate) fn settle(file: &mut SpoolFile, inline_at: LogAddr) {
    for chunk in &mut file.chunks {
        if chunk.place == Place::Inline {
            chunk.place = Place::Log(inline_at);
        }
    }
}

/// Reads an entry that lies at `addr`; inline chunks have their place.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn decode(addr: LogAddr, payload: &Bytes) -> Result<Vec<Op>, &'static str> {
    let mut fields = Fields(payload);
    if fields.u8()? != VERSION {
        return Err("unknown version");
    }
    let count = fields.u16()?;
    let mut ops = Vec::new();
    for _ in 0..count {
        ops.push(match fields.u8()? {
            1 => {
                let len = fields.u32()? as usize;
                let mut block = Fields(fields.octets(len)?);
                Op::Put(Box::new(take_file(&mut block)?))
            }
            2 => Op::Purge(UniqueId(fields.u64()?)),
            _ => return Err("unknown operation"),
        });
    }
    let inline_at = LogAddr(addr.0 + (payload.len() - fields.0.len()) as u64);
    for op in &mut ops {
        if let Op::Put(file) = op {
            settle(file, inline_at);
        }
    }
    Ok(ops)
}
