//! `NOTE INDEX`: the messages of a mailbox (format 163, after the structure of 1.6).
//!
//! RECFM F, LRECL 128, numbers little-endian, texts in EBCDIC unless said. The first octet of a record says what it is;
//! records of messages and keywords stand in any order, and freed ones are used again.
//!
//! | octets | `H` record 1 | `M` message | `K` keyword |
//! |---|---|---|---|
//! | 0 | C`H` | C`M` | C`K` |
//! | 1 | 0 | marks | bit number |
//! | 2-3 | format 160 | zone, minutes east (signed) | length |
//! | 4-7 | 0 | UID | keyword, US-ASCII as EBCDIC, 124 octets |
//! | 8-15 | | MODSEQ | |
//! | 16-23 | | keyword bits | |
//! | 24 | | system flags | |
//! | 25 | | records of the summary, 0 without one | |
//! | 26-27 | | 0 | |
//! | 28-31 | | records of the note | |
//! | 32-39 | | INTERNALDATE, seconds since 1970 UTC | |
//! | 40-47 | | save date, the same | |
//! | 48-55 | | octets on the wire | |
//! | 56-63 | | EMAILID, 0 in records of before there was one | |
//! | 64-67 | | first record of the summary in NOTE SUMMARY | |
//! | 68-75 | | from format 163 on, of a message that another user kept first: his user id; else 0 | |
//! | 76-127 | | 0, reserved | |
//!
//! | octets | `H` from format 161 on | `T` tombstone, from format 161 on |
//! |---|---|---|
//! | 0 | C`H` | C`T` |
//! | 1 | 0 | ranges, at most 14 |
//! | 8-15 | MODSEQ up to which tombstones are not complete | MODSEQ of the expunge |
//! | 16-127 | 0 | first and last UID of each range, 4 octets each |
//!
//! | octets | `F` flag run, from format 162 on |
//! |---|---|
//! | 0 | C`F` |
//! | 1 | ranges, at most 12 |
//! | 2 | system flags that stay |
//! | 3 | system flags that are set |
//! | 8-15 | MODSEQ of the change |
//! | 16-23 | keyword bits that stay |
//! | 24-31 | keyword bits that are set |
//! | 32-127 | first and last UID of each range, 4 octets each |
//!
//! A flag run says that flags of the messages in its ranges changed so at its MODSEQ: of those whose record has an earlier
//! one, flags, keyword bits and MODSEQ are what the run makes of them ([`crate::mailstore::flag_runs`]).
//!
//! A record of octet 0 = 0 is free.
//!
//! An EMAILID is the number in octets 56-63 and the user of whose messages no other has it: the one in octets 68-75, or the owner of the
//! file space. It never changes, and a message takes it along wherever it is copied or moved.
//!
//! Files of format 160 have no tombstones, those of 161 no flag runs, those of 162 no user ids; they are opened as they are. The
//! first record of a later kind is written with the new header, in one work unit. What was expunged before there were tombstones is not known,
//! and is told as every UID that is not there.

use super::mailbox_index::padded;
use crate::mailstore::backend::{DefinedKeyword, LoadedMailbox};
use crate::mailstore::columns::Columns;
use crate::mailstore::error::StoreError;
use crate::mailstore::flag_runs::{self, FlagMask, FlagRun};
use crate::mailstore::summaries::SummaryPlace;
use crate::mailstore::tombstones::Tombstone;
use crate::mailstore::types::{EmailId, MessageRecord, ModSeq, NoteMarks, Uid};
use crate::syntax::date::InternalDate;
use crate::syntax::flag::{Keyword, SystemFlags};
use crate::vm::{UserId, codepage};

/// Record length.
pub const LRECL: usize = 128;
/// Format number in the header.
pub const FORMAT: u16 = 163;
/// The format without user ids of messages that another user kept first.
const WITHOUT_OWNERS: u16 = 162;
/// The format without flag runs, too.
const WITHOUT_RUNS: u16 = 161;
/// The format without tombstones, too.
const WITHOUT_TOMBSTONES: u16 = 160;
/// First record after the header.
pub const FIRST_SLOT: u32 = 2;

const HEADER: u8 = 0xC8;
const MESSAGE: u8 = 0xD4;
const KEYWORD: u8 = 0xD2;
const TOMBSTONE: u8 = 0xE3;
const FLAG_RUN: u8 = 0xC6;

/// Where a message's record names the user who kept it first, and octets of that.
const OWNER_AT: usize = 68;
const OWNER: usize = 8;

/// Records that go into the columns together: few enough to be in the processor's cache all the while.
const TOGETHER: usize = 512;

/// Where the ranges of a tombstone begin, and those of a flag run, and octets of each.
const RANGES_AT: usize = 16;
const RUN_RANGES_AT: usize = 32;
const RANGE: usize = 8;

/// One record.
pub type Record = [u8; LRECL];

/// The header, with the floor of the tombstones.
pub fn header(floor: ModSeq) -> Record {
    let mut r = [0; LRECL];
    r[0] = HEADER;
    r[2..4].copy_from_slice(&FORMAT.to_le_bytes());
    r[8..16].copy_from_slice(&floor.0.to_le_bytes());
    r
}

/// A message.
pub fn message(m: &MessageRecord) -> Record {
    let mut r = [0; LRECL];
    r[0] = MESSAGE;
    r[1] = m.marks.0;
    r[2..4].copy_from_slice(&m.date.zone_minutes.to_le_bytes());
    r[4..8].copy_from_slice(&m.uid.0.to_le_bytes());
    r[8..16].copy_from_slice(&m.modseq.0.to_le_bytes());
    r[16..24].copy_from_slice(&m.keywords.to_le_bytes());
    r[24] = m.flags.bits();
    r[25] = m.summary.pieces;
    r[28..32].copy_from_slice(&m.records.to_le_bytes());
    r[32..40].copy_from_slice(&m.date.seconds.to_le_bytes());
    r[40..48].copy_from_slice(&m.saved.to_le_bytes());
    r[48..56].copy_from_slice(&m.size.to_le_bytes());
    r[56..64].copy_from_slice(&m.email.number.to_le_bytes());
    r[64..68].copy_from_slice(&m.summary.first.to_le_bytes());
    if let Some(owner) = m.email.owner {
        padded(owner.as_str(), &mut r[OWNER_AT..OWNER_AT + OWNER]);
    }
    r
}

/// A keyword.
pub fn keyword(bit: u8, keyword: &Keyword) -> Record {
    let mut r = [0; LRECL];
    let text = codepage::from_text(keyword.as_str());
    r[0] = KEYWORD;
    r[1] = bit;
    r[2..4].copy_from_slice(&(text.len() as u16).to_le_bytes());
    r[4..4 + text.len()].copy_from_slice(&text);
    r
}

/// A tombstone.
pub fn tombstone(t: &Tombstone) -> Record {
    let mut r = [0; LRECL];
    r[0] = TOMBSTONE;
    r[8..16].copy_from_slice(&t.modseq.0.to_le_bytes());
    put_ranges(&mut r, RANGES_AT, &t.ranges);
    r
}

/// A flag run.
pub fn flag_run(run: &FlagRun) -> Record {
    let mut r = [0; LRECL];
    r[0] = FLAG_RUN;
    r[2] = run.mask.stay.bits();
    r[3] = run.mask.set.bits();
    r[8..16].copy_from_slice(&run.modseq.0.to_le_bytes());
    r[16..24].copy_from_slice(&run.mask.keywords_stay.to_le_bytes());
    r[24..32].copy_from_slice(&run.mask.keywords_set.to_le_bytes());
    put_ranges(&mut r, RUN_RANGES_AT, &run.ranges);
    r
}

/// At most Tombstone::RANGES, or FlagRun::RANGES.
fn put_ranges(r: &mut Record, at: usize, ranges: &[(u32, u32)]) {
    for ((low, high), place) in ranges.iter().zip(r[at..].chunks_exact_mut(RANGE)) {
        place[..4].copy_from_slice(&low.to_le_bytes());
        place[4..].copy_from_slice(&high.to_le_bytes());
    }
    r[1] = ranges.len() as u8;
}

/// The ranges of a record, at most `most`.
fn read_ranges(r: &[u8], at: usize, most: usize) -> Option<Vec<(u32, u32)>> {
    let places = r[at..].chunks_exact(RANGE).take(usize::from(r[1]));
    let ranges: Vec<(u32, u32)> =
        places.map(|p| (u32::from_le_bytes(field(p, 0)), u32::from_le_bytes(field(p, 4)))).collect();
    let sound = usize::from(r[1]) <= most && ranges.iter().all(|(low, high)| 0 < *low && low <= high);
    sound.then_some(ranges)
}

fn read_tombstone(r: &[u8], slot: u32) -> Option<Tombstone> {
    let ranges = read_ranges(r, RANGES_AT, Tombstone::RANGES)?;
    Some(Tombstone { modseq: ModSeq(u64::from_le_bytes(field(r, 8))), ranges, slot })
}

fn read_flag_run(r: &[u8], slot: u32) -> Option<FlagRun> {
    let ranges = read_ranges(r, RUN_RANGES_AT, FlagRun::RANGES)?;
    let mask = FlagMask {
        stay: SystemFlags::from_bits(r[2]),
        set: SystemFlags::from_bits(r[3]),
        keywords_stay: u64::from_le_bytes(field(r, 16)),
        keywords_set: u64::from_le_bytes(field(r, 24)),
    };
    Some(FlagRun { modseq: ModSeq(u64::from_le_bytes(field(r, 8))), mask, ranges, slot })
}

/// `N` octets of a record.
pub(super) fn field<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&record[at..at + N]);
    out
}

/// Everything in the file, whose image this is.
///
/// # Errors
/// [`StoreError::Damaged`] naming the record.
pub fn load(image: &[u8]) -> Result<LoadedMailbox, StoreError> {
    let mut loader = Loader::new(image.len() / LRECL);
    loader.take(image);
    loader.finish()
}

/// What is readable of the file, whose image this is, and each record that is not.
pub fn salvage(image: &[u8]) -> (LoadedMailbox, Vec<String>) {
    let mut loader = Loader::new(image.len() / LRECL);
    loader.take(image);
    loader.salvaged()
}

/// Reads the file piece by piece: a large one is never in memory as a whole.
#[derive(Debug)]
pub struct Loader {
    out: LoadedMailbox,
    damage: Vec<String>,
    /// Messages on their way into the columns: memory that is used again for the next.
    piece: Vec<MessageRecord>,
    /// Records taken, and those of them that are not cut short.
    count: usize,
    whole: usize,
}

impl Loader {
    /// Of a file with so many records.
    pub fn new(records: usize) -> Self {
        let out = LoadedMailbox { records: Columns::with_capacity(records), ..LoadedMailbox::default() };
        Self { out, damage: Vec::new(), piece: Vec::new(), count: 0, whole: 0 }
    }

    /// Takes the next records.
    pub fn take(&mut self, image: &[u8]) {
        self.whole += image.len() / LRECL;
        for some in image.chunks(TOGETHER * LRECL) {
            for r in some.chunks(LRECL) {
                self.count += 1;
                if let Err(what) = take(&mut self.out, &mut self.piece, self.count, r) {
                    self.damage.push(format!("NOTE INDEX record {}: {what}", self.count));
                }
            }
            self.out.records.extend(&self.piece);
            self.piece.clear();
        }
    }

    /// Everything in the file.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] naming the record.
    pub fn finish(self) -> Result<LoadedMailbox, StoreError> {
        let (out, damage) = self.salvaged();
        match damage.into_iter().next() {
            Some(first) => Err(StoreError::Damaged(first)),
            None => Ok(out),
        }
    }

    fn salvaged(self) -> (LoadedMailbox, Vec<String>) {
        let Self { mut out, mut damage, whole, .. } = self;
        out.next_slot = u32::try_from(whole + 1).unwrap_or(u32::MAX).max(FIRST_SLOT);
        let others = out.records.ascend();
        damage.extend(
            others.iter().map(|r| format!("NOTE INDEX record {}: has the UID of another record", r.slot)),
        );
        flag_runs::apply(&out.flag_runs, &mut out.records);
        (out, damage)
    }
}

/// Takes one record.
fn take(
    out: &mut LoadedMailbox,
    messages: &mut Vec<MessageRecord>,
    slot: usize,
    r: &[u8],
) -> Result<(), &'static str> {
    if r.len() != LRECL {
        return Err("is cut short");
    }
    let number = u32::try_from(slot).map_err(|_| "is beyond any number")?;
    match (slot, r[0]) {
        (1, HEADER) => match u16::from_le_bytes(field(r, 2)) {
            format @ (FORMAT | WITHOUT_OWNERS | WITHOUT_RUNS) => {
                out.tombstone_floor = Some(ModSeq(u64::from_le_bytes(field(r, 8))));
                out.has_runs = format >= WITHOUT_OWNERS;
                out.has_owners = format == FORMAT;
            }
            WITHOUT_TOMBSTONES => {}
            _ => return Err("is not a header of this format"),
        },
        (1, _) => return Err("is not a header of this format"),
        (_, MESSAGE) => {
            let owner = read_owner(r).ok_or("names no user")?;
            messages.push(read_message(r, number, owner));
        }
        (_, KEYWORD) => {
            let len = usize::from(u16::from_le_bytes(field(r, 2)));
            let text = r.get(4..4 + len).map(codepage::to_text);
            let keyword = text.and_then(|t| Keyword::new(t.as_bytes()).ok());
            let keyword = keyword.ok_or("holds no keyword")?;
            out.keywords.push(DefinedKeyword { bit: r[1], slot: number, keyword });
        }
        (_, TOMBSTONE) => out.tombstones.push(read_tombstone(r, number).ok_or("holds no tombstone")?),
        (_, FLAG_RUN) => out.flag_runs.push(read_flag_run(r, number).ok_or("holds no flag run")?),
        (_, 0) => out.free_slots.push(number),
        _ => return Err("is of no known kind"),
    }
    Ok(())
}

/// Who kept the message of a record first, when that was another user; `None` when it cannot be one.
fn read_owner(r: &[u8]) -> Option<Option<UserId>> {
    match field::<OWNER>(r, OWNER_AT) {
        [0, ..] => Some(None),
        name => UserId::new(codepage::to_text(&name).trim_end()).ok().map(Some),
    }
}

fn read_message(r: &[u8], slot: u32, owner: Option<UserId>) -> MessageRecord {
    MessageRecord {
        uid: Uid(u32::from_le_bytes(field(r, 4))),
        modseq: ModSeq(u64::from_le_bytes(field(r, 8))),
        flags: SystemFlags::from_bits(r[24]),
        keywords: u64::from_le_bytes(field(r, 16)),
        date: InternalDate {
            seconds: i64::from_le_bytes(field(r, 32)),
            zone_minutes: i16::from_le_bytes(field(r, 2)),
        },
        saved: i64::from_le_bytes(field(r, 40)),
        size: u64::from_le_bytes(field(r, 48)),
        records: u32::from_le_bytes(field(r, 28)),
        marks: NoteMarks(r[1]),
        email: EmailId { number: u64::from_le_bytes(field(r, 56)), owner },
        slot,
        summary: SummaryPlace { first: u32::from_le_bytes(field(r, 64)), pieces: r[25] },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn there_and_back(
            uid in 1u32.., modseq: u64, keywords: u64, flags in 0u8..32, seconds: i64, zone_minutes: i16,
            saved: i64, size: u64, records: u32, marks: u8, word in "[a-zA-Z$]{1,100}", floor: u64,
            lows in proptest::collection::vec(1u32.., 0..=Tombstone::RANGES), former in 0u16..4,
            later: bool, owner in proptest::option::of("[A-Z$#][A-Z0-9-]{4,7}"),
        ) {
            let ranges = lows.iter().map(|low| (*low, low.saturating_add(7))).collect();
            let grave = Tombstone { modseq: ModSeq(modseq), ranges, slot: 5 };
            let mut first = header(ModSeq(floor));
            first[2..4].copy_from_slice(&(FORMAT - former).to_le_bytes());
            if FORMAT - former == WITHOUT_TOMBSTONES {
                first[4..].fill(0);
            }
            let mask = FlagMask {
                stay: SystemFlags::from_bits(flags), set: SystemFlags::from_bits(!flags),
                keywords_stay: keywords, keywords_set: size,
            };
            let ranges = lows.iter().take(FlagRun::RANGES).map(|low| (*low, *low)).chain([(1, uid)]);
            let ranges = ranges.skip(usize::from(lows.len() >= FlagRun::RANGES)).take(FlagRun::RANGES).collect();
            let after = if later { modseq.saturating_add(1) } else { modseq };
            let run = FlagRun { modseq: ModSeq(after), mask, ranges, slot: 6 };
            let owner = owner.and_then(|name| UserId::new(&name).ok());
            let record = MessageRecord {
                uid: Uid(uid), modseq: ModSeq(modseq), flags: SystemFlags::from_bits(flags), keywords,
                date: InternalDate { seconds, zone_minutes }, saved, size, records, marks: NoteMarks(marks),
                email: EmailId { number: size ^ modseq, owner }, slot: 4, summary: SummaryPlace { first: records, pieces: marks },
            };
            let word = Keyword::new(word.as_bytes()).unwrap();
            let image = [first, keyword(63, &word), [0; LRECL], message(&record), tombstone(&grave), flag_run(&run)].concat();
            let loaded = load(&image).unwrap();
            let mut told = Columns::from_iter([record]);
            flag_runs::apply(std::slice::from_ref(&run), &mut told);
            prop_assert_eq!(loaded.records, told);
            prop_assert_eq!(loaded.flag_runs, vec![run]);
            prop_assert_eq!((loaded.has_runs, loaded.has_owners), (former < 2, former == 0));
            prop_assert_eq!(loaded.keywords, vec![DefinedKeyword { bit: 63, slot: 2, keyword: word }]);
            prop_assert_eq!(loaded.free_slots, vec![3]);
            prop_assert_eq!(loaded.next_slot, 7);
            prop_assert_eq!(loaded.tombstones, vec![grave]);
            prop_assert_eq!(loaded.tombstone_floor, (former < 3).then_some(ModSeq(floor)));
        }

        /// However it comes in pieces, it is what it is as a whole.
        #[test]
        fn pieces_are_the_whole(kinds in proptest::collection::vec((0usize..6, 1u32..40), 0..40), cuts in proptest::collection::vec(1usize..9, 1..9)) {
            let record = |(kind, uid): (usize, u32)| {
                let mut record = [0; LRECL];
                record[0] = [0, MESSAGE, MESSAGE, TOMBSTONE, FLAG_RUN, 7][kind];
                record[4..8].copy_from_slice(&uid.to_le_bytes());
                record
            };
            let image: Vec<u8> = [header(ModSeq(0))].into_iter().chain(kinds.into_iter().map(record)).flatten().collect();
            let (whole, damage) = salvage(&image);
            let mut loader = Loader::new(1);
            let mut rest = &image[..];
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((cut * LRECL).min(rest.len()));
                loader.take(piece);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            let (pieces, told) = loader.salvaged();
            prop_assert_eq!(told, damage);
            prop_assert_eq!(&pieces.records, &whole.records);
            prop_assert_eq!((pieces.next_slot, pieces.free_slots), (whole.next_slot, whole.free_slots));
            prop_assert_eq!((pieces.tombstones, pieces.flag_runs), (whole.tombstones, whole.flag_runs));
        }

        #[test]
        fn any_octets_get_an_answer(mut image in proptest::collection::vec(any::<u8>(), 0..1000), sane: bool) {
            if sane && image.len() >= LRECL {
                image[..LRECL].copy_from_slice(&header(ModSeq(0)));
            }
            let _ = load(&image);
        }
    }
}
