//! DMSCRDIR - Create Directory.

use super::{CommitInfo, CommitOption, Csl, CslError, DirControl, WorkUnitId};
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
        self.dmscrdir_as(dirname, DirControl::File, commit, workunitid).await
    }

    /// DMSCRDIR with the attribute of the directory.
    ///
    /// # Errors
    /// As [`Self::dmscrdir`].
    pub async fn dmscrdir_as(
        &self,
        dirname: &DirName,
        control: DirControl,
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        let call = Call::CreateDir { dir: dirname.clone(), control };
        self.do_call(dirname.pool, workunitid, commit, call).await
    }
}
