//! DIRCONTROL directories that a machine has accessed read-only: what it reads in them is the state of the access.
//!
//! As long as it holds such a directory the machine cannot change anything in it, by whatever call. The state belongs to the
//! connection and goes with it.

use std::sync::Arc;

use cp::name::DirName;

use super::directories::shown;
use super::{At, Outcome};
use crate::pool::{AccessedDir, PoolError, WorkUnit};
use crate::server::handler::{Session, path};
use crate::server::protocol::{Answer, Call, DirList};
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
    pub(super) fn access(&self, unit: &WorkUnit, dir: &DirName) -> Outcome {
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

    /// Undoes one access.
    pub(super) fn release(&self, dir: &DirName) -> Outcome {
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
            Call::Open { file, intent: Intent::Read, dates, .. } => {
                let state = self.state_of(&file.dir)?;
                let opened = at.unit.open_accessed(&state, file.id, *dates);
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
        Call::EraseFiles { dir, .. } | Call::CopyFiles { to: dir, .. } => [Some(dir), None],
        Call::RenameFile { old, new } => [Some(&old.dir), Some(&new.dir)],
        _ => [None, None],
    }
}
