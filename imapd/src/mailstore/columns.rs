//! The messages of a mailbox, column by column.
//!
//! Invariants: all columns have one length, and UIDs ascend; while a mailbox is loaded ([`Columns::extend`]) they need not yet. What is
//! asked of many messages is asked of one column, which is dense in memory; a message's record is put together when somebody wants it.

use std::sync::Arc;

use super::flag_runs::{Alike, FlagRun};
use super::summaries::SummaryPlace;
use super::types::{EmailId, MessageRecord, ModSeq, NoteMarks, Uid, UidValidity};
use crate::syntax::date::InternalDate;
use crate::syntax::flag::SystemFlags;
use crate::vm::UserId;

/// Messages column by column, ascending by UID. The UID column is shared with sessions whose view is up to date.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    uid: Arc<Vec<u32>>,
    modseq: Vec<u64>,
    flags: Vec<u8>,
    keywords: Vec<u64>,
    seconds: Vec<i64>,
    zone: Vec<i16>,
    saved: Vec<i64>,
    size: Vec<u64>,
    records: Vec<u32>,
    marks: Vec<u8>,
    email: Vec<u64>,
    slot: Vec<u32>,
    summary: Vec<SummaryPlace>,
    /// Messages that another user kept first, and who: positions, ascending. Nearly all mailboxes have none.
    owners: Vec<(usize, UserId)>,
}

impl Columns {
    /// The UIDs.
    pub fn uids(&self) -> &Arc<Vec<u32>> {
        &self.uid
    }

    /// Where a UID is.
    pub fn position(&self, uid: Uid) -> Option<usize> {
        self.uid.binary_search(&uid.0).ok()
    }

    /// Where the messages after `after` up to `upto` are.
    pub fn range(&self, after: Uid, upto: Uid) -> std::ops::Range<usize> {
        let end = self.uid.partition_point(|u| *u <= upto.0);
        self.uid.partition_point(|u| *u <= after.0).min(end)..end
    }

    /// The record at a position.
    pub fn at(&self, i: usize) -> MessageRecord {
        MessageRecord {
            uid: Uid(self.uid[i]),
            modseq: ModSeq(self.modseq[i]),
            flags: SystemFlags::from_bits(self.flags[i]),
            keywords: self.keywords[i],
            date: InternalDate { seconds: self.seconds[i], zone_minutes: self.zone[i] },
            saved: self.saved[i],
            size: self.size[i],
            records: self.records[i],
            marks: NoteMarks(self.marks[i]),
            email: EmailId { number: self.email[i], owner: self.owner(i) },
            slot: self.slot[i],
            summary: self.summary[i],
        }
    }

    /// Who kept the message at a position first, when that was another user.
    #[inline]
    fn owner(&self, i: usize) -> Option<UserId> {
        if self.owners.is_empty() {
            return None;
        }
        let at = self.owners.binary_search_by_key(&i, |(at, _)| *at).ok()?;
        Some(self.owners[at].1)
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.uid.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.uid.is_empty()
    }

    /// The record of a UID.
    pub fn get(&self, uid: Uid) -> Option<MessageRecord> {
        self.position(uid).map(|i| self.at(i))
    }

    /// UIDs changed after `modseq`, ascending.
    pub fn changed_since(&self, modseq: ModSeq) -> impl Iterator<Item = Uid> + '_ {
        self.modseq.iter().zip(self.uid.iter()).filter(move |(m, _)| **m > modseq.0).map(|(_, u)| Uid(*u))
    }

    /// Messages with that flag.
    pub fn count(&self, flag: SystemFlags) -> usize {
        self.flags.iter().filter(|f| *f & flag.bits() != 0).count()
    }

    /// The bits of keywords that some message has.
    pub fn keywords_in_use(&self) -> u64 {
        self.keywords.iter().fold(0, |bits, keywords| bits | keywords)
    }

    /// Position of the first message without `\Seen`.
    pub fn first_unseen(&self) -> Option<usize> {
        self.flags.iter().position(|f| f & SystemFlags::SEEN.bits() == 0)
    }

    /// Without messages, with room for so many.
    pub fn with_capacity(messages: usize) -> Self {
        Self {
            uid: Arc::new(Vec::with_capacity(messages)),
            modseq: Vec::with_capacity(messages),
            flags: Vec::with_capacity(messages),
            keywords: Vec::with_capacity(messages),
            seconds: Vec::with_capacity(messages),
            zone: Vec::with_capacity(messages),
            saved: Vec::with_capacity(messages),
            size: Vec::with_capacity(messages),
            records: Vec::with_capacity(messages),
            marks: Vec::with_capacity(messages),
            email: Vec::with_capacity(messages),
            slot: Vec::with_capacity(messages),
            summary: Vec::with_capacity(messages),
            owners: Vec::new(),
        }
    }

    /// Adds messages at the end. Until all are there they need not ascend: [`Self::ascend`] sees to that.
    pub fn extend(&mut self, records: &[MessageRecord]) {
        let owner = |(at, r): (usize, &MessageRecord)| Some((at, r.email.owner?));
        self.owners.extend((self.len()..).zip(records).filter_map(owner));
        // Column by column: each grows in one piece.
        Arc::make_mut(&mut self.uid).extend(records.iter().map(|r| r.uid.0));
        self.modseq.extend(records.iter().map(|r| r.modseq.0));
        self.flags.extend(records.iter().map(|r| r.flags.bits()));
        self.keywords.extend(records.iter().map(|r| r.keywords));
        self.seconds.extend(records.iter().map(|r| r.date.seconds));
        self.zone.extend(records.iter().map(|r| r.date.zone_minutes));
        self.saved.extend(records.iter().map(|r| r.saved));
        self.size.extend(records.iter().map(|r| r.size));
        self.records.extend(records.iter().map(|r| r.records));
        self.marks.extend(records.iter().map(|r| r.marks.0));
        self.email.extend(records.iter().map(|r| r.email.number));
        self.slot.extend(records.iter().map(|r| r.slot));
        self.summary.extend(records.iter().map(|r| r.summary));
    }

    /// Puts the messages in ascending order; of several with one UID the first stays, and the others are returned.
    pub fn ascend(&mut self) -> Vec<MessageRecord> {
        // Mostly they are in order, since UIDs and new slots ascend.
        if self.uid.is_sorted_by(|a, b| a < b) {
            return Vec::new();
        }
        let mut records: Vec<MessageRecord> = self.iter().collect();
        records.sort_by_key(|r| r.uid);
        let (mut last, mut others) = (None, Vec::new());
        records.retain(|r| {
            let first = last.replace(r.uid) != Some(r.uid);
            if !first {
                others.push(*r);
            }
            first
        });
        *self = records.into_iter().collect();
        others
    }

    /// The records, ascending by UID.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = MessageRecord> + '_ {
        (0..self.len()).map(|i| self.at(i))
    }

    /// Gives an EMAILID to messages of before there was one; it is written with the next change of the message.
    pub(super) fn complete(&mut self, uid_validity: UidValidity) {
        for (email, uid) in self.email.iter_mut().zip(self.uid.iter()).filter(|(email, _)| **email == 0) {
            *email = EmailId::of(uid_validity, Uid(*uid)).number;
        }
    }

    /// Where the summaries are kept.
    pub(super) fn summaries(&self) -> impl Iterator<Item = SummaryPlace> + '_ {
        self.summary.iter().copied()
    }

    /// Changes flags as a run says, of those messages whose record is older.
    pub(super) fn change_older(&mut self, run: &FlagRun) {
        for (low, high) in &run.ranges {
            for i in self.uid.partition_point(|u| u < low)..self.uid.partition_point(|u| u <= high) {
                if self.modseq[i] < run.modseq.0 {
                    self.modseq[i] = run.modseq.0;
                    self.flags[i] = run.mask.system(SystemFlags::from_bits(self.flags[i])).bits();
                    self.keywords[i] = run.mask.keywords(self.keywords[i]);
                }
            }
        }
    }

    pub(super) fn push(&mut self, r: &MessageRecord) {
        self.owners.extend(r.email.owner.map(|owner| (self.len(), owner)));
        Arc::make_mut(&mut self.uid).push(r.uid.0);
        self.modseq.push(r.modseq.0);
        self.flags.push(r.flags.bits());
        self.keywords.push(r.keywords);
        self.seconds.push(r.date.seconds);
        self.zone.push(r.date.zone_minutes);
        self.saved.push(r.saved);
        self.size.push(r.size);
        self.records.push(r.records);
        self.marks.push(r.marks.0);
        self.email.push(r.email.number);
        self.slot.push(r.slot);
        self.summary.push(r.summary);
    }

    pub(super) fn update(&mut self, r: &MessageRecord) {
        if let Some(i) = self.position(r.uid) {
            self.modseq[i] = r.modseq.0;
            self.flags[i] = r.flags.bits();
            self.keywords[i] = r.keywords;
            self.summary[i] = r.summary;
        }
    }

    /// Changes the flags of many messages.
    pub(super) fn change(&mut self, alike: &Alike) {
        for (low, high) in alike.uids.ranges() {
            let range = self.uid.partition_point(|u| u < low)..self.uid.partition_point(|u| u <= high);
            self.modseq[range.clone()].fill(alike.modseq.0);
            for flags in &mut self.flags[range.clone()] {
                *flags = alike.mask.system(SystemFlags::from_bits(*flags)).bits();
            }
            self.keywords[range].iter_mut().for_each(|k| *k = alike.mask.keywords(*k));
        }
    }

    /// Removes what `gone` names, in one pass.
    pub(super) fn remove(&mut self, gone: &std::collections::BTreeSet<u32>) {
        if gone.is_empty() {
            return;
        }
        // Both ascend.
        let mut gone = gone.iter().peekable();
        let keep: Vec<bool> = self
            .uid
            .iter()
            .map(|uid| {
                while gone.next_if(|g| *g < uid).is_some() {}
                gone.next_if(|g| *g == uid).is_none()
            })
            .collect();
        fn pick<T>(v: &mut Vec<T>, keep: &[bool]) {
            let mut k = keep.iter();
            v.retain(|_| k.next().copied().unwrap_or(true));
        }
        let mut owners = std::mem::take(&mut self.owners).into_iter().peekable();
        if owners.peek().is_some() {
            let mut place = 0;
            for (at, kept) in keep.iter().enumerate() {
                let owner = owners.next_if(|(of, _)| *of == at).filter(|_| *kept);
                self.owners.extend(owner.map(|(_, owner)| (place, owner)));
                place += usize::from(*kept);
            }
        }
        pick(Arc::make_mut(&mut self.uid), &keep);
        pick(&mut self.modseq, &keep);
        pick(&mut self.flags, &keep);
        pick(&mut self.keywords, &keep);
        pick(&mut self.seconds, &keep);
        pick(&mut self.zone, &keep);
        pick(&mut self.saved, &keep);
        pick(&mut self.size, &keep);
        pick(&mut self.records, &keep);
        pick(&mut self.marks, &keep);
        pick(&mut self.email, &keep);
        pick(&mut self.slot, &keep);
        pick(&mut self.summary, &keep);
    }
}

impl FromIterator<MessageRecord> for Columns {
    /// Of records that ascend.
    fn from_iter<I: IntoIterator<Item = MessageRecord>>(records: I) -> Self {
        let records: Vec<MessageRecord> = records.into_iter().collect();
        let mut columns = Self::with_capacity(records.len());
        columns.extend(&records);
        columns
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::collections::btree_map::Entry;

    use proptest::prelude::*;

    use super::*;

    fn record(uid: u32, slot: u32) -> MessageRecord {
        MessageRecord {
            uid: Uid(uid),
            modseq: ModSeq(u64::from(uid) * 3),
            flags: SystemFlags::from_bits(slot as u8),
            keywords: u64::from(slot) << 40,
            date: InternalDate { seconds: i64::from(slot) - 5, zone_minutes: 60 },
            saved: i64::from(uid),
            size: u64::from(uid) + 7,
            records: slot / 2,
            marks: NoteMarks(uid as u8),
            email: EmailId {
                number: u64::from(uid % 3),
                owner: (slot % 4 == 3).then(|| UserId::new(["JOE", "ANN"][slot as usize / 4 % 2]).unwrap()),
            },
            slot,
            summary: SummaryPlace { first: slot, pieces: 1 },
        }
    }

    proptest! {
        /// In whatever order and pieces they come, they are what a map of the first of each UID has.
        #[test]
        fn they_ascend(uids in proptest::collection::vec(1u32..60, 0..80), piece in 1usize..20) {
            let records: Vec<_> = uids.iter().zip(2..).map(|(uid, slot)| record(*uid, slot)).collect();
            let mut columns = Columns::with_capacity(3);
            records.chunks(piece).for_each(|piece| columns.extend(piece));
            let mut others = columns.ascend();
            let mut first = BTreeMap::new();
            let mut told = Vec::new();
            for r in &records {
                match first.entry(r.uid.0) {
                    Entry::Vacant(place) => _ = place.insert(*r),
                    Entry::Occupied(_) => told.push(*r),
                }
            }
            others.sort_by_key(|r| r.slot);
            prop_assert_eq!(others, told);
            prop_assert_eq!(columns.iter().collect::<Vec<_>>(), first.values().copied().collect::<Vec<_>>());
            prop_assert_eq!(columns.ascend(), vec![]);
        }
    }

    proptest! {
        /// However messages come and go, each that is left is as it was.
        #[test]
        fn they_come_and_go(rounds in proptest::collection::vec((0usize..9, any::<bool>(), proptest::collection::btree_set(1u32..60, 0..12)), 1..9)) {
            let (mut columns, mut told, mut uid) = (Columns::default(), Vec::new(), 0);
            for (more, together, gone) in rounds {
                let new: Vec<_> = (0..more as u32).map(|n| record(uid + n + 1, uid * 7 + n)).collect();
                uid += more as u32;
                match together {
                    true => columns.extend(&new),
                    false => new.iter().for_each(|r| columns.push(r)),
                }
                told.extend(new);
                columns.remove(&gone);
                told.retain(|r: &MessageRecord| !gone.contains(&r.uid.0));
                prop_assert_eq!(columns.iter().collect::<Vec<_>>(), told.clone());
                prop_assert_eq!(&columns, &told.iter().copied().collect());
            }
        }
    }

    #[test]
    fn only_those_without_get_an_emailid() {
        let mut columns: Columns = [record(1, 2), record(3, 4)].into_iter().collect();
        columns.complete(UidValidity(9));
        assert_eq!(columns.at(0).email, EmailId::own(1));
        assert_eq!(columns.at(1).email, EmailId::of(UidValidity(9), Uid(3)));
    }
}
