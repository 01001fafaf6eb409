//! A DIRCONTROL directory as it was when it was accessed: its readers see that state until they release it.
//!
//! Every file's content is pinned, so what changes or goes meanwhile stays readable here; storage that only such readers need is given
//! back when they have released it.
//! Source: "Accessing Directories" (access-to-release consistency).

use std::collections::BTreeMap;

use super::open::OpenFile;
use super::{DirPath, OPEN_TRIES, WorkUnit};
use crate::pool::blocks::Way;
use crate::pool::catalog::{FileRec, Name16, file_id, file_key};
use crate::pool::draft::Content;
use crate::pool::error::PoolError;
use crate::pool::explicit::Purpose;
use crate::pool::references;
use crate::pool::row::{self, SpecialRec};
use crate::pool::unit::open::Opened;
use crate::types::{DateReference, DirControl, FileId, FileStatus, LockResource};

/// The state of a directory at a moment.
pub struct AccessedDir {
    dir: crate::pool::catalog::DirId,
    files: BTreeMap<Name16, (FileRec, Content)>,
    /// External objects.
    others: Vec<FileStatus>,
}

impl std::fmt::Debug for AccessedDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessedDir").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl AccessedDir {
    /// Files in it.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Without files.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// What is known of a file.
    pub fn status(&self, id: FileId) -> Option<FileStatus> {
        let other = || self.others.iter().find(|s| s.id == id).cloned();
        self.files.get(&file_key(id)).map(|(rec, _)| rec.status(id)).or_else(other)
    }

    /// Everything in it, by name and type.
    ///
    /// # Errors
    /// Damage.
    pub fn list(&self) -> Result<Vec<FileStatus>, PoolError> {
        let mut all = self.others.clone();
        for (name, (rec, _)) in &self.files {
            all.push(rec.status(file_id(name)?));
        }
        all.sort_by_key(|s| file_key(s.id));
        Ok(all)
    }
}

impl WorkUnit {
    /// The committed state of a DIRCONTROL directory with at most `room` files; `None` for a FILECONTROL directory, whose files are
    /// seen one by one as they are.
    ///
    /// # Errors
    /// [`PoolError::NoSpace`], [`PoolError::NoDirectory`], [`PoolError::ExplicitLock`]; [`PoolError::Limit`] for more files.
    pub fn access_dir(&self, dir: DirPath<'_>, room: usize) -> Result<Option<AccessedDir>, PoolError> {
        for _ in 0..OPEN_TRIES {
            let state = self.with(|state, snapshot| {
                let found = state.resolve(snapshot, dir)?;
                if state.control(snapshot, found.id)? == DirControl::File {
                    return Ok(Some(None));
                }
                self.inner.explicit.check(
                    (LockResource::Directory, found.id.0),
                    state.user,
                    Purpose::Read,
                )?;
                let mut records = Vec::new();
                snapshot.files(found.id, |id, rec| records.push((file_key(id), rec)))?;
                if records.len() > room {
                    return Err(PoolError::Limit("files of accessed directories"));
                }
                let mut files = BTreeMap::new();
                for (name, rec) in records {
                    // Storage that was recycled since the catalog was read: once more from the beginning.
                    let Some(content) = Content::load(&rec, snapshot, &self.inner.store, true)? else {
                        return Ok(None);
                    };
                    files.insert(name, (rec, content));
                }
                let mut others = Vec::new();
                for (key, value) in snapshot.rows(&row::special_prefix(found.id))? {
                    let id = file_id(key.get(9..).unwrap_or_default())?;
                    others.push(state.special_status(snapshot, &found, id, &SpecialRec::decode(&value)?)?);
                }
                Ok(Some(Some(AccessedDir { dir: found.id, files, others })))
            })?;
            if let Some(done) = state {
                return Ok(done);
            }
        }
        Err(PoolError::Damaged("a body's storage cannot be found".into()))
    }

    /// Opens a file for reading as it was when its directory was accessed.
    ///
    /// # Errors
    /// [`PoolError::NoFile`], [`PoolError::Limit`] for too many opens.
    pub fn open_accessed(
        &self,
        dir: &AccessedDir,
        id: FileId,
        dates: DateReference,
    ) -> Result<Opened, PoolError> {
        self.open_accessed_way(dir, id, dates, Way::Records)
    }

    pub(crate) fn open_accessed_way(
        &self,
        dir: &AccessedDir,
        id: FileId,
        dates: DateReference,
        way: Way,
    ) -> Result<Opened, PoolError> {
        let name = file_key(id);
        let seen = dir.files.get(&name).ok_or(PoolError::NoFile)?;
        if dates == DateReference::New {
            references::note(&self.inner, (dir.dir, name), &seen.0);
        }
        let mut file = OpenFile::reader((dir.dir, name), id, seen.clone());
        file.way = way;
        self.with(|state, _| state.add_open(file))
    }
}
