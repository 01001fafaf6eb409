//! What a server was asked since it started, by kind of request, and how many requests were under way at once.
//!
//! Counting costs an atomic addition a request; nothing is kept over a restart of the server.
//!
//! Source: the counters of QUERY FILEPOOL COUNTER; which there are is ours, their names are those of the real ones where a real one
//! counts the same.

use std::sync::atomic::{AtomicU64, Ordering};

use super::protocol::Call;
use crate::types::Intent;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    Connect,
    OpenRead,
    OpenNew,
    OpenReplace,
    OpenWrite,
    Read,
    Write,
    Close,
    CreateFile,
    CreateAlias,
    CreateDirectory,
    Erase,
    Rename,
    Copy,
    Change,
    Grant,
    Revoke,
    Lock,
    Unlock,
    OpenDirectory,
    GetDirectory,
    QueryFile,
    QuerySpace,
    ChangeSpace,
    Administration,
    Commit,
    Rollback,
    Coordination,
    LockConflict,
    Deadlock,
}

impl Counter {
    /// All of them, as the report names them, in its order.
    const TABLE: [(Self, &'static str); 30] = [
        (Self::Connect, "Connect Requests"),
        (Self::OpenRead, "Open File Read Requests"),
        (Self::OpenNew, "Open File New Requests"),
        (Self::OpenReplace, "Open File Replace Requests"),
        (Self::OpenWrite, "Open File Write Requests"),
        (Self::Read, "Read File Requests"),
        (Self::Write, "Write File Requests"),
        (Self::Close, "Close File Requests"),
        (Self::CreateFile, "Create File Requests"),
        (Self::CreateAlias, "Create Alias Requests"),
        (Self::CreateDirectory, "Create Directory Requests"),
        (Self::Erase, "Delete File and Directory Requests"),
        (Self::Rename, "Rename Requests"),
        (Self::Copy, "File Copy Requests"),
        (Self::Change, "Change Attribute Requests"),
        (Self::Grant, "Grant Authorization Requests"),
        (Self::Revoke, "Revoke Authorization Requests"),
        (Self::Lock, "Lock Requests"),
        (Self::Unlock, "Unlock Requests"),
        (Self::OpenDirectory, "Open Directory Requests"),
        (Self::GetDirectory, "Get Directory Requests"),
        (Self::QueryFile, "Query File and Directory Requests"),
        (Self::QuerySpace, "Query User Space Requests"),
        (Self::ChangeSpace, "Enroll and Change Space Requests"),
        (Self::Administration, "File Pool Administration Requests"),
        (Self::Commit, "Commit Requests"),
        (Self::Rollback, "Rollback Requests"),
        (Self::Coordination, "Coordinated Commit Requests"),
        (Self::LockConflict, "Total Lock Conflicts"),
        (Self::Deadlock, "Deadlocks"),
    ];

    /// The counter of a call.
    pub(super) fn of(call: &Call) -> Self {
        match call {
            Call::Open { intent: Intent::Read, .. } => Self::OpenRead,
            Call::Open { intent: Intent::New, .. } => Self::OpenNew,
            Call::Open { intent: Intent::Replace, .. } => Self::OpenReplace,
            Call::Open { intent: Intent::Write, .. } => Self::OpenWrite,
            Call::Read { .. } | Call::ReadImage { .. } => Self::Read,
            Call::Write { .. } | Call::WriteBlocks { .. } | Call::Point { .. } | Call::Truncate { .. } => {
                Self::Write
            }
            Call::Close { .. } => Self::Close,
            Call::CreateFile { .. } | Call::CreateExternal { .. } => Self::CreateFile,
            Call::CreateAlias { .. } => Self::CreateAlias,
            Call::CreateDir { .. } => Self::CreateDirectory,
            Call::EraseFile { .. } | Call::EraseDir { .. } | Call::EraseFiles { .. } => Self::Erase,
            Call::RenameFile { .. } | Call::RenameFiles { .. } | Call::RenameDir { .. } => Self::Rename,
            Call::CopyFile { .. } | Call::CopyFiles { .. } => Self::Copy,
            Call::ChangeFile { .. } | Call::ChangeDir { .. } => Self::Change,
            Call::Grant { .. } => Self::Grant,
            Call::Revoke { .. } => Self::Revoke,
            Call::Lock { .. } => Self::Lock,
            Call::Unlock { .. } => Self::Unlock,
            Call::OpenDir { .. } | Call::Access { .. } => Self::OpenDirectory,
            Call::GetDir { .. } | Call::CloseDir { .. } | Call::Release { .. } => Self::GetDirectory,
            Call::External { .. }
            | Call::BaseOf { .. }
            | Call::Grants { .. }
            | Call::Locks { .. }
            | Call::FileStatus { .. }
            | Call::DirStatus { .. } => Self::QueryFile,
            Call::QueryLimits { .. } | Call::ListUsers | Call::QueryPublic => Self::QuerySpace,
            Call::Enroll { .. }
            | Call::DeleteUser { .. }
            | Call::Public { .. }
            | Call::SetLimit { .. }
            | Call::SetThreshold { .. } => Self::ChangeSpace,
            Call::Conflicts
            | Call::Level
            | Call::Groups { .. }
            | Call::AddMinidisk { .. }
            | Call::Administrator { .. }
            | Call::Disable { .. }
            | Call::Enable { .. }
            | Call::Report
            | Call::Connections
            | Call::Accessors { .. }
            | Call::Active => Self::Administration,
            Call::WorkFor { .. } => Self::Connect,
            Call::NewGlobal
            | Call::Prepare { .. }
            | Call::Decide { .. }
            | Call::Resolve { .. }
            | Call::Told { .. } => Self::Coordination,
            Call::Commit | Call::Return => Self::Commit,
            Call::Rollback | Call::Purge => Self::Rollback,
        }
    }
}

/// The counters of a server.
#[derive(Debug, Default)]
pub(super) struct Counters {
    counts: [AtomicU64; Counter::TABLE.len()],
    under_way: AtomicU64,
    most_under_way: AtomicU64,
}

impl Counters {
    pub(super) fn count(&self, counter: Counter) {
        self.counts[counter as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted, in the order of the report.
    pub(super) fn shown(&self) -> Vec<(String, u64)> {
        let count = |counter: Counter| self.counts[counter as usize].load(Ordering::Relaxed);
        Counter::TABLE.iter().map(|(counter, name)| ((*name).to_owned(), count(*counter))).collect()
    }

    /// A request is under way as long as what is returned lives: an agent of the server works for it. The order in which it is
    /// counted and looks for a STOP matters ([`super::stopping`]).
    pub(super) fn agent(&self) -> Agent<'_> {
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        if now > self.most_under_way.load(Ordering::Relaxed) {
            self.most_under_way.fetch_max(now, Ordering::Relaxed);
        }
        Agent(self)
    }

    /// Requests under way now, and at most so far.
    pub(super) fn agents(&self) -> (u64, u64) {
        (self.under_way.load(Ordering::SeqCst), self.most_under_way.load(Ordering::Relaxed))
    }
}

/// See [`Counters::agent`].
pub(super) struct Agent<'a>(&'a Counters);

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_counters() {
        // Names have 36 columns, a blank among them, in front of the figures.
        assert!(Counter::TABLE.iter().all(|(_, name)| name.len() < 36));
        assert!(Counter::TABLE.iter().enumerate().all(|(i, (counter, _))| *counter as usize == i));
    }

    #[test]
    fn agents_are_counted_while_they_work() {
        let counters = Counters::default();
        let (first, second) = (counters.agent(), counters.agent());
        assert_eq!(counters.agents(), (2, 2));
        drop(first);
        assert_eq!(counters.agents(), (1, 2));
        drop(second);
        assert_eq!(counters.agents(), (0, 2));
    }
}
