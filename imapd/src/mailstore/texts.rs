//! Text columns of open mailboxes, kept in memory for the next search.
//!
//! A column is made when a search first needs it, from the messages, and grows with them. What all mailboxes keep in memory
//! is bounded ([`super::store::MAX_CACHED`]). Nothing here is on a disk: a column can always be made
//! again, and what is searched rarely takes no room in a file pool.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::RwLock;

use super::open::OpenMailbox;
use crate::search::column::{ColumnKey, TextColumn};

/// A column that searches share.
pub type SharedColumn = Arc<RwLock<TextColumn>>;

/// Octets of one column: texts of about 50,000 messages. A mailbox with more is read at each search.
pub const MAX_COLUMN: usize = 96 * 1024 * 1024;
/// Columns of one mailbox: all that clients search, and some more.
pub const MAX_COLUMNS: usize = 16;

/// The columns of one mailbox.
#[derive(Debug, Default)]
pub(super) struct Texts {
    by_key: Mutex<HashMap<ColumnKey, Option<SharedColumn>>>,
    /// Octets of them that are in the sum of all mailboxes.
    counted: AtomicUsize,
}

impl Texts {
    /// The column of a key, an empty one when there was none; `None` when it would be too large.
    fn column(&self, key: &ColumnKey) -> Option<SharedColumn> {
        let mut by_key = self.by_key.lock();
        if let Some(known) = by_key.get(key) {
            return known.clone();
        }
        if by_key.len() >= MAX_COLUMNS {
            // Which goes hardly matters: clients search the same few fields.
            let some = by_key.keys().find(|k| **k != ColumnKey::Body).cloned();
            some.map(|k| by_key.remove(&k));
        }
        by_key.entry(key.clone()).or_insert_with(|| Some(SharedColumn::default())).clone()
    }

    fn weight(&self) -> usize {
        let columns: Vec<SharedColumn> = self.by_key.lock().values().flatten().cloned().collect();
        // One that is being filled is counted when that is done.
        columns.iter().map(|c| c.try_read().map_or(0, |c| c.weight())).sum()
    }

    /// Brings the sum of all mailboxes up to date.
    fn count(&self, all: &AtomicUsize) {
        let now = self.weight();
        let before = self.counted.swap(now, Ordering::Relaxed);
        all.fetch_add(now, Ordering::Relaxed);
        all.fetch_sub(before, Ordering::Relaxed);
    }

    /// Drops all columns.
    pub(super) fn clear(&self, all: &AtomicUsize) {
        self.by_key.lock().clear();
        all.fetch_sub(self.counted.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl OpenMailbox {
    /// The column of a key, an empty one when there was none; `None` when it would be too large to keep.
    pub fn text_column(&self, key: &ColumnKey) -> Option<SharedColumn> {
        self.texts.column(key)
    }

    /// The column of a key is too large: it is not made again while the mailbox is in memory.
    pub fn refuse_text_column(&self, key: &ColumnKey) {
        self.texts.by_key.lock().insert(key.clone(), None);
        self.user.cached_octets(|all| self.texts.count(all));
    }

    /// Columns have grown: counts them, and drops others when all together are too large.
    pub fn text_columns_grew(&self) {
        self.user.cached_octets(|all| self.texts.count(all));
        self.user.shed_caches(self);
    }
}
