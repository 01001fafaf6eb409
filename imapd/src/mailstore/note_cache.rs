//! Notes in memory: the octets of messages read lately, of all users.
//!
//! A message that was read is soon read again: by the user's other clients, by those who share the folder, part by part. A note never
//! changes and its UID is never used twice, so what is here is true as long as the mailbox it was read for is in memory; each mailbox
//! that is brought into memory has a number of its own, and what was kept for another one is never found. Which messages stay is for
//! the cache to decide (S3-FIFO): one client that reads everything once does not drive out what others come back to.
//!
//! Not here: who may read what; views, summaries and texts, which are kept with their mailbox.

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::types::Uid;

/// Octets of all notes in memory, with what the cache needs for itself: the new mail of some thousand users.
pub const MAX_NOTE_OCTETS: u64 = 64 * 1024 * 1024;
/// Longest note that is kept, in octets: a longer one would drive out many, and is read at the speed of the disk anyway.
pub const MAX_KEPT_NOTE: u64 = 256 * 1024;
/// What an entry takes beside its octets.
const ENTRY: u64 = 128;
/// Octets of a common note, by which the cache lays out its tables.
const COMMON_NOTE: usize = 8 * 1024;

/// A mailbox in memory, until it leaves that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct InMemory(pub(super) u64);

#[derive(Debug, Clone)]
struct Weigh;

impl Weighter<(InMemory, Uid), Bytes> for Weigh {
    fn weight(&self, _: &(InMemory, Uid), note: &Bytes) -> u64 {
        note.len() as u64 + ENTRY
    }
}

/// The octets of messages read lately.
pub(super) struct NoteCache(Cache<(InMemory, Uid), Bytes, Weigh>);

impl Default for NoteCache {
    fn default() -> Self {
        let items = usize::try_from(MAX_NOTE_OCTETS).unwrap_or(usize::MAX) / COMMON_NOTE;
        Self(Cache::with_weighter(items, MAX_NOTE_OCTETS, Weigh))
    }
}

impl NoteCache {
    /// All octets of a message that has `size` of them, if they are here.
    pub(super) fn get(&self, mailbox: InMemory, uid: Uid, size: u64) -> Option<Bytes> {
        if size > MAX_KEPT_NOTE {
            return None;
        }
        self.0.get(&(mailbox, uid))
    }

    /// Keeps all octets of a message, if they are not too many.
    pub(super) fn keep(&self, mailbox: InMemory, uid: Uid, note: &Bytes) {
        if note.len() as u64 <= MAX_KEPT_NOTE {
            self.0.insert((mailbox, uid), note.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(size: u64) -> Bytes {
        Bytes::from(vec![b'x'; usize::try_from(size).unwrap()])
    }

    #[test]
    fn a_note_at_and_past_the_longest() {
        let (cache, here) = (NoteCache::default(), InMemory(1));
        for (uid, size, kept) in [(Uid(1), MAX_KEPT_NOTE, true), (Uid(2), MAX_KEPT_NOTE + 1, false)] {
            cache.keep(here, uid, &note(size));
            assert_eq!(cache.get(here, uid, size).is_some(), kept);
        }
        let elsewhere = cache.get(InMemory(2), Uid(1), MAX_KEPT_NOTE);
        assert_eq!(elsewhere, None, "another mailbox, or the same one brought into memory again");
    }

    #[test]
    fn all_together_stay_below_their_bound() {
        let cache = NoteCache::default();
        for uid in 0..3000 {
            cache.keep(InMemory(1), Uid(uid), &note(64 * 1024));
            assert!(cache.0.weight() <= MAX_NOTE_OCTETS);
        }
        assert!(cache.0.weight() > MAX_NOTE_OCTETS / 2);
    }
}
