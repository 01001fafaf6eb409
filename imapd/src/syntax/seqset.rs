//! Sequence sets: sorted ranges of message numbers or UIDs, with `*` (RFC 3501 section 9, `sequence-set`).
//!
//! A set is parsed as written ([`SequenceSet`]), then resolved once against the greatest number in use
//! ([`SequenceSet::resolve`]) into [`NumberSet`], whose ranges are sorted, disjoint and not adjacent. `$`, the result of
//! an earlier search (RFC 5182), stands alone and is known to the session only.

use std::fmt;

/// One end of a range as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeqNumber {
    /// A number, never zero.
    Number(u32),
    /// `*`, the greatest number in use.
    Star,
    /// `$`, both ends of the one range of [`SequenceSet::saved`].
    Saved,
}

/// A sequence set as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceSet(pub Vec<(SeqNumber, SeqNumber)>);

impl SequenceSet {
    /// Greatest count of elements in one set; a client that selects single messages stays far below.
    pub const MAX_RANGES: usize = 20_000;

    /// `$`
    pub fn saved() -> Self {
        Self(vec![(SeqNumber::Saved, SeqNumber::Saved)])
    }

    /// The numbers of a set.
    pub fn of(numbers: &NumberSet) -> Self {
        let end = |n: u32| SeqNumber::Number(n);
        Self(numbers.ranges().iter().map(|(low, high)| (end(*low), end(*high))).collect())
    }

    /// Whether this is `$`.
    pub fn is_saved(&self) -> bool {
        matches!(self.0[..], [(SeqNumber::Saved, _)])
    }

    /// The set with `*` replaced by `greatest`, sorted and merged. With `greatest` 0 (nothing there), `*` is 0 and
    /// ranges of `*` alone vanish.
    pub fn resolve(&self, greatest: u32) -> NumberSet {
        let value = |n: SeqNumber| match n {
            SeqNumber::Number(n) => n,
            SeqNumber::Star => greatest,
            SeqNumber::Saved => 0,
        };
        NumberSet::from_ranges(self.0.iter().map(|(a, b)| (value(*a), value(*b))))
    }

    /// Greatest number named as such (not by `*`), for the check of message numbers.
    pub fn greatest_named(&self) -> u32 {
        let named = |n: &SeqNumber| match n {
            SeqNumber::Number(n) => *n,
            SeqNumber::Star | SeqNumber::Saved => 0,
        };
        self.0.iter().map(|(a, b)| named(a).max(named(b))).max().unwrap_or(0)
    }
}

/// Numbers as sorted, disjoint, non-adjacent inclusive ranges; never contains 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberSet(Vec<(u32, u32)>);

impl NumberSet {
    /// Builds the set from ranges in any order; the ends of each may come either way round.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut v: Vec<(u32, u32)> = ranges
            .into_iter()
            .map(|(a, b)| (a.min(b).max(1), a.max(b)))
            .filter(|(_, high)| *high > 0)
            .collect();
        v.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(v.len());
        for (low, high) in v {
            match merged.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        Self(merged)
    }

    /// The set of ascending numbers, as results of a command come.
    pub fn from_sorted(numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for n in numbers {
            match merged.last_mut() {
                Some(last) if n == last.1.wrapping_add(1) => last.1 = n,
                _ => merged.push((n, n)),
            }
        }
        Self(merged)
    }

    /// Whether `n` is in the set, by binary search.
    pub fn contains(&self, n: u32) -> bool {
        let i = self.0.partition_point(|(_, high)| *high < n);
        self.0.get(i).is_some_and(|(low, _)| *low <= n)
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut a, mut b) = (self.0.iter().copied().peekable(), other.0.iter().copied().peekable());
        let mut out = Vec::new();
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            let (low, high) = (x.0.max(y.0), x.1.min(y.1));
            if low <= high {
                out.push((low, high));
            }
            if x.1 < y.1 {
                a.next()
            } else {
                b.next()
            };
        }
        Self(out)
    }

    /// Numbers from 1 to below `end` that the ascending `there` does not have.
    pub fn gaps(there: &[u32], end: u32) -> Self {
        let mut out = Vec::new();
        let mut next = 1;
        for n in there.iter().copied().take_while(|n| *n < end) {
            if n > next {
                out.push((next, n - 1));
            }
            next = n + 1;
        }
        if next < end {
            out.push((next, end - 1));
        }
        Self(out)
    }

    /// Without the ascending `others`.
    #[must_use]
    pub fn without(&self, others: &[u32]) -> Self {
        self.intersection(&Self::gaps(others, u32::MAX))
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every number, ascending; for sets whose ranges are known to be populated.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(low, high)| *low..=*high)
    }
}

impl fmt::Display for NumberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (low, high)) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            if low == high {
                write!(f, "{low}")?;
            } else {
                write!(f, "{low}:{high}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn star_is_the_greatest() {
        let set = SequenceSet(vec![
            (SeqNumber::Number(7), SeqNumber::Star),
            (SeqNumber::Number(2), SeqNumber::Number(2)),
        ]);
        assert_eq!(set.resolve(5).to_string(), "2,5:7");
        assert_eq!(set.resolve(9).to_string(), "2,7:9");
        let star = SequenceSet(vec![(SeqNumber::Star, SeqNumber::Star)]);
        assert!(star.resolve(0).is_empty());
    }

    proptest! {
        #[test]
        fn agrees_with_a_tree(ranges in proptest::collection::vec((1u32..60, 1u32..60), 0..12)) {
            let model: BTreeSet<u32> = ranges.iter().flat_map(|(a, b)| *a.min(b)..=*a.max(b)).collect();
            let set = NumberSet::from_ranges(ranges);
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            for n in 0..70 {
                prop_assert_eq!(set.contains(n), model.contains(&n));
            }
            let even: BTreeSet<u32> = (1..35).map(|n| 2 * n).collect();
            let both = set.intersection(&NumberSet::from_sorted(even.iter().copied()));
            prop_assert_eq!(both.iter().collect::<BTreeSet<_>>(), &model & &even);
            let even: Vec<u32> = even.into_iter().collect();
            prop_assert_eq!(set.without(&even).iter().collect::<Vec<_>>(), model.iter().copied().filter(|n| n % 2 == 1).collect::<Vec<_>>());
            let there: Vec<u32> = model.iter().copied().collect();
            prop_assert_eq!(NumberSet::gaps(&there, 50).iter().collect::<Vec<_>>(), (1..50).filter(|n| !model.contains(n)).collect::<Vec<_>>());
            prop_assert_eq!(NumberSet::from_sorted(model), set);
        }
    }
}
