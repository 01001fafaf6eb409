//! DMSCROB - Create External Object: an entry that names something kept elsewhere.

use super::{CommitInfo, CommitOption, Csl, CslError, FileRef, WorkUnitId};
use crate::server::protocol::Call;

impl Csl {
    /// DMSCROB: `data` (up to 4096 octets) is kept as it is and means nothing to SFS.
    ///
    /// # Errors
    /// `FileExists`, `DirectoryNotFound`, `WrongControl`, `LimitExceeded`; with COMMIT those of DMSCOMM.
    pub async fn dmscrob(
        &self,
        fileid: &FileRef,
        data: &[u8],
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        let call = Call::CreateExternal { file: fileid.clone(), data: data.to_vec() };
        self.do_call(fileid.dir.pool, workunitid, commit, call).await
    }
}
