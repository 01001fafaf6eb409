//! `\Seen` of readers: in a mailbox where each reader has a flag of his own, the UIDs that each has seen.
//!
//! The owner's is the flag of the message. Kept as records of NOTE SEEN, which is written as a whole; one reader takes 8 octets a
//! run of UIDs, and UIDs that are gone are forgotten:
//!
//! | octets | |
//! |---|---|
//! | 0 | C`H` header, C`U` reader |
//! | header: 2-3 | format 160 |
//! | reader: 1, 4 on | length of the user id, user id, pairs of first and last UID; as many records as it takes |
//!
//! Numbers are little-endian.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::error::StoreError;
use crate::syntax::seqset::NumberSet;
use crate::vm::UserId;

/// Most readers with a flag of their own in one mailbox, since all are written together.
pub const MAX_READERS: usize = 1000;

const HEADER: u8 = 0xC8;
const READER: u8 = 0xE4;
const FORMAT: u16 = 160;
/// Runs of UIDs in one record: 32,000 octets.
const RUNS: usize = 4000;

/// Which messages each reader has seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnSeen(BTreeMap<UserId, NumberSet>);

impl OwnSeen {
    /// Whether a reader has seen a message.
    pub fn has(&self, reader: UserId, uid: u32) -> bool {
        self.0.get(&reader).is_some_and(|seen| seen.contains(uid))
    }

    /// Whether nobody has seen anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes what a reader has seen, and what no more.
    ///
    /// # Errors
    /// [`StoreError::Limit`]
    pub fn change(&mut self, reader: UserId, changes: &BTreeMap<u32, bool>) -> Result<(), StoreError> {
        let unseen: Vec<u32> = changes.iter().filter(|(_, seen)| !**seen).map(|(uid, _)| *uid).collect();
        let seen = changes.iter().filter(|(_, seen)| **seen).map(|(uid, _)| (*uid, *uid));
        let old = self.0.get(&reader).map(|old| old.without(&unseen)).unwrap_or_default();
        let new = NumberSet::from_ranges(old.ranges().iter().copied().chain(seen));
        if new.is_empty() {
            self.0.remove(&reader);
        } else if self.0.len() >= MAX_READERS && !self.0.contains_key(&reader) {
            return Err(StoreError::Limit("too many readers keep flags of their own"));
        } else {
            self.0.insert(reader, new);
        }
        Ok(())
    }

    /// Forgets messages.
    pub fn forget(&mut self, gone: &[u32]) {
        self.0.values_mut().for_each(|seen| *seen = seen.without(gone));
        self.0.retain(|_, seen| !seen.is_empty());
    }

    /// The records of the file; none when there is nothing to keep.
    pub fn records(&self) -> Vec<Bytes> {
        let mut records = Vec::new();
        if !self.is_empty() {
            let [low, high] = FORMAT.to_le_bytes();
            records.push(Bytes::copy_from_slice(&[HEADER, 0, low, high]));
        }
        for (reader, seen) in &self.0 {
            for runs in seen.ranges().chunks(RUNS) {
                let id = reader.as_str().as_bytes();
                // A user id has at most eight characters.
                let mut record = vec![READER, id.len() as u8, 0, 0];
                record.extend_from_slice(id);
                for (first, last) in runs {
                    record.extend_from_slice(&first.to_le_bytes());
                    record.extend_from_slice(&last.to_le_bytes());
                }
                records.push(record.into());
            }
        }
        records
    }

    /// Reads the records of the file.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] naming the record.
    pub fn read(records: &[Bytes]) -> Result<Self, StoreError> {
        let mut read: BTreeMap<UserId, Vec<(u32, u32)>> = BTreeMap::new();
        for (i, record) in records.iter().enumerate() {
            let known = match i {
                0 => record.first() == Some(&HEADER) && record.get(2..4) == Some(&FORMAT.to_le_bytes()),
                _ => take(&mut read, record).is_some(),
            };
            if !known {
                return Err(StoreError::Damaged(format!("NOTE SEEN record {}: unknown", i + 1)));
            }
        }
        Ok(Self(read.into_iter().map(|(reader, runs)| (reader, NumberSet::from_ranges(runs))).collect()))
    }
}

fn take(read: &mut BTreeMap<UserId, Vec<(u32, u32)>>, record: &[u8]) -> Option<()> {
    let [READER, len, _, _, rest @ ..] = record else { return None };
    let (id, runs) = rest.split_at_checked(usize::from(*len))?;
    let reader = UserId::new(std::str::from_utf8(id).ok()?).ok()?;
    let runs = runs.chunks(8).map(|run| {
        let first = u32::from_le_bytes(run.get(..4)?.try_into().ok()?);
        let last = u32::from_le_bytes(run.get(4..)?.try_into().ok()?);
        (first > 0 && first <= last).then_some((first, last))
    });
    let runs: Option<Vec<_>> = runs.collect();
    read.entry(reader).or_default().extend(runs?);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_many_readers_as_fit() {
        let mut own = OwnSeen::default();
        let one = BTreeMap::from([(7, true)]);
        let reader = |n: usize| UserId::new(&format!("U{n}")).unwrap();
        for n in 0..MAX_READERS {
            own.change(reader(n), &one).unwrap();
        }
        assert!(matches!(own.change(reader(MAX_READERS), &one), Err(StoreError::Limit(_))));
        own.change(reader(0), &BTreeMap::from([(7, false)])).unwrap();
        own.change(reader(MAX_READERS), &one).unwrap();
        assert!(own.has(reader(1), 7) && !own.has(reader(0), 7));
        own.forget(&[7]);
        assert!(own.is_empty() && own.records().is_empty());
    }

    #[test]
    fn more_runs_than_a_record_holds() {
        let mut own = OwnSeen::default();
        let odd = (0..=RUNS as u32).map(|n| (2 * n + 1, true)).collect();
        own.change(UserId::new("JOE").unwrap(), &odd).unwrap();
        assert_eq!(own.records().len(), 3);
        assert_eq!(OwnSeen::read(&own.records()).unwrap(), own);
    }

    proptest! {
        #[test]
        fn there_and_back(all in prop::collection::vec(("[A-Z]{1,8}", 1u32..60, any::<bool>()), 0..60)) {
            let mut own = OwnSeen::default();
            let mut model = std::collections::BTreeSet::new();
            for (reader, uid, seen) in all {
                let Ok(reader) = UserId::new(&reader) else { continue };
                own.change(reader, &BTreeMap::from([(uid, seen)])).unwrap();
                if seen { model.insert((reader, uid)); } else { model.remove(&(reader, uid)); }
            }
            prop_assert!(model.iter().all(|(reader, uid)| own.has(*reader, *uid)));
            prop_assert_eq!(OwnSeen::read(&own.records()).unwrap(), own);
        }

        #[test]
        fn any_records_get_an_answer(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..4)) {
            let records: Vec<Bytes> = records.into_iter().map(Bytes::from).collect();
            let _ = OwnSeen::read(&records);
        }
    }
}
