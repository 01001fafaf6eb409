//! How many references of each body a commit adds or takes away.
//!
//! Gathered as a list, since the files of a directory mostly follow each other as their bodies do; settled once, when all are known.

use super::catalog::BodyId;

/// References of bodies, counted. [`Self::of`] and [`Self::take`] know what was counted before [`Self::settle`].
#[derive(Debug, Default)]
pub(super) struct BodyCounts(Vec<(BodyId, i32)>);

impl BodyCounts {
    /// Makes room for so many bodies.
    pub(super) fn reserve(&mut self, bodies: usize) {
        self.0.reserve(bodies);
    }

    /// `delta` references more.
    pub(super) fn count(&mut self, body: BodyId, delta: i32) {
        match self.0.last_mut() {
            Some((last, count)) if *last == body => *count += delta,
            _ => self.0.push((body, delta)),
        }
    }

    /// One count for each body, ascending.
    pub(super) fn settle(&mut self) {
        self.0.sort_unstable_by_key(|(body, _)| *body);
        self.0.dedup_by(|later, first| {
            let same = later.0 == first.0;
            first.1 += if same { later.1 } else { 0 };
            same
        });
    }

    /// The count of a body; 0 when it was not counted.
    pub(super) fn of(&self, body: BodyId) -> i32 {
        self.at(body).map_or(0, |at| self.0[at].1)
    }

    /// [`Self::of`], which is 0 from now on.
    pub(super) fn take(&mut self, body: BodyId) -> i32 {
        self.at(body).map_or(0, |at| std::mem::take(&mut self.0[at].1))
    }

    /// All that are not 0, ascending.
    pub(super) fn into_counts(self) -> impl Iterator<Item = (BodyId, i32)> {
        self.0.into_iter().filter(|(_, count)| *count != 0)
    }

    fn at(&self, body: BodyId) -> Option<usize> {
        self.0.binary_search_by_key(&body, |(body, _)| *body).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_are_those_of_a_map(counted in prop::collection::vec((0_u64..20, -2_i32..3), 0..60), taken in 0_u64..20) {
            let (mut counts, mut model) = (BodyCounts::default(), BTreeMap::new());
            for (body, delta) in counted {
                counts.count(BodyId(body), delta);
                *model.entry(BodyId(body)).or_insert(0) += delta;
            }
            counts.settle();
            let taken = BodyId(taken);
            prop_assert_eq!(counts.of(taken), model.get(&taken).copied().unwrap_or(0));
            prop_assert_eq!(counts.take(taken), model.remove(&taken).unwrap_or(0));
            prop_assert_eq!(counts.of(taken), 0);
            model.retain(|_, count| *count != 0);
            prop_assert_eq!(counts.into_counts().collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
        }
    }
}
