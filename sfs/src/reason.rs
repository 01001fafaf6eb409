//! Return codes and reason codes of the CSL routines: one table.
//!
//! The original's reason-code chapter is not known to us. Numbers that programs written for it test for are exact; the rest is ours. Programs compare the symbol, never the number. Numbers are stable: a code keeps its number
//! for ever and no number is used twice.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::pool::PoolError;

/// Return code of a CSL routine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ReturnCode {
    /// 0: done.
    Ok,
    /// 4: done, with a warning.
    Warning,
    /// 8: not done; the work unit is as it was.
    Error,
    /// 12: not done, and the work unit was rolled back or the connection is gone.
    Severe,
}

impl ReturnCode {
    /// The number.
    pub fn code(self) -> i32 {
        match self {
            Self::Ok => 0,
            Self::Warning => 4,
            Self::Error => 8,
            Self::Severe => 12,
        }
    }
}

/// Where a number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The original's number.
    Exact,
    /// Our own.
    Ours,
}

macro_rules! reasons {
    ($($symbol:ident = $number:literal, $origin:ident, $text:literal;)*) => {
        /// Reason code of a CSL routine.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum ReasonCode {
            $(#[doc = $text] $symbol,)*
        }

        impl ReasonCode {
            /// Every reason code.
            pub const ALL: &'static [ReasonCode] = &[$(Self::$symbol),*];

            /// The number.
            pub fn number(self) -> i32 {
                match self { $(Self::$symbol => $number,)* }
            }

            /// Where the number comes from.
            pub fn origin(self) -> Origin {
                match self { $(Self::$symbol => Origin::$origin,)* }
            }

            /// What it means.
            pub fn text(self) -> &'static str {
                match self { $(Self::$symbol => $text,)* }
            }
        }
    };
}

reasons! {
    None = 0, Exact, "nothing to report";
    FileNotFound = 44_000, Exact, "file does not exist or you are not authorized for it";
    DirectoryNotFound = 90_110, Ours, "directory does not exist or you are not authorized for it";
    SpaceNotFound = 90_120, Ours, "file space does not exist or you are not authorized for it";
    NotAuthorized = 90_130, Ours, "not authorized for the operation";
    NotAdministrator = 90_140, Ours, "the operation needs an administrator of the file pool";
    NotEnrolled = 90_170, Ours, "neither you nor PUBLIC is enrolled in the file pool";
    NoAdministrator = 90_160, Ours, "user is not an administrator of the file pool";
    FileExists = 90_200, Ours, "file exists already";
    DirectoryExists = 90_210, Ours, "directory exists already";
    SpaceExists = 90_220, Ours, "user is enrolled already";
    DirectoryNotEmpty = 90_230, Ours, "directory is not empty";
    DirectoryInvalid = 90_240, Ours, "directory name is not valid or has more than 8 levels";
    DifferentSpace = 90_250, Ours, "source and target are in different file spaces";
    NameInvalid = 90_260, Ours, "file name, file type or directory name is not valid";
    Locked = 90_300, Ours, "another work unit has a conflicting lock";
    LockExists = 90_330, Ours, "you have a lock on the object already";
    NoLock = 90_340, Ours, "lock does not exist";
    ExplicitLock = 90_350, Ours, "an explicit lock is in the way";
    External = 90_270, Ours, "object is an external object";
    WrongControl = 90_280, Ours, "not possible with the FILECONTROL or DIRCONTROL attribute of the directory";
    NoAuthority = 90_150, Ours, "no such authority was granted";
    Deadlock = 90_310, Ours, "waiting for the lock would be a deadlock";
    FileOpen = 90_320, Ours, "file is open in this work unit";
    NotOpen = 90_400, Ours, "token does not identify an open of this virtual machine";
    WrongIntent = 90_410, Ours, "file was not opened for this operation";
    EndOfFile = 90_420, Ours, "no record at or behind the read position";
    EndOfDirectory = 90_430, Ours, "no further directory record";
    BufferTooShort = 90_440, Ours, "record is longer than the buffer";
    RecordLength = 90_450, Ours, "record length is not valid for the file";
    RecordNumber = 90_460, Ours, "record number is not valid for the file";
    BlockLength = 90_470, Ours, "block leaves a gap, or has a length that only the last block may have";
    BlockData = 90_480, Ours, "data blocks are not whole records, or not as many as announced";
    LimitExceeded = 90_500, Ours, "request is over a limit of the file pool server";
    SpaceLimit = 90_510, Ours, "file space limit exceeded; the work unit was rolled back";
    SpaceThreshold = 90_520, Ours, "file space is above its warning threshold";
    PoolFull = 90_530, Ours, "storage group is full; the work unit was rolled back";
    GroupUnknown = 90_540, Ours, "storage group does not exist or is not for this purpose";
    MinidiskExists = 90_550, Ours, "file pool has a minidisk of that device number";
    Disabled = 90_650, Ours, "storage group or file space is disabled";
    NotDisabled = 90_660, Ours, "storage group or file space is not disabled";
    PoolOffline = 90_600, Ours, "file pool is offline";
    PoolUnknown = 90_610, Ours, "file pool is not available";
    PoolDisabled = 90_620, Ours, "file pool does not accept new work";
    ConnectionRefused = 90_630, Ours, "file pool server refused the connection";
    ConnectionLost = 90_640, Ours, "connection to the file pool server was severed; work was rolled back";
    Damaged = 90_700, Ours, "file pool data is damaged";
    WorkUnitUnknown = 90_800, Ours, "work unit id is not one of this virtual machine";
    WorkUnitBusy = 90_810, Ours, "work unit is being committed";
    WorkUnitActive = 90_820, Ours, "a work unit is active";
    WorkUnitStackEmpty = 90_830, Ours, "work unit stack holds only the first default";
    TooManyWorkUnits = 90_840, Ours, "no further work unit id is available";
    UserStackEmpty = 90_850, Ours, "no user id was pushed";
    NoFurtherError = 90_930, Ours, "no further error of the work unit is known";
    NoSuchEntry = 90_940, Ours, "buffer holds no entry of that number";
    NamedefExists = 90_290, Ours, "namedef exists already";
    NamedefUnknown = 90_291, Ours, "namedef does not exist";
    WuerrorLength = 90_920, Ours, "wuerror area has a length below 12 or no such group";
    RequestUnknown = 90_900, Ours, "request id does not identify an asynchronous request";
    ProtocolError = 90_910, Ours, "request or answer could not be understood";
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl From<&PoolError> for ReasonCode {
    fn from(error: &PoolError) -> Self {
        match error {
            PoolError::NoFile => Self::FileNotFound,
            PoolError::NoDirectory => Self::DirectoryNotFound,
            PoolError::NoSpace => Self::SpaceNotFound,
            PoolError::FileExists => Self::FileExists,
            PoolError::DirectoryExists => Self::DirectoryExists,
            PoolError::SpaceExists => Self::SpaceExists,
            PoolError::NotEmpty => Self::DirectoryNotEmpty,
            PoolError::BadDirectory => Self::DirectoryInvalid,
            PoolError::OtherSpace => Self::DifferentSpace,
            PoolError::Locked { .. } => Self::Locked,
            PoolError::ExplicitLock { .. } => Self::ExplicitLock,
            PoolError::LockExists => Self::LockExists,
            PoolError::NoLock => Self::NoLock,
            PoolError::NoGrant => Self::NoAuthority,
            PoolError::External => Self::External,
            PoolError::WrongControl => Self::WrongControl,
            PoolError::Deadlock => Self::Deadlock,
            PoolError::FileOpen => Self::FileOpen,
            PoolError::NotOpen => Self::NotOpen,
            PoolError::WrongIntent => Self::WrongIntent,
            PoolError::EndOfFile => Self::EndOfFile,
            PoolError::BufferTooShort => Self::BufferTooShort,
            PoolError::RecordLength => Self::RecordLength,
            PoolError::RecordNumber => Self::RecordNumber,
            PoolError::BlockLength => Self::BlockLength,
            PoolError::BlockData => Self::BlockData,
            PoolError::Limit(_) => Self::LimitExceeded,
            PoolError::SpaceLimit => Self::SpaceLimit,
            PoolError::StorageFull | PoolError::GroupFull(_) => Self::PoolFull,
            PoolError::NoGroup | PoolError::SameGroup(_) => Self::GroupUnknown,
            PoolError::MinidiskExists => Self::MinidiskExists,
            PoolError::Disabled => Self::Disabled,
            PoolError::NotDisabled => Self::NotDisabled,
            PoolError::Offline(_) => Self::PoolOffline,
            PoolError::Damaged(_) => Self::Damaged,
            // The server tries again in a thread that may wait.
            PoolError::Busy | PoolError::WouldWait => Self::WorkUnitBusy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_used_twice() {
        let mut numbers: Vec<_> = ReasonCode::ALL.iter().map(|r| r.number()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), ReasonCode::ALL.len());
    }
}
