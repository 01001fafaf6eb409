//! What happened in a mailbox lately, for the sessions that have it open.
//!
//! One bounded ring a mailbox instead of a queue a session: a session keeps a position. A position that fell off the
//! ring means [`Since::Resync`]: the session compares its view with the index. Memory does not grow with sessions and
//! a slow one delays nobody.

use std::collections::VecDeque;

use super::types::{SessionId, Uid};

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was added.
    Added,
    /// Its flags changed.
    Flags,
    /// It was expunged.
    Expunged,
}

/// One change, or the same change to a run of messages in one commit: a STORE or EXPUNGE of a whole mailbox is few entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub change: Change,
    /// To which message; the first of the run.
    pub uid: Uid,
    /// The last of the run, whose UIDs follow each other without a gap.
    pub last: Uid,
    /// Who did it. A session is not told of its own flag changes: the command that made them told it.
    pub by: SessionId,
}

impl Entry {
    /// A change of one message.
    pub fn one(change: Change, uid: Uid, by: SessionId) -> Self {
        Self { change, uid, last: uid, by }
    }

    /// Whether `next` goes on where this run ends.
    fn joins(&self, next: &Entry) -> bool {
        self.change == next.change && self.by == next.by && self.last.0.checked_add(1) == Some(next.uid.0)
    }
}

/// What happened since a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// These changes, in order.
    Entries(Vec<Entry>),
    /// Too much: compare states.
    Resync,
}

/// The ring.
#[derive(Debug, Default)]
pub struct ChangeLog {
    ring: VecDeque<Entry>,
    end: u64,
}

impl ChangeLog {
    /// Entries kept; more than any burst that is cheaper to replay than to compare.
    pub const CAPACITY: usize = 4096;

    /// The position after the last entry.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Adds entries, joined to runs.
    pub fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) {
        let mut run: Option<Entry> = None;
        for entry in entries {
            match &mut run {
                Some(open) if open.joins(&entry) => open.last = entry.last,
                // A run is never joined to what is in the ring: somebody may have seen that already.
                _ => run.replace(entry).into_iter().for_each(|done| self.push(done)),
            }
        }
        run.into_iter().for_each(|done| self.push(done));
    }

    fn push(&mut self, entry: Entry) {
        if self.ring.len() == Self::CAPACITY {
            self.ring.pop_front();
        }
        self.ring.push_back(entry);
        self.end += 1;
    }

    /// What happened since `position`.
    pub fn since(&self, position: u64) -> Since {
        let missed = usize::try_from(self.end.saturating_sub(position)).unwrap_or(usize::MAX);
        if missed > self.ring.len() {
            return Since::Resync;
        }
        Since::Entries(self.ring.range(self.ring.len() - missed..).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_at_and_past() {
        let mut log = ChangeLog::default();
        let entry = |n| Entry::one(Change::Flags, Uid(2 * n), SessionId(1));
        log.extend((0..ChangeLog::CAPACITY as u32).map(entry));
        assert!(matches!(log.since(0), Since::Entries(e) if e.len() == ChangeLog::CAPACITY));
        log.extend([entry(0)]);
        assert_eq!(log.since(0), Since::Resync);
        assert!(matches!(log.since(1), Since::Entries(e) if e.len() == ChangeLog::CAPACITY));
        assert_eq!(log.since(log.end()), Since::Entries(vec![]));
    }

    #[test]
    fn runs_are_one_entry_and_end_at_gaps_and_commits() {
        let mut log = ChangeLog::default();
        let flags = |n| Entry::one(Change::Flags, Uid(n), SessionId(1));
        log.extend((1..=100_000).map(flags));
        log.extend([
            flags(100_001),
            flags(100_003),
            Entry::one(Change::Expunged, Uid(100_004), SessionId(1)),
        ]);
        let Since::Entries(entries) = log.since(0) else { panic!("the log holds four entries") };
        let runs: Vec<(u32, u32)> = entries.iter().map(|e| (e.uid.0, e.last.0)).collect();
        assert_eq!(runs, [(1, 100_000), (100_001, 100_001), (100_003, 100_003), (100_004, 100_004)]);
    }
}
