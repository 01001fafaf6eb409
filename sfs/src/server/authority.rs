//! Who may do what: the one place that decides.
//!
//! An administrator may do everything in every file space; an owner everything in his own. Others may do what READ and WRITE on
//! a file, READ and WRITE on its FILECONTROL directory, or DIRREAD and DIRWRITE on its DIRCONTROL directory say. Who may not is
//! told that the object does not exist or that he is not authorized, without being told which; only who can see the object is
//! told `NotAuthorized`. Authority on a file implies none on the directory nor the reverse.
//!
//! Source: "Granting Authority for Files and Directories", "Erasing Files".

use cp::name::{DirName, UserId};

use super::Shared;
use super::handler::path;
use super::protocol::{Call, DirRecord, Failure};
use crate::names::{FileRef, SfsObject};
use crate::pool::{Access, PoolError, WorkUnit};
use crate::reason::ReasonCode;
use crate::types::{FileId, FileStatus, Intent, LockType};

/// Whether the answer depends on the objects concerned, so that [`check`] has to be asked.
pub(super) fn needs_unit(call: &Call) -> bool {
    matches!(
        call,
        Call::Open { .. }
            | Call::EraseFile { .. }
            | Call::FileStatus { .. }
            | Call::RenameFile { .. }
            | Call::CopyFile { .. }
            | Call::EraseFiles { .. }
            | Call::CopyFiles { .. }
            | Call::RenameFiles { .. }
            | Call::CreateDir { .. }
            | Call::CreateFile { .. }
            | Call::CreateAlias { .. }
            | Call::CreateExternal { .. }
            | Call::External { .. }
            | Call::BaseOf { .. }
            | Call::ChangeFile { .. }
            | Call::ChangeDir { .. }
            | Call::Grant { .. }
            | Call::Revoke { .. }
            | Call::Grants { .. }
            | Call::Lock { .. }
            | Call::Unlock { .. }
            | Call::Locks { .. }
            | Call::EraseDir { .. }
            | Call::DirStatus { .. }
            | Call::OpenDir { .. }
            | Call::Access { .. }
            | Call::RenameDir { .. }
    )
}

fn is_admin(shared: &Shared, user: UserId) -> bool {
    shared.admins.read().contains(&user)
}

/// Whether `user` may make a call that concerns no file or directory.
///
/// # Errors
/// The failure to be returned to him.
pub(super) fn check_user(shared: &Shared, user: UserId, call: &Call) -> Result<(), Failure> {
    let (allowed, reason) = match call {
        Call::Enroll { .. }
        | Call::DeleteUser { .. }
        | Call::Public { .. }
        | Call::SetLimit { .. }
        | Call::ListUsers
        | Call::Groups { .. }
        | Call::AddMinidisk { .. }
        | Call::Administrator { .. }
        | Call::Disable { .. }
        | Call::Enable { .. }
        | Call::Report => (false, ReasonCode::NotAdministrator),
        Call::QueryLimits { user: owner } | Call::SetThreshold { user: owner, .. } => {
            (*owner == user, ReasonCode::NotAuthorized)
        }
        // What is open was authorised when it was opened; the rest concerns the caller's own work units, or is no secret.
        _ => (true, ReasonCode::NotAuthorized),
    };
    if allowed || is_admin(shared, user) { Ok(()) } else { Err(Failure::error(reason)) }
}

/// Asks the engine what the user may do with objects.
struct Asker<'a> {
    user: UserId,
    unit: &'a WorkUnit,
}

impl Asker<'_> {
    fn access(&self, dir: &DirName, id: Option<FileId>) -> Access {
        match self.unit.access(path(dir), id, self.user) {
            Ok(access) => access,
            // The call itself fails with it, before it does anything.
            Err(PoolError::Disabled) => Access::all(true),
            // The call itself will say what is missing.
            Err(_) if dir.owner == self.user => Access::all(false),
            Err(_) => Access::default(),
        }
    }

    fn file(&self, file: &FileRef) -> Access {
        self.access(&file.dir, Some(file.id))
    }

    fn dir(&self, dir: &DirName) -> Access {
        self.access(dir, None)
    }

    fn object(&self, object: &SfsObject) -> Access {
        self.access(object.dir(), object.id())
    }
}

/// The refusal for a file: invisible, or seen and not authorized.
fn file_refusal(access: Access) -> ReasonCode {
    let seen = access.exists && (access.read || access.dir_read);
    if seen { ReasonCode::NotAuthorized } else { ReasonCode::FileNotFound }
}

fn dir_refusal(access: Access) -> ReasonCode {
    if access.dir_read { ReasonCode::NotAuthorized } else { ReasonCode::DirectoryNotFound }
}

/// What a call on a file needs, and what is said without it.
fn on_file(asker: &Asker<'_>, file: &FileRef, may: impl FnOnce(Access) -> bool) -> Result<(), Failure> {
    let access = asker.file(file);
    if may(access) { Ok(()) } else { Err(Failure::error(file_refusal(access))) }
}

fn on_dir(asker: &Asker<'_>, dir: &DirName, may: impl FnOnce(Access) -> bool) -> Result<(), Failure> {
    let access = asker.dir(dir);
    if may(access) { Ok(()) } else { Err(Failure::error(dir_refusal(access))) }
}

fn on_object(
    asker: &Asker<'_>,
    object: &SfsObject,
    file: impl FnOnce(Access) -> bool,
    dir: impl FnOnce(Access) -> bool,
) -> Result<(), Failure> {
    match object {
        SfsObject::File(named) => on_file(asker, named, file),
        SfsObject::Directory(named) => on_dir(asker, named, dir),
    }
}

/// Writing a file that is there, or making one.
fn write_or_create(access: Access) -> bool {
    if access.exists { access.write } else { access.dir_write }
}

/// Whether `user` may make `call`, which concerns files or directories.
///
/// # Errors
/// The failure to be returned to him.
pub(super) fn check(shared: &Shared, user: UserId, unit: &WorkUnit, call: &Call) -> Result<(), Failure> {
    if is_admin(shared, user) {
        return match call {
            Call::CreateAlias { base, alias } => alias_of_owner(unit, base, alias),
            _ => Ok(()),
        };
    }
    let asker = &Asker { user, unit };
    match call {
        Call::Open { file, intent: Intent::Read, .. } => on_file(asker, file, |a| a.read),
        Call::Open { file, intent: Intent::New, .. } | Call::CreateFile { file, .. } => {
            on_file(asker, file, |a| a.dir_write)
        }
        Call::Open { file, .. } => on_file(asker, file, write_or_create),
        Call::EraseFile { file, data_only: true } => on_file(asker, file, |a| a.write),
        Call::EraseFile { file, data_only: false } => {
            on_file(asker, file, |a| a.exists && a.dir_write && (a.alias || a.write))
        }
        Call::EraseFiles { dir, ids } => ids.iter().try_for_each(|id| {
            let file = FileRef::new(*id, dir.clone());
            on_file(asker, &file, |a| a.exists && a.dir_write && (a.alias || a.write))
        }),
        Call::CopyFiles { from, to, pairs } => pairs.iter().try_for_each(|(source, target)| {
            on_file(asker, &FileRef::new(*source, from.clone()), |a| a.read)?;
            on_file(asker, &FileRef::new(*target, to.clone()), write_or_create)
        }),
        Call::FileStatus { file } => on_file(asker, file, |a| a.exists && (a.read || a.dir_read)),
        Call::RenameFile { old, new } => {
            on_file(asker, old, |a| a.exists && a.dir_write && (a.alias || a.write))?;
            on_dir(asker, &new.dir, |a| a.dir_write)
        }
        Call::RenameFiles { from, to, pairs } => {
            on_dir(asker, to, |a| a.dir_write)?;
            pairs.iter().try_for_each(|(old, _)| {
                let old = FileRef::new(*old, from.clone());
                on_file(asker, &old, |a| a.exists && a.dir_write && (a.alias || a.write))
            })
        }
        Call::CopyFile { source, target, .. } => {
            on_file(asker, source, |a| a.read)?;
            on_file(asker, target, write_or_create)
        }
        Call::CreateAlias { base, alias } => {
            on_file(asker, base, |a| a.read)?;
            on_dir(asker, &alias.dir, |a| a.dir_write)?;
            alias_of_owner(unit, base, alias)
        }
        Call::CreateExternal { file, .. } => on_dir(asker, &file.dir, |a| a.dir_write),
        Call::External { file } => on_file(asker, file, |a| a.read),
        Call::BaseOf { alias } => on_file(asker, alias, |a| a.exists && a.dir_read),
        Call::ChangeFile { file, .. } => on_file(asker, file, |a| a.write),
        Call::Grant { object, .. } | Call::Revoke { object, .. } => {
            on_object(asker, object, |a| a.exists && a.owner, |a| a.owner)
        }
        Call::Grants { object } | Call::Locks { object } => {
            on_object(asker, object, |a| a.read, |a| a.dir_read)
        }
        Call::Lock { object, kind: LockType::Share, .. } => {
            on_object(asker, object, |a| a.read, |a| a.dir_read)
        }
        Call::Lock { object, .. } => on_object(asker, object, |a| a.write, |a| a.dir_write),
        Call::Unlock { object, user: holder } => {
            let others = holder.is_some_and(|h| h != user);
            let access = asker.object(object);
            let seen = access.read || (access.dir_read && object.id().is_none());
            match (seen, others) {
                (true, false) => Ok(()),
                (true, true) => Err(Failure::error(ReasonCode::NotAdministrator)),
                (false, _) => on_object(asker, object, |_| false, |_| false),
            }
        }
        Call::DirStatus { dir } | Call::OpenDir { dir, .. } | Call::Access { dir, .. } => {
            on_dir(asker, dir, |a| a.dir_read)
        }
        Call::CreateDir { dir, .. } | Call::EraseDir { dir, .. } | Call::ChangeDir { dir, .. } => {
            owns(asker, dir)
        }
        Call::RenameDir { old, new } => owns(asker, old).and_then(|()| owns(asker, new)),
        _ => Ok(()),
    }
}

/// Whether `user` may see who has accessed a directory: its owner, administrators, and who may write in it. Source: "QUERY
/// ACCESSORS".
///
/// # Errors
/// The failure to be returned to him.
pub(super) fn check_accessors(
    shared: &Shared,
    user: UserId,
    unit: &WorkUnit,
    dir: &DirName,
) -> Result<(), Failure> {
    if is_admin(shared, user) || dir.owner == user {
        return Ok(());
    }
    on_dir(&Asker { user, unit }, dir, |a| a.dir_write)
}

/// An alias is made for the owner of the file space it is in, who must be authorized for the base, whoever makes it. Source:
/// "Administrator Authority".
fn alias_of_owner(unit: &WorkUnit, base: &FileRef, alias: &FileRef) -> Result<(), Failure> {
    let owner = alias.dir.owner;
    let access = Asker { user: owner, unit }.file(base);
    // What is not there says so itself.
    let may = base.dir.owner == owner || access.read || !access.exists;
    if may { Ok(()) } else { Err(Failure::error(ReasonCode::NotAuthorized)) }
}

/// Directories come, go and change by their owner alone.
fn owns(asker: &Asker<'_>, dir: &DirName) -> Result<(), Failure> {
    if dir.owner == asker.user { Ok(()) } else { Err(Failure::error(dir_refusal(asker.dir(dir)))) }
}

/// A file as `user` may see it: of a file that he may not read only the name.
pub(super) fn masked(
    shared: &Shared,
    user: UserId,
    unit: &WorkUnit,
    dir: &DirName,
    status: FileStatus,
) -> FileStatus {
    if is_admin(shared, user) {
        return status;
    }
    let access = Asker { user, unit }.access(dir, Some(status.id));
    let status = FileStatus { readable: access.read, writable: access.write, ..status };
    if access.read {
        return status;
    }
    FileStatus { lrecl: 0, records: 0, blocks: 0, bytes: 0, ..status }
}

/// Makes a list what `user` may see of it: directories that he may not read are not in it.
pub(super) fn mask(
    shared: &Shared,
    user: UserId,
    unit: &WorkUnit,
    dir: &DirName,
    records: &mut Vec<DirRecord>,
) {
    if is_admin(shared, user) || dir.owner == user && !records.iter().any(is_alias) {
        return;
    }
    let asker = Asker { user, unit };
    records.retain_mut(|record| match record {
        DirRecord::File(status) => {
            *status = masked(shared, user, unit, dir, status.clone());
            true
        }
        DirRecord::Directory(status) => {
            let below = format!("{dir}.{}", status.level).replace("..", ".");
            DirName::parse(&below, None, user).is_ok_and(|below| asker.dir(&below).dir_read)
        }
    });
}

fn is_alias(record: &DirRecord) -> bool {
    matches!(record, DirRecord::File(status) if status.entry == crate::types::EntryType::Alias)
}
