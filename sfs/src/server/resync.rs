//! Commits over several pools, as their servers see them: who may decide, and how a unit left prepared is settled.
//!
//! The CSL of the user's machine runs the commit: it asks the coordinator for a number, prepares everywhere else, lets the
//! coordinator decide, and resolves. When it goes away in between, or a server fails, the prepared unit is an orphan: its server
//! asks the coordinator, in this system found by name, and makes or undoes the changes. A coordinator that has been asked and has
//! not decided refuses to decide later.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cp::name::FilePoolId;
use parking_lot::Mutex;

use super::Shared;
use crate::pool::{GlobalUnit, PoolError};

/// How often a server looks after orphans that it could not settle.
const INTERVAL: Duration = Duration::from_secs(1);

/// How far a number has come that this server gave out as coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Given out to that session.
    Offered(u64),
    /// Being decided; the log knows better than this table.
    Deciding,
}

/// What a server keeps of commits over several pools.
#[derive(Debug, Default)]
pub(crate) struct Resync {
    stages: Mutex<HashMap<u64, Stage>>,
    /// Prepared units whose user's machine is still there to resolve them, with its session.
    owned: Mutex<HashMap<GlobalUnit, u64>>,
}

/// What a coordinator says of a number.
enum Outcome {
    Done,
    Undone,
    /// Ask later.
    Open,
}

impl Resync {
    pub(super) fn offer(&self, number: u64, session: u64) {
        self.stages.lock().insert(number, Stage::Offered(session));
    }

    /// Whether `session` may decide `number` now. Afterwards nobody else does.
    pub(super) fn begin_deciding(&self, number: u64, session: u64) -> bool {
        let mut stages = self.stages.lock();
        let mine = stages.get(&number) == Some(&Stage::Offered(session));
        if mine {
            stages.insert(number, Stage::Deciding);
        }
        mine
    }

    /// The decision is in the catalog, or certainly is not and never will be.
    pub(super) fn end_deciding(&self, number: u64) {
        self.stages.lock().remove(&number);
    }

    pub(super) fn own(&self, global: GlobalUnit, session: u64) {
        self.owned.lock().insert(global, session);
    }

    pub(super) fn owns(&self, global: GlobalUnit, session: u64) -> bool {
        self.owned.lock().get(&global) == Some(&session)
    }

    /// Whether a prepared unit waits for `session` to resolve it.
    pub(super) fn owns_any(&self, session: u64) -> bool {
        self.owned.lock().values().any(|owner| *owner == session)
    }

    pub(super) fn disown(&self, global: GlobalUnit) {
        self.owned.lock().remove(&global);
    }

    /// A session has ended.
    pub(super) fn leave(&self, session: u64) {
        self.stages.lock().retain(|_, stage| *stage != Stage::Offered(session));
        self.owned.lock().retain(|_, owner| *owner != session);
    }
}

/// The file pool servers of a system, by pool.
#[derive(Default)]
pub(crate) struct Servers {
    running: Mutex<BTreeMap<FilePoolId, Weak<Shared>>>,
}

impl Servers {
    pub(super) fn add(&self, shared: &Arc<Shared>) {
        self.running.lock().insert(shared.id, Arc::downgrade(shared));
    }

    fn get(&self, pool: FilePoolId) -> Option<Arc<Shared>> {
        self.running.lock().get(&pool).and_then(Weak::upgrade)
    }
}

impl Shared {
    fn outcome(&self, number: u64) -> Result<Outcome, PoolError> {
        let mut stages = self.resync.stages.lock();
        if self.pool.offline().is_some() || stages.get(&number) == Some(&Stage::Deciding) {
            return Ok(Outcome::Open);
        }
        if self.pool.decided(number)? {
            return Ok(Outcome::Done);
        }
        // From now on it cannot be decided any more.
        stages.remove(&number);
        Ok(Outcome::Undone)
    }

    /// Settles orphans; returns how many are left.
    pub(super) async fn settle(&self, servers: &Servers) -> Result<usize, PoolError> {
        let owned: HashSet<GlobalUnit> = self.resync.owned.lock().keys().copied().collect();
        let mut left = 0;
        for global in self.pool.prepared()?.into_iter().filter(|g| !owned.contains(g)) {
            let Some(coordinator) = servers.get(global.coordinator) else {
                left += 1;
                continue;
            };
            let done = match coordinator.outcome(global.number)? {
                Outcome::Open => {
                    left += 1;
                    continue;
                }
                Outcome::Done => true,
                Outcome::Undone => false,
            };
            self.pool.resolve(global, done).await?;
            tracing::info!(pool = %self.id, ?global, done, "a prepared work unit is settled");
            if done {
                coordinator.pool.told(global.number, self.id).await?;
            }
        }
        Ok(left)
    }
}

/// Looks after orphans as long as the server is there.
pub(super) async fn look_after(shared: Weak<Shared>, servers: Arc<Servers>) {
    loop {
        let Some(server) = shared.upgrade() else { return };
        if server.pool.offline().is_none()
            && let Err(error) = server.settle(&servers).await
        {
            tracing::warn!(pool = %server.id, %error, "prepared work units are not settled");
        }
        drop(server);
        tokio::time::sleep(INTERVAL).await;
    }
}
