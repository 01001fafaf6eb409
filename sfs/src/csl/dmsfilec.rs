//! DMSFILEC - File Copy: within a file pool, without moving the data.

use super::{CommitInfo, CommitOption, Csl, CslError, FileRef, ReasonCode, WorkUnitId};
use crate::server::protocol::Call;

impl Csl {
    /// DMSFILEC: the copy shares the stored blocks of the source until either is changed. The source cannot be changed by others
    /// until the work unit ends.
    ///
    /// # Errors
    /// `FileNotFound`, `FileExists` unless `replace`, `FileOpen`, `Locked`, `DifferentSpace` when the files are in different
    /// pools; with COMMIT those of DMSCOMM.
    pub async fn dmsfilec(
        &self,
        source: &FileRef,
        target: &FileRef,
        replace: bool,
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        if source.dir.pool != target.dir.pool {
            return Err(ReasonCode::DifferentSpace.into());
        }
        let call = Call::CopyFile { source: source.clone(), target: target.clone(), replace };
        self.do_call(source.dir.pool, workunitid, commit, call).await
    }
}
