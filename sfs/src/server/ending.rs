//! The end of a session's work units: commit, rollback, the steps of a commit over several pools.

use std::sync::Arc;

use bytes::Bytes;

use super::handler::{Session, failure, plain};
use super::protocol::{Answer, Call, Failure, Reply};
use crate::pool::{Committed, PoolError, Token, WorkUnit};
use crate::reason::{ReasonCode, ReturnCode};

fn warnings(committed: &Committed) -> Vec<ReasonCode> {
    committed.over_threshold.iter().map(|_| ReasonCode::SpaceThreshold).collect()
}

impl Session {
    pub(super) async fn commit(&self, number: u32) -> Result<(Reply, Bytes), Failure> {
        let unit = self.units.lock().get(&number).cloned();
        let Some(unit) = unit else { return Ok(plain(Answer::Committed { warnings: Vec::new() })) };
        let result = unit.commit().await;
        self.drop_stale(number);
        match result {
            Ok(committed) => {
                let warnings = warnings(&committed);
                Ok((
                    Reply { answer: Answer::Committed { warnings: warnings.clone() }, warnings },
                    Bytes::new(),
                ))
            }
            Err(PoolError::Busy) => Err(Failure::error(ReasonCode::WorkUnitBusy)),
            // Whatever the reason, nothing of the unit is left.
            Err(error) => Err(Failure { rc: ReturnCode::Severe, ..failure(&error) }),
        }
    }

    /// After DMSWRITE: what was rewritten in place is made visible, and what is too much for memory goes to the disk. When the disks
    /// are full, the work unit is rolled back.
    pub(super) async fn written(
        &self,
        number: u32,
        unit: &Arc<WorkUnit>,
        token: Token,
    ) -> Result<(), Failure> {
        let mut done = Ok(());
        if unit.wants_publishing(token) {
            let publishing = unit.clone();
            let published = tokio::spawn(async move { publishing.publish(token).await }).await;
            done = published.unwrap_or_else(|e| Err(PoolError::Offline(e.to_string().into())));
        }
        if done.is_ok() && unit.wants_spill() {
            let spilling = unit.clone();
            let spilled = tokio::task::spawn_blocking(move || spilling.spill()).await;
            done = spilled.unwrap_or_else(|e| Err(PoolError::Offline(e.to_string().into())));
        }
        done.map_err(|error| {
            self.forget_changes(number);
            failure(&error)
        })
    }

    /// DMSROLLB: changes of NORECOVER files stay as far as they can.
    pub(super) async fn roll_back(&self, number: u32) -> (Reply, Bytes) {
        let unit = self.units.lock().get(&number).cloned();
        if let Some(unit) = unit {
            unit.rollback_recoverable().await;
        }
        self.forget_changes(number);
        plain(Answer::Done)
    }

    /// Forgets what is pending on a work unit, and its opens.
    pub(super) fn forget_changes(&self, number: u32) {
        let unit = self.units.lock().get(&number).cloned();
        if let Some(unit) = unit {
            unit.rollback();
        }
        self.dirs.lock().retain(|_, listing| listing.unit != number);
        self.drop_stale(number);
    }

    /// Forgets tokens that a commit or rollback has closed, and what the user said of the work unit.
    fn drop_stale(&self, number: u32) {
        self.user_data.lock().remove(&number);
        self.tokens.lock().retain(|token, (of, unit)| *of != number || unit.is_open(Token(*token)));
    }

    /// The steps of a commit over several pools.
    pub(super) async fn global(&self, unit: u32, call: &Call) -> Result<(Reply, Bytes), Failure> {
        let shared = &self.shared;
        let severe = |e: PoolError| Failure { rc: ReturnCode::Severe, ..failure(&e) };
        match call {
            Call::NewGlobal => {
                let number = shared.pool.new_global_number().await.map_err(|e| failure(&e))?;
                shared.resync.offer(number, self.number);
                Ok(plain(Answer::Number(number)))
            }
            Call::Prepare { global } => {
                let global = *global;
                let engine = self.unit(unit)?;
                shared.resync.own(global, self.number);
                let done = engine.prepare(global).await;
                self.drop_stale(unit);
                if done.is_err() {
                    shared.resync.disown(global);
                }
                let warnings = warnings(&done.map_err(severe)?);
                Ok((Reply { answer: Answer::Done, warnings }, Bytes::new()))
            }
            Call::Decide { number, pools } => {
                let number = *number;
                let engine = self.unit(unit)?;
                if !shared.resync.begin_deciding(number, self.number) {
                    self.forget_changes(unit);
                    let reason = ReasonCode::ConnectionLost;
                    return Err(Failure { rc: ReturnCode::Severe, ..Failure::error(reason) });
                }
                let done = engine.commit_deciding(number, pools).await;
                self.drop_stale(unit);
                // What a failed disk keeps shows only when the pool has recovered.
                if !matches!(done, Err(PoolError::Offline(_))) {
                    shared.resync.end_deciding(number);
                }
                let warnings = warnings(&done.map_err(severe)?);
                Ok((
                    Reply { answer: Answer::Committed { warnings: warnings.clone() }, warnings },
                    Bytes::new(),
                ))
            }
            Call::Resolve { global, commit } => {
                let (global, commit) = (*global, *commit);
                if !shared.resync.owns(global, self.number) {
                    return Err(Failure::error(ReasonCode::NotAuthorized));
                }
                if let Some(commit) = commit {
                    shared.pool.resolve(global, commit).await.map_err(|e| failure(&e))?;
                }
                shared.resync.disown(global);
                Ok(plain(Answer::Done))
            }
            Call::Told { number, pool } => {
                let done = shared.pool.told(*number, *pool).await;
                done.map(|()| plain(Answer::Done)).map_err(|e| failure(&e))
            }
            _ => Err(Failure::error(ReasonCode::ProtocolError)),
        }
    }

    /// Rolls everything back but the units with changes of NORECOVER files, which it returns: these keep what can be kept.
    fn give_up(&self) -> Vec<Arc<WorkUnit>> {
        let units = std::mem::take(&mut *self.units.lock());
        self.tokens.lock().clear();
        self.dirs.lock().clear();
        self.accessed.lock().clear();
        let mut kept = Vec::new();
        for unit in units.into_values() {
            match unit.outlives_rollback() {
                true => kept.push(unit),
                false => unit.rollback(),
            }
        }
        kept
    }

    /// DMSPURWU: every work unit of this connection is rolled back.
    pub(super) async fn purge(&self) {
        for unit in self.give_up() {
            unit.rollback_recoverable().await;
        }
    }

    /// The connection is gone. What NORECOVER files keep is committed in a task of its own, which holds the locks until then.
    pub(super) fn end_all(&self) {
        let kept = self.give_up();
        if kept.is_empty() {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    for unit in kept {
                        unit.rollback_recoverable().await;
                    }
                });
            }
            Err(_) => kept.iter().for_each(|unit| unit.rollback()),
        }
    }
}
