//! What calls do on a work unit, by group: records of open files, names of files, directories, sharing, file spaces.
//!
//! Every group answers its own calls and says `None` to the others. A failed call leaves the work unit as it was.

mod accessed;
mod directories;
mod files;
mod groups;
pub(super) mod records;
mod sharing;
mod spaces;

use std::sync::Arc;

use bytes::Bytes;

pub(super) use accessed::Accessed;
pub use accessed::{MAX_ACCESSED_DIRS, MAX_ACCESSED_FILES};
pub(super) use directories::Listing;
pub use directories::MAX_OPEN_DIRS;

use super::handler::Session;
use super::protocol::{Answer, Call};
use crate::pool::{PoolError, WorkUnit};

/// What a call is performed on.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    /// The caller's number of the work unit.
    pub(super) number: u32,
    pub(super) unit: &'a Arc<WorkUnit>,
    /// The data buffer of the request.
    pub(super) data: &'a Bytes,
}

/// A call that was not done.
pub(super) struct Undone {
    pub(super) error: PoolError,
    /// Index of the object concerned in a list, from 1; 0 without a list.
    pub(super) index: u32,
}

impl From<PoolError> for Undone {
    fn from(error: PoolError) -> Self {
        Self { error, index: 0 }
    }
}

type Outcome = Result<Answer, PoolError>;

fn done(result: Result<(), PoolError>) -> Outcome {
    result.map(|()| Answer::Done)
}

impl Session {
    /// Performs a call once.
    pub(super) fn perform(&self, at: At<'_>, call: &Call) -> Result<Answer, Undone> {
        if let Some(listed) = self.on_list(at, call) {
            return listed;
        }
        let answer = self
            .on_records(at, call)
            .or_else(|| self.on_files(at, call))
            .or_else(|| self.on_directories(at, call))
            .or_else(|| self.on_sharing(at, call))
            .or_else(|| self.on_spaces(at, call));
        // A call that no group knows is one of those that need no work unit.
        Ok(answer.unwrap_or(Err(PoolError::NotOpen))?)
    }

    /// Calls that carry a list of users.
    fn on_list(&self, at: At<'_>, call: &Call) -> Option<Result<Answer, Undone>> {
        Some(match call {
            Call::Enroll { users, blocks, group } => spaces::enroll(at, users, *blocks, *group),
            Call::Grant { object, to, rights } => sharing::grant(at, object, to, *rights),
            Call::Revoke { object, from, keep_read } => sharing::revoke(at, object, from, *keep_read),
            _ => return None,
        })
    }
}
