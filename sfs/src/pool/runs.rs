//! Records that a work unit has written to a file of short records and not committed: runs of neighbours, as they were written.
//!
//! No two runs overlap; what is written over others takes their place. Octets are shared with the caller's, not copied; only
//! neighbouring runs are put together when the work unit is committed.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

/// Octets that a run takes beside its records: an entry of the map, and what the shared octets need.
pub(crate) const RUN_OCTETS: u64 = 96;

/// Runs of records of one length.
#[derive(Debug, Clone, Default)]
pub(crate) struct Runs {
    /// Whole records by the number of the first.
    by_first: BTreeMap<u32, Bytes>,
}

/// Number behind the last record of a run.
fn end_of(first: u32, data: &Bytes, lrecl: u32) -> u32 {
    // Record numbers end far below u32::MAX.
    first + (data.len() / lrecl.max(1) as usize) as u32
}

impl Runs {
    /// Puts whole records from `first` on.
    pub(crate) fn put(&mut self, lrecl: u32, first: u32, data: Bytes) {
        let end = end_of(first, &data, lrecl);
        let behind = self.split_off(lrecl, first);
        if let Some((last, old)) = behind.last_key_value()
            && end_of(*last, old, lrecl) > end
        {
            let mut behind = Self { by_first: behind };
            self.by_first.append(&mut behind.split_off(lrecl, end));
        }
        self.by_first.insert(first, data);
    }

    /// Forgets the records numbered `from` and above.
    pub(crate) fn cut(&mut self, lrecl: u32, from: u32) {
        self.split_off(lrecl, from);
    }

    /// Takes the records numbered `from` and above.
    fn split_off(&mut self, lrecl: u32, from: u32) -> BTreeMap<u32, Bytes> {
        let mut behind = self.by_first.split_off(&from);
        if let Some(mut last) = self.by_first.last_entry() {
            let keep = (from - *last.key()) as usize * lrecl as usize;
            if last.get().len() > keep {
                behind.insert(from, last.get_mut().split_off(keep));
            }
        }
        behind
    }

    /// Calls `each` with what there is of the records numbered `first` to `last`: the number of the first, and their octets.
    pub(crate) fn each(&self, lrecl: u32, first: u32, last: u32, mut each: impl FnMut(u32, &[u8])) {
        let before = self.by_first.range(..first).next_back();
        for (start, data) in before.into_iter().chain(self.by_first.range(first..=last)) {
            let skip = first.saturating_sub(*start) as usize * lrecl as usize;
            let upto = (last - start + 1) as usize * lrecl as usize;
            if let Some(part) = data.get(skip..upto.min(data.len())).filter(|part| !part.is_empty()) {
                each(first.max(*start), part);
            }
        }
    }

    /// Octets of memory that they take, near enough.
    pub(crate) fn in_memory(&self) -> u64 {
        self.by_first.values().map(|data| data.len() as u64 + RUN_OCTETS).sum()
    }

    /// All runs, neighbours put together.
    pub(crate) fn joined(self, lrecl: u32) -> Vec<(u32, Bytes)> {
        let runs: Vec<(u32, Bytes)> = self.by_first.into_iter().collect();
        let groups = runs.chunk_by(|a, b| end_of(a.0, &a.1, lrecl) == b.0);
        let joined = groups.map(|group| match group {
            [(first, data)] => (*first, data.clone()),
            _ => {
                let mut all = BytesMut::with_capacity(group.iter().map(|(_, data)| data.len()).sum());
                group.iter().for_each(|(_, data)| all.extend_from_slice(data));
                (group[0].0, all.freeze())
            }
        });
        joined.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LRECL: u32 = 3;

    proptest! {
        #[test]
        fn runs_are_what_was_written_last(
            steps in prop::collection::vec((1u32..30, 0usize..8, any::<u8>()), 0..40), first in 1u32..30, more in 0u32..20,
        ) {
            let (mut runs, mut model) = (Runs::default(), BTreeMap::new());
            for (at, count, octet) in steps {
                if count == 0 {
                    runs.cut(LRECL, at);
                    model.retain(|number, _| *number < at);
                } else {
                    runs.put(LRECL, at, Bytes::from(vec![octet; count * LRECL as usize]));
                    model.extend((at..).take(count).map(|number| (number, octet)));
                }
            }
            let apart = |runs: &[(u32, Bytes)]| -> Vec<(u32, u8)> {
                let records = |(first, data): &(u32, Bytes)| {
                    assert!(!data.is_empty() && data.len() % LRECL as usize == 0);
                    let octets = data.chunks(LRECL as usize).map(|record| record[0]);
                    (*first..).zip(octets).collect::<Vec<_>>()
                };
                runs.iter().flat_map(records).collect()
            };
            let mut part = Vec::new();
            runs.each(LRECL, first, first + more, |number, data| part.push((number, Bytes::copy_from_slice(data))));
            let expect: Vec<_> = model.range(first..=first + more).map(|(n, o)| (*n, *o)).collect();
            prop_assert_eq!(apart(&part), expect);
            let joined = runs.joined(LRECL);
            prop_assert_eq!(apart(&joined), model.into_iter().collect::<Vec<_>>());
            let apart = joined.windows(2).all(|w| end_of(w[0].0, &w[0].1, LRECL) < w[1].0);
            prop_assert!(apart, "neighbours are one");
        }
    }
}
