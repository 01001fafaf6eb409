//! The spool file block (SFB): what is known of a spool file besides its records.
//!
//! A [`SpoolFile`] is immutable; a change makes another of the same [`UniqueId`]. Source: facts of CP section 3.1.

use std::fmt;
use std::sync::Arc;

use cp::name::{SpoolId, UserId};
use dasd::{LogAddr, VolAddr};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::SpoolError;

/// Longest tag in characters.
pub const MAX_TAG: usize = 136;
/// Longest file name and file type in the block, in characters.
pub const MAX_NAME: usize = 12;
/// Longest form, distribution code and destination.
pub const MAX_WORD: usize = 8;
/// Greatest number of copies.
pub const MAX_COPIES: u8 = 255;
/// The form of output that says nothing else.
pub const DEFAULT_FORM: &str = "STANDARD";
/// The destination of output that says nothing else.
pub const DEFAULT_DEST: &str = "OFF";

/// The system-wide number of a spool file: given once and never again, also after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UniqueId(pub u64);

/// The queues of spool files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Queue {
    /// Input waiting to be read.
    Reader,
    /// Output for printers.
    Printer,
    /// Output for punches.
    Punch,
}

impl Queue {
    /// All of them, in the order of QUERY FILES.
    pub const ALL: [Queue; 3] = [Queue::Reader, Queue::Printer, Queue::Punch];

    /// `RDR`, `PRT` or `PUN`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "RDR",
            Self::Printer => "PRT",
            Self::Punch => "PUN",
        }
    }

    /// Reads a name of a queue as commands take it, abbreviated as they allow.
    pub fn parse(word: &str) -> Option<Self> {
        use cp::command::common::is_word;
        match word {
            _ if is_word(word, "READER", 1) || is_word(word, "RDR", 3) => Some(Self::Reader),
            _ if is_word(word, "PRINTER", 1) || is_word(word, "PRT", 3) => Some(Self::Printer),
            _ if is_word(word, "PUNCH", 2) || is_word(word, "PCH", 3) => Some(Self::Punch),
            _ => None,
        }
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The kind of device a file was made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeviceType {
    /// A virtual printer.
    Printer,
    /// A virtual punch.
    Punch,
    /// A spooled console.
    Console,
    /// A real reader.
    Reader,
}

impl DeviceType {
    /// `PRT`, `PUN`, `CON` or `RDR`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Printer => "PRT",
            Self::Punch => "PUN",
            Self::Console => "CON",
            Self::Reader => "RDR",
        }
    }

    /// The queue in which output of this device waits when it is not sent to a reader.
    pub fn output_queue(self) -> Queue {
        match self {
            Self::Printer | Self::Console => Queue::Printer,
            Self::Punch => Queue::Punch,
            Self::Reader => Queue::Reader,
        }
    }

    /// The command code of a plain write: punch X'01', printer X'09' (write and space one line).
    pub fn write_op(self) -> u8 {
        match self {
            Self::Punch | Self::Reader => 0x01,
            Self::Printer | Self::Console => 0x09,
        }
    }
}

impl fmt::Display for DeviceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who holds a file back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Hold {
    /// The user.
    pub user: bool,
    /// The system.
    pub system: bool,
}

impl Hold {
    /// Whether anybody does.
    pub fn is_held(self) -> bool {
        self.user || self.system
    }

    /// `NONE`, `USER`, `SYS` or `USYS`.
    pub fn as_str(self) -> &'static str {
        match (self.user, self.system) {
            (false, false) => "NONE",
            (true, false) => "USER",
            (false, true) => "SYS",
            (true, true) => "USYS",
        }
    }
}

/// What tells one spool file from all others, for whoever has to remember which he has dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileKey {
    /// Owner.
    pub owner: UserId,
    /// Number within the owner's files.
    pub id: SpoolId,
    /// Creation in microseconds since 1970.
    pub created: i64,
    /// The system-wide number.
    pub unique: UniqueId,
}

/// A stretch of a file's records on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) place: Place,
    /// Octets.
    pub(crate) len: u32,
    /// CRC32C of them.
    pub(crate) crc: u32,
}

/// Where a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind the block in the same log entry; its address is known when the entry is durable.
    Inline,
    /// In the log.
    Log(LogAddr),
    /// On the volume.
    Volume(VolAddr),
}

/// A spool file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolFile {
    /// System-wide number.
    pub unique: UniqueId,
    /// Who has it.
    pub owner: UserId,
    /// Its number among the owner's files.
    pub id: SpoolId,
    /// The queue it is in.
    pub queue: Queue,
    /// Who made it.
    pub origin: UserId,
    /// The number it had with who made it.
    pub origin_id: SpoolId,
    /// The device it was made on.
    pub device: DeviceType,
    /// Class, A to Z or 0 to 9.
    pub class: char,
    /// Number of records.
    pub records: u64,
    /// Length of the longest record in octets.
    pub record_size: u32,
    /// Octets of all records with their frames.
    pub octets: u64,
    /// Copies, 1 to 255.
    pub copies: u8,
    /// Copies are made by duplication (`*` in answers).
    pub copy_star: bool,
    /// Form.
    pub form: String,
    /// Distribution code.
    pub dist: String,
    /// Destination.
    pub dest: String,
    /// Who holds it back.
    pub hold: Hold,
    /// Kept after processing.
    pub keep: bool,
    /// Whether messages about it are wanted.
    pub msg: bool,
    /// File name; empty when it has none.
    pub name: String,
    /// File type; empty when it has none.
    pub ftype: String,
    /// When it was made, in whole microseconds.
    pub created: Timestamp,
    /// The tag.
    pub tag: String,
    /// Place in the queue: lower ones come first.
    pub(crate) order: i64,
    pub(crate) chunks: Vec<Chunk>,
}

impl SpoolFile {
    /// What tells it from all others.
    pub fn key(&self) -> FileKey {
        FileKey {
            owner: self.owner,
            id: self.id,
            created: self.created.as_microsecond(),
            unique: self.unique,
        }
    }

    /// The number of records as four characters: digits, or thousands with K, or millions with M.
    pub fn records_short(&self) -> String {
        match self.records {
            n @ 0..=9_999 => format!("{n:04}"),
            n @ 10_000..=999_999 => format!("{:03}K", n / 1000),
            n => format!("{:03}M", (n / 1_000_000).min(999)),
        }
    }

    /// `CPY  001` and what follows it in messages: copies, class, hold, keep.
    pub(crate) fn tail(&self) -> String {
        let star = if self.copy_star { '*' } else { ' ' };
        let hold = if self.hold.is_held() { "HOLD" } else { "NOHOLD" };
        let keep = if self.keep { "KEEP" } else { "NOKEEP" };
        format!("RECS {} CPY {star}{:03} {} {hold} {keep}", self.records_short(), self.copies, self.class)
    }
}

/// A shared spool file.
pub type SharedFile = Arc<SpoolFile>;

/// Fails when `text` has more than `max` characters.
pub(crate) fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), SpoolError> {
    if text.chars().count() > max { Err(SpoolError::BadAttribute { what, max }) } else { Ok(()) }
}
