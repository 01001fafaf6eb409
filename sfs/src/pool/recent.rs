//! Rows that the catalog's disk does not have yet.
//!
//! A commit changes rows in memory only: the log has made it durable, and [`super::fold`] brings many commits to the disk at once. A
//! [`Layer`] is an ordered map of changed rows whose older states stay as they are while a newer one is made, so readers keep what
//! they look at without a lock.
//!
//! Invariants: a row that is gone stands as such until it is folded; the length of a layer is bounded by whoever fills it.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;

use super::codec::Malformed;
use super::row::Kinds;

/// Most octets of a key, the octet of the table included: the longest of all keys, that of an alias, has 26.
pub(crate) const MAX_KEY: usize = 31;

/// The tables of rows, in the order in which they are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum TableId {
    Space = 1,
    Dir,
    Entry,
    Page,
    Body,
    Row,
}

/// Octets of a [`Key`].
const KEY: usize = MAX_KEY + 1;

/// Table and key of a row, in the order of the rows: zeros behind the key, and the length in the last octet, sort as the key alone does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    octets: [u8; KEY],
}

impl Ord for Key {
    /// As the octets do. A commit of many rows compares little else, and two numbers are faster than octets one by one.
    fn cmp(&self, other: &Self) -> Ordering {
        self.halves().cmp(&other.halves())
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Key {
    /// The key `key` in `table`.
    ///
    /// # Errors
    /// [`Malformed`] when it is longer than any key there is.
    pub(crate) fn new(table: TableId, key: &[u8]) -> Result<Self, Malformed> {
        let len = key.len() + 1;
        let mut octets = [0; KEY];
        octets[0] = table as u8;
        octets[..MAX_KEY].get_mut(1..len).ok_or(Malformed("key of a row"))?.copy_from_slice(key);
        // At most MAX_KEY.
        octets[MAX_KEY] = len as u8;
        Ok(Self { octets })
    }

    fn halves(&self) -> [u128; 2] {
        let half = |from| {
            let mut half = [0; KEY / 2];
            half.copy_from_slice(&self.octets[from..from + KEY / 2]);
            u128::from_be_bytes(half)
        };
        [half(0), half(KEY / 2)]
    }

    fn as_slice(&self) -> &[u8] {
        &self.octets[..usize::from(self.octets[MAX_KEY])]
    }

    /// The key inside its table.
    pub(crate) fn row(&self) -> &[u8] {
        &self.as_slice()[1..]
    }

    /// The octet of its [`TableId`].
    pub(crate) fn table(&self) -> u8 {
        self.octets[0]
    }

    pub(crate) fn is_of(&self, table: TableId) -> bool {
        self.octets[0] == table as u8
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?}", self.as_slice())
    }
}

/// What a row is now; `None`: it is gone.
pub(crate) type Change = Option<Arc<[u8]>>;

/// Changed rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    rows: OrdMap<Key, Change>,
    octets: usize,
    kinds: Kinds,
}

impl Layer {
    /// What the row has become here, if it has been changed here.
    pub(crate) fn get(&self, key: &Key) -> Option<&Change> {
        if self.rows.is_empty() { None } else { self.rows.get(key) }
    }

    pub(crate) fn set(&mut self, key: Key, change: Change) {
        if change.is_some() && key.is_of(TableId::Row) {
            self.kinds = self.kinds.and(Kinds::of_key(key.row()));
        }
        self.octets += change.as_ref().map_or(0, |row| row.len());
        if let Some(Some(before)) = self.rows.insert(key, change) {
            self.octets -= before.len();
        }
    }

    /// Changes of rows from `low` to before `high`, in order.
    pub(crate) fn range(&self, low: &Key, high: &Key) -> impl Iterator<Item = (&Key, &Change)> {
        // The map's range must not be asked for the other way round.
        let high = if high < low { low } else { high };
        self.rows.range(*low..*high)
    }

    /// All changes, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Change)> {
        self.rows.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of changed rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Octets of the rows that are there.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Kinds of rows of the `row` table that were put here.
    pub(crate) fn kinds(&self) -> Kinds {
        self.kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_may_have_so_many_octets_and_no_more() {
        let most = Key::new(TableId::Row, &[7; MAX_KEY - 1]).unwrap();
        assert_eq!(most.row(), [7; MAX_KEY - 1]);
        assert!(Key::new(TableId::Row, &[7; MAX_KEY]).is_err());
    }

    proptest! {
        #[test]
        fn keys_sort_as_their_octets_do(
            a in prop::collection::vec(0u8..3, 0..MAX_KEY), b in prop::collection::vec(0u8..3, 0..MAX_KEY), high in 0u8..3,
        ) {
            let [a, b] = [a, b].map(|key| key.into_iter().map(|octet| octet.wrapping_sub(high)).collect::<Vec<_>>());
            let key = |octets: &[u8]| Key::new(TableId::Row, octets).unwrap();
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
        }
    }

    #[test]
    fn octets_are_those_of_the_rows_that_are_there() {
        let mut layer = Layer::default();
        let key = |n: u8| Key::new(TableId::Entry, &[n]).unwrap();
        layer.set(key(1), Some(Arc::from([0; 10])));
        layer.set(key(2), Some(Arc::from([0; 5])));
        layer.set(key(1), Some(Arc::from([0; 7])));
        layer.set(key(2), None);
        layer.set(key(3), None);
        assert_eq!((layer.len(), layer.octets()), (3, 7));
        let changed: Vec<_> = layer.range(&key(2), &key(4)).map(|(k, c)| (k.row()[0], c.is_some())).collect();
        assert_eq!(changed, [(2, false), (3, false)]);
        assert_eq!(layer.range(&key(4), &key(2)).count(), 0);
    }
}
