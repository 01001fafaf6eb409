//! Which batches of UIDs a client has asked for, so that it does not ask again for what it knows (RFC 10022 sections 3.1.1 and 6).
//!
//! Kept with the selected mailbox, for another one, or the same selected again, may be asked about at once. A client may go through the
//! batches in pieces, also in pieces that overlap. Another size of batches begins anew: making batches costs little here, and it is
//! the sending again and again that has to end.

use crate::syntax::seqset::NumberSet;

/// Most pieces that do not touch each other; a client goes through the batches in order.
const MOST_PIECES: usize = 64;

/// What was asked since the mailbox changed much.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AskedBatches {
    /// Messages in a batch.
    size: u32,
    /// Numbers of the batches.
    numbers: NumberSet,
    /// Messages that were there.
    messages: usize,
    /// The highest UID then.
    highest: u32,
}

impl AskedBatches {
    /// Takes note of a request about a mailbox with these UIDs; whether it may be answered. One for batches of which all were
    /// asked for is not until half a batch of messages has come or gone.
    pub fn ask(&mut self, size: u32, (first, last): (u32, u32), uids: &[u32]) -> bool {
        if size != self.size || self.has_changed(uids) {
            *self = Self {
                size,
                numbers: NumberSet::default(),
                messages: uids.len(),
                highest: uids.last().copied().unwrap_or(0),
            };
        }
        let known = self.numbers.ranges();
        if known.iter().any(|(low, high)| *low <= first && last <= *high) {
            return false;
        }
        let numbers = NumberSet::from_ranges(known.iter().copied().chain([(first, last)]));
        if numbers.ranges().len() > MOST_PIECES {
            return false;
        }
        self.numbers = numbers;
        true
    }

    fn has_changed(&self, uids: &[u32]) -> bool {
        let come = uids.len() - uids.partition_point(|uid| *uid <= self.highest);
        let gone = (self.messages + come).saturating_sub(uids.len());
        come.max(gone) * 2 >= self.size as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: (u32, u32) = (1, u32::MAX);

    fn uids(from: u32, to: u32) -> Vec<u32> {
        (from..=to).collect()
    }

    #[test]
    fn the_same_again_only_after_half_a_batch() {
        let mut asked = AskedBatches::default();
        assert!(asked.ask(500, ALL, &uids(1, 1000)));
        assert!(!asked.ask(500, ALL, &uids(1, 1000)));
        assert!(!asked.ask(500, (2, 2), &uids(1, 1000)));
        // New ones and those gone are counted each for themselves.
        assert!(!asked.ask(500, ALL, &uids(250, 1249)));
        assert!(asked.ask(500, ALL, &uids(1, 1250)));
        assert!(!asked.ask(500, ALL, &uids(1, 1250)));
        assert!(!asked.ask(500, ALL, &uids(250, 1250)));
        assert!(asked.ask(500, ALL, &uids(251, 1250)));
        // An odd size: more than half of it.
        assert!(asked.ask(501, ALL, &[]));
        assert!(!asked.ask(501, ALL, &uids(1, 250)));
        assert!(asked.ask(501, ALL, &uids(1, 251)));
    }

    #[test]
    fn pieces_may_follow_and_overlap() {
        let mut asked = AskedBatches::default();
        let there = uids(1, 10);
        for piece in [(1, 100), (100, 200), (201, 300), (299, 301), (400, 500), (301, 400)] {
            assert!(asked.ask(500, piece, &there), "{piece:?}");
        }
        for piece in [(1, 100), (50, 450), (1, 500)] {
            assert!(!asked.ask(500, piece, &there), "{piece:?}");
        }
        assert!(asked.ask(600, (1, 100), &there));
        assert!(asked.ask(500, (1, 100), &there));
    }

    #[test]
    fn pieces_are_few() {
        let mut asked = AskedBatches::default();
        let piece = |i: usize| (3 * i as u32 + 1, 3 * i as u32 + 1);
        assert!((0..MOST_PIECES).all(|i| asked.ask(500, piece(i), &[])));
        assert!(!asked.ask(500, piece(MOST_PIECES), &[]));
        // What joins two of them is taken.
        assert!(asked.ask(500, (2, 3), &[]));
    }
}
