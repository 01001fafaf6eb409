//! Text columns of open mailboxes, kept in memory for the next search, and what is known of their companion on the disk.
//!
//! A column is made when a search first needs it, and grows with the messages. What all mailboxes keep in memory is bounded
//! ([`super::store::MAX_CACHED`]). Columns are filled by [`super::text_fill`]: from `NOTE TEXT`, which [`super::text_keep`] writes
//! when nothing else is to be done, and from the messages that it lacks.
//!
//! Of `NOTE TEXT` ([`super::text_batch`]) what counts is its longest beginning in which each batch is sound, begins where the one
//! before ended, and is about the messages that are there; whatever is behind that is written over. What it says of messages to come
//! is of another state of the mailbox, and not believed either. Reading never depends on it: texts can always be made again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::RwLock;

use super::error::StoreError;
use super::open::OpenMailbox;
use super::text_batch::{Head, RECORD, Which};
use super::types::Uid;
use crate::search::column::{ColumnKey, TextColumn};

/// A column that searches share.
pub type SharedColumn = Arc<RwLock<TextColumn>>;

/// Octets of one column: texts of about 50,000 messages. Of a mailbox with more each search reads `NOTE TEXT`.
pub const MAX_COLUMN: usize = 96 * 1024 * 1024;
/// Columns of one mailbox: all that clients search, and some more.
pub const MAX_COLUMNS: usize = 16;

/// The columns of one mailbox.
#[derive(Debug, Default)]
pub(super) struct Texts {
    by_key: Mutex<HashMap<ColumnKey, Option<SharedColumn>>>,
    /// Octets of them that are in the sum of all mailboxes.
    counted: AtomicUsize,
    /// What is known of `NOTE TEXT`, and of which era.
    file: Mutex<Option<(u64, Arc<TextFile>)>>,
    /// How often it went with the messages.
    went: AtomicU64,
    /// Whoever writes `NOTE TEXT`.
    pub(super) writer: tokio::sync::Mutex<()>,
    /// Somebody waits for a quiet moment to write it.
    pub(super) waiting: AtomicBool,
    /// It could not be written: that is not tried again while the mailbox is in memory.
    pub(super) keeps_none: AtomicBool,
}

/// One batch of `NOTE TEXT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    /// The octet of the file where it begins.
    pub(super) at: u64,
    /// What it says of itself.
    pub(super) head: Head,
}

/// The sound beginning of `NOTE TEXT`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TextFile {
    pub(super) batches: Vec<Batch>,
}

impl TextFile {
    /// Messages up to this UID are in it.
    pub(super) fn upto(&self) -> Uid {
        self.batches.last().map_or(Uid(0), |b| b.head.upto)
    }

    /// The octet behind it.
    pub(super) fn end(&self) -> u64 {
        self.batches.last().map_or(0, |b| b.at + b.head.span())
    }

    /// Octets of its texts of bodies.
    pub(super) fn body_weight(&self) -> u64 {
        self.batches.iter().map(|b| b.head.weight_of(Which::Body)).sum()
    }

    /// Takes a batch that stands at its end; false when it is none that belongs there.
    pub(super) fn push(&mut self, head: Head) -> bool {
        let belongs = head.after == self.upto() && head.after < head.upto;
        if belongs {
            self.batches.push(Batch { at: self.end(), head });
        }
        belongs
    }

    /// Octets of its texts, and about how many of them are of messages that are there; `uids` are those.
    fn live(&self, uids: &[u32]) -> (u64, u64) {
        let (mut all, mut live) = (0, 0);
        for Batch { head, .. } in &self.batches {
            let there =
                uids.partition_point(|u| *u <= head.upto.0) - uids.partition_point(|u| *u <= head.after.0);
            all += head.weight();
            live += head.weight() * (there as u64) / u64::from(head.messages.max(1)).max(there as u64).max(1);
        }
        (all, live)
    }

    /// Where to cut it so that not most of it is of expunged messages: how many batches stay.
    pub(super) fn sound_for(&self, uids: &[u32]) -> usize {
        let (all, live) = self.live(uids);
        if uids.is_empty() {
            return 0;
        }
        if live * 2 >= all || all - live < LEAST_WASTE {
            return self.batches.len();
        }
        // What is before the first batch that is mostly waste is worth keeping.
        let wasted = |batch: &Batch| {
            let (all, live) = Self { batches: vec![*batch] }.live(uids);
            live * 2 < all
        };
        self.batches.iter().position(wasted).unwrap_or(self.batches.len())
    }
}

/// Octets of texts of expunged messages that are not worth writing anything again.
const LEAST_WASTE: u64 = 256 * 1024;

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

    /// `NOTE TEXT` went with the last of the messages.
    pub(super) fn file_went(&self) {
        self.went.fetch_add(1, Ordering::AcqRel);
    }

    /// A batch turned out to be damaged, as it was known: it counts no more, nor does what is behind it.
    pub(super) fn damaged(&self, batch: &Batch) {
        let mut file = self.file.lock();
        if let Some((_, known)) = &mut *file
            && let Some(i) = known.batches.iter().position(|b| b == batch)
        {
            *known = Arc::new(TextFile { batches: known.batches[..i].to_vec() });
        }
    }

    /// Drops all columns.
    pub(super) fn clear(&self, all: &AtomicUsize) {
        self.by_key.lock().clear();
        all.fetch_sub(self.counted.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl OpenMailbox {
    /// Goes up whenever `NOTE TEXT` went: what was known of it before is not true any more.
    fn text_era(&self) -> u64 {
        self.user.text_room.era() + self.texts.went.load(Ordering::Acquire)
    }

    /// What is known of `NOTE TEXT`, when it was looked at.
    pub(super) fn known_text_file(&self) -> Option<Arc<TextFile>> {
        let era = self.text_era();
        self.texts.file.lock().as_ref().filter(|(of, _)| *of == era).map(|(_, file)| file.clone())
    }

    /// Says what `NOTE TEXT` is now.
    pub(super) fn set_text_file(&self, file: Arc<TextFile>) {
        *self.texts.file.lock() = Some((self.text_era(), file));
    }

    /// The sound beginning of `NOTE TEXT`.
    ///
    /// # Errors
    /// What the backend says.
    pub(super) async fn text_file(&self) -> Result<Arc<TextFile>, StoreError> {
        if let Some(known) = self.known_text_file() {
            return Ok(known);
        }
        let era = self.text_era();
        let mut found = TextFile::default();
        loop {
            let at = found.end();
            let read = self.user.backend().read_texts(self.user.id(), &self.dir, at..at + RECORD as u64);
            let first = read.await?;
            let head = Head::read(&first).filter(|head| self.has_messages_of(head, &first));
            if !head.is_some_and(|head| found.push(head)) {
                break;
            }
        }
        // The last one may have been cut off.
        while let Some(end) = Some(found.end()).filter(|end| *end > 0) {
            let last = self.user.backend().read_texts(self.user.id(), &self.dir, end - 1..end).await?;
            if !last.is_empty() {
                break;
            }
            found.batches.pop();
        }
        let mut file = self.texts.file.lock();
        if let Some((_, known)) = file.as_ref().filter(|(of, _)| *of >= era) {
            // Somebody has written meanwhile and knows better.
            return Ok(known.clone());
        }
        Ok(file.insert((era, Arc::new(found))).1.clone())
    }

    /// Whether a batch, whose first record that is, is about messages of this mailbox as it is.
    fn has_messages_of(&self, head: &Head, first: &[u8]) -> bool {
        let state = self.state();
        let range = state.columns.range(head.after, head.upto);
        head.uid_validity == self.uid_validity
            && head.upto < state.uid_next
            && head.is_about(first, range.map(|i| state.columns.at(i)))
    }

    /// A part of a batch; `None` when it is damaged.
    ///
    /// # Errors
    /// What the backend says.
    pub(super) async fn text_part(&self, batch: &Batch, which: Which) -> Result<Option<Bytes>, StoreError> {
        let range = batch.head.range(which);
        let octets = batch.at + range.start..batch.at + range.end;
        let read = self.user.backend().read_texts(self.user.id(), &self.dir, octets).await?;
        Ok((read.len() as u64 == range.end - range.start).then_some(read))
    }

    /// The column of a key, an empty one when there was none; `None` when it would be too large to keep.
    pub fn text_column(&self, key: &ColumnKey) -> Option<SharedColumn> {
        self.texts.column(key)
    }

    /// The column of a key, when there is one already.
    pub(super) fn known_text_column(&self, key: &ColumnKey) -> Option<SharedColumn> {
        self.texts.by_key.lock().get(key).cloned().flatten()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_at_and_past_the_limit() {
        let texts = Texts::default();
        let field = |n: usize| ColumnKey::field(format!("X-{n}").as_bytes());
        let body = texts.column(&ColumnKey::Body).unwrap();
        let columns: Vec<SharedColumn> = (1..MAX_COLUMNS).map(|n| texts.column(&field(n)).unwrap()).collect();
        let same = (1..MAX_COLUMNS).all(|n| Arc::ptr_eq(&texts.column(&field(n)).unwrap(), &columns[n - 1]));
        assert!(same, "each is kept");
        texts.column(&field(MAX_COLUMNS)).unwrap();
        assert_eq!(texts.by_key.lock().len(), MAX_COLUMNS);
        assert!(Arc::ptr_eq(&texts.column(&ColumnKey::Body).unwrap(), &body), "the dearest stays");
    }

    #[test]
    fn what_is_counted_is_what_is_kept() {
        let (texts, all) = (Texts::default(), AtomicUsize::new(7));
        let column = texts.column(&ColumnKey::Body).unwrap();
        column.try_write().unwrap().push(crate::mailstore::Uid(1), &"x".repeat(1000));
        texts.count(&all);
        texts.count(&all);
        let counted = all.load(Ordering::Relaxed) - 7;
        assert!((1000..3000).contains(&counted), "{counted}");
        texts.clear(&all);
        assert_eq!(all.load(Ordering::Relaxed), 7);
    }
}
