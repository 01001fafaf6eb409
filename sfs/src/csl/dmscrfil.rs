//! DMSCRFIL - Create File: an empty one.

use super::{Attributes, CommitInfo, CommitOption, Csl, CslError, FileRef, WorkUnitId};
use crate::server::protocol::Call;

impl Csl {
    /// DMSCRFIL: creates a file without records.
    ///
    /// # Errors
    /// `FileExists`, `FileNotFound` (not authorized), `RecordLength`, `Locked`; with COMMIT those of DMSCOMM.
    pub async fn dmscrfil(
        &self,
        fileid: &FileRef,
        attributes: Attributes,
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        let call = Call::CreateFile { file: fileid.clone(), attributes };
        self.do_call(fileid.dir.pool, workunitid, commit, call).await
    }
}
