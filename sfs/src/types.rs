//! Values that the engine, the server and the CSL routines share.

use std::fmt;

use cp::name::{FileName, FileType};
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

/// What a created file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attributes {
    /// Record format.
    pub recfm: RecordFormat,
    /// Record length of a RECFM F file; ignored for V, which grows with its longest record.
    pub lrecl: u32,
    /// Mode number.
    pub mode: ModeNumber,
}

impl Attributes {
    /// RECFM F with records of `lrecl` octets.
    pub fn fixed(lrecl: u32) -> Self {
        Self { recfm: RecordFormat::Fixed, lrecl, mode: ModeNumber::DEFAULT }
    }

    /// RECFM V.
    pub fn variable() -> Self {
        Self { recfm: RecordFormat::Variable, lrecl: 0, mode: ModeNumber::DEFAULT }
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
}
