//! What travels on the IUCV path between a CSL and a file pool server.
//!
//! The control buffer of a message is a [`Request`], that of its reply an [`Answer`] or a [`Failure`]; both are encoded with
//! bincode, never stored. File data travels in the data buffers, uncopied.

use bytes::Bytes;
use cp::name::{DirName, FilePoolId, UserId};
use serde::{Deserialize, Serialize};

use super::report::{Accessor, ConnectedUser, FilePoolReport};
use crate::names::{FilePattern, FileRef, SfsObject};
use crate::pool::{FileChanges, GlobalUnit};
use crate::reason::{ReasonCode, ReturnCode};
use crate::types::{
    Attributes, DateReference, DirControl, DirStatus, DisableMode, FileId, FileStatus, Grantee, GroupStatus,
    Intent, LockDuration, LockInfo, LockType, Minidisk, PoolPart, Rights, SpaceStatus, StorageGroup,
    WantedLock,
};

/// Message class of a request.
pub(crate) const CLASS_REQUEST: u32 = 1;
/// Greatest control buffer: far above any request or answer, far below what could hurt.
const MAX_CONTROL: usize = 1 << 20;

/// Most octets of user data: what a line of a report has room for.
pub const MAX_USER_DATA: usize = 80;

/// What a program says of what it does on a work unit; empty when it says nothing. Source: DMSUDATA.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UserData(Vec<u8>);

impl UserData {
    /// `None` for more than [`MAX_USER_DATA`] octets.
    pub fn new(octets: &[u8]) -> Option<Self> {
        (octets.len() <= MAX_USER_DATA).then(|| Self(octets.to_vec()))
    }

    /// The octets.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

/// One CSL call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The caller's number for the work unit.
    pub(crate) unit: u32,
    /// SET FILEWAIT ON: wait for a conflicting lock.
    pub(crate) wait: bool,
    /// Commit the work unit when the call has been done.
    pub(crate) commit: bool,
    /// DMSUDATA, when the server has not been told yet.
    pub(crate) user_data: Option<UserData>,
    pub(crate) call: Call,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Call {
    Open {
        file: FileRef,
        intent: Intent,
        attributes: Attributes,
        allow_empty: bool,
        dates: DateReference,
        way: OpenWay,
    },
    Read {
        token: u64,
        count: u32,
        max: u32,
    },
    ReadImage {
        token: u64,
        offset: u64,
        len: u32,
    },
    /// The records are in the data buffer.
    Write {
        token: u64,
        count: u32,
    },
    /// The blocks are in the data buffer.
    WriteBlocks {
        token: u64,
        block: u64,
    },
    Point {
        token: u64,
        read: Option<u32>,
        write: Option<u32>,
    },
    Truncate {
        token: u64,
        records: u32,
    },
    Close {
        token: u64,
    },
    CreateDir {
        dir: DirName,
        control: DirControl,
    },
    CreateFile {
        file: FileRef,
        attributes: Attributes,
    },
    CreateAlias {
        base: FileRef,
        alias: FileRef,
    },
    CreateExternal {
        file: FileRef,
        data: Vec<u8>,
    },
    External {
        file: FileRef,
    },
    BaseOf {
        alias: FileRef,
    },
    ChangeFile {
        file: FileRef,
        changes: FileChanges,
    },
    ChangeDir {
        dir: DirName,
        control: DirControl,
    },
    Grant {
        object: SfsObject,
        to: Vec<Grantee>,
        rights: Rights,
    },
    Revoke {
        object: SfsObject,
        from: Vec<Grantee>,
        keep_read: bool,
    },
    Grants {
        object: SfsObject,
    },
    Lock {
        object: SfsObject,
        kind: LockType,
        duration: LockDuration,
    },
    Unlock {
        object: SfsObject,
        user: Option<UserId>,
    },
    Locks {
        object: SfsObject,
    },
    Conflicts,
    Level,
    SetThreshold {
        user: UserId,
        percent: u8,
    },
    EraseFile {
        file: FileRef,
        data_only: bool,
    },
    EraseDir {
        dir: DirName,
        /// With the files in it.
        files: bool,
    },
    RenameFile {
        old: FileRef,
        new: FileRef,
    },
    RenameDir {
        old: DirName,
        new: DirName,
    },
    CopyFile {
        source: FileRef,
        target: FileRef,
        replace: bool,
    },
    /// Many files of one directory.
    EraseFiles {
        dir: DirName,
        ids: Vec<FileId>,
    },
    CopyFiles {
        from: DirName,
        to: DirName,
        pairs: Vec<(FileId, FileId)>,
    },
    RenameFiles {
        from: DirName,
        to: DirName,
        pairs: Vec<(FileId, FileId)>,
    },
    FileStatus {
        file: FileRef,
    },
    DirStatus {
        dir: DirName,
    },
    OpenDir {
        dir: DirName,
        list: DirList,
    },
    GetDir {
        token: u64,
        max: u32,
    },
    CloseDir {
        token: u64,
    },
    /// ACCESS of a directory; the answer is whether it is a DIRCONTROL one, of which the server keeps the access.
    Access {
        dir: DirName,
        /// Accessed to be written; otherwise it is read as it is now.
        write: bool,
    },
    /// RELEASE of what was accessed so.
    Release {
        dir: DirName,
        write: bool,
    },
    Enroll {
        users: Vec<UserId>,
        blocks: u64,
        group: StorageGroup,
    },
    DeleteUser {
        user: UserId,
    },
    /// ENROLL PUBLIC and DELETE PUBLIC.
    Public {
        enroll: bool,
    },
    /// Whether PUBLIC is enrolled.
    QueryPublic,
    SetLimit {
        user: UserId,
        blocks: u64,
    },
    QueryLimits {
        user: UserId,
    },
    ListUsers,
    /// The figures of one storage group of user data, or of all.
    Groups {
        group: Option<StorageGroup>,
    },
    AddMinidisk {
        group: StorageGroup,
        device: u16,
        blocks: Option<u64>,
    },
    /// ENROLL ADMINISTRATOR and DELETE ADMINISTRATOR.
    Administrator {
        user: UserId,
        enroll: bool,
    },
    Disable {
        part: PoolPart,
        mode: DisableMode,
    },
    Enable {
        part: PoolPart,
    },
    /// All figures of the pool.
    Report,
    /// Who is connected.
    Connections,
    /// Who has accessed DIRCONTROL directories: that one, or all.
    Accessors {
        dir: Option<DirName>,
    },
    /// A number for a commit over several pools that this one is to decide.
    NewGlobal,
    /// The connection works for another user, if its own is an administrator. Before all other calls.
    WorkFor {
        user: UserId,
    },
    Prepare {
        global: GlobalUnit,
    },
    /// Commit, and decide that the commit is done in the other pools too.
    Decide {
        number: u64,
        pools: Vec<FilePoolId>,
    },
    /// The decision, told to a pool that has prepared; `None`: it has to ask the coordinator.
    Resolve {
        global: GlobalUnit,
        commit: Option<bool>,
    },
    /// A pool has made the changes.
    Told {
        number: u64,
        pool: FilePoolId,
    },
    Commit,
    Rollback,
    /// Commit and forget the unit.
    Return,
    /// Forget every unit of this path, rolling back.
    Purge,
    /// Whether any unit of this path has something to commit.
    Active,
}

impl Call {
    /// Whether the call leaves changes pending on its work unit.
    pub(crate) fn changes(&self) -> bool {
        match self {
            Self::Open { intent, .. } => *intent != Intent::Read,
            Self::Write { .. }
            | Self::WriteBlocks { .. }
            | Self::Truncate { .. }
            | Self::CreateDir { .. }
            | Self::CreateFile { .. }
            | Self::CreateAlias { .. }
            | Self::CreateExternal { .. }
            | Self::ChangeFile { .. }
            | Self::ChangeDir { .. }
            | Self::Grant { .. }
            | Self::Revoke { .. }
            | Self::SetThreshold { .. }
            | Self::EraseFile { .. }
            | Self::EraseDir { .. }
            | Self::RenameFile { .. }
            | Self::RenameDir { .. }
            | Self::CopyFile { .. }
            | Self::EraseFiles { .. }
            | Self::CopyFiles { .. }
            | Self::RenameFiles { .. }
            | Self::Enroll { .. }
            | Self::DeleteUser { .. }
            | Self::Public { .. }
            | Self::SetLimit { .. } => true,
            _ => false,
        }
    }

    /// Whether the call is a part of ending a work unit, so that what went wrong before it belongs to the same end.
    pub(crate) fn ends_or_settles(&self) -> bool {
        self.ends_unit() || matches!(self, Self::NewGlobal | Self::Resolve { .. } | Self::Told { .. })
    }

    /// Whether the call ends the work unit.
    pub(crate) fn ends_unit(&self) -> bool {
        matches!(
            self,
            Self::Commit
                | Self::Rollback
                | Self::Return
                | Self::Purge
                | Self::Prepare { .. }
                | Self::Decide { .. }
        )
    }
}

/// What the calls on an open file will be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OpenWay {
    /// Records: DMSOPEN.
    Records,
    /// Blocks: DMSOPDBK. `records`: how many are going to be written, if that is known.
    Blocks { records: Option<u32> },
}

/// What DMSOPDIR is to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DirList {
    Files(FilePattern),
    /// Erased and revoked aliases and external objects too.
    Entries(FilePattern),
    Directories,
}

/// One record of a directory, as DMSGETDI returns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DirRecord {
    /// A file.
    File(FileStatus),
    /// A directory right below.
    Directory(DirStatus),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Opened {
        token: u64,
        status: FileStatus,
        created: bool,
    },
    /// The records are in the data buffer.
    Read {
        records: u32,
    },
    File(FileStatus),
    Directory(DirStatus),
    OpenedDir {
        token: u64,
        control: DirControl,
    },
    Records {
        records: Vec<DirRecord>,
        more: bool,
    },
    Limits(SpaceStatus),
    Users(Vec<(UserId, SpaceStatus)>),
    Committed {
        warnings: Vec<ReasonCode>,
    },
    Active(bool),
    Enrolled(bool),
    Grants(Vec<(Grantee, Rights)>),
    Locks(Vec<LockInfo>),
    Base(Option<FileRef>),
    Data(Vec<u8>),
    Conflicts(Vec<Conflict>),
    Level(u32),
    Groups {
        groups: Vec<GroupStatus>,
        threshold: u8,
    },
    Minidisk(Minidisk),
    Report(Box<FilePoolReport>),
    Connections(Vec<ConnectedUser>),
    Accessors(Vec<Accessor>),
    Number(u64),
}

/// Somebody waits for a lock. Source: QUERY FILEPOOL CONFLICT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Who waits.
    pub waiter: UserId,
    /// On which of his work units.
    pub waiter_unit: u32,
    /// Who holds the lock.
    pub holder: UserId,
    /// On which of his work units; 0 for an explicit lock.
    pub holder_unit: u32,
    /// The lock that the waiter wants.
    pub wanted: WantedLock,
    /// What the waiting program said that it does.
    pub waiter_data: UserData,
    /// What the holding program said; nothing for an explicit lock.
    pub holder_data: UserData,
}

/// A call that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) rc: ReturnCode,
    pub(crate) reason: ReasonCode,
    /// Index of the object concerned in a list of objects, from 1.
    pub(crate) index: u32,
}

impl Failure {
    pub(crate) fn error(reason: ReasonCode) -> Self {
        Self { rc: ReturnCode::Error, reason, index: 0 }
    }
}

/// An answer and the warnings of a commit that came with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    pub(crate) warnings: Vec<ReasonCode>,
}

/// Octets that nearly every control buffer fits into, so that it need not grow.
const USUAL_CONTROL: usize = 256;

/// Encodes a control buffer.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Bytes, ReasonCode> {
    let mut control = Vec::with_capacity(USUAL_CONTROL);
    bincode::serde::encode_into_std_write(value, &mut control, bincode::config::standard())
        .map_err(|_| ReasonCode::ProtocolError)?;
    Ok(control.into())
}

/// Decodes a control buffer; all of it must be used.
pub(crate) fn decode<T: serde::de::DeserializeOwned>(control: &[u8]) -> Result<T, ReasonCode> {
    let config = bincode::config::standard().with_limit::<MAX_CONTROL>();
    match bincode::serde::decode_from_slice(control, config) {
        Ok((value, used)) if used == control.len() => Ok(value),
        _ => Err(ReasonCode::ProtocolError),
    }
}
