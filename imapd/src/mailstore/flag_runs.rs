//! Flags of many messages that were changed alike, in one record: a STORE of a whole mailbox writes one record, not all.
//!
//! A [`FlagRun`] says that at a modification sequence the flags of messages in some ranges of UIDs changed in one way. A
//! message's own record tells its flags at its own modification sequence, so a run applies to those of its messages whose
//! record is older, and to no other; in whatever order records are written, the flags are the same. UIDs of a range that
//! are not there never come back and mean nothing.
//!
//! Runs build on each other: one goes only when a later one of the same messages leaves nothing of it, or when all its messages
//! get their own records in the same work unit. That is done with the older half when there are too many
//! ([`FlagRuns::MAX`]).

use super::columns::Columns;
use super::types::{MessageRecord, ModSeq};
use crate::syntax::flag::SystemFlags;
use crate::syntax::seqset::NumberSet;

/// How flags change: what is left of the former ones, and what is there in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlagMask {
    /// System flags that stay when they were set.
    pub stay: SystemFlags,
    /// System flags that are set.
    pub set: SystemFlags,
    /// Keywords that stay when they were set.
    pub keywords_stay: u64,
    /// Keywords that are set.
    pub keywords_set: u64,
}

impl FlagMask {
    /// The flags afterwards.
    pub fn system(&self, before: SystemFlags) -> SystemFlags {
        before.without(before.without(self.stay)).with(self.set)
    }

    /// Changes a message.
    pub fn apply(&self, record: &mut MessageRecord, modseq: ModSeq) {
        record.flags = self.system(record.flags);
        record.keywords = self.keywords(record.keywords);
        record.modseq = modseq;
    }

    /// Whether the flags after this change are the same with and without `before`, whatever they were.
    fn hides(&self, before: &Self) -> bool {
        let told = self.stay.without(self.set);
        let words = self.keywords_stay & !self.keywords_set;
        told.without(before.stay) == SystemFlags::default()
            && before.set.without(before.set.without(told)) == SystemFlags::default()
            && words & !before.keywords_stay == 0
            && before.keywords_set & words == 0
    }

    /// The keywords afterwards.
    pub fn keywords(&self, before: u64) -> u64 {
        before & self.keywords_stay | self.keywords_set
    }
}

/// One record: flags of these messages changed so at `modseq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagRun {
    /// When.
    pub modseq: ModSeq,
    /// How.
    pub mask: FlagMask,
    /// Ranges of UIDs, ascending, at most [`FlagRun::RANGES`].
    pub ranges: Vec<(u32, u32)>,
    /// Record number in NOTE INDEX.
    pub slot: u32,
}

impl FlagRun {
    /// Ranges that one record holds.
    pub const RANGES: usize = 12;
}

/// Changes what messages' own records say as runs say.
pub fn apply(runs: &[FlagRun], columns: &mut Columns) {
    let mut order: Vec<&FlagRun> = runs.iter().collect();
    order.sort_by_key(|run| run.modseq);
    order.into_iter().for_each(|run| columns.change_older(run));
}

/// A change of many messages that is about to become runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alike {
    /// When.
    pub modseq: ModSeq,
    /// How.
    pub mask: FlagMask,
    /// Of which messages, ranges of UIDs.
    pub uids: NumberSet,
}

impl Alike {
    /// Fewest messages for which a run is written: it costs hardly less than their records otherwise.
    const FEWEST: usize = 64;
    /// A run record stands for at least so many messages.
    const EACH: usize = 16;

    /// A change of messages by UID, ascending, all of them in the mailbox; `None` when runs would not pay.
    pub fn new(modseq: ModSeq, mask: FlagMask, changed: &[u32], columns: &Columns) -> Option<Self> {
        if changed.len() < Self::FEWEST {
            return None;
        }
        let most = (changed.len() / Self::EACH * FlagRun::RANGES).min(FlagRuns::MAX / 4 * FlagRun::RANGES);
        let there = columns.uids();
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        // Where the next message after the last one changed is.
        let mut next = 0;
        for uid in changed {
            if there.get(next) == Some(uid)
                && let Some(last) = ranges.last_mut()
            {
                // Between the two there is nothing, and never will be.
                last.1 = *uid;
                next += 1;
                continue;
            }
            next = there.binary_search(uid).ok()? + 1;
            ranges.push((*uid, *uid));
            if ranges.len() > most {
                return None;
            }
        }
        Some(Self { modseq, mask, uids: NumberSet::from_ranges(ranges) })
    }
}

/// All runs of a mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlagRuns {
    /// Whether NOTE INDEX is of a format that has them.
    allowed: bool,
    /// Ascending by modification sequence.
    runs: Vec<FlagRun>,
}

/// What adding runs comes to.
#[derive(Debug, Default)]
pub struct AddedRuns {
    /// Records to write.
    pub written: Vec<FlagRun>,
    /// Records to free.
    pub freed: Vec<u32>,
    /// Messages in these ranges of UIDs are to be written with their own records.
    pub folded: Vec<(u32, u32)>,
    /// NOTE INDEX is to get the header of today's format.
    pub header: bool,
}

impl FlagRuns {
    /// Most records of a mailbox: 8 KB.
    pub const MAX: usize = 64;

    /// From what was loaded.
    pub fn new(mut runs: Vec<FlagRun>, allowed: bool) -> Self {
        runs.sort_by_key(|run| (run.modseq, run.slot));
        Self { allowed, runs }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The header of NOTE INDEX was written.
    pub fn allow(&mut self) {
        self.allowed = true;
    }

    /// Adds changes, the latest so far. `slot` gives out record numbers.
    pub fn add(&mut self, changes: &[Alike], mut slot: impl FnMut() -> u32) -> AddedRuns {
        let mut added = AddedRuns { header: !self.allowed, ..AddedRuns::default() };
        self.allowed = true;
        for change in changes {
            let hidden = |run: &FlagRun| change.mask.hides(&run.mask) && within(&run.ranges, &change.uids);
            let gone = self.runs.extract_if(.., |run| hidden(run));
            added.freed.extend(gone.map(|run| run.slot));
            for ranges in change.uids.ranges().chunks(FlagRun::RANGES) {
                let run = FlagRun {
                    modseq: change.modseq,
                    mask: change.mask,
                    ranges: ranges.to_vec(),
                    slot: slot(),
                };
                added.written.push(run.clone());
                self.runs.push(run);
            }
        }
        if self.runs.len() > Self::MAX {
            let older = self.runs.len() / 2;
            for run in self.runs.drain(..older) {
                added.freed.push(run.slot);
                added.folded.extend(run.ranges);
            }
        }
        // What is freed at once is not written.
        added.written.retain(|run| !added.freed.contains(&run.slot));
        added
    }

    /// Forgets all, of a mailbox without messages; gives back the records to free.
    pub fn clear(&mut self) -> Vec<u32> {
        self.runs.drain(..).map(|run| run.slot).collect()
    }
}

fn within(ranges: &[(u32, u32)], of: &NumberSet) -> bool {
    ranges.iter().all(|(low, high)| {
        let at = of.ranges().partition_point(|(_, end)| end < low);
        of.ranges().get(at).is_some_and(|(first, last)| first <= low && high <= last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailstore::summaries::SummaryPlace;
    use crate::mailstore::types::{EmailId, NoteMarks, Uid};
    use crate::syntax::date::InternalDate;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const MESSAGES: u32 = 200;

    #[derive(Debug, Clone)]
    enum Step {
        /// Flags of messages between two UIDs, but for each so many.
        Store {
            low: u32,
            high: u32,
            but: u32,
            mask: FlagMask,
        },
        Expunge {
            low: u32,
            high: u32,
        },
    }

    /// Any, and such as `+FLAGS` and `-FLAGS` are.
    fn mask() -> impl Strategy<Value = FlagMask> {
        let of = |(stay, set, keywords_stay, keywords_set)| FlagMask {
            stay: SystemFlags::from_bits(stay),
            set: SystemFlags::from_bits(set),
            keywords_stay,
            keywords_set,
        };
        prop_oneof![
            (0u8..32, 0u8..32, 0u64..8, 0u64..8).prop_map(of),
            (0u8..4, 0u64..2).prop_map(move |(flags, keywords)| of((31, flags, u64::MAX, keywords))),
            (0u8..4, 0u64..2).prop_map(move |(flags, keywords)| of((!flags, 0, !keywords, 0))),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        let range = || (1..=MESSAGES, 1..=MESSAGES).prop_map(|(a, b)| (a.min(b), a.max(b)));
        prop_oneof![
            6 => (range(), 20u32..99, mask()).prop_map(|((low, high), but, mask)| Step::Store { low, high, but, mask }),
            4 => mask().prop_map(|mask| Step::Store { low: 1, high: MESSAGES, but: 999, mask }),
            1 => (range(), 1u32..9).prop_map(|((low, high), n)| Step::Expunge { low, high: high.min(low + n) }),
        ]
    }

    /// NOTE INDEX as it is on a disk.
    #[derive(Default)]
    struct Disk {
        records: BTreeMap<u32, MessageRecord>,
        runs: BTreeMap<u32, FlagRun>,
        free: Vec<u32>,
        next: u32,
    }

    impl Disk {
        fn load(&self) -> Vec<MessageRecord> {
            let mut columns: Columns = self.records.values().copied().collect();
            let runs: Vec<FlagRun> = self.runs.values().cloned().collect();
            apply(&runs, &mut columns);
            columns.iter().collect()
        }
    }

    fn record(uid: u32) -> MessageRecord {
        MessageRecord {
            uid: Uid(uid),
            modseq: ModSeq(1),
            flags: SystemFlags::default(),
            keywords: 0,
            date: InternalDate { seconds: 0, zone_minutes: 0 },
            saved: 0,
            size: 1,
            records: 1,
            marks: NoteMarks(0),
            email: EmailId::own(uid.into()),
            slot: uid + 1,
            summary: SummaryPlace::default(),
        }
    }

    fn store(disk: &mut Disk, runs: &mut FlagRuns, now: &mut [MessageRecord], modseq: ModSeq, step: &Step) {
        let Step::Store { low, high, but, mask } = step else { return };
        let there = Columns::from_iter(now.iter().copied());
        let mut changed = Vec::new();
        for r in now.iter_mut().filter(|r| (*low..=*high).contains(&r.uid.0) && r.uid.0 % but != 0) {
            let (flags, keywords) = (mask.system(r.flags), mask.keywords(r.keywords));
            if (flags, keywords) != (r.flags, r.keywords) {
                (r.flags, r.keywords, r.modseq) = (flags, keywords, modseq);
                changed.push(r.uid.0);
            }
        }
        let Some(alike) = Alike::new(modseq, *mask, &changed, &there) else {
            let changed = now.iter().filter(|r| changed.contains(&r.uid.0));
            disk.records.extend(changed.map(|r| (r.uid.0, *r)));
            return;
        };
        let (free, next) = (&mut disk.free, &mut disk.next);
        let added = runs.add(&[alike], || {
            free.pop().unwrap_or_else(|| {
                *next += 1;
                *next
            })
        });
        for run in added.written {
            assert!(disk.runs.insert(run.slot, run).is_none(), "slot used twice");
        }
        for slot in added.freed {
            disk.runs.remove(&slot);
            disk.free.push(slot);
        }
        let folded = |uid: u32| added.folded.iter().any(|(low, high)| (*low..=*high).contains(&uid));
        let folded = now.iter().filter(|r| folded(r.uid.0));
        disk.records.extend(folded.map(|r| (r.uid.0, *r)));
        assert!(disk.runs.len() <= FlagRuns::MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        /// Whatever is changed and expunged in whatever order: what is loaded is what is in memory.
        #[test]
        fn what_is_written_is_what_is_known(steps in proptest::collection::vec(step(), 1..160)) {
            let mut now: Vec<MessageRecord> = (1..=MESSAGES)
                .map(record)
                .collect();
            let mut disk = Disk { records: now.iter().map(|r| (r.uid.0, *r)).collect(), ..Disk::default() };
            let mut runs = FlagRuns::new(Vec::new(), true);
            for (i, step) in steps.iter().enumerate() {
                match step {
                    Step::Expunge { low, high } => {
                        now.retain(|r| !(*low..=*high).contains(&r.uid.0));
                        disk.records.retain(|uid, _| !(*low..=*high).contains(uid));
                    }
                    step => store(&mut disk, &mut runs, &mut now, ModSeq(i as u64 + 2), step),
                }
                prop_assert_eq!(disk.load(), now.clone());
                let loaded = FlagRuns::new(disk.runs.values().cloned().collect(), true);
                prop_assert_eq!(loaded.runs.len(), runs.runs.len());
            }
        }
    }

    proptest! {
        #[test]
        fn a_mask_hides_what_makes_no_difference(first in mask(), second in mask()) {
            let same = (0u8..32).all(|flags| {
                let flags = SystemFlags::from_bits(flags);
                second.system(first.system(flags)) == second.system(flags)
            }) && (0u64..16).all(|k| second.keywords(first.keywords(k)) == second.keywords(k))
                && second.keywords(first.keywords(u64::MAX)) == second.keywords(u64::MAX);
            prop_assert_eq!(second.hides(&first), same);
        }
    }

    #[test]
    fn fewest_messages_and_most_ranges() {
        let all: Vec<MessageRecord> = (1..=2_000).map(record).collect();
        let there = Columns::from_iter(all.iter().copied());
        let mask = FlagMask {
            stay: SystemFlags::ALL,
            set: SystemFlags::SEEN,
            keywords_stay: u64::MAX,
            keywords_set: 0,
        };
        let alike = |uids: Vec<u32>| Alike::new(ModSeq(2), mask, &uids, &there);
        let fewest = Alike::FEWEST as u32;
        assert!(alike((1..fewest).collect()).is_none());
        let one = alike((1..=fewest).collect()).unwrap();
        assert_eq!(one.uids.ranges(), [(1, fewest)]);
        // Every second message: ranges of one each cost as much as the records.
        assert!(alike((1..=1_000).map(|n| 2 * n).collect()).is_none());
        // What is not there any more parts nothing.
        let thin: Vec<MessageRecord> = (1..=500).map(|n| record(3 * n)).collect();
        let over = Alike::new(
            ModSeq(2),
            mask,
            &(1..=500).map(|n| 3 * n).collect::<Vec<_>>(),
            &Columns::from_iter(thin),
        );
        assert_eq!(over.unwrap().uids.ranges(), [(3, 1_500)]);
    }
}
