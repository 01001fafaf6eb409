//! What the records of `NOTE TEXT` hold: batches of folded texts, each of the messages of a range of UIDs.
//!
//! A batch is a number of whole records of [`RECORD`] octets. Numbers are little-endian.
//!
//! | octets | |
//! |---|---|
//! | 0 | C`T` |
//! | 1 | marks: 1 a field's name is not ASCII, 2 the first part is deflated, 4 the second one is, 8 both are left out |
//! | 2-3 | version of the format and of the texts, [`VERSION`] |
//! | 4-7 | CRC-32C of octets 0 to 63, these four as 0 |
//! | 8-11 | UIDVALIDITY |
//! | 12-15 | messages that it is about |
//! | 16-19 | UID before the range |
//! | 20-23 | last UID of the range |
//! | 24-35 | first part, the header fields: octets as they stand there, octets inflated, CRC-32C as they stand there |
//! | 36-47 | second part, the bodies: the same |
//! | 48-51 | octets of the list of messages, which ends within the first record |
//! | 52-55 | CRC-32C of that list |
//! | 56-63 | 0 |
//! | 64- | the list, the two parts, then 0 to the end of the record |
//!
//! The list says of each message that was there how far its UID is from the one before, as a number of 7 bits an octet, and in 4
//! octets a sum of what never changes of it ([`identity`]). Texts are believed only when the list knows every message that is there
//! today, and as what it is: NOTE INDEX and NOTE TEXT may come from different days, and a UID of the one day be another
//! message's on the other. Format 1 had no list; its files are written anew.
//!
//! A message of more than [`LARGE`] octets is a batch by itself, without the parts: it is read when it is searched.
//!
//! A part is the number of its texts and for each of them how far its UID is from the one before and its length, all as numbers of
//! 7 bits an octet, the low ones first; then the texts, UTF-8. Among the bodies, the text of a part's header begins with U+00A0,
//! which stands in no folded text: BODY passes it over.
//!
//! HTML is there twice, as it came and as it is read. BODY and TEXT find what is a substring of the body (RFC 3501 section 6.4.4),
//! and of the body are tags, attributes and the addresses of links, for which there is no other place; what people have read is only
//! in the other, where no tag and no reference breaks a word. Neither can be made of the other while a search runs through the column.
//! Deflating takes much of what they share, where both are within its 32 KB.
//!
//! Texts are deflated when that saves a quarter: they are mostly words, of which two thirds go, so that the file pool, the page
//! cache and the user's limit hold three times as many. It costs time: of 2,000 messages with 5.4 MB of texts the bodies are 1.6 MB,
//! which one core inflates in 22 ms; plain they would be read in one or two. That is once after each restart; the room is taken
//! always, and counts against the user.

use std::io::Write;

use bytes::Bytes;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};

use super::types::{MessageRecord, Uid, UidValidity};
use crate::search::column::TextColumn;

/// Goes up with the format, and whenever the texts of the same message would be others: decoding, folding, which texts there are.
pub const VERSION: u16 = 7;
/// Octets of one record of the file.
pub const RECORD: usize = 4096;
/// Octets before the parts.
pub const HEAD: usize = 64;
/// Octets of a message whose texts are kept. A larger one is read for each search: hardly one that large is mostly text, and keeping
/// it takes several times its octets of memory at a moment when nobody asked for anything.
pub const LARGE: u64 = 4 * 1024 * 1024;
/// Most messages of a batch: their list ends within the first record.
pub const MOST_MESSAGES: usize = 128;
/// First octet: C`T`.
const MARK: u8 = 0xE3;

const ODD_NAMES: u8 = 1;
/// Marks of parts that are deflated.
const DEFLATED: [u8; 2] = [2, 4];
const LEFT_OUT: u8 = 8;
/// Most octets of a message in the list.
const LISTED: usize = 5 + SUM;
/// Octets of the sum of a message.
const SUM: usize = 4;
const _: () = assert!(HEAD + MOST_MESSAGES * LISTED <= RECORD);
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
    /// Messages that it is about.
    pub messages: u32,
    /// UID before those whose texts it has.
    pub after: Uid,
    /// The last of them.
    pub upto: Uid,
    marks: u8,
    parts: [Part; 2],
    /// Octets of the list of messages, and their checksum.
    list: (u32, u32),
}

/// Which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Header fields, each as `name: value`.
    Header = 0,
    /// Texts of the body.
    Body = 1,
}

impl Which {
    /// Both, in the order in which they stand.
    pub const ALL: [Self; 2] = [Self::Header, Self::Body];
}

fn number(octets: &[u8], at: usize) -> u32 {
    octets.get(at..at + 4).and_then(|n| n.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// A sum of what never changes of a message: size, form, when it came and was stored. In other words what tells it from one that has
/// its UID in another state of the mailbox.
pub fn identity(record: &MessageRecord) -> u32 {
    let mut octets = Vec::with_capacity(48);
    octets.extend_from_slice(&record.uid.0.to_le_bytes());
    octets.extend_from_slice(&record.size.to_le_bytes());
    octets.extend_from_slice(&record.records.to_le_bytes());
    octets.push(record.marks.0);
    octets.extend_from_slice(&record.date.seconds.to_le_bytes());
    octets.extend_from_slice(&record.date.zone_minutes.to_le_bytes());
    octets.extend_from_slice(&record.saved.to_le_bytes());
    crc_fast::crc32_iscsi(&octets)
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
            list: (number(head, 48), number(head, 52)),
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
            self.list.0,
            self.list.1,
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
        self.range(Which::Body).end.next_multiple_of(RECORD as u64)
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
        let start = HEAD as u64 + u64::from(self.list.0);
        let middle = start + first;
        match which {
            Which::Header => start..middle,
            Which::Body => middle..middle + second,
        }
    }

    /// Whether the messages are to be read instead.
    pub fn is_left_out(&self) -> bool {
        self.marks & LEFT_OUT != 0
    }

    /// Whether the batch, which begins with the octets of `first`, is about `there`: messages of its range that are there today, in
    /// order. Those that are gone since do not matter.
    pub fn is_about(&self, first: &[u8], there: impl IntoIterator<Item = MessageRecord>) -> bool {
        let Some(list) = self.list(first) else { return false };
        let mut listed = list.into_iter();
        there.into_iter().all(|record| {
            let same = listed.find(|(uid, _)| *uid >= record.uid.0);
            same == Some((record.uid.0, identity(&record)))
        })
    }

    /// The messages of the list, ascending; `None` when it is damaged.
    fn list(&self, first: &[u8]) -> Option<Vec<(u32, u32)>> {
        let (octets, sum) = self.list;
        let mut list = first.get(HEAD..HEAD.checked_add(octets as usize)?)?;
        if crc_fast::crc32_iscsi(list) != sum {
            return None;
        }
        let mut out: Vec<(u32, u32)> = Vec::with_capacity(list.len() / (LISTED - SUM));
        let mut uid = self.after.0;
        while !list.is_empty() {
            let delta = u32::try_from(take_number(&mut list)?).ok().filter(|delta| *delta > 0)?;
            uid = uid.checked_add(delta).filter(|uid| *uid <= self.upto.0)?;
            let (sum, rest) = list.split_first_chunk::<SUM>()?;
            list = rest;
            out.push((uid, u32::from_le_bytes(*sum)));
        }
        (out.len() == self.messages as usize).then_some(out)
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
    // One octet more, so that octets which stand for more are told from those that stand for so many.
    let mut out = Vec::with_capacity(inflated + 1);
    let end = Decompress::new(false).decompress_vec(octets, &mut out, FlushDecompress::Finish).ok()?;
    (end == Status::StreamEnd && out.len() == inflated).then_some(out)
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

/// The batch of the messages after `after`, which ascend; `None` when it would be too large for its numbers.
pub fn batch(
    uid_validity: UidValidity,
    after: Uid,
    messages: &[MessageRecord],
    header: &TextColumn,
    body: &TextColumn,
) -> Option<Bytes> {
    let mut marks = if header.has_odd_names() { ODD_NAMES } else { 0 };
    let mut out = vec![0; HEAD];
    put_list(&mut out, after, messages);
    let mut head = new_head(uid_validity, after, messages, &out)?;
    for ((column, deflated), part) in [header, body].into_iter().zip(DEFLATED).zip(&mut head.parts) {
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
    Some(whole(Head { marks, ..head }, out))
}

/// The batch of a message after `after` whose texts are left out.
pub fn left_out(uid_validity: UidValidity, after: Uid, message: &MessageRecord) -> Option<Bytes> {
    let mut out = vec![0; HEAD];
    put_list(&mut out, after, std::slice::from_ref(message));
    let head = new_head(uid_validity, after, std::slice::from_ref(message), &out)?;
    Some(whole(Head { marks: LEFT_OUT, ..head }, out))
}

/// Puts the list behind the head.
fn put_list(out: &mut Vec<u8>, after: Uid, messages: &[MessageRecord]) {
    let mut last = after.0;
    for record in messages {
        put_number(out, u64::from(record.uid.0.saturating_sub(last)));
        out.extend_from_slice(&identity(record).to_le_bytes());
        last = record.uid.0;
    }
}

/// The head of a batch that has its list and nothing else yet.
fn new_head(uid_validity: UidValidity, after: Uid, messages: &[MessageRecord], out: &[u8]) -> Option<Head> {
    let upto = messages.last().filter(|_| messages.len() <= MOST_MESSAGES)?.uid;
    let list = out.get(HEAD..)?;
    Some(Head {
        uid_validity,
        messages: u32::try_from(messages.len()).ok()?,
        after,
        upto,
        marks: 0,
        parts: [Part { octets: 0, inflated: 0, sum: 0 }; 2],
        list: (u32::try_from(list.len()).ok()?, crc_fast::crc32_iscsi(list)),
    })
}

/// A batch with its head, to the end of its last record.
fn whole(head: Head, mut out: Vec<u8>) -> Bytes {
    out[..HEAD].copy_from_slice(&head.octets());
    out.resize(out.len().next_multiple_of(RECORD), 0);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::generated::mail;
    use crate::mailstore::summaries::SummaryPlace;
    use crate::mailstore::types::{EmailId, ModSeq, NoteMarks};
    use crate::search::column::{ColumnKey, texts};
    use crate::syntax::date::InternalDate;
    use crate::syntax::flag::SystemFlags;
    use proptest::prelude::*;

    fn record(uid: u32, size: usize) -> MessageRecord {
        MessageRecord {
            uid: Uid(uid),
            modseq: ModSeq(1),
            flags: SystemFlags::default(),
            keywords: 0,
            date: InternalDate { seconds: 5, zone_minutes: 60 },
            saved: 6,
            size: size as u64,
            records: 3,
            marks: NoteMarks(0),
            email: EmailId::own(7),
            slot: uid,
            summary: SummaryPlace::default(),
        }
    }

    /// Mails as the messages 1, 4, 7 and so on.
    fn records(mails: &[Vec<u8>]) -> Vec<MessageRecord> {
        (1..).step_by(3).zip(mails).map(|(uid, mail)| record(uid, mail.len())).collect()
    }

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
        fn there_and_back(mails in proptest::collection::vec(mail(), 1..8), repeat in 1usize..16, gone: u128) {
            let mails: Vec<Vec<u8>> = mails.iter().cycle().take(mails.len() * repeat).cloned().collect();
            let (made, mut records) = (columns(&mails), records(&mails));
            let upto = records[records.len() - 1].uid;
            let batch = batch(UidValidity(7), Uid(0), &records, &made[0], &made[1]).unwrap();
            let head = Head::read(&batch).unwrap();
            prop_assert_eq!((head.uid_validity, head.after, head.upto), (UidValidity(7), Uid(0), upto));
            prop_assert!(head.messages as usize == mails.len() && !head.is_left_out());
            // Whatever was expunged, it is about those that are there.
            prop_assert!(head.is_about(&batch[..RECORD], records.clone()));
            records.retain(|r| gone & 1 << (r.uid.0 / 3) == 0);
            prop_assert!(head.is_about(&batch[..RECORD], records));
            let read = read_back(&batch).unwrap();
            prop_assert_eq!(all(&read), all(&made));
            prop_assert!(read.iter().all(|c| c.upto() == upto));
            prop_assert_eq!(read[0].has_odd_names(), made[0].has_odd_names());
        }

        /// A UID that the batch does not know, or knows as another message's.
        #[test]
        fn other_messages_are_seen(mails in proptest::collection::vec(mail(), 1..8), which in 0usize..8, how in 0usize..6) {
            let (made, mut there) = (columns(&mails), records(&mails));
            let batch = batch(UidValidity(7), Uid(0), &there, &made[0], &made[1]).unwrap();
            let i = which % there.len();
            let one = &mut there[i];
            match how {
                0 => one.uid.0 -= u32::from(one.uid.0 > 1),
                1 => one.size += 1,
                2 => one.records += 1,
                3 => one.date.seconds += 1,
                4 => one.saved += 1,
                _ => one.marks.0 ^= 1,
            }
            let same = how == 0 && i == 0;
            prop_assert_eq!(Head::read(&batch).unwrap().is_about(&batch[..RECORD], there), same);
        }

        #[test]
        fn damage_is_seen(mails in proptest::collection::vec(mail(), 1..4), at in any::<prop::sample::Index>(), bit in 0..8u32) {
            let (made, records) = (columns(&mails), records(&mails));
            let batch = batch(UidValidity(7), Uid(0), &records, &made[0], &made[1]).unwrap();
            let head = Head::read(&batch).unwrap();
            let used = head.range(Which::Body).end as usize;
            let mut octets = batch.to_vec();
            let at = at.index(used);
            octets[at] ^= 1 << bit;
            let about = Head::read(&octets).is_some_and(|h| h.is_about(&octets[..RECORD], records));
            prop_assert!(!about || read_back(&octets).is_none());
        }

        /// Whatever the octets, also when their checksums are right, there is an answer, and no more memory is taken than they may
        /// stand for.
        #[test]
        fn any_octets_get_an_answer(octets in proptest::collection::vec(any::<u8>(), 0..400), odd: bool, sane: bool) {
            let mut octets = octets;
            if sane && octets.len() >= HEAD {
                octets[0] = MARK;
                octets[2..4].copy_from_slice(&VERSION.to_le_bytes());
                let rest = octets.len() - HEAD;
                let list = rest / 3;
                let parts = [list..2 * list, 2 * list..rest].map(|r| HEAD + r.start..HEAD + r.end);
                for (at, part) in [24, 36].into_iter().zip(parts) {
                    let sum = crc_fast::crc32_iscsi(&octets[part.clone()]);
                    octets[at..at + 4].copy_from_slice(&(part.len() as u32).to_le_bytes());
                    octets[at + 8..at + 12].copy_from_slice(&sum.to_le_bytes());
                }
                octets[48..52].copy_from_slice(&(list as u32).to_le_bytes());
                let sum = crc_fast::crc32_iscsi(&octets[HEAD..HEAD + list]);
                octets[52..56].copy_from_slice(&sum.to_le_bytes());
                let sum = sum_of(&octets[..HEAD]);
                octets[4..8].copy_from_slice(&sum.to_le_bytes());
                prop_assert!(Head::read(&octets).is_some());
            }
            if let Some(head) = Head::read(&octets) {
                let _ = head.list(&octets);
                for which in [Which::Header, Which::Body] {
                    let range = head.range(which);
                    let part = octets.get(range.start as usize..range.end as usize);
                    let _ = part.and_then(|part| head.texts(which, part));
                }
            }
            let _ = Head::is_of_another_version(&octets);
            let _ = inflate(&octets, 500);
            let _ = read(octets, odd);
        }
    }

    #[test]
    fn messages_at_and_past_the_limit() {
        let none = [TextColumn::default(), TextColumn::default()];
        for (count, fits) in [(MOST_MESSAGES, true), (MOST_MESSAGES + 1, false)] {
            // As far apart as UIDs can be.
            let step = u32::MAX / count as u32;
            let records: Vec<MessageRecord> = (1..=count as u32).map(|i| record(i * step, 9)).collect();
            let batch = batch(UidValidity(1), Uid(0), &records, &none[0], &none[1]);
            assert_eq!(batch.is_some(), fits);
            let about = batch.map(|b| Head::read(&b).unwrap().is_about(&b[..RECORD], records));
            assert_eq!(about, fits.then_some(true));
        }
        let large = record(9, LARGE as usize + 1);
        let out = left_out(UidValidity(1), Uid(4), &large).unwrap();
        let head = Head::read(&out).unwrap();
        assert!(head.is_left_out() && head.is_about(&out, [large]));
        assert_eq!((head.after, head.upto, head.span()), (Uid(4), Uid(9), RECORD as u64));
    }

    /// More than deflated octets can stand for is not even begun with.
    #[test]
    fn inflated_octets_at_and_past_the_limit() {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(9));
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(inflate(&packed, 1 << 20).unwrap().len(), 1 << 20);
        assert!(inflate(&packed, (1 << 20) - 1).is_none() && inflate(&packed, (1 << 20) + 1).is_none());
        assert!(inflate(&packed, packed.len() * MOST_INFLATED + 1).is_none());
    }
}
