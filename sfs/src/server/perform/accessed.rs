//! DIRCONTROL directories that a machine has accessed read-only: what it reads in them is the state of the access.
//!
//! As long as it holds such a directory the machine cannot change anything in it, by whatever call. The state belongs to the
//! connection and goes with it.

use std::sync::Arc;

use cp::name::DirName;

use super::directories::shown;
use super::{At, Outcome};
use crate::pool::{AccessedDir, PoolError, Way, WorkUnit};
use crate::server::authority;
use crate::server::handler::{Session, path};
use crate::server::protocol::{Answer, Call, DirList, Failure, OpenWay};
use crate::types::{DirControl, Intent};

/// Directories that one connection may have accessed: as many as there are file modes.
pub const MAX_ACCESSED_DIRS: usize = 26;
/// Files in all of them together: some tens of megabytes at most.
pub const MAX_ACCESSED_FILES: usize = 50_000;

/// A directory and how often it is accessed.
pub(in crate::server) struct Accessed {
    state: Arc<AccessedDir>,
    count: u32,
}

impl Session {
    /// Accesses a directory; of no effect, and answered `false`, for a FILECONTROL directory.
    pub(super) fn access(&self, unit: &WorkUnit, dir: &DirName, write: bool) -> Outcome {
        if write {
            return self.access_to_write(unit, dir);
        }
        let mut accessed = self.accessed.lock();
        if let Some(already) = accessed.get_mut(dir) {
            already.count += 1;
            return Ok(Answer::Active(true));
        }
        let files: usize = accessed.values().map(|a| a.state.len()).sum();
        if unit.dir_status(path(dir))?.control == DirControl::File {
            return Ok(Answer::Active(false));
        }
        if accessed.len() >= MAX_ACCESSED_DIRS {
            return Err(PoolError::Limit("accessed directories"));
        }
        let Some(state) = unit.access_dir(path(dir), MAX_ACCESSED_FILES - files)? else {
            return Ok(Answer::Active(false));
        };
        accessed.insert(dir.clone(), Accessed { state: Arc::new(state), count: 1 });
        Ok(Answer::Active(true))
    }

    /// Notes that a directory is accessed to be written, for who asks; it stays as it is.
    fn access_to_write(&self, unit: &WorkUnit, dir: &DirName) -> Outcome {
        let mut writing = self.writing.lock();
        if !writing.contains_key(dir) {
            if unit.dir_status(path(dir))?.control == DirControl::File {
                return Ok(Answer::Active(false));
            }
            if writing.len() >= MAX_ACCESSED_DIRS {
                return Err(PoolError::Limit("accessed directories"));
            }
        }
        *writing.entry(dir.clone()).or_default() += 1;
        Ok(Answer::Active(true))
    }

    /// The DIRCONTROL directories that are accessed here, and whether to be written.
    pub(in crate::server) fn accessed_directories(&self) -> Vec<(DirName, bool)> {
        let mut all: Vec<_> = self.accessed.lock().keys().map(|dir| (dir.clone(), false)).collect();
        all.extend(self.writing.lock().keys().map(|dir| (dir.clone(), true)));
        all
    }

    /// Who has accessed a directory, or those of this user.
    pub(in crate::server) fn accessors(
        &self,
        unit: &WorkUnit,
        dir: Option<&DirName>,
    ) -> Result<Answer, Failure> {
        if let Some(dir) = dir {
            authority::check_accessors(&self.shared, self.user(), unit, dir)?;
        }
        let meant = |found: &DirName| match dir {
            Some(dir) => dir == found,
            None => found.owner == self.user(),
        };
        Ok(Answer::Accessors(self.shared.accessors(meant)))
    }

    /// Undoes one access.
    pub(super) fn release(&self, dir: &DirName, write: bool) -> Outcome {
        if write {
            let mut writing = self.writing.lock();
            let Some(count) = writing.get_mut(dir) else { return Err(PoolError::NotOpen) };
            *count -= 1;
            if *count == 0 {
                writing.remove(dir);
            }
            return Ok(Answer::Done);
        }
        let mut accessed = self.accessed.lock();
        let Some(held) = accessed.get_mut(dir) else { return Err(PoolError::NotOpen) };
        held.count -= 1;
        if held.count == 0 {
            accessed.remove(dir);
        }
        Ok(Answer::Done)
    }

    fn state_of(&self, dir: &DirName) -> Option<Arc<AccessedDir>> {
        self.accessed.lock().get(dir).map(|a| a.state.clone())
    }

    /// Calls on what is in an accessed directory; `None` for all others.
    pub(in crate::server) fn on_accessed(&self, at: At<'_>, call: &Call) -> Option<Outcome> {
        if self.accessed.lock().is_empty() {
            return None;
        }
        if written(call).into_iter().flatten().any(|dir| self.accessed.lock().contains_key(dir)) {
            return Some(Err(PoolError::WrongControl));
        }
        match call {
            Call::Open { file, intent: Intent::Read, dates, way, .. } => {
                let state = self.state_of(&file.dir)?;
                let way = match way {
                    OpenWay::Records => Way::Records,
                    OpenWay::Blocks { .. } => Way::ReadBlocks,
                };
                let opened = at.unit.open_accessed_way(&state, file.id, *dates, way);
                Some(opened.map(|opened| self.keep_open(at, opened)))
            }
            Call::FileStatus { file } => {
                let state = self.state_of(&file.dir)?;
                Some(state.status(file.id).map(Answer::File).ok_or(PoolError::NoFile))
            }
            Call::OpenDir { dir, list: list @ (DirList::Files(_) | DirList::Entries(_)) } => {
                let state = self.state_of(dir)?;
                let found = state.list().map(|all| shown(all, *list));
                Some(found.and_then(|rest| self.keep_listing(at, rest, DirControl::Directory)))
            }
            _ => None,
        }
    }
}

/// The directories in which a call changes names or files.
fn written(call: &Call) -> [Option<&DirName>; 2] {
    match call {
        Call::Open { intent: Intent::Read, .. } => [None, None],
        Call::Open { file, .. }
        | Call::CreateFile { file, .. }
        | Call::CreateExternal { file, .. }
        | Call::ChangeFile { file, .. }
        | Call::EraseFile { file, .. }
        | Call::CreateAlias { alias: file, .. }
        | Call::CopyFile { target: file, .. } => [Some(&file.dir), None],
        Call::EraseFiles { dir, .. }
        | Call::EraseDir { dir, files: true }
        | Call::CopyFiles { to: dir, .. } => [Some(dir), None],
        Call::RenameFile { old, new } => [Some(&old.dir), Some(&new.dir)],
        Call::RenameFiles { from, to, .. } => [Some(from), Some(to)],
        _ => [None, None],
    }
}
