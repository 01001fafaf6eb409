//! A session: one connection's work units, opens and requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cp::iucv::{IpRcode, IucvMessage, IucvReply, PathHandler, UserData};
use cp::name::{DirName, UserId};
use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::protocol::{Answer, Call, DirList, DirRecord, Failure, Reply, Request, decode, encode};
use super::{Shared, authority};
use crate::names::{FileRef, SfsObject};
use crate::pool::{Committed, DirPath, OpenRequest, PoolError, Token, Waiting, WorkUnit};
use crate::reason::{ReasonCode, ReturnCode};
use crate::types::{
    Attributes, EntryType, FileId, FileStatus, Grantee, Intent, LockDuration, LockType, Rights, SpaceStatus,
};

/// Work units of one session: what a client may make the server keep.
const MAX_UNITS: usize = 65_536 + 16;
/// Directories that one session may have open at once; each holds its list in memory.
const MAX_OPEN_DIRS: usize = 256;
/// Most directory records in one answer, so that it stays far below the limit of a control buffer.
const MAX_RECORDS: u32 = 2000;

/// The records of an open directory not yet fetched, last one first.
struct Listing {
    unit: u32,
    rest: Vec<DirRecord>,
}

pub(super) struct Session {
    shared: Arc<Shared>,
    user: UserId,
    number: u64,
    units: Mutex<HashMap<u32, Arc<WorkUnit>>>,
    tokens: Mutex<HashMap<u64, (u32, Arc<WorkUnit>)>>,
    dirs: Mutex<HashMap<u64, Listing>>,
    next_dir: AtomicU64,
}

type Outcome = Result<(Answer, Bytes), PoolError>;

pub(super) fn path(dir: &DirName) -> DirPath<'_> {
    DirPath { space: dir.owner.as_str(), levels: dir.levels() }
}

fn failure(error: &PoolError) -> Failure {
    let rc = if error.rolled_back() { ReturnCode::Severe } else { ReturnCode::Error };
    Failure { rc, reason: ReasonCode::from(error), index: 0 }
}

fn warnings(committed: &Committed) -> Vec<ReasonCode> {
    committed.over_threshold.iter().map(|_| ReasonCode::SpaceThreshold).collect()
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, user: UserId, number: u64) -> Self {
        Self {
            shared,
            user,
            number,
            units: Mutex::default(),
            tokens: Mutex::default(),
            dirs: Mutex::default(),
            next_dir: AtomicU64::new(1),
        }
    }

    fn unit(&self, number: u32) -> Result<Arc<WorkUnit>, Failure> {
        let mut units = self.units.lock();
        if let Some(unit) = units.get(&number) {
            return Ok(unit.clone());
        }
        if units.len() >= MAX_UNITS {
            return Err(Failure::error(ReasonCode::TooManyWorkUnits));
        }
        let unit = Arc::new(self.shared.pool.begin_for(self.user));
        units.insert(number, unit.clone());
        Ok(unit)
    }

    async fn answer(&self, message: IucvMessage) -> Result<(Reply, Bytes), Failure> {
        let request: Request = decode(&message.control).map_err(Failure::error)?;
        if authority::needs_unit(&request.call) {
            let unit = self.unit(request.unit)?;
            authority::check(&self.shared, self.user, &unit, &request.call)?;
        } else {
            authority::check_user(&self.shared, self.user, &request.call)?;
        }
        let Request { unit: number, wait, commit, call } = request;
        match call {
            Call::Commit => return self.commit(number).await,
            Call::Rollback => {
                let unit = self.units.lock().get(&number).cloned();
                if let Some(unit) = unit {
                    unit.rollback_recoverable().await;
                }
                return Ok(self.rollback(number));
            }
            Call::Return => {
                let done = self.commit(number).await;
                self.rollback(number);
                self.units.lock().remove(&number);
                return done;
            }
            Call::NewGlobal
            | Call::Prepare { .. }
            | Call::Decide { .. }
            | Call::Resolve { .. }
            | Call::Told { .. } => return self.global(number, call).await,
            Call::Purge => {
                self.end_all();
                return Ok(plain(Answer::Done));
            }
            Call::Active => {
                let active = self.units.lock().values().any(|u| u.is_active());
                return Ok(plain(Answer::Active(active)));
            }
            Call::Lock { object, kind, duration } => {
                let unit = self.unit(number)?;
                return self.lock(&unit, &object, kind, duration, wait).await;
            }
            Call::Unlock { object, user } => {
                let (place, user) = ((path(object.dir()), object.id()), user.unwrap_or(self.user));
                let done = self.shared.pool.delete_lock(place, user).await;
                return done.map(|()| plain(Answer::Done)).map_err(|e| failure(&e));
            }
            Call::Conflicts => return Ok(plain(Answer::Conflicts(self.shared.conflicts()))),
            Call::Level => return Ok(plain(Answer::Level(super::SERVER_LEVEL))),
            _ => {}
        }
        let (number, unit) = match token_of(&call) {
            Some(token) => {
                let held = self.tokens.lock().get(&token).cloned();
                held.ok_or_else(|| Failure::error(ReasonCode::NotOpen))?
            }
            None => (number, self.unit(number)?),
        };
        if matches!(call, Call::Read { .. } | Call::ReadImage { .. }) {
            let (answer, data) = read(&unit, &call).await.map_err(|e| failure(&e))?;
            return Ok((Reply { answer, warnings: Vec::new() }, data));
        }
        let (answer, data) = self.perform_waiting(number, &unit, &call, &message.data, wait).await?;
        if !commit {
            return Ok((Reply { answer, warnings: Vec::new() }, data));
        }
        let (committed, _) = self.commit(number).await?;
        Ok((Reply { answer, warnings: committed.warnings }, data))
    }

    /// Performs a call; with FILEWAIT ON tries again as long as a lock is in the way.
    async fn perform_waiting(
        &self,
        number: u32,
        unit: &Arc<WorkUnit>,
        call: &Call,
        data: &Bytes,
        wait: bool,
    ) -> Result<(Answer, Bytes), Failure> {
        loop {
            match self.perform(number, unit, call, data) {
                Ok(done) => return Ok(done),
                Err((PoolError::Locked { holder }, _)) if wait => {
                    let waited = self.shared.pool.wait_for_lock(unit, holder).await;
                    waited.map_err(|e| failure(&e))?;
                }
                // Nobody's unit: serial numbers begin at 1.
                Err((PoolError::ExplicitLock, _)) if wait => {
                    let waited = self.shared.pool.wait_for_lock(unit, 0).await;
                    waited.map_err(|e| failure(&e))?;
                }
                Err((error, index)) => return Err(Failure { index, ..failure(&error) }),
            }
        }
    }

    /// Performs a call once. The number beside an error is the index of the user concerned, or 0.
    fn perform(
        &self,
        number: u32,
        unit: &Arc<WorkUnit>,
        call: &Call,
        data: &Bytes,
    ) -> Result<(Answer, Bytes), (PoolError, u32)> {
        if let Call::Enroll { users, blocks } = call {
            let fresh = !unit.is_active();
            for (user, index) in users.iter().zip(1u32..) {
                if let Err(error) = unit.enroll(user.as_str(), *blocks, "") {
                    // All or none; whatever else the unit holds stays.
                    if fresh {
                        unit.rollback();
                    }
                    return Err((error, index));
                }
            }
            return Ok((Answer::Done, Bytes::new()));
        }
        match call {
            Call::Grant { object, to, rights } => {
                let (dir, id) = (path(object.dir()), object.id());
                for (to, index) in to.iter().zip(1u32..) {
                    unit.grant(dir, id, *to, *rights).map_err(|e| (e, index))?;
                }
                Ok((Answer::Done, Bytes::new()))
            }
            Call::Revoke { object, from, keep_read } => {
                let (dir, id) = (path(object.dir()), object.id());
                for (from, index) in from.iter().zip(1u32..) {
                    match unit.revoke(dir, id, *from, *keep_read) {
                        Ok(true) => {}
                        Ok(false) => return Err((PoolError::NoGrant, index)),
                        Err(error) => return Err((error, index)),
                    }
                }
                Ok((Answer::Done, Bytes::new()))
            }
            _ => self.perform_one(number, unit, call, data).map_err(|e| (e, 0)),
        }
    }

    /// The steps of a commit over several pools.
    async fn global(&self, unit: u32, call: Call) -> Result<(Reply, Bytes), Failure> {
        let shared = &self.shared;
        let severe = |e: PoolError| Failure { rc: ReturnCode::Severe, ..failure(&e) };
        match call {
            Call::NewGlobal => {
                let number = shared.pool.new_global_number().await.map_err(|e| failure(&e))?;
                shared.resync.offer(number, self.number);
                Ok(plain(Answer::Number(number)))
            }
            Call::Prepare { global } => {
                let engine = self.unit(unit)?;
                shared.resync.own(global, self.number);
                let done = engine.prepare(global).await;
                self.drop_stale(unit);
                if done.is_err() {
                    shared.resync.disown(global);
                }
                done.map(|()| plain(Answer::Done)).map_err(severe)
            }
            Call::Decide { number, pools } => {
                let engine = self.unit(unit)?;
                if !shared.resync.begin_deciding(number, self.number) {
                    self.rollback(unit);
                    let reason = ReasonCode::ConnectionLost;
                    return Err(Failure { rc: ReturnCode::Severe, ..Failure::error(reason) });
                }
                let done = engine.commit_deciding(number, &pools).await;
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
                let done = shared.pool.told(number, pool).await;
                done.map(|()| plain(Answer::Done)).map_err(|e| failure(&e))
            }
            _ => Err(Failure::error(ReasonCode::ProtocolError)),
        }
    }

    async fn lock(
        &self,
        unit: &Arc<WorkUnit>,
        object: &SfsObject,
        kind: LockType,
        duration: LockDuration,
        wait: bool,
    ) -> Result<(Reply, Bytes), Failure> {
        loop {
            let place = (path(object.dir()), object.id());
            let done = self.shared.pool.create_lock(unit, place, self.user, kind, duration).await;
            let holder = match done {
                Ok(()) => return Ok(plain(Answer::Done)),
                Err(PoolError::Locked { holder }) if wait => holder,
                Err(PoolError::ExplicitLock) if wait => 0,
                Err(error) => return Err(failure(&error)),
            };
            self.shared.pool.wait_for_lock(unit, holder).await.map_err(|e| failure(&e))?;
        }
    }

    fn base_of(&self, unit: &WorkUnit, alias: &FileRef) -> Result<Option<FileRef>, PoolError> {
        let Some((space, levels, id)) = unit.base_of(path(&alias.dir), alias.id)? else { return Ok(None) };
        let levels: String = levels.iter().map(|l| format!(".{l}")).collect();
        let levels = if levels.is_empty() { "." } else { &levels };
        let dir = DirName::parse(&format!("{}:{space}{levels}", self.shared.id), None, self.user);
        dir.map(|dir| Some(FileRef::new(id, dir))).map_err(|_| PoolError::BadDirectory)
    }

    /// This user's units by serial number, for the report of conflicts.
    pub(super) fn serials(&self) -> Vec<(u64, u32)> {
        self.units.lock().iter().map(|(number, unit)| (unit.serial(), *number)).collect()
    }

    /// Leaves the server; with the user's last connection his SESSION locks end.
    fn leave(&self) {
        let last = {
            let mut sessions = self.shared.sessions.lock();
            sessions.remove(&self.number).is_some() && sessions.values().all(|s| s.user != self.user)
        };
        self.shared.resync.leave(self.number);
        if last {
            self.shared.pool.end_session_locks(self.user);
        }
    }

    fn perform_one(&self, number: u32, unit: &Arc<WorkUnit>, call: &Call, data: &Bytes) -> Outcome {
        let answer = match call {
            Call::Open { file, intent, attributes, allow_empty } => {
                self.open(number, unit, file, (*intent, *attributes, *allow_empty))?
            }
            Call::Read { .. } | Call::ReadImage { .. } => return read_with(unit, call, Waiting::Allowed),
            Call::Write { token, count } => done(unit.write(Token(*token), data, *count))?,
            Call::Point { token, read, write } => done(unit.point(Token(*token), *read, *write))?,
            Call::Truncate { token, records } => done(unit.truncate(Token(*token), *records))?,
            Call::Close { token } => {
                let status = unit.open_status(Token(*token))?;
                unit.close(Token(*token))?;
                self.tokens.lock().remove(token);
                Answer::File(status)
            }
            Call::CreateDir { dir, control } => done(unit.create_dir_as(path(dir), *control))?,
            Call::CreateFile { file, attributes } => {
                let opened = self.open(number, unit, file, (Intent::New, *attributes, true))?;
                if let Answer::Opened { token, .. } = opened {
                    unit.close(Token(token))?;
                    self.tokens.lock().remove(&token);
                }
                Answer::Done
            }
            Call::CreateAlias { base: b, alias: a } => {
                done(unit.create_alias(path(&b.dir), b.id, path(&a.dir), a.id))?
            }
            Call::CreateExternal { file, data } => {
                done(unit.create_external(path(&file.dir), file.id, data))?
            }
            Call::External { file } => Answer::Data(unit.external(path(&file.dir), file.id)?),
            Call::BaseOf { alias } => Answer::Base(self.base_of(unit, alias)?),
            Call::ChangeFile { file, changes } => {
                done(unit.change_attributes(path(&file.dir), file.id, changes))?
            }
            Call::ChangeDir { dir, control } => done(unit.change_control(path(dir), *control))?,
            Call::Grants { object } => Answer::Grants(unit.grants(path(object.dir()), object.id())?),
            Call::Locks { object } => {
                Answer::Locks(self.shared.pool.locks_on(path(object.dir()), object.id())?)
            }
            Call::SetThreshold { user, percent } => done(unit.set_threshold(user.as_str(), *percent))?,
            Call::EraseDir { dir } => done(unit.erase_dir(path(dir)))?,
            Call::EraseFile { file, data_only: false } => done(unit.erase_file(path(&file.dir), file.id))?,
            Call::EraseFile { file, data_only: true } => done(erase_data(unit, file))?,
            Call::RenameFile { old, new } => {
                done(unit.rename_file(path(&old.dir), old.id, path(&new.dir), new.id))?
            }
            Call::RenameDir { old, new } => done(unit.rename_dir(path(old), path(new)))?,
            Call::CopyFile { source: s, target: t, replace } => {
                done(unit.copy_file(path(&s.dir), s.id, path(&t.dir), t.id, *replace))?
            }
            Call::EraseFiles { dir, ids } => done(unit.erase_files(path(dir), ids))?,
            Call::CopyFiles { from, to, pairs } => done(unit.copy_files(path(from), path(to), pairs))?,
            Call::FileStatus { file } => {
                let status = unit.status(path(&file.dir), file.id)?;
                if matches!(status.entry, EntryType::Erased | EntryType::Revoked) {
                    return Err(PoolError::NoFile);
                }
                Answer::File(authority::masked(&self.shared, self.user, unit, &file.dir, status))
            }
            Call::DirStatus { dir } => Answer::Directory(unit.dir_status(path(dir))?),
            Call::OpenDir { dir, list } => self.open_dir(number, unit, dir, *list)?,
            Call::GetDir { token, max } => self.get_dir(*token, *max)?,
            Call::CloseDir { token } => {
                self.dirs.lock().remove(token).map(|_| Answer::Done).ok_or(PoolError::NotOpen)?
            }
            Call::DeleteUser { user } => done(unit.remove_space(user.as_str()))?,
            Call::SetLimit { user, blocks } => done(unit.set_limit(user.as_str(), *blocks))?,
            Call::QueryLimits { user } => Answer::Limits(self.shared.pool.space_status(user.as_str())?),
            Call::ListUsers => Answer::Users(self.users()?),
            // Taken before a unit is looked for.
            Call::Enroll { .. }
            | Call::Grant { .. }
            | Call::Revoke { .. }
            | Call::Lock { .. }
            | Call::Unlock { .. }
            | Call::Conflicts
            | Call::Level
            | Call::NewGlobal
            | Call::Prepare { .. }
            | Call::Decide { .. }
            | Call::Resolve { .. }
            | Call::Told { .. }
            | Call::Commit
            | Call::Rollback
            | Call::Return
            | Call::Purge
            | Call::Active => Answer::Done,
        };
        Ok((answer, Bytes::new()))
    }

    fn open(
        &self,
        number: u32,
        unit: &Arc<WorkUnit>,
        file: &FileRef,
        (intent, attributes, allow_empty): (Intent, Attributes, bool),
    ) -> Result<Answer, PoolError> {
        let request = OpenRequest { dir: path(&file.dir), id: file.id, intent, attributes, allow_empty };
        let opened = unit.open(&request)?;
        if opened.created {
            self.own_new_file(unit, file)?;
        }
        self.tokens.lock().insert(opened.token.0, (number, unit.clone()));
        Ok(Answer::Opened { token: opened.token.0, status: opened.status, created: opened.created })
    }

    /// Who creates a file in another's FILECONTROL directory may write it.
    fn own_new_file(&self, unit: &WorkUnit, file: &FileRef) -> Result<(), PoolError> {
        if file.dir.owner == self.user || self.shared.admins.read().contains(&self.user) {
            return Ok(());
        }
        match unit.grant(path(&file.dir), Some(file.id), Grantee::User(self.user), Rights::WRITE) {
            // In a DIRCONTROL directory the authority is on the directory.
            Err(PoolError::WrongControl) => Ok(()),
            done => done,
        }
    }

    fn open_dir(
        &self,
        number: u32,
        unit: &Arc<WorkUnit>,
        dir: &DirName,
        list: DirList,
    ) -> Result<Answer, PoolError> {
        if self.dirs.lock().len() >= MAX_OPEN_DIRS {
            return Err(PoolError::Limit("open directories"));
        }
        let mut rest: Vec<DirRecord> = match list {
            DirList::Files(pattern) | DirList::Entries(pattern) => {
                let all = matches!(list, DirList::Entries(_));
                let shown = |f: &FileStatus| all || matches!(f.entry, EntryType::Base | EntryType::Alias);
                let files = unit.list_files(path(dir))?.into_iter();
                files.filter(|f| pattern.matches(f.id) && shown(f)).map(DirRecord::File).collect()
            }
            DirList::Directories => {
                unit.list_dirs(path(dir))?.into_iter().map(DirRecord::Directory).collect()
            }
        };
        authority::mask(&self.shared, self.user, unit, dir, &mut rest);
        rest.reverse();
        let token = self.next_dir.fetch_add(1, Ordering::Relaxed);
        self.dirs.lock().insert(token, Listing { unit: number, rest });
        Ok(Answer::Token(token))
    }

    fn get_dir(&self, token: u64, max: u32) -> Result<Answer, PoolError> {
        let mut dirs = self.dirs.lock();
        let listing = dirs.get_mut(&token).ok_or(PoolError::NotOpen)?;
        let keep = listing.rest.len().saturating_sub(max.min(MAX_RECORDS) as usize);
        let mut records = listing.rest.split_off(keep);
        records.reverse();
        Ok(Answer::Records { records, more: keep > 0 })
    }

    fn users(&self) -> Result<Vec<(UserId, SpaceStatus)>, PoolError> {
        let spaces = self.shared.pool.spaces()?;
        Ok(spaces.into_iter().filter_map(|(name, s)| UserId::new(&name).ok().map(|u| (u, s))).collect())
    }

    async fn commit(&self, number: u32) -> Result<(Reply, Bytes), Failure> {
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

    fn rollback(&self, number: u32) -> (Reply, Bytes) {
        let unit = self.units.lock().get(&number).cloned();
        if let Some(unit) = unit {
            unit.rollback();
        }
        self.dirs.lock().retain(|_, listing| listing.unit != number);
        self.drop_stale(number);
        plain(Answer::Done)
    }

    /// Forgets tokens that a commit or rollback has closed.
    fn drop_stale(&self, number: u32) {
        self.tokens.lock().retain(|token, (of, unit)| *of != number || unit.is_open(Token(*token)));
    }

    pub(super) fn end_all(&self) {
        let units = std::mem::take(&mut *self.units.lock());
        for unit in units.into_values() {
            unit.rollback();
        }
        self.tokens.lock().clear();
        self.dirs.lock().clear();
    }
}

/// Reads inline what is in memory, and elsewhere what is not: a session's task never waits for a disk here.
async fn read(unit: &Arc<WorkUnit>, call: &Call) -> Outcome {
    match read_with(unit, call, Waiting::Refused) {
        Err(PoolError::WouldWait) => {
            let (unit, call) = (unit.clone(), call.clone());
            let done = tokio::task::spawn_blocking(move || read_with(&unit, &call, Waiting::Allowed)).await;
            done.unwrap_or_else(|e| Err(PoolError::Offline(e.to_string().into())))
        }
        done => done,
    }
}

fn read_with(unit: &WorkUnit, call: &Call, wait: Waiting) -> Outcome {
    match call {
        Call::Read { token, count, max } => {
            let out = unit.read_in(Token(*token), *count, *max as usize, wait)?;
            Ok((Answer::Read { records: out.records }, out.data))
        }
        Call::ReadImage { token, offset, len } => {
            Ok((Answer::Done, unit.read_image_in(Token(*token), *offset, *len as usize, wait)?))
        }
        _ => Err(PoolError::NotOpen),
    }
}

fn plain(answer: Answer) -> (Reply, Bytes) {
    (Reply { answer, warnings: Vec::new() }, Bytes::new())
}

fn done(result: Result<(), PoolError>) -> Result<Answer, PoolError> {
    result.map(|()| Answer::Done)
}

/// The open file a call is about.
fn token_of(call: &Call) -> Option<u64> {
    match call {
        Call::Read { token, .. }
        | Call::ReadImage { token, .. }
        | Call::Write { token, .. }
        | Call::Point { token, .. }
        | Call::Truncate { token, .. }
        | Call::Close { token } => Some(*token),
        _ => None,
    }
}

/// Leaves the file without records.
fn erase_data(unit: &WorkUnit, file: &FileRef) -> Result<(), PoolError> {
    let FileRef { id, dir } = file;
    let id: FileId = *id;
    unit.status(path(dir), id)?;
    let (attributes, intent) = (Attributes::variable(), Intent::Write);
    let opened = unit.open(&OpenRequest { dir: path(dir), id, intent, attributes, allow_empty: true })?;
    let cut = unit.truncate(opened.token, 0);
    unit.close(opened.token)?;
    cut
}

impl PathHandler for Session {
    fn message<'a>(&'a self, message: IucvMessage) -> BoxFuture<'a, Result<IucvReply, IpRcode>> {
        Box::pin(async move {
            let (reply, data) = match self.answer(message).await {
                Ok((reply, data)) => (Ok(reply), data),
                Err(failure) => (Err(failure), Bytes::new()),
            };
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
