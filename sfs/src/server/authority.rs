//! Who may do what: the one place that decides.
//!
//! An administrator may do everything in every file space; an owner everything in his own. Nobody else may do anything, and is
//! told that the object does not exist or that he is not authorized, without being told which. Granted authorities are not kept
//! yet.

use cp::name::UserId;

use super::Shared;
use super::protocol::{Call, Failure};
use crate::reason::ReasonCode;

/// Whether `user` may make `call`.
///
/// # Errors
/// The failure to be returned to him.
pub(super) fn check(shared: &Shared, user: UserId, call: &Call) -> Result<(), Failure> {
    let admin = shared.admins.read().contains(&user);
    if admin {
        return Ok(());
    }
    let owns = |owner: UserId| owner == user;
    let (allowed, reason) = match call {
        Call::Open { file, .. } | Call::EraseFile { file, .. } | Call::FileStatus { file } => {
            (owns(file.dir.owner), ReasonCode::FileNotFound)
        }
        Call::RenameFile { old, new } => {
            (owns(old.dir.owner) && owns(new.dir.owner), ReasonCode::FileNotFound)
        }
        Call::CopyFile { source, target, .. } => {
            (owns(source.dir.owner) && owns(target.dir.owner), ReasonCode::FileNotFound)
        }
        Call::CreateDir { dir }
        | Call::EraseDir { dir }
        | Call::DirStatus { dir }
        | Call::OpenDir { dir, .. } => (owns(dir.owner), ReasonCode::DirectoryNotFound),
        Call::RenameDir { old, new } => (owns(old.owner) && owns(new.owner), ReasonCode::DirectoryNotFound),
        Call::Enroll { .. } | Call::DeleteUser { .. } | Call::SetLimit { .. } | Call::ListUsers => {
            (false, ReasonCode::NotAdministrator)
        }
        Call::QueryLimits { user: owner } => (owns(*owner), ReasonCode::NotAuthorized),
        // What is open was authorised when it was opened; the rest concerns the caller's own work units.
        Call::Read { .. }
        | Call::ReadImage { .. }
        | Call::Write { .. }
        | Call::Point { .. }
        | Call::Truncate { .. }
        | Call::Close { .. }
        | Call::GetDir { .. }
        | Call::CloseDir { .. }
        | Call::Commit
        | Call::Rollback
        | Call::Return
        | Call::Purge
        | Call::Active => (true, ReasonCode::NotAuthorized),
    };
    if allowed { Ok(()) } else { Err(Failure::error(reason)) }
}
