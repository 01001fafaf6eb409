//! DMSCATTR - Change Attributes: of a file.

use super::{CommitInfo, CommitOption, Csl, CslError, FileChanges, FileRef, WorkUnitId};
use crate::server::protocol::Call;

impl Csl {
    /// DMSCATTR: RECOVER or NORECOVER, INPLACE or NOTINPLACE, mode number, dates. Needs WRITE on the file.
    ///
    /// # Errors
    /// `FileNotFound`, `NotAuthorized`, `WrongIntent` for INPLACE with RECOVER, `Locked`; with COMMIT those of DMSCOMM.
    pub async fn dmscattr(
        &self,
        fileid: &FileRef,
        changes: FileChanges,
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        let call = Call::ChangeFile { file: fileid.clone(), changes };
        self.do_call(fileid.dir.pool, workunitid, commit, call).await
    }
}
