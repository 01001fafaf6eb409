//! What can go wrong in the spool, and the messages for it.

use cp::message::{HcpMessage, MessageRow};
use cp::name::{SpoolId, UserId, Vdev};
use dasd::{LogError, OpenError, ReadError};
use thiserror::Error;

/// Why a spool operation did not happen. Nothing was changed when one comes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpoolError {
    /// No space left, on the disk or under the limit of the configuration.
    #[error("the spool is full")]
    Full,
    /// The spool volume failed; only a restart helps.
    #[error("the spool is offline: {0}")]
    Offline(String),
    /// The spool has been stopped.
    #[error("the spool has ended")]
    Stopped,
    /// A record is longer than the device takes.
    #[error("a record of {len} octets is longer than {max}")]
    TooLong {
        /// Length given.
        len: usize,
        /// Greatest length.
        max: usize,
    },
    /// The machine has no such unit record device.
    #[error("device {0} does not exist")]
    NoDevice(Vdev),
    /// The device is of another kind.
    #[error("device {0} is not of that kind")]
    WrongDevice(Vdev),
    /// No such spool file, or it is not for this user.
    #[error("spool file {0} does not exist")]
    NoFile(SpoolId),
    /// The file is being read, printed or changed.
    #[error("spool file {0} is in use")]
    InUse(SpoolId),
    /// The owner has as many files as he may have.
    #[error("{0} has the greatest number of spool files")]
    TooMany(UserId),
    /// A file is not readable any more.
    #[error("spool file {0} is damaged")]
    Damaged(SpoolId),
    /// The target of a file is not in the directory.
    #[error("{0} is not in the CP directory")]
    NoUser(UserId),
    /// A tag or name that is too long.
    #[error("{what} is longer than {max} characters")]
    BadAttribute {
        /// Which.
        what: &'static str,
        /// Greatest length.
        max: usize,
    },
}

impl From<LogError> for SpoolError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Full => Self::Full,
            LogError::Closed => Self::Stopped,
            other @ (LogError::Offline(_) | LogError::TooLarge { .. }) => Self::Offline(other.to_string()),
        }
    }
}

impl From<std::io::Error> for SpoolError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull {
            Self::Full
        } else {
            Self::Offline(error.to_string())
        }
    }
}

/// Why the spool could not be started.
#[derive(Debug, Error)]
pub enum SpoolStartError {
    /// The log or the volume cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The disk reported an error.
    #[error("disk error: {0}")]
    Io(#[from] std::io::Error),
    /// A record of the log is not what this program writes. FORCE drops such records.
    #[error(
        "the spool log holds a record that cannot be read, at {at:#x}: {reason}; a FORCE start leaves it out"
    )]
    BadRecord {
        /// Its address.
        at: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// Something cannot be read back.
    #[error(transparent)]
    Read(#[from] ReadError),
}

const fn row(number: u16, severity: char, text: &'static str) -> MessageRow {
    MessageRow { number, severity, text }
}

/// The HCP messages of the spool commands.
pub static MESSAGES: &[MessageRow] = &[
    row(2, 'E', "Invalid operand - &1"),
    row(3, 'E', "Invalid option - &1"),
    row(6, 'E', "Invalid device type - &1"),
    row(7, 'E', "Invalid userid - &1"),
    row(8, 'E', "Device &1 does not have the proper type"),
    row(13, 'E', "Conflicting option - &1"),
    row(20, 'E', "Userid missing or invalid"),
    row(22, 'E', "A virtual device number was not supplied or it was invalid"),
    row(26, 'E', "Operand missing or invalid"),
    row(27, 'E', "Spoolid missing or invalid"),
    row(28, 'E', "Class missing or invalid"),
    row(29, 'E', "Device type missing or invalid"),
    row(40, 'E', "Device &1 does not exist"),
    row(42, 'E', "Spoolid &1 does not exist"),
    row(53, 'E', "&1 not in CP directory"),
    row(439, 'E', "Spool file &1 not changed; file in use"),
    row(427, 'E', "&1 spool files are at their maximum of &2"),
    row(429, 'E', "Spool file &1 cannot be read"),
    row(430, 'E', "Spool is full; &1"),
    row(431, 'E', "Spool is offline; &1"),
    row(432, 'E', "&1 exceeds &2 characters"),
    row(433, 'W', "Spool file &1 may not be as it was; &2"),
    row(434, 'E', "Spool log is damaged &1; files that came, changed or went then may be missing or back"),
    row(435, 'E', "Spool file &1 is damaged; &2"),
];

/// Message `number` as module `module` issues it.
pub fn hcp(module: &'static str, number: u16, operands: &[&str]) -> HcpMessage {
    match MESSAGES.iter().find(|row| row.number == number) {
        Some(row) => HcpMessage::from_row(module, row, operands),
        None => HcpMessage { module, number, severity: 'E', text: operands.join(" ") },
    }
}

impl SpoolError {
    /// The message for the console.
    pub fn message(&self, module: &'static str) -> HcpMessage {
        match self {
            Self::Full => hcp(module, 430, &["nothing was lost, purge files and try again"]),
            Self::Offline(why) => hcp(module, 431, &[why]),
            Self::Stopped => hcp(module, 431, &["the system is ending"]),
            Self::TooLong { len, max } => {
                hcp(module, 432, &[&format!("a record of {len} octets"), &max.to_string()])
            }
            Self::NoDevice(vdev) => hcp(module, 40, &[&vdev.to_string()]),
            Self::WrongDevice(vdev) => hcp(module, 8, &[&vdev.to_string()]),
            Self::NoFile(id) => hcp(module, 42, &[&id.to_string()]),
            Self::InUse(id) => hcp(module, 439, &[&id.to_string()]),
            Self::TooMany(user) => hcp(module, 427, &[user.as_str(), &SpoolId::MAX.to_string()]),
            Self::Damaged(id) => hcp(module, 429, &[&id.to_string()]),
            Self::NoUser(user) => hcp(module, 53, &[user.as_str()]),
            Self::BadAttribute { what, max } => hcp(module, 432, &[what, &max.to_string()]),
        }
    }
}
