//! What a server tells of itself and its pool: the figures of QUERY FILEPOOL, who is connected, who has accessed what.
//!
//! A report is a moment's: nothing is held while it is made, so figures of a busy pool need not fit each other to the last.

use std::collections::BTreeMap;

use cp::name::{DirName, FilePoolId, UserId};
use serde::{Deserialize, Serialize};

use super::protocol::Conflict;
use super::{FilePoolServer, Shared};
use crate::pool::{LockHolder, Obstacle, PoolError, StorageFigures};
use crate::types::{DisableInfo, GroupStatus, PoolPart, Stamp};

/// Figures of a pool. Source: the reports of QUERY FILEPOOL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilePoolReport {
    /// The pool.
    pub id: FilePoolId,
    /// The server machine; `None` when no resource points to it.
    pub machine: Option<UserId>,
    /// When the server started.
    pub since: Stamp,
    /// Whether connections are accepted.
    pub enabled: bool,
    /// Enrolled users.
    pub users: usize,
    /// Blocks that the users' limits add up to.
    pub blocks_allowed: u64,
    /// Committed blocks in use.
    pub blocks_used: u64,
    /// Files.
    pub files: u64,
    /// Connections, by user.
    pub connections: Vec<ConnectedUser>,
    /// Requests under way.
    pub agents: u64,
    /// Most requests that were under way at once since the server started.
    pub most_agents: u64,
    /// Locks held.
    pub locks: usize,
    /// Explicit locks.
    pub explicit_locks: usize,
    /// Work units prepared for a commit over several pools, not yet resolved.
    pub prepared: usize,
    /// What the disks hold.
    pub storage: StorageFigures,
    /// Storage groups, none when the pool refuses work.
    pub groups: Vec<GroupStatus>,
    /// GROUPTHRESH: percent of a storage group above which it is nearly full.
    pub group_threshold: u8,
    /// What is disabled.
    pub disabled: Vec<(PoolPart, DisableInfo)>,
    /// Who waits for whom.
    pub conflicts: Vec<Conflict>,
    /// Administrators.
    pub administrators: Vec<UserId>,
    /// Requests since the server started, by kind, as they are called.
    pub counters: Vec<(String, u64)>,
    /// Why the pool refuses work, if it does.
    pub offline: Option<String>,
}

/// A connection to a file pool. Source: QUERY FILEPOOL CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConnectedUser {
    /// Whose.
    pub user: UserId,
    /// What it does.
    pub state: ConnectionState,
}

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConnectionState {
    /// It has an active work unit.
    Active,
    /// It waits for the second phase of a commit over several pools.
    Prepared,
    /// Neither.
    Idle,
}

impl ConnectionState {
    /// The word of QUERY FILEPOOL CONNECT.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Prepared => "Prepared&Connected",
            Self::Idle => "Yes",
        }
    }
}

/// Somebody who has accessed a DIRCONTROL directory. Source: QUERY ACCESSORS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Accessor {
    /// The directory.
    pub dir: DirName,
    /// Who.
    pub user: UserId,
    /// Whether it is accessed to be written.
    pub writes: bool,
}

impl Shared {
    /// The connections, by user.
    pub(super) fn connections(&self) -> Vec<ConnectedUser> {
        let sessions: Vec<_> = {
            let sessions = self.sessions.lock();
            sessions.values().map(|s| (s.user, s.session.clone())).collect()
        };
        let state = |session: &super::Session| {
            if self.resync.owns_any(session.number) {
                ConnectionState::Prepared
            } else if session.units.lock().values().any(|u| u.is_active()) {
                ConnectionState::Active
            } else {
                ConnectionState::Idle
            }
        };
        let mut all: Vec<ConnectedUser> = sessions
            .into_iter()
            .filter_map(|(user, session)| Some(ConnectedUser { user, state: state(&*session.upgrade()?) }))
            .collect();
        all.sort();
        all
    }

    /// Who has accessed DIRCONTROL directories that are `meant`, by directory and user.
    pub(super) fn accessors(&self, meant: impl Fn(&DirName) -> bool) -> Vec<Accessor> {
        let sessions: Vec<_> = {
            let sessions = self.sessions.lock();
            sessions.values().filter_map(|s| Some((s.user, s.session.upgrade()?))).collect()
        };
        let mut found = Vec::new();
        for (user, session) in sessions {
            let held = session.accessed_directories();
            found.extend(held.into_iter().map(|(dir, writes)| Accessor { dir, user, writes }));
        }
        found.retain(|accessor| meant(&accessor.dir));
        found.sort();
        found.dedup();
        found
    }

    /// Who waits for whom.
    pub(super) fn conflicts(&self) -> Vec<Conflict> {
        let sessions: Vec<_> = {
            let sessions = self.sessions.lock();
            sessions.values().filter_map(|s| Some((s.user, s.session.upgrade()?))).collect()
        };
        let mut units = BTreeMap::new();
        for (user, session) in sessions {
            let told = session.user_data.lock();
            for (serial, number) in session.serials() {
                units.insert(serial, (user, number, told.get(&number).cloned().unwrap_or_default()));
            }
        }
        let named = |(waiter, Obstacle { holder, wanted }): (u64, Obstacle)| {
            let (waiter, waiter_unit, waiter_data) = units.get(&waiter)?.clone();
            let (holder, holder_unit, holder_data) = match holder {
                LockHolder::Unit(serial) => units.get(&serial)?.clone(),
                LockHolder::Explicit(user) => (user, 0, Default::default()),
            };
            Some(Conflict { waiter, waiter_unit, holder, holder_unit, wanted, waiter_data, holder_data })
        };
        self.pool.waits().into_iter().filter_map(named).collect()
    }

    /// All figures of this moment.
    pub(super) async fn report(&self) -> Result<FilePoolReport, PoolError> {
        let spaces = self.pool.spaces()?;
        let offline = self.pool.offline();
        let (storage, groups) = match offline {
            None => (self.pool.storage().await?, self.pool.storage_groups().await?),
            Some(_) => (StorageFigures::default(), Vec::new()),
        };
        let (agents, most_agents) = self.counters.agents();
        Ok(FilePoolReport {
            id: self.id,
            machine: self.machine,
            since: self.since,
            enabled: !self.disabled.load(std::sync::atomic::Ordering::Relaxed),
            users: spaces.len(),
            blocks_allowed: spaces.iter().map(|(_, s)| s.limit).fold(0, u64::saturating_add),
            blocks_used: spaces.iter().map(|(_, s)| s.used).sum(),
            files: self.pool.file_count()?,
            connections: self.connections(),
            agents,
            most_agents,
            locks: self.pool.lock_count(),
            explicit_locks: self.pool.explicit_lock_count(),
            prepared: self.pool.prepared()?.len(),
            storage,
            groups,
            group_threshold: self.group_threshold(),
            disabled: self.pool.disabled(),
            conflicts: self.conflicts(),
            administrators: self.admins.read().iter().copied().collect(),
            counters: self.counters.shown(),
            offline: offline.map(|why| why.to_string()),
        })
    }
}

impl FilePoolServer {
    /// QUERY FILEPOOL CONFLICT: who waits for whom.
    pub fn conflicts(&self) -> Vec<Conflict> {
        self.shared.conflicts()
    }

    /// QUERY FILEPOOL: figures of this moment.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn report(&self) -> Result<FilePoolReport, PoolError> {
        self.shared.report().await
    }
}
