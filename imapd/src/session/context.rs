//! Searches whose results a session is told changes of (RFC 5267 section 4.3).
//!
//! What a context keeps is the search and the UIDs that match, for it cannot be known afterwards whether an expunged message
//! did. Which messages match is judged elsewhere ([`crate::command::updates`]); here is what becomes of the matches and how that
//! is written. Matches of SEARCH are told without positions, those of SORT with them.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::syntax::ast::FetchItem;
use crate::syntax::quote;
use crate::syntax::search_key::SearchKey;
use crate::syntax::seqset::NumberSet;
use crate::syntax::sort_key::SortKey;

/// The messages that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matches {
    /// Of SEARCH, in the order of the mailbox.
    Plain(NumberSet),
    /// Of SORT, in the order of the keys.
    Sorted {
        /// The keys.
        keys: Vec<SortKey>,
        /// UIDs.
        order: Vec<u32>,
    },
}

impl Matches {
    /// How many numbers it takes to keep them.
    fn weight(&self) -> usize {
        match self {
            Self::Plain(set) => 2 * set.ranges().len(),
            Self::Sorted { order, .. } => order.len(),
        }
    }

    /// Which of the ascending `uids` match.
    pub fn among(&self, uids: &[u32]) -> BTreeSet<u32> {
        match self {
            Self::Plain(set) => uids.iter().copied().filter(|uid| set.contains(*uid)).collect(),
            Self::Sorted { order, .. } => {
                order.iter().copied().filter(|uid| uids.binary_search(uid).is_ok()).collect()
            }
        }
    }

    /// Takes messages out; where they were, the last first, so that each position holds when it is read.
    fn remove(&mut self, gone: &BTreeSet<u32>) -> Vec<Piece> {
        if gone.is_empty() {
            return Vec::new();
        }
        match self {
            Self::Plain(set) => {
                let gone: Vec<u32> = gone.iter().copied().collect();
                *set = set.without(&gone);
                vec![Piece { position: 0, uids: gone }]
            }
            Self::Sorted { order, .. } => {
                let mut pieces = pieces(order, gone);
                pieces.reverse();
                order.retain(|uid| !gone.contains(uid));
                pieces
            }
        }
    }

    /// Puts messages in; of sorted ones `order` has become `sorted`. Where they are, the first first.
    fn add(&mut self, new: &BTreeSet<u32>, sorted: Vec<u32>) -> Vec<Piece> {
        if new.is_empty() {
            return Vec::new();
        }
        match self {
            Self::Plain(set) => {
                let both = set.ranges().iter().copied().chain(new.iter().map(|uid| (*uid, *uid)));
                *set = NumberSet::from_ranges(both);
                vec![Piece { position: 0, uids: new.iter().copied().collect() }]
            }
            Self::Sorted { order, .. } => {
                *order = sorted;
                pieces(order, new)
            }
        }
    }
}

/// Neighbours among the results.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    /// Where the first of them is, counted from 1; 0 where positions are not told.
    position: usize,
    uids: Vec<u32>,
}

/// Where `some` are in `order`.
fn pieces(order: &[u32], some: &BTreeSet<u32>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    for (i, uid) in order.iter().enumerate().filter(|(_, uid)| some.contains(uid)) {
        match out.last_mut() {
            Some(last) if last.position + last.uids.len() == i + 1 => last.uids.push(*uid),
            _ => out.push(Piece { position: i + 1, uids: vec![*uid] }),
        }
    }
    out
}

/// Numbers in an order that counts, neighbours that ascend as ranges (RFC 5267 section 3.2).
fn write_ordered(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>) {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for n in numbers {
        match runs.last_mut() {
            Some(last) if last.1.checked_add(1) == Some(n) => last.1 = n,
            _ => runs.push((n, n)),
        }
    }
    for (i, (low, high)) in runs.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let text = if low == high { format!("{comma}{low}") } else { format!("{comma}{low}:{high}") };
        out.extend_from_slice(text.as_bytes());
    }
}

/// One search.
#[derive(Debug)]
pub struct UpdateContext {
    /// The tag of its command.
    pub tag: Bytes,
    /// What says to which command, and with ESEARCH to which mailbox, its results belong.
    pub correlator: Vec<u8>,
    /// What messages must match, message numbers replaced by UIDs.
    pub key: SearchKey,
    /// Charset of the texts.
    pub charset: Option<Vec<u8>>,
    /// Whether UIDs are told.
    pub by_uid: bool,
    /// What is shown of new messages that match.
    pub attributes: Vec<FetchItem>,
    /// The messages that match.
    pub matches: Matches,
}

impl UpdateContext {
    /// Takes out what matches no more and puts in what matches now; appends the response. `number` gives the message number of a
    /// UID.
    pub fn change(
        &mut self,
        left: &BTreeSet<u32>,
        joined: &BTreeSet<u32>,
        sorted: Vec<u32>,
        number: impl Fn(u32) -> Option<u32>,
        out: &mut Vec<u8>,
    ) {
        let removed = self.matches.remove(left);
        let added = self.matches.add(joined, sorted);
        if removed.is_empty() && added.is_empty() {
            return;
        }
        out.extend_from_slice(b"* ESEARCH ");
        out.extend_from_slice(&self.correlator);
        if self.by_uid {
            out.extend_from_slice(b" UID");
        }
        for (word, pieces) in [(" REMOVEFROM (", removed), (" ADDTO (", added)] {
            for (i, piece) in pieces.iter().enumerate() {
                let before = if i == 0 { word } else { " " };
                out.extend_from_slice(format!("{before}{} ", piece.position).as_bytes());
                let shown = |uid: &u32| if self.by_uid { Some(*uid) } else { number(*uid) };
                write_ordered(out, piece.uids.iter().filter_map(shown));
            }
            if !pieces.is_empty() {
                out.push(b')');
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// The searches of one selected mailbox.
#[derive(Debug, Default)]
pub struct Contexts(Vec<UpdateContext>);

impl Contexts {
    /// Most searches with updates at once: more than a client shows views of one mailbox.
    pub const MAX: usize = 16;
    /// Most numbers that are kept for all of them: one megabyte.
    pub const MAX_KEPT: usize = 256 * 1024;

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a search of that tag has updates.
    pub fn has(&self, tag: &[u8]) -> bool {
        self.0.iter().any(|c| c.tag == tag)
    }

    /// Whether one more, with these matches, can be kept.
    pub fn has_room(&self, matches: &Matches) -> bool {
        self.0.len() < Self::MAX && self.weight() + matches.weight() <= Self::MAX_KEPT
    }

    /// Adds one for which there is room.
    pub fn add(&mut self, context: UpdateContext) {
        self.0.push(context);
    }

    /// Ends one; whether it was there.
    pub fn cancel(&mut self, tag: &[u8]) -> bool {
        let before = self.0.len();
        self.0.retain(|c| c.tag != tag);
        self.0.len() < before
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut UpdateContext> {
        self.0.iter_mut()
    }

    fn weight(&self) -> usize {
        self.0.iter().map(|c| c.matches.weight()).sum()
    }

    /// Ends those of which `lost` says so, and the youngest ones while all together are kept in too many numbers; tells the client.
    pub fn shed(&mut self, lost: impl Fn(&UpdateContext) -> bool, out: &mut Vec<u8>) {
        let mut ended: Vec<Bytes> = self.0.iter().filter(|c| lost(c)).map(|c| c.tag.clone()).collect();
        self.0.retain(|c| !lost(c));
        while self.weight() > Self::MAX_KEPT
            && let Some(context) = self.0.pop()
        {
            ended.push(context.tag);
        }
        ended.iter().for_each(|tag| write_refused(out, tag));
    }

    /// Takes expunged messages out while they still have their numbers (RFC 5267 section 4.3.4).
    pub fn leave(&mut self, gone: &BTreeSet<u32>, number: impl Fn(u32) -> Option<u32>, out: &mut Vec<u8>) {
        if gone.is_empty() || self.0.is_empty() {
            return;
        }
        let uids: Vec<u32> = gone.iter().copied().collect();
        for context in &mut self.0 {
            let left = context.matches.among(&uids);
            context.change(&left, &BTreeSet::new(), Vec::new(), &number, out);
        }
    }
}

/// Appends the response that a search gets no updates, or no more (RFC 5267 section 4.3.1).
pub fn write_refused(out: &mut Vec<u8>, tag: &[u8]) {
    out.extend_from_slice(b"* NO [NOUPDATE ");
    quote::string(out, tag);
    out.extend_from_slice(b"] Too much would have to be kept for updates\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(order: Vec<u32>) -> Matches {
        Matches::Sorted { keys: Vec::new(), order }
    }

    fn context(tag: &str, matches: Matches) -> UpdateContext {
        let tag = Bytes::copy_from_slice(tag.as_bytes());
        let key = SearchKey::All;
        let correlator = b"(TAG \"t\")".to_vec();
        UpdateContext { tag, correlator, key, charset: None, by_uid: true, attributes: Vec::new(), matches }
    }

    #[test]
    fn limits_at_and_past() {
        let plain = || Matches::Plain(NumberSet::default());
        let mut contexts = Contexts::default();
        for n in 0..Contexts::MAX {
            assert!(contexts.has_room(&plain()));
            contexts.add(context(&n.to_string(), plain()));
        }
        assert!(!contexts.has_room(&plain()));
        assert!(contexts.cancel(b"3") && !contexts.cancel(b"3") && contexts.has_room(&plain()));
        let most = Contexts::MAX_KEPT as u32;
        assert!(contexts.has_room(&sorted((1..=most).collect())));
        assert!(!contexts.has_room(&sorted((0..=most).collect())));
        contexts.add(context("big", sorted((1..=most).collect())));
        let mut out = Vec::new();
        contexts.shed(|_| false, &mut out);
        assert!(out.is_empty());
        contexts.iter_mut().last().unwrap().matches = sorted((0..=most).collect());
        contexts.shed(|_| false, &mut out);
        assert!(out.starts_with(b"* NO [NOUPDATE \"big\"] ") && !contexts.has(b"big"));
    }

    /// What a client makes of a response that says what changed of results.
    fn follow(results: &mut Vec<u32>, line: &str) {
        for (word, rest) in line.split(" (").skip(2).zip(line.split(" (").skip(1)).map(|(b, a)| (a, b)) {
            let adds = word.ends_with("ADDTO");
            let words: Vec<&str> = rest.split(')').next().unwrap().split(' ').collect();
            for pair in words.chunks(2) {
                let position: usize = pair[0].parse().unwrap();
                let numbers = pair[1].split(',').flat_map(|part| {
                    let (low, high) = part.split_once(':').unwrap_or((part, part));
                    low.parse::<u32>().unwrap()..=high.parse().unwrap()
                });
                for (i, n) in numbers.enumerate() {
                    if adds {
                        results.insert(position - 1 + i, n);
                    } else {
                        assert_eq!(results.remove(position - 1), n);
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_client_that_follows_has_the_same_order(
            all in Just((1u32..40).collect::<Vec<_>>()).prop_shuffle(), before: u64, after: u64,
        ) {
            let at = |bits: u64| all.iter().copied().filter(move |n| bits & 1 << n != 0).collect::<Vec<_>>();
            let (old, new) = (at(before), at(after));
            let left: BTreeSet<u32> = old.iter().copied().filter(|n| !new.contains(n)).collect();
            let joined: BTreeSet<u32> = new.iter().copied().filter(|n| !old.contains(n)).collect();
            let mut context = context("t", sorted(old.clone()));
            let mut out = Vec::new();
            context.change(&left, &joined, new.clone(), Some, &mut out);
            let mut results = old;
            follow(&mut results, &String::from_utf8(out).unwrap());
            prop_assert_eq!(results, new);
        }
    }

    #[test]
    fn plain_results_have_no_positions() {
        let mut context = context("t", Matches::Plain(NumberSet::from_sorted([2, 3, 5])));
        let mut out = Vec::new();
        context.change(&BTreeSet::from([3]), &BTreeSet::from([7, 8]), Vec::new(), Some, &mut out);
        let line = String::from_utf8(out).unwrap();
        assert_eq!(line, "* ESEARCH (TAG \"t\") UID REMOVEFROM (0 3) ADDTO (0 7:8)\r\n");
        assert_eq!(context.matches, Matches::Plain(NumberSet::from_sorted([2, 5, 7, 8])));
    }
}
