//! DMSRELOC - Relocate: a file or directory to another directory of the same file space, its name kept.

use super::{CommitInfo, CommitOption, Csl, CslError, FileRef, ReasonCode, SfsObject, WorkUnitId};
use cp::name::DirName;

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
}
