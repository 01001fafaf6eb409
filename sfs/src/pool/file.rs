//! Records of an open file: reading, writing, positioning.
//!
//! The image of a RECFM F file is its records one behind the other; that of a RECFM V file has a big-endian halfword with the
//! record's length in front of each. An octet offset in the image of a note is therefore an octet offset in the message it
//! came from.

use bytes::Bytes;

use super::catalog::FileRec;
use super::draft::{Content, Keyed};
use super::error::PoolError;
use super::image::Image;
use super::snapshot::Snapshot;
use super::store::{ChunkCache, Store};
use crate::types::{MAX_LRECL_V, MAX_RECORDS, RecordFormat};

/// Octets of the length in front of each record of a RECFM V file.
pub(crate) const HALFWORD: u64 = 2;
/// Most octets that one read returns; a caller who asks for more gets this much.
pub(crate) const MAX_TRANSFER: usize = 16 << 20;
/// Most octets of empty records that writing behind the end of a file may create.
pub(crate) const MAX_GAP: u64 = 64 << 20;

/// Where a file is being read and written.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// Record to be read next, from 1.
    pub(crate) read: u32,
    /// Its offset in a RECFM V image.
    read_offset: u64,
    /// Record to be written next, from 1.
    pub(crate) write: u32,
    /// A place in a RECFM V image: (record, offset).
    known: (u32, u64),
    cache: ChunkCache,
}

impl Cursor {
    pub(crate) fn new(records: u32) -> Self {
        Self { read: 1, read_offset: 0, write: records + 1, known: (1, 0), cache: ChunkCache::default() }
    }
}

/// What a read returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOut {
    /// One record's octets, or for several the image: for V with the halfword in front of each.
    pub data: Bytes,
    /// How many records that is.
    pub records: u32,
}

/// What reading needs beside the content.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    pub(crate) store: &'a Store,
    pub(crate) current: &'a Snapshot,
}

/// Reads up to `count` records that fit into `max` octets.
pub(crate) fn read(
    env: Env<'_>,
    rec: &FileRec,
    content: &Content,
    cursor: &mut Cursor,
    count: u32,
    max: usize,
) -> Result<ReadOut, PoolError> {
    if count == 0 {
        return Err(PoolError::RecordNumber);
    }
    if cursor.read > rec.records {
        return Err(PoolError::EndOfFile);
    }
    let max = max.min(MAX_TRANSFER);
    let out = match rec.recfm {
        RecordFormat::Fixed => {
            let fit = u32::try_from(max as u64 / u64::from(rec.lrecl.max(1))).unwrap_or(u32::MAX);
            if fit == 0 {
                return Err(PoolError::BufferTooShort);
            }
            let n = count.min(rec.records - cursor.read + 1).min(fit);
            let offset = u64::from(cursor.read - 1) * u64::from(rec.lrecl);
            let data = read_image(
                env,
                rec,
                content,
                cursor,
                offset,
                (u64::from(n) * u64::from(rec.lrecl)) as usize,
            )?;
            ReadOut { data, records: n }
        }
        RecordFormat::Variable => read_variable(env, rec, content, cursor, count, max)?,
    };
    cursor.read += out.records;
    Ok(out)
}

fn read_variable(
    env: Env<'_>,
    rec: &FileRec,
    content: &Content,
    cursor: &mut Cursor,
    count: u32,
    max: usize,
) -> Result<ReadOut, PoolError> {
    let Content::Image(image) = content else {
        return Err(PoolError::Damaged("V file without image".into()));
    };
    let start = cursor.read_offset;
    if count == 1 {
        let len = length_at(image, env.store, &mut cursor.cache, start)?;
        if len as usize > max {
            return Err(PoolError::BufferTooShort);
        }
        let data = image.read(env.store, &mut cursor.cache, start + HALFWORD, len as usize)?;
        cursor.read_offset = start + HALFWORD + u64::from(len);
        return Ok(ReadOut { data, records: 1 });
    }
    // One stretch of the image is taken and cut at the last record that is whole in it.
    let want = (image.len() - start).min(max as u64) as usize;
    let all_wanted = count > rec.records - cursor.read;
    let guess = if all_wanted { want } else { want.min((count as usize).saturating_mul(512).max(64 << 10)) };
    let data = image.read(env.store, &mut cursor.cache, start, guess)?;
    let (mut used, mut records) = (0, 0);
    while records < count && used < data.len() {
        let Some(head) = data.get(used..used + 2) else { break };
        let end = used + 2 + usize::from(u16::from_be_bytes([head[0], head[1]]));
        if end > data.len() {
            break;
        }
        used = end;
        records += 1;
    }
    if records == 0 {
        return Err(PoolError::BufferTooShort);
    }
    cursor.read_offset = start + used as u64;
    Ok(ReadOut { data: data.slice(..used), records })
}

fn length_at(image: &Image, store: &Store, cache: &mut ChunkCache, offset: u64) -> Result<u16, PoolError> {
    let head = image.read(store, cache, offset, 2)?;
    let head: [u8; 2] =
        head.as_ref().try_into().map_err(|_| PoolError::Damaged("record cut short".into()))?;
    Ok(u16::from_be_bytes(head))
}

/// Opening loads: only a defect leads here.
fn unloaded() -> PoolError {
    PoolError::Damaged("an open file whose content was not loaded".into())
}

/// Octets of the image from `offset` on; fewer than `len` only at its end.
pub(crate) fn read_image(
    env: Env<'_>,
    rec: &FileRec,
    content: &Content,
    cursor: &mut Cursor,
    offset: u64,
    len: usize,
) -> Result<Bytes, PoolError> {
    let len = len.min(MAX_TRANSFER);
    match content {
        Content::Image(image) => image.read(env.store, &mut cursor.cache, offset, len),
        Content::Keyed(keyed) => read_keyed(env, rec, keyed, offset, len),
        Content::Slices => Err(unloaded()),
    }
}

/// Puts the records of a keyed file together. Records never written read as zeros.
fn read_keyed(
    env: Env<'_>,
    rec: &FileRec,
    keyed: &Keyed,
    offset: u64,
    len: usize,
) -> Result<Bytes, PoolError> {
    let lrecl = u64::from(rec.lrecl.max(1));
    let end = rec.bytes.min(offset.saturating_add(len as u64));
    if offset >= end {
        return Ok(Bytes::new());
    }
    // Both are record numbers of this file, so they fit.
    let (first, last) = ((offset / lrecl + 1) as u32, ((end - 1) / lrecl + 1) as u32);
    let base = (u64::from(first) - 1) * lrecl;
    let mut out = vec![0u8; ((u64::from(last) * lrecl) - base) as usize];
    let mut put = |number: u32, data: &[u8]| {
        let at = ((u64::from(number) - 1) * lrecl - base) as usize;
        if let Some(slot) = out.get_mut(at..at + data.len()) {
            slot.copy_from_slice(data);
        }
    };
    if let Some(file) = keyed.base {
        let upto = keyed.cut.map_or(last, |cut| last.min(cut.saturating_sub(1)));
        if first <= upto {
            let snapshot = keyed.seen.as_deref().unwrap_or(env.current);
            snapshot.records(file, rec.lrecl, first, upto, &mut put)?;
        }
    }
    keyed.puts.each(rec.lrecl, first, last, put);
    let skip = (offset - base) as usize;
    Ok(Bytes::from(out).slice(skip..skip + (end - offset) as usize))
}

/// Writes `count` records at the write position and moves it.
pub(crate) fn write(
    env: Env<'_>,
    rec: &mut FileRec,
    content: &mut Content,
    cursor: &mut Cursor,
    data: &Bytes,
    count: u32,
) -> Result<(), PoolError> {
    if count == 0 || u64::from(cursor.write) + u64::from(count) - 1 > u64::from(MAX_RECORDS) {
        return Err(PoolError::RecordNumber);
    }
    match rec.recfm {
        RecordFormat::Fixed => write_fixed(rec, content, cursor, data, count)?,
        RecordFormat::Variable => write_variable(env, rec, content, cursor, data, count)?,
    }
    cursor.write += count;
    Ok(())
}

fn write_fixed(
    rec: &mut FileRec,
    content: &mut Content,
    cursor: &Cursor,
    data: &Bytes,
    count: u32,
) -> Result<(), PoolError> {
    let lrecl = u64::from(rec.lrecl);
    if data.len() as u64 != lrecl * u64::from(count) {
        return Err(PoolError::RecordLength);
    }
    let offset = u64::from(cursor.write - 1) * lrecl;
    match content {
        Content::Keyed(keyed) => {
            keyed.changes += 1;
            keyed.puts.put(rec.lrecl, cursor.write, data.clone());
        }
        Content::Image(image) => {
            let have = image.len();
            if offset > have {
                if offset - have > MAX_GAP {
                    return Err(PoolError::Limit("empty records before the one written"));
                }
                image.append(&vec![0; (offset - have) as usize]);
            }
            let inside = (image.len() - offset).min(data.len() as u64) as usize;
            image.replace(offset, &data[..inside]);
            image.append(&data[inside..]);
        }
        Content::Slices => return Err(unloaded()),
    }
    rec.records = rec.records.max(cursor.write + count - 1);
    rec.bytes = u64::from(rec.records) * lrecl;
    Ok(())
}

fn write_variable(
    env: Env<'_>,
    rec: &mut FileRec,
    content: &mut Content,
    cursor: &mut Cursor,
    data: &Bytes,
    count: u32,
) -> Result<(), PoolError> {
    let Content::Image(image) = content else {
        return Err(PoolError::Damaged("V file without image".into()));
    };
    let mut longest = rec.lrecl;
    let halfword;
    let run: &[&[u8]] = if count == 1 {
        let len = u16::try_from(data.len()).map_err(|_| PoolError::RecordLength)?;
        longest = longest.max(u32::from(len));
        halfword = len.to_be_bytes();
        &[&halfword, data]
    } else {
        longest = longest.max(check_run(data, count)?);
        &[data]
    };
    debug_assert!(longest <= MAX_LRECL_V, "a halfword cannot say more");
    if cursor.write > rec.records + 1 {
        // Records of no length, each a halfword of zeros.
        let gap = u64::from(cursor.write - rec.records - 1) * HALFWORD;
        if gap > MAX_GAP {
            return Err(PoolError::Limit("empty records before the one written"));
        }
        image.append(&vec![0; gap as usize]);
        rec.records = cursor.write - 1;
    }
    if cursor.write == rec.records + 1 {
        match count {
            1 => image.append_all(run),
            _ => image.append_given(data),
        }
        rec.records += count;
    } else {
        replace_variable(env, rec, image, cursor, &run.concat(), count)?;
    }
    rec.lrecl = longest;
    rec.bytes = image.len();
    Ok(())
}

/// Checks that `data` is exactly `count` records with their halfwords; returns the longest record.
fn check_run(data: &[u8], count: u32) -> Result<u32, PoolError> {
    let (mut at, mut longest) = (0, 0);
    for _ in 0..count {
        let head = data.get(at..at + 2).ok_or(PoolError::RecordLength)?;
        let len = u16::from_be_bytes([head[0], head[1]]);
        longest = longest.max(u32::from(len));
        at += 2 + usize::from(len);
    }
    if at == data.len() { Ok(longest) } else { Err(PoolError::RecordLength) }
}

/// Overwrites records of a RECFM V file. Records of another length than the old ones cut the file behind them.
fn replace_variable(
    env: Env<'_>,
    rec: &mut FileRec,
    image: &mut Image,
    cursor: &mut Cursor,
    run: &[u8],
    count: u32,
) -> Result<(), PoolError> {
    let offset = offset_of(env, image, cursor, cursor.write)?;
    let end = offset + run.len() as u64;
    let mut same = cursor.write + count - 1 <= rec.records && end <= image.len();
    if same {
        let old = image.read(env.store, &mut cursor.cache, offset, run.len())?;
        let mut at = 0;
        for _ in 0..count {
            same = same && old.get(at..at + 2) == run.get(at..at + 2);
            at += 2 + run.get(at..at + 2).map_or(0, |h| usize::from(u16::from_be_bytes([h[0], h[1]])));
        }
    }
    if same {
        image.replace(offset, run);
    } else {
        image.truncate(offset);
        image.append(run);
        rec.records = cursor.write + count - 1;
    }
    Ok(())
}

/// Offset of record `number` in a RECFM V image; `number` is at most one behind the last.
fn offset_of(env: Env<'_>, image: &Image, cursor: &mut Cursor, number: u32) -> Result<u64, PoolError> {
    let (mut at, mut offset) = if cursor.known.0 <= number { cursor.known } else { (1, 0) };
    while at < number {
        offset += HALFWORD + u64::from(length_at(image, env.store, &mut cursor.cache, offset)?);
        at += 1;
    }
    cursor.known = (at, offset);
    Ok(offset)
}

/// Moves the read or write position. Numbers count from 1; the read position may be one behind the last record.
pub(crate) fn point(
    env: Env<'_>,
    rec: &FileRec,
    content: &Content,
    cursor: &mut Cursor,
    read: Option<u32>,
    write: Option<u32>,
) -> Result<(), PoolError> {
    let sound = |n: u32| (1..=MAX_RECORDS).contains(&n);
    if read.is_some_and(|n| !sound(n) || n > rec.records + 1) || write.is_some_and(|n| !sound(n)) {
        return Err(PoolError::RecordNumber);
    }
    if let Some(number) = read {
        if let (RecordFormat::Variable, Content::Image(image)) = (rec.recfm, content) {
            cursor.read_offset = offset_of(env, image, cursor, number)?;
        }
        cursor.read = number;
    }
    if let Some(number) = write {
        cursor.write = number;
    }
    Ok(())
}

/// Keeps the first `records` records.
pub(crate) fn truncate(
    env: Env<'_>,
    rec: &mut FileRec,
    content: &mut Content,
    cursor: &mut Cursor,
    records: u32,
) -> Result<(), PoolError> {
    if records > rec.records {
        return Err(PoolError::RecordNumber);
    }
    match content {
        Content::Keyed(keyed) => {
            keyed.changes += 1;
            keyed.cut = Some(keyed.cut.map_or(records + 1, |cut| cut.min(records + 1)));
            keyed.puts.cut(rec.lrecl, records + 1);
            rec.bytes = u64::from(records) * u64::from(rec.lrecl);
        }
        Content::Image(image) => {
            let len = match rec.recfm {
                RecordFormat::Fixed => u64::from(records) * u64::from(rec.lrecl),
                RecordFormat::Variable => offset_of(env, image, cursor, records + 1)?,
            };
            image.truncate(len);
            rec.bytes = len;
        }
        Content::Slices => return Err(unloaded()),
    }
    rec.records = records;
    cursor.write = cursor.write.min(records + 1);
    if cursor.read > records + 1 {
        cursor.read = records + 1;
        cursor.read_offset = rec.bytes;
    }
    if cursor.known.0 > records + 1 {
        cursor.known = (1, 0);
    }
    Ok(())
}
