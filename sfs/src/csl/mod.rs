//! The callable services: what programs call to use file pools. One file a routine, named as the original.
//!
//! A [`Csl`] is a virtual machine's side of SFS: connections to file pool servers (one IUCV path a pool, opened when first
//! needed; the server knows the user id from the connection), work unit ids and the stack of default ones, FILEWAIT, default
//! file pool and file space. Calls are async functions; the answer is the routine's output parameters, or a [`CslError`]
//! with return code, reason code and what WUERROR would hold. A warning (return code 4) comes with the answer.
//!
//! A work unit may change several pools; its commit is all-or-nothing over them (see `dmscomm`).

mod access;
mod administrators;
mod dates;
mod dmscattr;
mod dmscheck;
mod dmscldbk;
mod dmscldir;
mod dmsclose;
mod dmscomm;
mod dmscrali;
mod dmscrdir;
mod dmscrfil;
mod dmscrloc;
mod dmscrob;
mod dmsdeloc;
mod dmsdeusr;
mod dmsdirat;
mod dmsdisfs;
mod dmsdissg;
mod dmsenafs;
mod dmsenasg;
mod dmsenusr;
mod dmserase;
mod dmsexidi;
mod dmsexifi;
mod dmsexist;
mod dmsfilec;
mod dmsgetda;
mod dmsgetdd;
mod dmsgetdf;
mod dmsgetdi;
mod dmsgetdk;
mod dmsgetdl;
mod dmsgetds;
mod dmsgetdt;
mod dmsgetdx;
mod dmsgeter;
mod dmsgetwu;
mod dmsgrant;
mod dmsopdbk;
mod dmsopdir;
mod dmsopen;
mod dmspoint;
mod dmspopa;
mod dmspopwu;
mod dmspurwu;
mod dmspusha;
mod dmspuswu;
mod dmsqconn;
mod dmsqlima;
mod dmsqlimd;
mod dmsqlimu;
mod dmsqobj;
mod dmsqsfsl;
mod dmsqusg;
mod dmsqwuid;
mod dmsrddbk;
mod dmsread;
mod dmsreloc;
mod dmsrenam;
mod dmsretwu;
mod dmsrevok;
mod dmsrollb;
mod dmstrunc;
mod dmsudata;
mod dmsvaldt;
mod dmswrdbk;
mod dmswrite;
mod link;
mod namedef;
mod report;
pub mod table;
mod units;
pub mod words;
mod wuerror;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cp::name::{DirName, FilePoolId, NameError, UserId};
use parking_lot::Mutex;
use thiserror::Error;

pub use crate::names::{FilePattern, FileRef, SfsObject};
pub use crate::pool::{FileChanges, ReadOut};
pub use crate::reason::{ReasonCode, ReturnCode};
pub use crate::server::{
    Accessor, Conflict, ConnectedUser, ConnectionState, DirRecord, FilePoolReport, MAX_USER_DATA,
    WorkUnitData,
};
pub use crate::types::{
    Attributes, DirControl, DirStatus, DisableInfo, DisableMode, EntryType, FileId, FileStatus, Grantee,
    GroupStatus, Intent, LockDuration, LockInfo, LockType, Minidisk, ModeNumber, PoolPart, RecordFormat,
    Rights, SpaceStatus, Stamp, StorageGroup,
};
pub use dates::DateFormat;
pub use dmscheck::{CheckWait, Checked, PendingRequest, RequestId};
pub use dmsclose::Closed;
pub use dmsenusr::Enrolled;
pub use dmserase::EraseScope;
pub use dmsexist::Existing;
pub use dmsgetdf::FileRecord;
pub use dmsgetdl::AliasRecord;
pub use dmsopdbk::{BLKSIZE, BlockOpen, OpenedBlocks};
pub use dmsopdir::DirIntent;
pub use dmsopen::{DateReference, OpenOptions, OpenedFile};
pub use dmsqlimd::{LIMITS_LENGTH, LimitsEntry, dmsqlimd, encode_limits};
pub use dmsqusg::StorageGroups;
pub use link::{GuestConnector, PoolConnector, PoolLink};
pub use namedef::{MAX_NAMEDEF_LENGTH, MAX_NAMEDEFS, Namedef};
pub use units::WorkUnitId;
pub use wuerror::{FPERROR_LENGTH, FpError, MAX_WARNINGS, WUERROR_PREFIX, WuError, dmswuerr, encode_wuerror};

use crate::server::protocol::{Answer, Call, Failure, Reply, Request};
use units::Units;

/// Names in one message to the server when a call names many: far below what a control buffer holds.
pub const MAX_NAMES: usize = 4096;

/// COMMIT or NOCOMMIT: whether the routine commits the work unit once it has done its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CommitOption {
    /// The change stays pending.
    #[default]
    NoCommit,
    /// Everything on the work unit is committed, earlier changes included.
    Commit,
}

/// Identifies an open file, directory or data block file (CHAR 8 in the original).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token {
    pool: FilePoolId,
    number: u64,
}

impl Token {
    /// The file pool that the object is in.
    pub fn pool(&self) -> FilePoolId {
        self.pool
    }
}

/// A routine ended with return code 8 or 12. The fields are those of an FPERROR group that apply.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("return code {}, reason code {} ({reason})", rc.code(), reason.number())]
pub struct CslError {
    /// Return code: [`ReturnCode::Severe`] when the work unit was rolled back or the connection is gone.
    pub rc: ReturnCode,
    /// Reason code.
    pub reason: ReasonCode,
    /// WUERROR: where the error was found.
    pub pool: Option<FilePoolId>,
    /// WUERROR: the work unit.
    pub unit: Option<WorkUnitId>,
    /// WUERROR: index into a list of user ids, from 1; 0 when there is no list.
    pub index: u32,
}

impl CslError {
    pub(crate) fn new(reason: ReasonCode) -> Self {
        Self { rc: ReturnCode::Error, reason, pool: None, unit: None, index: 0 }
    }

    /// True when everything on the work unit has been undone.
    pub fn rolled_back(&self) -> bool {
        self.rc == ReturnCode::Severe
    }
}

impl From<ReasonCode> for CslError {
    fn from(reason: ReasonCode) -> Self {
        Self::new(reason)
    }
}

impl From<NameError> for CslError {
    fn from(_: NameError) -> Self {
        Self::new(ReasonCode::NameInvalid)
    }
}

/// A commit that was done; the warnings are those of return code 4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitInfo {
    /// Warning reason codes, such as [`ReasonCode::SpaceThreshold`].
    pub warnings: Vec<ReasonCode>,
}

impl CommitInfo {
    /// 0, or 4 with warnings.
    pub fn rc(&self) -> ReturnCode {
        if self.warnings.is_empty() { ReturnCode::Ok } else { ReturnCode::Warning }
    }
}

struct Settings {
    filewait: bool,
    /// How long at most; no limit at the beginning.
    longest_wait: Option<Duration>,
    default_pool: Option<FilePoolId>,
    default_space: UserId,
    namedefs: std::collections::BTreeMap<String, Namedef>,
}

/// A pool, and the user that the connection works for when that is not the machine's own (DMSPUSHA).
type LinkKey = (FilePoolId, Option<UserId>);
/// A connection with its number.
type Connection = (Arc<dyn PoolLink>, u64);

struct Inner {
    user: UserId,
    connector: Arc<dyn PoolConnector>,
    links: tokio::sync::Mutex<HashMap<LinkKey, Connection>>,
    /// The connection used last: nearly every call goes to the same pool.
    last_link: Mutex<Option<(LinkKey, Connection)>>,
    next_connection: std::sync::atomic::AtomicU64,
    units: Mutex<Units>,
    settings: Mutex<Settings>,
    directories: Mutex<dmsgetdi::Buffers>,
    opened_directories: Mutex<HashMap<Token, dmsopdir::OpenedDirectory>>,
    next_request: std::sync::atomic::AtomicU32,
    /// Pools in which a commit has come above the warning threshold of a file space.
    warned: Mutex<std::collections::BTreeSet<FilePoolId>>,
}

/// A virtual machine's side of SFS. Clones are the same.
#[derive(Clone)]
pub struct Csl {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Csl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Csl").field("user", &self.inner.user).finish_non_exhaustive()
    }
}

impl Csl {
    /// For the user `user`, whose connections `connector` makes.
    pub fn new(user: UserId, connector: Arc<dyn PoolConnector>) -> Self {
        let settings = Settings {
            filewait: false,
            longest_wait: None,
            default_pool: None,
            default_space: user,
            namedefs: Default::default(),
        };
        Self {
            inner: Arc::new(Inner {
                user,
                connector,
                links: tokio::sync::Mutex::default(),
                last_link: Mutex::default(),
                next_connection: std::sync::atomic::AtomicU64::new(1),
                units: Mutex::new(Units::new()),
                settings: Mutex::new(settings),
                directories: Mutex::default(),
                opened_directories: Mutex::default(),
                next_request: std::sync::atomic::AtomicU32::new(2),
                warned: Mutex::default(),
            }),
        }
    }

    /// For a virtual machine: connections are IUCV paths of `guest`.
    pub fn for_guest(guest: &cp::Guest) -> Self {
        Self::new(guest.userid(), Arc::new(GuestConnector::new(guest.clone())))
    }

    /// The user.
    pub fn userid(&self) -> UserId {
        self.inner.user
    }

    /// SET FILEWAIT: whether calls wait for conflicting locks. Off at the beginning.
    pub fn set_filewait(&self, on: bool) {
        self.inner.settings.lock().filewait = on;
    }

    /// SET FILEWAIT, as it is.
    pub fn filewait(&self) -> bool {
        self.inner.settings.lock().filewait
    }

    /// How long a call waits at most, with FILEWAIT ON; then it fails as if that were off, and the work unit is as before. Ours.
    pub fn set_longest_wait(&self, longest: Option<Duration>) {
        self.inner.settings.lock().longest_wait = longest;
    }

    /// SET FILEPOOL: the pool of directory names that name none.
    pub fn set_default_pool(&self, pool: Option<FilePoolId>) {
        self.inner.settings.lock().default_pool = pool;
    }

    /// The default file pool.
    pub fn default_pool(&self) -> Option<FilePoolId> {
        self.inner.settings.lock().default_pool
    }

    /// SET FILESPACE: the file space of directory names that name none; the user's own at the beginning.
    pub fn set_default_space(&self, space: UserId) {
        self.inner.settings.lock().default_space = space;
    }

    /// The default file space.
    pub fn default_space(&self) -> UserId {
        self.inner.settings.lock().default_space
    }

    /// Parses a directory name, completing it from the defaults, or takes a namedef's directory.
    ///
    /// # Errors
    /// [`ReasonCode::NameInvalid`].
    pub fn dirname(&self, text: &str) -> Result<DirName, CslError> {
        if let Some(dir) = self.namedef_directory(text.trim()) {
            return Ok(dir);
        }
        Ok(DirName::parse(text, self.default_pool(), self.default_space())?)
    }

    /// Parses `fn ft dirname`, completing it from the defaults; a namedef may stand for `fn ft` and another for the directory.
    ///
    /// # Errors
    /// [`ReasonCode::NameInvalid`].
    pub fn fileid(&self, text: &str) -> Result<FileRef, CslError> {
        match text.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            [file, dir] => {
                let id = self.namedef_file(file).ok_or(ReasonCode::NameInvalid)?;
                return Ok(FileRef::new(id, self.dirname(dir)?));
            }
            [name, kind, dir] => {
                if let Some(dir) = self.namedef_directory(dir) {
                    let (name, kind) = (cp::name::FileName::new(name)?, cp::name::FileType::new(kind)?);
                    return Ok(FileRef::new(FileId { name, kind }, dir));
                }
            }
            _ => {}
        }
        Ok(FileRef::parse(text, self.default_pool(), self.default_space())?)
    }

    /// The pools in which commits since the last call of this came above the warning threshold of a file space, for CMS to tell.
    pub fn take_warned(&self) -> Vec<FilePoolId> {
        std::mem::take(&mut *self.inner.warned.lock()).into_iter().collect()
    }

    /// The file pools this machine is connected to. Source: QUERY FILEPOOL CONNECT.
    pub async fn connections(&self) -> Vec<FilePoolId> {
        let mut pools: Vec<_> = self.inner.links.lock().await.keys().map(|(pool, _)| *pool).collect();
        pools.sort();
        pools.dedup();
        pools
    }

    async fn link(&self, pool: FilePoolId, alternate: Option<UserId>) -> Result<Connection, CslError> {
        let key = (pool, alternate);
        let last = self.inner.last_link.lock().clone();
        if let Some((_, connection)) = last.filter(|(k, (link, _))| *k == key && !link.is_severed()) {
            return Ok(connection);
        }
        let mut links = self.inner.links.lock().await;
        let known = links.get(&key).filter(|(link, _)| !link.is_severed()).cloned();
        let connection = match known {
            Some(connection) => connection,
            None => {
                let link = self.inner.connector.connect(pool).await?;
                if let Some(user) = alternate {
                    dmspusha::work_for(&*link, user).await?;
                }
                let number = self.inner.next_connection.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                links.insert(key, (link.clone(), number));
                (link, number)
            }
        };
        *self.inner.last_link.lock() = Some((key, connection.clone()));
        Ok(connection)
    }

    /// Sends one call to a pool's server on behalf of a work unit.
    async fn call(
        &self,
        pool: FilePoolId,
        unit: WorkUnitId,
        commit: CommitOption,
        call: Call,
        data: Bytes,
    ) -> Result<(Reply, Bytes), CslError> {
        let unit = self.inner.units.lock().resolve(unit)?;
        let located = |mut error: CslError| {
            (error.pool, error.unit) = (Some(pool), Some(unit));
            error
        };
        let (wait, longest) = {
            let settings = self.inner.settings.lock();
            (settings.filewait, settings.longest_wait)
        };
        let (changes, ends) = (call.changes(), commit == CommitOption::Commit || call.ends_unit());
        let (ending, commit) = (call.ends_unit(), commit == CommitOption::Commit);
        let (user_data, alternate) = {
            let mut units = self.inner.units.lock();
            if !call.ends_or_settles() {
                units.forget_errors(unit);
            }
            (units.data_for(unit, pool), units.user_of(unit))
        };
        let request = Request { unit: unit.0, wait, commit, user_data, call };
        let control = crate::server::protocol::encode(&request)?;
        let severe = |reason| located(CslError { rc: ReturnCode::Severe, ..CslError::new(reason) });
        let (link, number) = self.link(pool, alternate).await.map_err(|e| self.noted(located(e)))?;
        self.inner.units.lock().touch(unit, pool, number, changes).map_err(severe)?;
        let sent = match longest.filter(|_| wait && !ends) {
            // What ends a work unit has its locks and waits for the log; it is never given up.
            None => link.request(control, data).await,
            Some(longest) => match tokio::time::timeout(longest, link.request(control, data)).await {
                Ok(sent) => sent,
                Err(_) => return Err(located(CslError::new(ReasonCode::Locked))),
            },
        };
        let reply = match &sent {
            Ok((control, _)) => Some(crate::server::protocol::decode::<Result<Reply, Failure>>(control)),
            Err(_) => None,
        };
        let ended = match &reply {
            Some(Ok(Ok(_))) => ends,
            Some(Ok(Err(failure))) => ending || failure.rc == ReturnCode::Severe,
            Some(Err(_)) => ends,
            // Lost, and with it what was pending: this very error says so.
            None => true,
        };
        if ended {
            let mut units = self.inner.units.lock();
            units.settled(unit, pool);
            units.ended(unit);
        }
        let (_, data) = sent.map_err(|reason| self.noted(severe(reason)))?;
        match reply.unwrap_or(Err(ReasonCode::ProtocolError)).map_err(CslError::from)? {
            Ok(reply) => {
                if reply.warnings.contains(&ReasonCode::SpaceThreshold) {
                    self.inner.warned.lock().insert(pool);
                }
                if !reply.warnings.is_empty() {
                    self.inner.units.lock().note_error(unit, FpError::warned(pool, unit, &reply.warnings));
                }
                Ok((reply, data))
            }
            Err(failure) => {
                let error =
                    CslError { rc: failure.rc, index: failure.index, ..CslError::new(failure.reason) };
                Err(self.noted(located(error)))
            }
        }
    }

    /// The error, which DMSGETER tells from now on.
    fn noted(&self, error: CslError) -> CslError {
        if let Some(unit) = error.unit {
            self.inner.units.lock().note_error(unit, FpError::from(&error));
        }
        error
    }

    /// A call whose answer is only that it was done.
    async fn do_call(
        &self,
        pool: FilePoolId,
        unit: WorkUnitId,
        commit: CommitOption,
        call: Call,
    ) -> Result<CommitInfo, CslError> {
        let unit = self.inner.units.lock().resolve(unit)?;
        let here = self.commit_here(pool, unit, commit);
        let (reply, _) = self.call(pool, unit, here, call, Bytes::new()).await?;
        if here != commit {
            // To commit several pools is the machine's work, not one server's.
            return Box::pin(self.dmscomm(unit)).await;
        }
        match reply.answer {
            Answer::Done => Ok(CommitInfo { warnings: reply.warnings }),
            Answer::Committed { warnings } => Ok(CommitInfo { warnings }),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }

    /// Whether the pool's server is to commit by itself: not when changes are pending in another pool.
    fn commit_here(&self, pool: FilePoolId, unit: WorkUnitId, commit: CommitOption) -> CommitOption {
        let pending = self.inner.units.lock().pending(unit);
        if pending.iter().any(|p| *p != pool) { CommitOption::NoCommit } else { commit }
    }

    /// A call on an open object: the pool is the token's, the work unit the one it was opened on.
    async fn token_call(
        &self,
        token: Token,
        commit: CommitOption,
        call: Call,
        data: Bytes,
    ) -> Result<(Reply, Bytes), CslError> {
        // The server knows the unit of a token, so the default one does no harm here.
        let unit = self.inner.units.lock().unit_of(token).unwrap_or(WorkUnitId::DEFAULT);
        self.call(token.pool, unit, commit, call, data).await
    }
}
