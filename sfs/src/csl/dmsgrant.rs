//! DMSGRANT - Grant Authority: on a file or directory, to users or to everybody.

use super::{CommitInfo, CommitOption, Csl, CslError, Grantee, Rights, SfsObject, WorkUnitId};
use crate::server::protocol::Call;

impl Csl {
    /// DMSGRANT: READ or WRITE on a file (of an alias: on its base), READ, WRITE, NEWREAD or NEWWRITE on a FILECONTROL directory,
    /// DIRREAD or DIRWRITE on a DIRCONTROL one. For the owner and administrators. It succeeds while others have the file open.
    ///
    /// # Errors
    /// `FileNotFound`, `DirectoryNotFound`, `NotAuthorized`, `WrongControl` for an authority the object cannot have,
    /// `ExplicitLock` when somebody holds it EXCLUSIVE; WUERROR's index names the grantee.
    pub async fn dmsgrant(
        &self,
        object: &SfsObject,
        grantees: &[Grantee],
        authority: Rights,
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        let call = Call::Grant { object: object.clone(), to: grantees.to_vec(), rights: authority };
        self.do_call(object.pool(), workunitid, commit, call).await
    }
}
