//! DMSRENAM - Rename: a file or a directory, also into another directory of the same file space.

use super::{CommitInfo, CommitOption, Csl, CslError, ReasonCode, SfsObject, WorkUnitId};
use crate::server::protocol::Call;

impl Csl {
    /// DMSRENAM. Both names must be of the same kind and in the same file space. A directory takes along what it holds.
    ///
    /// # Errors
    /// `FileNotFound`, `FileExists`, `DirectoryNotFound`, `DirectoryExists`, `DifferentSpace`, `DirectoryInvalid`, `FileOpen`,
    /// `Locked`; with COMMIT those of DMSCOMM.
    pub async fn dmsrenam(
        &self,
        old: &SfsObject,
        new: &SfsObject,
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        if old.pool() != new.pool() {
            return Err(ReasonCode::DifferentSpace.into());
        }
        let call = match (old, new) {
            (SfsObject::File(old), SfsObject::File(new)) => {
                Call::RenameFile { old: old.clone(), new: new.clone() }
            }
            (SfsObject::Directory(old), SfsObject::Directory(new)) => {
                Call::RenameDir { old: old.clone(), new: new.clone() }
            }
            _ => return Err(ReasonCode::NameInvalid.into()),
        };
        self.do_call(old.pool(), workunitid, commit, call).await
    }
}
