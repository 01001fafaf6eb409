//! DMSERASE - Erase: a file, a directory, or only a file's data.

use cp::name::DirName;

use super::{CommitInfo, CommitOption, Csl, CslError, FileId, ReasonCode, SfsObject, WorkUnitId};
use crate::server::protocol::Call;

/// ENTIRE or DATAONLY, and FILES.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EraseScope {
    /// The object goes.
    #[default]
    Entire,
    /// A file stays, without records.
    DataOnly,
    /// FILES: a directory goes with the files in it.
    WithFiles,
}

impl Csl {
    /// DMSERASE. A directory must be empty; with FILES it may hold files, of whatever kind, and no directories.
    ///
    /// # Errors
    /// `FileNotFound`, `DirectoryNotFound`, `DirectoryNotEmpty`, `FileOpen`, `Locked`, `ExplicitLock`, and nothing is erased then;
    /// `WrongIntent` for DATAONLY of a directory and FILES of a file; with COMMIT those of DMSCOMM.
    pub async fn dmserase(
        &self,
        object: &SfsObject,
        scope: EraseScope,
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        let call = match (object, scope) {
            (SfsObject::File(file), EraseScope::Entire | EraseScope::DataOnly) => {
                Call::EraseFile { file: file.clone(), data_only: scope == EraseScope::DataOnly }
            }
            (SfsObject::Directory(dir), EraseScope::Entire | EraseScope::WithFiles) => {
                Call::EraseDir { dir: dir.clone(), files: scope == EraseScope::WithFiles }
            }
            // A directory has no data of its own, and a file no files.
            (SfsObject::Directory(_), EraseScope::DataOnly) | (SfsObject::File(_), EraseScope::WithFiles) => {
                return Err(ReasonCode::WrongIntent.into());
            }
        };
        self.do_call(object.pool(), workunitid, commit, call).await
    }

    /// DMSERASE of many base files of one directory in one call. Ours: the original has one name a call.
    ///
    /// # Errors
    /// Those of DMSERASE; nothing is erased then, unless more than [`super::MAX_NAMES`] were named.
    pub async fn dmserase_files(
        &self,
        dir: &DirName,
        ids: &[FileId],
        workunitid: WorkUnitId,
    ) -> Result<(), CslError> {
        for ids in ids.chunks(super::MAX_NAMES) {
            let call = Call::EraseFiles { dir: dir.clone(), ids: ids.to_vec() };
            self.do_call(dir.pool, workunitid, CommitOption::NoCommit, call).await?;
        }
        Ok(())
    }
}
