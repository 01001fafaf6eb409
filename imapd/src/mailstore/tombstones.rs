//! Which messages were expunged when: what VANISHED (EARLIER) tells (RFC 7162 section 3.2).
//!
//! One [`Tombstone`] stands for one record of NOTE INDEX: UIDs that went at a modification sequence. Their number is
//! bounded: when there are too many, the older half is merged into fewer that say a later modification sequence, which
//! tells a client at worst of messages it knows are gone; and when that does not help, they are dropped and the floor
//! rises. Below the floor nothing is known but which UIDs are there, and that is what is told then.

use super::open::State;
use super::types::ModSeq;
use crate::syntax::seqset::NumberSet;

/// One record: these UIDs were expunged at `modseq`, or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// When.
    pub modseq: ModSeq,
    /// Ranges of UIDs, ascending, at most [`Tombstone::RANGES`].
    pub ranges: Vec<(u32, u32)>,
    /// Record number in NOTE INDEX.
    pub slot: u32,
}

impl Tombstone {
    /// Ranges that one record holds.
    pub const RANGES: usize = 14;
}

/// All that is known of expunged messages of a mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tombstones {
    /// Changes up to this modification sequence are not known.
    floor: ModSeq,
    /// Whether the floor is in NOTE INDEX; it is not in those of the former format.
    floor_kept: bool,
    /// Ascending by modification sequence.
    records: Vec<Tombstone>,
}

/// What adding a tombstone comes to.
#[derive(Debug, Default)]
pub struct Added {
    /// Records to write.
    pub written: Vec<Tombstone>,
    /// Records to free.
    pub freed: Vec<u32>,
    /// The floor, when it is to be written.
    pub floor: Option<ModSeq>,
}

impl Tombstones {
    /// Most records of a mailbox: 16 KB.
    pub const MAX_RECORDS: usize = 128;

    /// From what was loaded. Without a floor, nothing before `now` is known.
    pub fn new(floor: Option<ModSeq>, mut records: Vec<Tombstone>, now: ModSeq) -> Self {
        records.sort_by_key(|t| (t.modseq, t.slot));
        Self { floor: floor.unwrap_or(now), floor_kept: floor.is_some(), records }
    }

    /// The floor, which is about to be written into NOTE INDEX.
    pub fn keep_floor(&mut self) -> ModSeq {
        self.floor_kept = true;
        self.floor
    }

    /// UIDs that were expunged after `modseq`; a few that were before may be among them. `None` when that is not known.
    pub fn since(&self, modseq: ModSeq) -> Option<NumberSet> {
        let from = self.records.partition_point(|t| t.modseq <= modseq);
        let ranges = self.records[from..].iter().flat_map(|t| t.ranges.iter().copied());
        (modseq >= self.floor).then(|| NumberSet::from_ranges(ranges))
    }

    /// Adds what was expunged at `modseq`, the greatest so far. `slot` gives out record numbers.
    pub fn add(&mut self, modseq: ModSeq, gone: &NumberSet, mut slot: impl FnMut() -> u32) -> Added {
        let mut added = Added::default();
        let before = self.floor;
        let needed = gone.ranges().len().div_ceil(Tombstone::RANGES);
        while self.records.len() + needed > Self::MAX_RECORDS && !self.records.is_empty() {
            self.merge_older_half(&mut added);
        }
        if needed > Self::MAX_RECORDS {
            self.floor = modseq;
        } else {
            for ranges in gone.ranges().chunks(Tombstone::RANGES) {
                let record = Tombstone { modseq, ranges: ranges.to_vec(), slot: slot() };
                added.written.push(record.clone());
                self.records.push(record);
            }
        }
        if self.floor != before || !self.floor_kept {
            self.floor_kept = true;
            added.floor = Some(self.floor);
        }
        added
    }

    fn merge_older_half(&mut self, added: &mut Added) {
        let half = self.records.len().div_ceil(2);
        let newer = self.records.split_off(half);
        let older = std::mem::replace(&mut self.records, newer);
        let Some(modseq) = older.last().map(|t| t.modseq) else { return };
        let union = NumberSet::from_ranges(older.iter().flat_map(|t| t.ranges.iter().copied()));
        let mut slots: Vec<u32> = older.iter().rev().map(|t| t.slot).collect();
        if union.ranges().len().div_ceil(Tombstone::RANGES) <= half / 2 {
            let merged = union.ranges().chunks(Tombstone::RANGES).map(|ranges| Tombstone {
                modseq,
                ranges: ranges.to_vec(),
                // There are fewer than those they are made of.
                slot: slots.pop().unwrap_or_default(),
            });
            let merged: Vec<Tombstone> = merged.collect();
            added.written.extend(merged.iter().cloned());
            self.records.splice(0..0, merged);
        } else {
            self.floor = modseq;
        }
        added.freed.extend(slots);
    }
}

impl State {
    /// UIDs of `known` that were expunged after `modseq`, ascending; without `known`, of all UIDs given out so far.
    pub fn vanished(&self, modseq: ModSeq, known: Option<&NumberSet>) -> NumberSet {
        let gone = self.tombstones.since(modseq);
        let gone = gone.unwrap_or_else(|| NumberSet::gaps(self.columns.uids(), self.uid_next.0));
        match known {
            Some(known) => gone.intersection(known),
            None => gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// Whatever is expunged in whatever portions: at or above the floor all is known and nothing invented, records
        /// stay bounded, and what is written is what is in memory.
        #[test]
        fn nothing_is_lost_and_nothing_grows(
            portions in proptest::collection::vec(proptest::collection::btree_set(1u32..4000, 1..60), 1..60),
        ) {
            let mut tombstones = Tombstones::new(Some(ModSeq(0)), Vec::new(), ModSeq(1));
            let mut on_disk: BTreeMap<u32, Tombstone> = BTreeMap::new();
            let mut floor = ModSeq(0);
            let mut free: Vec<u32> = Vec::new();
            let mut next = 1;
            let mut history: Vec<(u64, BTreeSet<u32>)> = Vec::new();
            for (i, gone) in portions.into_iter().enumerate() {
                let modseq = i as u64 + 2;
                let set = NumberSet::from_sorted(gone.iter().copied());
                let added = tombstones.add(ModSeq(modseq), &set, || free.pop().unwrap_or_else(|| { next += 1; next }));
                for t in added.written.iter().cloned() {
                    on_disk.insert(t.slot, t);
                }
                for slot in added.freed {
                    on_disk.remove(&slot).unwrap();
                    free.push(slot);
                }
                floor = added.floor.unwrap_or(floor);
                history.push((modseq, gone));
                prop_assert!(on_disk.len() <= Tombstones::MAX_RECORDS);
                let loaded = Tombstones::new(Some(floor), on_disk.values().cloned().collect(), ModSeq(modseq));
                for since in [0, modseq / 2, modseq - 1, modseq] {
                    let known = tombstones.since(ModSeq(since));
                    prop_assert_eq!(&known, &loaded.since(ModSeq(since)));
                    let Some(known) = known else { continue };
                    let all: BTreeSet<u32> = history.iter().flat_map(|(_, g)| g.iter().copied()).collect();
                    prop_assert!(known.iter().all(|u| all.contains(&u)));
                    let exact = history.iter().filter(|(m, _)| *m > since).flat_map(|(_, g)| g);
                    prop_assert!(exact.into_iter().all(|u| known.contains(*u)));
                }
                prop_assert!(tombstones.since(ModSeq(modseq)).is_some());
            }
        }
    }

    #[test]
    fn one_expunge_at_and_past_what_can_be_kept() {
        for (extra, known) in [(0, true), (1, false)] {
            let ranges = (Tombstones::MAX_RECORDS * Tombstone::RANGES + extra) as u32;
            let gone = NumberSet::from_sorted((1..=ranges).map(|n| 2 * n));
            let mut tombstones = Tombstones::new(Some(ModSeq(0)), Vec::new(), ModSeq(1));
            let mut next = 0;
            let added = tombstones.add(ModSeq(9), &gone, || {
                next += 1;
                next
            });
            assert_eq!(added.floor.is_none(), known);
            assert_eq!(tombstones.since(ModSeq(8)).is_some(), known);
            assert!(tombstones.since(ModSeq(9)).is_some_and(|s| s.is_empty()));
        }
    }

    #[test]
    fn a_file_of_the_former_format_knows_nothing_of_before() {
        let mut tombstones = Tombstones::new(None, Vec::new(), ModSeq(7));
        assert_eq!(tombstones.since(ModSeq(6)), None);
        let added = tombstones.add(ModSeq(8), &NumberSet::from_sorted([3]), || 1);
        assert_eq!(added.floor, Some(ModSeq(7)));
        assert_eq!(tombstones.since(ModSeq(7)), Some(NumberSet::from_sorted([3])));
    }
}
