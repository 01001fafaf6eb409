//! DMSEXIST - Exist: whether an object exists, and what it is.

use super::{Csl, CslError, DirStatus, FileStatus, SfsObject, WorkUnitId};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existing {
    /// A file.
    File(FileStatus),
    /// A directory.
    Directory(DirStatus),
}

impl Csl {
    /// DMSEXIST: the object as this work unit sees it.
    ///
    /// # Errors
    /// `FileNotFound`, `DirectoryNotFound`, `SpaceNotFound`.
    pub async fn dmsexist(&self, object: &SfsObject, workunitid: WorkUnitId) -> Result<Existing, CslError> {
        match object {
            SfsObject::File(file) => self.dmsexifi(file, workunitid).await.map(Existing::File),
            SfsObject::Directory(dir) => self.dmsexidi(dir, workunitid).await.map(Existing::Directory),
        }
    }
}
