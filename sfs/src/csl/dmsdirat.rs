//! DMSDIRAT - Directory Attribute: FILECONTROL or DIRCONTROL.

use super::{CommitInfo, CommitOption, Csl, CslError, DirControl, WorkUnitId};
use crate::server::protocol::Call;
use cp::name::DirName;

impl Csl {
    /// DMSDIRAT: changes the attribute of a directory, which holds no aliases and has no authorities granted. For its owner.
    ///
    /// # Errors
    /// `DirectoryNotFound`, `NotAuthorized`, `WrongControl`, `Locked`; with COMMIT those of DMSCOMM.
    pub async fn dmsdirat(
        &self,
        dirname: &DirName,
        control: DirControl,
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        let call = Call::ChangeDir { dir: dirname.clone(), control };
        self.do_call(dirname.pool, workunitid, commit, call).await
    }
}
