//! What the records of `NOTE TEXT` hold (format 1): batches of folded texts, each of the messages of a range of UIDs.
//!
//! A batch is a number of whole records of [`RECORD`] octets. Numbers are little-endian.
//!
//! | octets | |
//! |---|---|
//! | 0 | C`T` |
//! | 1 | marks: 1 a field's name is not ASCII, 2 the first part is deflated, 4 the second one is |
//! | 2-3 | version of the texts, [`VERSION`] |
//! | 4-7 | CRC-32C of octets 0 to 63, these four as 0 |
//! | 8-11 | UIDVALIDITY |
//! | 12-15 | messages with a text in it |
//! | 16-19 | UID before the range |
//! | 20-23 | last UID of the range |
//! | 24-35 | first part, the header fields: octets as they stand there, octets inflated, CRC-32C as they stand there |
//! | 36-47 | second part, the bodies: the same |
//! | 48-63 | 0 |
//! | 64- | the two parts, then 0 to the end of the record |
//!
//! A part is the number of its texts and for each of them how far its UID is from the one before and its length, all as numbers of
//! 7 bits an octet, the low ones first; then the texts, UTF-8.
//!
//! Texts are deflated when that saves a quarter: they are mostly words, of which two thirds go, so that the file pool, the page
//! cache and the user's limit hold three times as many; inflating them is still several times faster than to make them from
//! the notes.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateDecoder, DeflateEncoder};

use super::types::{Uid, UidValidity};
use crate::search::column::TextColumn;

/// Goes up whenever the texts of the same message would be others: decoding, folding, which texts there are.
pub const VERSION: u16 = 1;
/// Octets of one record of the file.
pub const RECORD: usize = 4096;
/// Octets before the parts.
pub const HEAD: usize = 64;
/// First octet: C`T`.
const MARK: u8 = 0xE3;

const ODD_NAMES: u8 = 1;
/// Marks of parts that are deflated.
const DEFLATED: [u8; 2] = [2, 4];
/// No octet that is deflated stands for more than so many.
const MOST_INFLATED: usize = 1032;
/// Fast: deflating harder saves a tenth more in three times the time.
const LEVEL: Compression = Compression::new(1);

/// Where a part stands and what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    octets: u32,
    inflated: u32,
    sum: u32,
}

/// The beginning of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// UIDVALIDITY of the mailbox.
    pub uid_validity: UidValidity,
    /// Messages with a text in it.
    pub messages: u32,
    /// UID before those whose texts it has.
    pub after: Uid,
    /// The last of them.
    pub upto: Uid,
    marks: u8,
    parts: [Part; 2],
}

/// Which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Header fields, each as `name: value`.
    Header = 0,
    /// Texts of the body.
    Body = 1,
}

fn number(octets: &[u8], at: usize) -> u32 {
    octets.get(at..at + 4).and_then(|n| n.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// The checksum of a head.
fn sum_of(head: &[u8]) -> u32 {
    let mut copy = [0; HEAD];
    copy.copy_from_slice(head);
    copy[4..8].fill(0);
    crc_fast::crc32_iscsi(&copy)
}

impl Head {
    /// Reads the first octets of a batch; `None` when they are none of this version, or damaged.
    pub fn read(octets: &[u8]) -> Option<Self> {
        let head = octets.get(..HEAD)?;
        let sound = head[0] == MARK && head[2..4] == VERSION.to_le_bytes() && number(head, 4) == sum_of(head);
        let part =
            |at| Part { octets: number(head, at), inflated: number(head, at + 4), sum: number(head, at + 8) };
        sound.then(|| Self {
            uid_validity: UidValidity(number(head, 8)),
            messages: number(head, 12),
            after: Uid(number(head, 16)),
            upto: Uid(number(head, 20)),
            marks: head[1],
            parts: [part(24), part(36)],
        })
    }

    /// Whether the first octets of a batch are those of another version.
    pub fn is_of_another_version(octets: &[u8]) -> bool {
        octets.first() == Some(&MARK) && octets.get(2..4).is_some_and(|v| v != VERSION.to_le_bytes())
    }

    fn octets(&self) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        out[0] = MARK;
        out[1] = self.marks;
        out[2..4].copy_from_slice(&VERSION.to_le_bytes());
        let [first, second] = self.parts;
        let numbers = [
            self.uid_validity.0,
            self.messages,
            self.after.0,
            self.upto.0,
            first.octets,
            first.inflated,
            first.sum,
            second.octets,
            second.inflated,
            second.sum,
        ];
        for (place, n) in out[8..].chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&n.to_le_bytes());
        }
        let sum = sum_of(&out);
        out[4..8].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// Octets of the whole batch in the file.
    pub fn span(&self) -> u64 {
        let octets = HEAD as u64 + self.parts.iter().map(|p| u64::from(p.octets)).sum::<u64>();
        octets.next_multiple_of(RECORD as u64)
    }

    /// Octets of memory that the texts take, about.
    pub fn weight(&self) -> u64 {
        self.parts.iter().map(|p| u64::from(p.inflated)).sum()
    }

    /// The same of one part.
    pub fn weight_of(&self, which: Which) -> u64 {
        self.parts[which as usize].inflated.into()
    }

    /// Which octets of the batch hold a part.
    pub fn range(&self, which: Which) -> std::ops::Range<u64> {
        let [first, second] = self.parts.map(|p| u64::from(p.octets));
        let middle = HEAD as u64 + first;
        match which {
            Which::Header => HEAD as u64..middle,
            Which::Body => middle..middle + second,
        }
    }

    /// The texts of a part; `None` when its octets are damaged.
    pub fn texts(&self, which: Which, octets: &[u8]) -> Option<TextColumn> {
        let part = self.parts[which as usize];
        if octets.len() != part.octets as usize || crc_fast::crc32_iscsi(octets) != part.sum {
            return None;
        }
        let odd_names = self.marks & ODD_NAMES != 0;
        let column = if self.marks & DEFLATED[which as usize] == 0 {
            read(octets.to_vec(), odd_names)
        } else {
            read(inflate(octets, part.inflated as usize)?, odd_names)
        };
        let mut column = column.filter(|c| c.texts().all(|(uid, _)| uid > self.after && uid <= self.upto))?;
        column.seal(self.upto);
        Some(column)
    }
}

fn inflate(octets: &[u8], inflated: usize) -> Option<Vec<u8>> {
    if inflated > octets.len().saturating_mul(MOST_INFLATED) {
        return None;
    }
    let mut decoder = DeflateDecoder::new(Vec::with_capacity(inflated));
    decoder.write_all(octets).ok()?;
    decoder.finish().ok().filter(|out| out.len() == inflated)
}

fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn take_number(octets: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..63).step_by(7) {
        let (first, rest) = octets.split_first()?;
        *octets = rest;
        n |= u64::from(first & 0x7F) << shift;
        if first & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// A part before it is deflated.
fn image(column: &TextColumn) -> Vec<u8> {
    let mut out = Vec::with_capacity(column.text().len() + 4 * column.len() + 8);
    put_number(&mut out, column.len() as u64);
    let mut last = 0;
    for (uid, text) in column.texts() {
        put_number(&mut out, u64::from(uid.0 - last));
        put_number(&mut out, text.len() as u64);
        last = uid.0;
    }
    out.extend_from_slice(column.text().as_bytes());
    out
}

fn read(mut image: Vec<u8>, odd_names: bool) -> Option<TextColumn> {
    let mut octets = &image[..];
    let count = usize::try_from(take_number(&mut octets)?).ok()?;
    // Each text has two octets at least before all texts.
    let mut ends = Vec::with_capacity(count.min(octets.len() / 2));
    let (mut uid, mut end) = (0u32, 0usize);
    for _ in 0..count {
        uid = uid.checked_add(u32::try_from(take_number(&mut octets)?).ok()?)?;
        end = end.checked_add(usize::try_from(take_number(&mut octets)?).ok()?)?;
        ends.push((uid, end));
    }
    let texts = image.len() - octets.len();
    // In place: another copy would cost as much as all of this.
    image.drain(..texts);
    TextColumn::folded(String::from_utf8(image).ok()?, ends, odd_names)
}

/// The batch of the messages after `after` up to `upto`; `None` when it would be too large for its numbers.
pub fn batch(
    uid_validity: UidValidity,
    (after, upto): (Uid, Uid),
    header: &TextColumn,
    body: &TextColumn,
) -> Option<Bytes> {
    let mut messages = 0;
    let mut last = Uid(0);
    for (uid, _) in header.texts() {
        messages += u32::from(uid != last);
        last = uid;
    }
    let mut marks = if header.has_odd_names() { ODD_NAMES } else { 0 };
    let mut out = vec![0; HEAD];
    let mut parts = [Part { octets: 0, inflated: 0, sum: 0 }; 2];
    for ((column, deflated), part) in [header, body].into_iter().zip(DEFLATED).zip(&mut parts) {
        let plain = image(column);
        let mut encoder = DeflateEncoder::new(Vec::with_capacity(plain.len() / 2), LEVEL);
        let packed = encoder.write_all(&plain).and_then(|()| encoder.finish()).ok();
        let packed = packed.filter(|p| p.len() + p.len() / 3 < plain.len());
        if packed.is_some() {
            marks |= deflated;
        }
        let octets = packed.as_ref().unwrap_or(&plain);
        part.octets = u32::try_from(octets.len()).ok()?;
        part.inflated = u32::try_from(plain.len()).ok()?;
        part.sum = crc_fast::crc32_iscsi(octets);
        out.extend_from_slice(octets);
    }
    let head = Head { uid_validity, messages, after, upto, marks, parts };
    out[..HEAD].copy_from_slice(&head.octets());
    out.resize(out.len().next_multiple_of(RECORD), 0);
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::generated::mail;
    use crate::search::column::{ColumnKey, texts};
    use proptest::prelude::*;

    fn columns(mails: &[Vec<u8>]) -> [TextColumn; 2] {
        let mut out = [TextColumn::default(), TextColumn::default()];
        for (uid, mail) in (1..).step_by(3).zip(mails) {
            let keys = [ColumnKey::Header, ColumnKey::Body];
            texts(keys.iter().zip(&mut out), Uid(uid), mail, None);
        }
        out
    }

    fn read_back(batch: &[u8]) -> Option<[TextColumn; 2]> {
        let head = Head::read(batch)?;
        if head.span() != batch.len() as u64 {
            return None;
        }
        let part = |which| {
            let range = head.range(which);
            head.texts(which, batch.get(range.start as usize..range.end as usize)?)
        };
        Some([part(Which::Header)?, part(Which::Body)?])
    }

    fn all(columns: &[TextColumn; 2]) -> Vec<(Uid, &str)> {
        columns.iter().flat_map(TextColumn::texts).collect()
    }

    proptest! {
        #[test]
        fn there_and_back(mails in proptest::collection::vec(mail(), 0..8), repeat in 1usize..30) {
            let mails: Vec<Vec<u8>> = mails.iter().cycle().take(mails.len() * repeat).cloned().collect();
            let made = columns(&mails);
            let upto = Uid(3 * mails.len() as u32);
            let batch = batch(UidValidity(7), (Uid(0), upto), &made[0], &made[1]).unwrap();
            let head = Head::read(&batch).unwrap();
            prop_assert_eq!((head.uid_validity, head.after, head.upto), (UidValidity(7), Uid(0), upto));
            prop_assert!(head.messages as usize <= mails.len());
            let read = read_back(&batch).unwrap();
            prop_assert_eq!(all(&read), all(&made));
            prop_assert!(read.iter().all(|c| c.upto() == upto));
            prop_assert_eq!(read[0].has_odd_names(), made[0].has_odd_names());
        }

        #[test]
        fn damage_is_seen(mails in proptest::collection::vec(mail(), 1..4), at in any::<prop::sample::Index>(), bit in 0..8u32) {
            let made = columns(&mails);
            let batch = batch(UidValidity(7), (Uid(0), Uid(99)), &made[0], &made[1]).unwrap();
            let head = Head::read(&batch).unwrap();
            let used = head.range(Which::Body).end as usize;
            let mut octets = batch.to_vec();
            let at = at.index(used);
            octets[at] ^= 1 << bit;
            prop_assert!(read_back(&octets).is_none());
        }

        #[test]
        fn any_octets_get_an_answer(octets in proptest::collection::vec(any::<u8>(), 0..200), odd: bool) {
            let _ = Head::read(&octets);
            let _ = inflate(&octets, 500);
            let _ = read(octets, odd);
        }
    }
}
