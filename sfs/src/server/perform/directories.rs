//! Directories: creating, erasing, renaming, and reading what they hold.

use std::sync::atomic::Ordering;

use cp::name::DirName;

use super::{At, Outcome, done};
use crate::pool::PoolError;
use crate::server::authority;
use crate::server::handler::{Session, path};
use crate::server::protocol::{Answer, Call, DirList, DirRecord};
use crate::types::{DirControl, EntryType, FileStatus};

/// Directories that one session may have open at once; each holds its list in memory.
pub const MAX_OPEN_DIRS: usize = 256;
/// Most directory records in one answer, so that it stays far below the limit of a control buffer.
const MAX_RECORDS: u32 = 2000;

/// The records of an open directory not yet fetched, last one first.
pub(in crate::server) struct Listing {
    pub(in crate::server) unit: u32,
    rest: Vec<DirRecord>,
}

/// The files that a directory was opened for.
pub(super) fn shown(all: Vec<FileStatus>, list: DirList) -> Vec<DirRecord> {
    let (pattern, entries) = match list {
        DirList::Files(pattern) => (pattern, false),
        DirList::Entries(pattern) => (pattern, true),
        DirList::Directories => return Vec::new(),
    };
    let meant = |f: &FileStatus| entries || matches!(f.entry, EntryType::Base | EntryType::Alias);
    all.into_iter().filter(|f| pattern.matches(f.id) && meant(f)).map(DirRecord::File).collect()
}

impl Session {
    pub(super) fn on_directories(&self, at: At<'_>, call: &Call) -> Option<Outcome> {
        let unit = at.unit;
        Some(match call {
            Call::CreateDir { dir, control } => done(unit.create_dir_as(path(dir), *control)),
            Call::ChangeDir { dir, control } => done(unit.change_control(path(dir), *control)),
            Call::EraseDir { dir, files: false } => done(unit.erase_dir(path(dir))),
            Call::EraseDir { dir, files: true } => done(unit.erase_dir_with_files(path(dir))),
            Call::RenameDir { old, new } => done(unit.rename_dir(path(old), path(new))),
            Call::DirStatus { dir } => unit.dir_status(path(dir)).map(Answer::Directory),
            Call::OpenDir { dir, list } => self.open_dir(at, dir, *list),
            Call::GetDir { token, max } => self.get_dir(*token, *max),
            Call::CloseDir { token } => {
                self.dirs.lock().remove(token).map(|_| Answer::Done).ok_or(PoolError::NotOpen)
            }
            Call::Access { dir, write } => self.access(unit, dir, *write),
            Call::Release { dir, write } => self.release(dir, *write),
            _ => return None,
        })
    }

    fn open_dir(&self, at: At<'_>, dir: &DirName, list: DirList) -> Outcome {
        let unit = at.unit;
        // Looked at again when there is something to keep: a list is not made for nothing.
        if self.dirs.lock().len() >= MAX_OPEN_DIRS {
            return Err(PoolError::Limit("open directories"));
        }
        let mut rest: Vec<DirRecord> = match list {
            DirList::Files(_) | DirList::Entries(_) => shown(unit.list_files(path(dir))?, list),
            DirList::Directories => {
                unit.list_dirs(path(dir))?.into_iter().map(DirRecord::Directory).collect()
            }
        };
        authority::mask(&self.shared, self.user(), unit, dir, &mut rest);
        let control = unit.dir_status(path(dir))?.control;
        self.keep_listing(at, rest, control)
    }

    /// Keeps the records of an open directory for later calls.
    pub(super) fn keep_listing(&self, at: At<'_>, mut rest: Vec<DirRecord>, control: DirControl) -> Outcome {
        rest.reverse();
        let mut dirs = self.dirs.lock();
        if dirs.len() >= MAX_OPEN_DIRS {
            return Err(PoolError::Limit("open directories"));
        }
        let token = self.next_dir.fetch_add(1, Ordering::Relaxed);
        dirs.insert(token, Listing { unit: at.number, rest });
        Ok(Answer::OpenedDir { token, control })
    }

    fn get_dir(&self, token: u64, max: u32) -> Result<Answer, PoolError> {
        let mut dirs = self.dirs.lock();
        let listing = dirs.get_mut(&token).ok_or(PoolError::NotOpen)?;
        let keep = listing.rest.len().saturating_sub(max.min(MAX_RECORDS) as usize);
        let mut records = listing.rest.split_off(keep);
        records.reverse();
        Ok(Answer::Records { records, more: keep > 0 })
    }
}
