//! DMSRELOC - Relocate: a file or directory to another directory of the same file space, its name kept.

use cp::name::DirName;

use super::{CommitInfo, CommitOption, Csl, CslError, FileId, FileRef, ReasonCode, SfsObject, WorkUnitId};
use crate::server::protocol::Call;

impl Csl {
    /// DMSRELOC. A directory takes along what it holds; aliases go on leading to a relocated file.
    ///
    /// # Errors
    /// Those of DMSRENAM; `DirectoryInvalid` for a top directory.
    pub async fn dmsreloc(
        &self,
        object: &SfsObject,
        target: &DirName,
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        let new: SfsObject = match object {
            SfsObject::File(file) => FileRef::new(file.id, target.clone()).into(),
            SfsObject::Directory(dir) => {
                let last = dir.levels().last().ok_or(ReasonCode::DirectoryInvalid)?;
                let name = format!("{target}.{last}").replace("..", ".");
                let below = DirName::parse(&name, None, target.owner);
                below.map_err(|_| ReasonCode::DirectoryInvalid)?.into()
            }
        };
        self.dmsrenam(object, &new, commit, workunitid).await
    }

    /// DMSRELOC of many base files of one directory to another, or the same, where they get names that are free: pairs of old and new
    /// name. Ours: the original has one file a call, and it keeps its name.
    ///
    /// # Errors
    /// Those of DMSRENAM, and `FileNotFound` for an alias; nothing is relocated then, unless more than [`super::MAX_NAMES`] were
    /// named.
    pub async fn dmsreloc_files(
        &self,
        from: &DirName,
        to: &DirName,
        pairs: &[(FileId, FileId)],
        workunitid: WorkUnitId,
    ) -> Result<(), CslError> {
        let call = |from, to, pairs| Call::RenameFiles { from, to, pairs };
        self.with_pairs(from, to, pairs, workunitid, call).await
    }
}
