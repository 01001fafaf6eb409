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

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub change: Change,
    /// To which message.
    pub uid: Uid,
    /// Who did it. A session is not told of its own flag changes: the command that made them told it.
    pub by: SessionId,
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

    /// Adds entries.
    pub fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            if self.ring.len() == Self::CAPACITY {
                self.ring.pop_front();
            }
            self.ring.push_back(entry);
            self.end += 1;
        }
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
        let entry = |n| Entry { change: Change::Flags, uid: Uid(n), by: SessionId(1) };
        log.extend((0..ChangeLog::CAPACITY as u32).map(entry));
        assert!(matches!(log.since(0), Since::Entries(e) if e.len() == ChangeLog::CAPACITY));
        log.extend([entry(0)]);
        assert_eq!(log.since(0), Since::Resync);
        assert!(matches!(log.since(1), Since::Entries(e) if e.len() == ChangeLog::CAPACITY));
        assert_eq!(log.since(log.end()), Since::Entries(vec![]));
    }
}
