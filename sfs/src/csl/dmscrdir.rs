//! DMSCRDIR - Create Directory.

use super::{CommitInfo, CommitOption, Csl, CslError, WorkUnitId};
use crate::server::protocol::Call;
use cp::name::DirName;

impl Csl {
    /// DMSCRDIR: a FILECONTROL directory; the level above must exist.
    ///
    /// # Errors
    /// `DirectoryExists`, `DirectoryNotFound`, `SpaceNotFound`, `DirectoryInvalid`, `Locked`; with COMMIT those of DMSCOMM.
    pub async fn dmscrdir(
        &self,
        dirname: &DirName,
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        self.do_call(dirname.pool, workunitid, commit, Call::CreateDir { dir: dirname.clone() }).await
    }
}
