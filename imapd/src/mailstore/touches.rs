//! Which flags of which messages changed lately, so that a conditional STORE of one flag is not refused where another one was changed
//! (RFC 7162 section 3.1.12), though NOTE INDEX has one modification sequence a message.
//!
//! One [`Touch`] a change, a bounded number of them, in memory alone: what was before the mailbox came into memory, or fell off the ring,
//! is not known, and whoever asks for it is told so. A touch may name more flags and more messages than changed, never fewer.

use std::collections::VecDeque;

use super::types::{ModSeq, Uid};
use crate::syntax::flag::SystemFlags;
use crate::syntax::seqset::NumberSet;

/// Some flags of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlagBits {
    /// System flags.
    pub system: SystemFlags,
    /// Keywords, by bit.
    pub keywords: u64,
}

impl FlagBits {
    /// All there can be.
    pub const ALL: Self = Self { system: SystemFlags::ALL, keywords: u64::MAX };

    /// Whether one of them is among `others`.
    pub fn meet(self, others: Self) -> bool {
        self.system.bits() & others.system.bits() != 0 || self.keywords & others.keywords != 0
    }

    /// Adds those that differ between two states of a message.
    pub fn add_changed(&mut self, before: Self, after: Self) {
        self.system = self.system.with(SystemFlags::from_bits(before.system.bits() ^ after.system.bits()));
        self.keywords |= before.keywords ^ after.keywords;
    }
}

/// A change of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// When.
    pub modseq: ModSeq,
    /// No other flags were changed.
    pub flags: FlagBits,
    /// Of no other messages: ranges of UIDs, ascending, at most [`Touch::RANGES`].
    ranges: Vec<(u32, u32)>,
}

impl Touch {
    /// Ranges kept apart; where there are more, everything between the first and the last message counts as changed.
    pub const RANGES: usize = 16;

    /// A change of messages by UID, ascending.
    pub fn new(modseq: ModSeq, flags: FlagBits, uids: impl IntoIterator<Item = u32>) -> Self {
        let set = NumberSet::from_sorted(uids);
        let ranges = match set.ranges() {
            [(first, _), .., (_, last)] if set.ranges().len() > Self::RANGES => vec![(*first, *last)],
            few => few.to_vec(),
        };
        Self { modseq, flags, ranges }
    }

    /// Whether the message may be one of them.
    pub fn has(&self, uid: Uid) -> bool {
        let at = self.ranges.partition_point(|(_, last)| *last < uid.0);
        self.ranges.get(at).is_some_and(|(first, _)| *first <= uid.0)
    }
}

/// The changes of a mailbox.
#[derive(Debug, Default)]
pub struct Touches {
    /// Changes up to this modification sequence are not known.
    floor: ModSeq,
    ring: VecDeque<Touch>,
}

impl Touches {
    /// Changes kept: at most 20 KB a mailbox, and more than what other clients do between a client's look and its STORE.
    pub const CAPACITY: usize = 128;

    /// Of a mailbox that comes into memory.
    pub fn new(highest: ModSeq) -> Self {
        Self { floor: highest, ring: VecDeque::new() }
    }

    /// Adds changes, each later than those before.
    pub fn extend(&mut self, touches: impl IntoIterator<Item = Touch>) {
        for touch in touches {
            if self.ring.len() == Self::CAPACITY {
                let oldest = self.ring.pop_front();
                self.floor = oldest.map_or(self.floor, |oldest| oldest.modseq);
            }
            self.ring.push_back(touch);
        }
    }

    /// The changes after `modseq`; `None` when they are not all known.
    pub fn since(&self, modseq: ModSeq) -> Option<impl Iterator<Item = &Touch>> {
        let from = self.ring.partition_point(|touch| touch.modseq <= modseq);
        (modseq >= self.floor).then(|| self.ring.range(from..))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn touch(modseq: u64, flags: FlagBits, uids: &[u32]) -> Touch {
        Touch::new(ModSeq(modseq), flags, uids.iter().copied())
    }

    #[test]
    fn what_fell_off_is_not_known() {
        let mut touches = Touches::new(ModSeq(9));
        let capacity = Touches::CAPACITY as u64;
        touches.extend((1..=capacity).map(|n| touch(9 + n, FlagBits::ALL, &[1])));
        assert!(touches.since(ModSeq(8)).is_none());
        assert_eq!(touches.since(ModSeq(9)).unwrap().count(), Touches::CAPACITY);
        assert_eq!(touches.since(ModSeq(9 + capacity)).unwrap().count(), 0);
        touches.extend([touch(10 + capacity, FlagBits::ALL, &[1])]);
        assert!(touches.since(ModSeq(9)).is_none());
        assert_eq!(touches.since(ModSeq(10)).unwrap().count(), Touches::CAPACITY);
    }

    #[test]
    fn ranges_end_at_what_is_kept_apart() {
        let apart = |count: u32| (0..count).map(|n| 2 * n + 1).collect::<Vec<_>>();
        let most = touch(1, FlagBits::ALL, &apart(Touch::RANGES as u32));
        assert!(!most.has(Uid(2)) && most.has(Uid(3)) && !most.has(Uid(32)));
        let more = touch(1, FlagBits::ALL, &apart(Touch::RANGES as u32 + 1));
        assert!(more.has(Uid(2)) && more.has(Uid(33)) && !more.has(Uid(34)) && !more.has(Uid(0)));
        assert!(!touch(1, FlagBits::ALL, &[]).has(Uid(1)));
    }

    proptest! {
        /// Every message that changed is named, and every flag.
        #[test]
        fn nothing_is_left_out(uids in proptest::collection::btree_set(1u32..200, 0..60), states: [(u8, u64); 4]) {
            let bits = |(system, keywords)| FlagBits { system: SystemFlags::from_bits(system), keywords };
            let mut flags = FlagBits::default();
            states.windows(2).for_each(|pair| flags.add_changed(bits(pair[0]), bits(pair[1])));
            let one = Touch::new(ModSeq(1), flags, uids.iter().copied());
            prop_assert!(uids.iter().all(|uid| one.has(Uid(*uid))));
            for pair in states.windows(2) {
                let system = bits(pair[0]).system.bits() ^ bits(pair[1]).system.bits();
                let changed = FlagBits { system: SystemFlags::from_bits(system), keywords: pair[0].1 ^ pair[1].1 };
                prop_assert!(changed == FlagBits::default() || flags.meet(changed));
            }
        }
    }
}
