//! A session: one connection, its work units and opens, and the way of a request through them.
//!
//! What a call does on a work unit is in [`super::perform`], what ends a work unit in [`super::ending`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cp::iucv::{IpRcode, IucvMessage, IucvReply, PathHandler, UserData};
use cp::name::{DirName, UserId};
use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::counters::Counter;
use super::perform::{self, Accessed, Listing, Undone};
use super::protocol::{Answer, Call, Failure, Reply, Request, decode, encode};
use super::{Shared, WorkUnitData, authority};
use crate::pool::{DirPath, Obstacle, PoolError, Token, WorkUnit};
use crate::reason::{ReasonCode, ReturnCode};

/// Work units of one session: what a client may make the server keep.
const MAX_UNITS: usize = 65_536 + 16;

pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    /// Whose connection it is.
    machine: UserId,
    /// For whom it works instead. Source: DMSPUSHA.
    alternate: OnceLock<UserId>,
    pub(super) number: u64,
    pub(super) units: Mutex<HashMap<u32, Arc<WorkUnit>>>,
    pub(super) tokens: Mutex<HashMap<u64, (u32, Arc<WorkUnit>)>>,
    pub(super) dirs: Mutex<HashMap<u64, Listing>>,
    pub(super) next_dir: AtomicU64,
    pub(super) accessed: Mutex<HashMap<DirName, Accessed>>,
    /// DIRCONTROL directories accessed to be written, and how often.
    pub(super) writing: Mutex<HashMap<DirName, u32>>,
    /// The connection has ended; who still waits for a lock waits in vain.
    gone: AtomicBool,
    /// DMSUDATA, by work unit, until that ends.
    pub(super) user_data: Mutex<HashMap<u32, WorkUnitData>>,
}

pub(super) fn path(dir: &DirName) -> DirPath<'_> {
    DirPath { space: dir.owner.as_str(), levels: dir.levels() }
}

pub(super) fn failure(error: &PoolError) -> Failure {
    let rc = if error.rolled_back() { ReturnCode::Severe } else { ReturnCode::Error };
    Failure { rc, reason: ReasonCode::from(error), index: 0 }
}

pub(super) fn plain(answer: Answer) -> (Reply, Bytes) {
    (Reply { answer, warnings: Vec::new() }, Bytes::new())
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, machine: UserId, number: u64) -> Self {
        Self {
            shared,
            machine,
            alternate: OnceLock::new(),
            number,
            units: Mutex::default(),
            tokens: Mutex::default(),
            dirs: Mutex::default(),
            next_dir: AtomicU64::new(1),
            accessed: Mutex::default(),
            writing: Mutex::default(),
            gone: AtomicBool::new(false),
            user_data: Mutex::default(),
        }
    }

    /// The user whose work this is.
    pub(super) fn user(&self) -> UserId {
        *self.alternate.get().unwrap_or(&self.machine)
    }

    /// From now on the connection works for `user`, with his authority and no other: an administrator may say so before anything
    /// else. Should he cease to be one, the connection is severed.
    fn work_for(&self, user: UserId) -> Result<(Reply, Bytes), Failure> {
        // Held, so that who ceases to be an administrator meanwhile finds this connection as one to be severed.
        let admins = self.shared.admins.read();
        if !admins.contains(&self.machine) {
            return Err(Failure::error(ReasonCode::NotAdministrator));
        }
        let fresh = self.units.lock().is_empty() && self.accessed.lock().is_empty();
        if !fresh || self.alternate.set(user).is_err() {
            return Err(Failure::error(ReasonCode::ProtocolError));
        }
        if let Some(connected) = self.shared.sessions.lock().get_mut(&self.number) {
            connected.user = user;
        }
        Ok(plain(Answer::Done))
    }

    pub(super) fn unit(&self, number: u32) -> Result<Arc<WorkUnit>, Failure> {
        let mut units = self.units.lock();
        if let Some(unit) = units.get(&number) {
            return Ok(unit.clone());
        }
        if units.len() >= MAX_UNITS {
            return Err(Failure::error(ReasonCode::TooManyWorkUnits));
        }
        let unit = Arc::new(self.shared.pool.begin_for(self.user()));
        units.insert(number, unit.clone());
        Ok(unit)
    }

    async fn answer(&self, message: IucvMessage) -> Result<(Reply, Bytes), Failure> {
        let _agent = self.shared.counters.agent();
        let mut request: Request = decode(&message.control).map_err(Failure::error)?;
        self.shared.counters.count(Counter::of(&request.call));
        if !self.admits(&request) {
            return Err(Failure::error(ReasonCode::PoolDisabled));
        }
        if let Call::WorkFor { user } = request.call {
            return self.work_for(user);
        }
        if let Some(data) = request.user_data.take() {
            self.note_user_data(request.unit, data)?;
        }
        if let Some(done) = self.within_accessed(&request, &message.data)? {
            return Ok(done);
        }
        if authority::needs_unit(&request.call) {
            let unit = self.unit(request.unit)?;
            authority::check(&self.shared, self.user(), &unit, &request.call)?;
        } else {
            authority::check_user(&self.shared, self.user(), &request.call)?;
        }
        if let Some(done) = self.without_unit(&request).await {
            return done;
        }
        let Request { unit: number, wait, commit, call, .. } = request;
        let (number, unit) = match token_of(&call) {
            Some(token) => {
                let held = self.tokens.lock().get(&token).cloned();
                held.ok_or_else(|| Failure::error(ReasonCode::NotOpen))?
            }
            None => (number, self.unit(number)?),
        };
        if matches!(call, Call::Read { .. } | Call::ReadImage { .. }) {
            let (answer, data) = perform::records::read(&unit, &call).await.map_err(|e| failure(&e))?;
            return Ok((Reply { answer, warnings: Vec::new() }, data));
        }
        let at = perform::At { number, unit: &unit, data: &message.data };
        let answer = self.perform_waiting(at, &call, wait).await?;
        if let Call::Write { token, .. } | Call::WriteBlocks { token, .. } = call {
            self.written(number, &unit, Token(token)).await?;
        }
        if !commit {
            return Ok(plain(answer));
        }
        self.shared.counters.count(Counter::Commit);
        let (committed, _) = self.commit(number).await?;
        Ok((Reply { answer, warnings: committed.warnings }, Bytes::new()))
    }

    fn note_user_data(&self, number: u32, data: WorkUnitData) -> Result<(), Failure> {
        if data.as_slice().len() > super::MAX_USER_DATA {
            return Err(Failure::error(ReasonCode::LimitExceeded));
        }
        // Bounded as the work units are: there is none without one.
        self.unit(number)?;
        self.user_data.lock().insert(number, data);
        Ok(())
    }

    /// Reading in directories that are accessed, which was authorised then.
    fn within_accessed(&self, request: &Request, data: &Bytes) -> Result<Option<(Reply, Bytes)>, Failure> {
        if self.accessed.lock().is_empty() {
            return Ok(None);
        }
        let unit = self.unit(request.unit)?;
        let at = perform::At { number: request.unit, unit: &unit, data };
        match self.on_accessed(at, &request.call) {
            None => Ok(None),
            Some(Ok(answer)) => Ok(Some(plain(answer))),
            Some(Err(error)) => Err(failure(&error)),
        }
    }

    /// Calls that end work units, wait for the log, or concern none; `None` for all others.
    async fn without_unit(&self, request: &Request) -> Option<Result<(Reply, Bytes), Failure>> {
        let number = request.unit;
        Some(match &request.call {
            Call::Commit => self.commit(number).await,
            Call::Rollback => Ok(self.roll_back(number).await),
            Call::Return => {
                let done = self.commit(number).await;
                self.forget_changes(number);
                self.units.lock().remove(&number);
                done
            }
            Call::NewGlobal
            | Call::Prepare { .. }
            | Call::Decide { .. }
            | Call::Resolve { .. }
            | Call::Told { .. } => self.global(number, &request.call).await,
            Call::Purge => {
                self.purge().await;
                Ok(plain(Answer::Done))
            }
            Call::Active => {
                let active = self.units.lock().values().any(|u| u.is_active());
                Ok(plain(Answer::Active(active)))
            }
            Call::Lock { object, kind, duration } => match self.unit(number) {
                Ok(unit) => self.lock(&unit, object, *kind, *duration, request.wait).await,
                Err(failed) => Err(failed),
            },
            Call::Unlock { object, user } => self.unlock(object, *user).await,
            Call::Administrator { user, enroll: true } => {
                self.shared.grant_admin(*user);
                Ok(plain(Answer::Done))
            }
            Call::Administrator { user, enroll: false } => match self.shared.revoke_admin(*user) {
                true => Ok(plain(Answer::Done)),
                false => Err(Failure::error(ReasonCode::NoAdministrator)),
            },
            Call::Groups { .. }
            | Call::AddMinidisk { .. }
            | Call::Disable { .. }
            | Call::Enable { .. }
            | Call::Report => self.on_groups(number, request.wait, &request.call).await,
            Call::Conflicts => Ok(plain(Answer::Conflicts(self.shared.conflicts()))),
            Call::Connections => Ok(plain(Answer::Connections(self.shared.connections()))),
            Call::Accessors { dir } => match self.unit(number) {
                Ok(unit) => self.accessors(&unit, dir.as_ref()).map(plain),
                Err(failed) => Err(failed),
            },
            Call::Level => Ok(plain(Answer::Level(super::SERVER_LEVEL))),
            _ => return None,
        })
    }

    /// Performs a call; with FILEWAIT ON tries again as long as a lock is in the way. A refused one leaves no locks on a work unit
    /// without changes: its program may not touch it again for long.
    async fn perform_waiting(&self, at: perform::At<'_>, call: &Call, wait: bool) -> Result<Answer, Failure> {
        let done = self.perform_until_done(at, call, wait).await;
        if done.is_err() {
            at.unit.end_idle_locks();
        }
        done
    }

    async fn perform_until_done(
        &self,
        at: perform::At<'_>,
        call: &Call,
        wait: bool,
    ) -> Result<Answer, Failure> {
        loop {
            let obstacle = match self.perform(at, call) {
                Ok(answer) => return Ok(answer),
                Err(Undone { error, index }) => {
                    let obstacle = error.obstacle();
                    if obstacle.is_some() {
                        self.shared.counters.count(Counter::LockConflict);
                    }
                    obstacle.filter(|_| wait).ok_or_else(|| Failure { index, ..failure(&error) })?
                }
            };
            self.wait_for_lock(at.unit, obstacle).await?;
        }
    }

    /// Waits for a lock, counting what ends in a deadlock.
    pub(super) async fn wait_for_lock(&self, unit: &WorkUnit, obstacle: Obstacle) -> Result<(), Failure> {
        self.shared.pool.wait_for_lock(unit, obstacle).await.map_err(|error| {
            if matches!(error, PoolError::Deadlock) {
                self.shared.counters.count(Counter::Deadlock);
            }
            failure(&error)
        })?;
        match self.gone.load(Ordering::Relaxed) {
            true => Err(Failure { rc: ReturnCode::Severe, ..Failure::error(ReasonCode::ConnectionLost) }),
            false => Ok(()),
        }
    }

    /// This user's units by serial number, for the report of conflicts.
    pub(super) fn serials(&self) -> Vec<(u64, u32)> {
        self.units.lock().iter().map(|(number, unit)| (unit.serial(), *number)).collect()
    }

    /// Leaves the server; with the user's last connection his SESSION locks end.
    pub(super) fn leave(&self) {
        self.gone.store(true, Ordering::Relaxed);
        let last = {
            let mut sessions = self.shared.sessions.lock();
            sessions.remove(&self.number).is_some() && sessions.values().all(|s| s.user != self.user())
        };
        self.shared.resync.leave(self.number);
        self.shared.done();
        if last {
            self.shared.pool.end_session_locks(self.user());
        }
    }
}

/// The open file a call is about.
fn token_of(call: &Call) -> Option<u64> {
    match call {
        Call::Read { token, .. }
        | Call::ReadImage { token, .. }
        | Call::Write { token, .. }
        | Call::WriteBlocks { token, .. }
        | Call::Point { token, .. }
        | Call::Truncate { token, .. }
        | Call::Close { token } => Some(*token),
        _ => None,
    }
}

impl PathHandler for Session {
    fn message<'a>(&'a self, message: IucvMessage) -> BoxFuture<'a, Result<IucvReply, IpRcode>> {
        Box::pin(async move {
            let (reply, data) = match self.answer(message).await {
                Ok((reply, data)) => (Ok(reply), data),
                Err(failure) => (Err(failure), Bytes::new()),
            };
            self.shared.done();
            let control = encode::<Result<Reply, Failure>>(&reply).map_err(|_| IpRcode::Purged)?;
            Ok(IucvReply { control, data })
        })
    }

    fn severed(&self, _user: UserData) {
        self.end_all();
        self.leave();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end_all();
        self.leave();
    }
}
