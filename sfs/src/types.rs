//! Values that the engine, the server and the CSL routines share.

use std::fmt;

use cp::name::{FileName, FileType, UserId};
use serde::{Deserialize, Serialize};

/// The block that space is counted in, in octets: the CMS data block.
pub const BLOCK: u64 = 4096;

/// Record format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RecordFormat {
    /// All records have the same length.
    Fixed,
    /// Each record has its own length.
    Variable,
}

impl RecordFormat {
    /// `F` or `V`.
    pub fn letter(self) -> char {
        match self {
            Self::Fixed => 'F',
            Self::Variable => 'V',
        }
    }
}

impl fmt::Display for RecordFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

/// Greatest record length of a RECFM V file in octets: its length field on disk is a halfword.
pub const MAX_LRECL_V: u32 = 65_535;
/// Greatest record length of a RECFM F file in octets, and greatest number of records of any file.
pub const MAX_LRECL_F: u32 = i32::MAX as u32;
/// Greatest number of records of a file.
pub const MAX_RECORDS: u32 = i32::MAX as u32;

/// A moment: microseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Stamp(pub i64);

/// File mode number, 0 to 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModeNumber(u8);

impl ModeNumber {
    /// What a file gets when nothing else is said.
    pub const DEFAULT: ModeNumber = ModeNumber(1);
    /// Of files that nobody sees who has the minidisk read-only.
    pub const PRIVATE: ModeNumber = ModeNumber(0);

    /// `Some` for 0 to 6.
    pub fn new(number: u8) -> Option<Self> {
        (number <= 6).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for ModeNumber {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// File name and file type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId {
    /// File name.
    pub name: FileName,
    /// File type.
    pub kind: FileType,
}

impl FileId {
    /// The two together.
    pub fn new(name: FileName, kind: FileType) -> Self {
        Self { name, kind }
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.kind)
    }
}

/// What an entry of a directory is. Source: QUERY BLOCKS, "Type".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EntryType {
    /// BASE: a file.
    Base,
    /// ALIAS: another name of a base file; size and dates shown are the base's.
    Alias,
    /// ERASED: an alias whose base file is gone.
    Erased,
    /// REVOKED: an alias whose owner has lost authority on the base file.
    Revoked,
    /// EXTRNL: names something kept elsewhere.
    External,
}

impl EntryType {
    /// The word that commands show.
    pub fn word(self) -> &'static str {
        match self {
            Self::Base => "BASE",
            Self::Alias => "ALIAS",
            Self::Erased => "ERASED",
            Self::Revoked => "REVOKED",
            Self::External => "EXTRNL",
        }
    }
}

/// What CMS knows of a file on any file mode: one record of LISTFILE, STATE or DMSGETDI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStatus {
    /// File name and file type.
    pub id: FileId,
    /// Mode number.
    pub mode: ModeNumber,
    /// Record format.
    pub recfm: RecordFormat,
    /// Record length (F), or length of the longest record (V), in octets.
    pub lrecl: u32,
    /// Number of records.
    pub records: u32,
    /// Data blocks of 4096 octets.
    pub blocks: u64,
    /// Octets of the file's image: for V with the halfword in front of each record.
    pub bytes: u64,
    /// When it was created.
    pub created: Stamp,
    /// When it was last written.
    pub updated: Stamp,
    /// A number no other file of the pool has or will have; a replaced file gets a new one.
    pub unique: u64,
    /// What the entry is; size and dates of an erased or revoked alias and of an external object are zero.
    pub entry: EntryType,
    /// Day of last reference (midnight UTC), as far as it has been noted.
    pub referenced: Stamp,
    /// RECOVER or NORECOVER.
    pub recover: bool,
    /// INPLACE or NOTINPLACE.
    pub in_place: bool,
    /// Whether the caller may read it (`rd_auth` of DMSGETDF).
    pub readable: bool,
    /// Whether the caller may write it (`wr_auth` of DMSGETDF).
    pub writable: bool,
}

/// What an open is for. Source: the intents of DMSOPEN and of REXX stream I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Intent {
    /// The file must exist; read only.
    Read,
    /// Read and write; created when it does not exist.
    Write,
    /// The file must not exist.
    New,
    /// Created, or replaced as a new file.
    Replace,
}

/// Whether an open counts as a reference of the file. Source: DMSOPDBK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum DateReference {
    /// NEWDATEREF: the date of last reference becomes today.
    #[default]
    New,
    /// OLDDATEREF: it stays as it is.
    Old,
}

/// What a created file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attributes {
    /// Record format.
    pub recfm: RecordFormat,
    /// Record length of a RECFM F file; ignored for V, which grows with its longest record.
    pub lrecl: u32,
    /// Mode number.
    pub mode: ModeNumber,
    /// RECOVER: a rollback undoes changes. The default.
    pub recover: bool,
    /// INPLACE: records are rewritten where they are; only with NORECOVER.
    pub in_place: bool,
}

impl Attributes {
    /// RECFM F with records of `lrecl` octets.
    pub fn fixed(lrecl: u32) -> Self {
        Self { recfm: RecordFormat::Fixed, lrecl, ..Self::variable() }
    }

    /// RECFM V.
    pub fn variable() -> Self {
        Self {
            recfm: RecordFormat::Variable,
            lrecl: 0,
            mode: ModeNumber::DEFAULT,
            recover: true,
            in_place: false,
        }
    }
}

/// What is known of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirStatus {
    /// The last level of its name; empty for a top directory.
    pub level: String,
    /// When it was created.
    pub created: Stamp,
    /// A number no other directory of the pool has or will have.
    pub unique: u64,
    /// Where authority and locks are.
    pub control: DirControl,
}

/// The attribute of a directory. Source: "Granting Authority for Files and Directories".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum DirControl {
    /// FILECONTROL: authority, locks and consistency are per file.
    #[default]
    File,
    /// DIRCONTROL: authority is on the directory, and one work unit at a time writes in it.
    Directory,
}

impl DirControl {
    /// `FILECONTROL` or `DIRCONTROL`.
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "FILECONTROL",
            Self::Directory => "DIRCONTROL",
        }
    }
}

/// Authorities on one object, as a set. A set with a write authority holds the read authority of its kind too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Rights(u8);

impl Rights {
    /// No authority.
    pub const NONE: Rights = Rights(0);
    /// READ.
    pub const READ: Rights = Rights(1);
    /// WRITE, READ included.
    pub const WRITE: Rights = Rights(1 | 2);
    /// NEWREAD: READ on files that come into the directory later.
    pub const NEWREAD: Rights = Rights(4);
    /// NEWWRITE: WRITE on files that come into the directory later.
    pub const NEWWRITE: Rights = Rights(4 | 8);
    /// DIRREAD: reading all files of a DIRCONTROL directory.
    pub const DIRREAD: Rights = Rights(16);
    /// DIRWRITE: writing in a DIRCONTROL directory.
    pub const DIRWRITE: Rights = Rights(16 | 32);

    /// Whether all of `other` is in the set.
    pub fn has(self, other: Rights) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets.
    #[must_use]
    pub fn and(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }

    /// The set without the write authorities. Source: KEEPREAD of REVOKE AUTHORITY.
    #[must_use]
    pub fn reads(self) -> Rights {
        Rights(self.0 & (1 | 4 | 16))
    }

    /// What a file that comes into the directory gets from its NEWREAD and NEWWRITE.
    #[must_use]
    pub fn inherited(self) -> Rights {
        Rights(self.0 >> 2 & 3)
    }

    /// The set as it is stored.
    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    /// The stored set `bits`; `None` when it is none.
    pub(crate) fn from_bits(bits: u8) -> Option<Rights> {
        (bits < 64).then_some(Rights(bits))
    }

    /// True when nothing is granted.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// To whom an authority is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Grantee {
    /// Everybody who is connected.
    Public,
    /// One user.
    User(UserId),
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("<PUBLIC>"),
            Self::User(user) => user.fmt(f),
        }
    }
}

/// How an explicit lock keeps others out. Source: "Explicit Locking".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LockType {
    /// Everybody may read, nobody may write.
    Share,
    /// Others may read; only the holder changes.
    Update,
    /// Others do nothing with it.
    Exclusive,
}

/// What kind of thing somebody wants to lock. Source: QUERY FILEPOOL CONFLICT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LockResource {
    /// A file, or its name in a directory.
    File,
    /// A directory, its name, or the turn of writing in a DIRCONTROL directory.
    Directory,
    /// A file space.
    FileSpace,
    /// The authorities on a file or directory.
    Authority,
}

/// The lock that could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WantedLock {
    /// On what.
    pub resource: LockResource,
    /// Of which type; implicit locks are SHARE or EXCLUSIVE.
    pub kind: LockType,
}

/// How long an explicit lock stays. Source: "Explicit Locking".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LockDuration {
    /// Until deleted, or until the holder's last connection to the pool ends.
    Session,
    /// Until deleted.
    Lasting,
}

/// An explicit lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockInfo {
    /// Who holds it.
    pub user: UserId,
    /// How.
    pub kind: LockType,
    /// How long.
    pub duration: LockDuration,
    /// Since when.
    pub created: Stamp,
}

/// Space of one file space. Source: QUERY LIMITS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceStatus {
    /// Blocks the file space may use.
    pub limit: u64,
    /// Committed blocks in use.
    pub used: u64,
    /// Percentage of the limit at which commits begin to warn.
    pub threshold: u8,
    /// The storage group it is in.
    pub group: StorageGroup,
}

/// Number of a storage group: 1 holds the catalog, 2 and up hold user data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StorageGroup(u16);

impl StorageGroup {
    /// The group of the catalog.
    pub const CATALOG: StorageGroup = StorageGroup(1);
    /// The first group of user data, in which users are enrolled when nothing is said. Source: ENROLL USER, STORGROUP.
    pub const FIRST: StorageGroup = StorageGroup(2);
    /// The greatest number that a storage group can have.
    pub const MAX: u16 = 32_767;

    /// `Some` for 1 to 32767.
    pub fn new(number: u16) -> Option<Self> {
        (1..=Self::MAX).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl Default for StorageGroup {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for StorageGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A minidisk of a file pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minidisk {
    /// Its number in the pool, from 1: POOLDEF calls it `MDK` and five digits.
    pub number: u16,
    /// The group it belongs to.
    pub group: StorageGroup,
    /// Virtual device number.
    pub device: u16,
    /// Its size in 4096-byte blocks; `None`: it grows with the host's disk.
    pub blocks: Option<u64>,
}

/// A storage group. Source: QUERY FILEPOOL STORGRP, DMSQUSG.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its number.
    pub group: StorageGroup,
    /// The size of its minidisks together in blocks; `None`: it grows with the host's disk.
    pub blocks: Option<u64>,
    /// Committed blocks in use.
    pub used: u64,
    /// Its minidisks, by number.
    pub minidisks: Vec<Minidisk>,
    /// File spaces enrolled in it.
    pub file_spaces: usize,
    /// Whether it is disabled.
    pub disabled: Option<DisableInfo>,
}

/// How a storage group or file space is disabled. Source: DMSDISSG, DMSDISFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DisableMode {
    /// Everybody may read, nobody may change.
    Share,
    /// Only who disabled it may use it.
    Exclusive,
}

impl DisableMode {
    /// `SHARE` or `EXCLUSIVE`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Share => "SHARE",
            Self::Exclusive => "EXCLUSIVE",
        }
    }
}

/// That something is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisableInfo {
    /// How.
    pub mode: DisableMode,
    /// Who did it.
    pub by: UserId,
    /// Since when.
    pub since: Stamp,
}

/// A part of a file pool that can be disabled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PoolPart {
    /// A storage group of user data.
    Group(StorageGroup),
    /// A file space.
    Space(String),
}

impl fmt::Display for PoolPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => write!(f, "storage group {group}"),
            Self::Space(name) => write!(f, "file space {name}"),
        }
    }
}
