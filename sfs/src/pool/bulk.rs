//! Many rows of one table changed at once: for copying, moving and erasing all files of a directory.
//!
//! Each function does what the same changes one after the other do. Keys ascend, so neighbours are changed on one walk through the
//! table, where single changes would each begin at its root.

use std::ops::Bound;

use redb::{CursorError, Key, ReadableTable, Table};

use super::error::PoolError;

/// From how many changes or look-ups on a walk is worth its beginning.
pub(crate) const MANY: usize = 32;
/// A walk passes at most this many rows for each that it changes or looks up.
pub(crate) const SPARSE: usize = 4;
/// A gap between rows that takes fewer rows than this is filled as fast by single changes.
const SMALL_GAP: usize = 4;

type Rows<'t, K> = Table<'t, K, &'static [u8]>;

/// Puts rows whose keys ascend, mostly new ones.
///
/// # Errors
/// The catalog's disk.
pub(crate) fn put<K: Key + 'static, T, V: AsRef<[u8]>>(
    table: &mut Rows<'_, K>,
    rows: &[(T, V)],
    key: impl for<'k> Fn(&'k T) -> K::SelfType<'k>,
) -> Result<(), PoolError> {
    let mut rest = rows;
    let mut gaps = true;
    while let Some(((first, value), behind)) = rest.split_first() {
        if !gaps {
            table.insert(key(first), value.as_ref())?;
            rest = behind;
            continue;
        }
        let mut cursor = table.lower_bound_mut(Bound::Included(key(first)))?;
        let mut taken = 0;
        for (next, value) in rest {
            match cursor.insert_before(key(next), value.as_ref()) {
                Ok(()) => taken += 1,
                // It is there already, or others are in front of it.
                Err(CursorError::UnorderedKey) => break,
                Err(CursorError::Storage(error)) => return Err(error.into()),
                Err(error) => return Err(PoolError::Damaged(error.to_string().into())),
            }
        }
        cursor.close()?;
        rest = &rest[taken..];
        gaps = taken >= SMALL_GAP;
    }
    Ok(())
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Keep,
    Remove,
}

/// Asks `fate` about the rows with these keys, which ascend, and removes those it says. Of keys that have no row it is not asked.
/// `false`, and nothing is done, when so many other rows stand between them that single changes are faster.
///
/// # Errors
/// The catalog's disk.
pub(crate) fn sift<K: Key + 'static, T>(
    table: &mut Rows<'_, K>,
    changes: &[T],
    key: impl for<'k> Fn(&'k T) -> K::SelfType<'k>,
    mut fate: impl FnMut(&T, &[u8]) -> Fate,
) -> Result<bool, PoolError> {
    let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return Ok(true) };
    let most = changes.len() * SPARSE;
    if table.range(key(first)..=key(last))?.take(most + 1).count() > most {
        return Ok(false);
    }
    let encoded = |change: &T| K::as_bytes(&key(change)).as_ref().to_vec();
    let mut rest = changes.iter().map(|change| (encoded(change), change)).peekable();
    table.retain_in(key(first)..=key(last), |found, row| {
        let found = K::as_bytes(&found).as_ref().to_vec();
        while let Some((key, change)) = rest.next_if(|(key, _)| K::compare(key, &found).is_le()) {
            if key == found {
                return fate(change, row) == Fate::Keep;
            }
        }
        true
    })?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;
    use redb::{Database, TableDefinition, WriteTransaction};

    use super::*;

    const NAMED: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("named");
    const NUMBERED: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("numbered");

    fn in_memory() -> Database {
        Database::builder().create_with_backend(InMemoryBackend::new()).unwrap()
    }

    fn fill(txn: &WriteTransaction, model: &BTreeMap<u64, Vec<u8>>) {
        let (mut named, mut numbered) = (txn.open_table(NAMED).unwrap(), txn.open_table(NUMBERED).unwrap());
        for (number, value) in model {
            named.insert(number.to_be_bytes().as_slice(), value.as_slice()).unwrap();
            numbered.insert(number, value.as_slice()).unwrap();
        }
    }

    fn rows() -> impl Strategy<Value = BTreeMap<u64, Vec<u8>>> {
        prop::collection::btree_map(0u64..600, prop::collection::vec(any::<u8>(), 0..300), 0..300)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn rows_put_at_once_are_as_rows_put_singly(mut model in rows(), more in rows(), apart: bool) {
            let db = in_memory();
            let txn = db.begin_write().unwrap();
            fill(&txn, &model);
            let shift = if apart { 1000 } else { 0 };
            let more: Vec<_> = more.into_iter().map(|(n, v)| ((n + shift).to_be_bytes(), v)).collect();
            put(&mut txn.open_table(NAMED).unwrap(), &more, |key| key.as_slice()).unwrap();
            model.extend(more.into_iter().map(|(n, v)| (u64::from_be_bytes(n), v)));
            txn.commit().unwrap();
            let txn = db.begin_write().unwrap();
            let table = txn.open_table(NAMED).unwrap();
            let found = table.iter().unwrap().map(|row| {
                let (key, value) = row.unwrap();
                (u64::from_be_bytes(key.value().try_into().unwrap()), value.value().to_vec())
            });
            prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), model);
        }

        #[test]
        fn rows_are_sifted_or_nothing_is_done(mut model in rows(), keys in prop::collection::btree_set(0u64..650, 1..200)) {
            let db = in_memory();
            let txn = db.begin_write().unwrap();
            fill(&txn, &model);
            let keys: Vec<u64> = keys.into_iter().collect();
            let mut asked = BTreeSet::new();
            let odd = |row: &[u8]| if row.len() % 2 == 1 { Fate::Remove } else { Fate::Keep };
            let done = sift(&mut txn.open_table(NUMBERED).unwrap(), &keys, |k| *k, |k, row| {
                asked.insert(*k);
                odd(row)
            }).unwrap();
            let between = model.range(keys[0]..=keys[keys.len() - 1]).count();
            prop_assert_eq!(done, between <= keys.len() * SPARSE);
            if done {
                let there: BTreeSet<u64> = keys.iter().copied().filter(|k| model.contains_key(k)).collect();
                prop_assert_eq!(asked, there);
                model.retain(|k, row| !keys.contains(k) || odd(row) == Fate::Keep);
            }
            txn.commit().unwrap();
            let txn = db.begin_write().unwrap();
            let table = txn.open_table(NUMBERED).unwrap();
            let found = table.iter().unwrap().map(|row| row.unwrap()).map(|(k, v)| (k.value(), v.value().to_vec()));
            prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), model);
        }
    }
}
