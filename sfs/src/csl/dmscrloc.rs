//! DMSCRLOC - Create Lock: an explicit one on a file or directory.

use super::{Csl, CslError, LockDuration, LockType, SfsObject, WorkUnitId};
use crate::csl::CommitOption;
use crate::server::protocol::Call;

impl Csl {
    /// DMSCRLOC: the lock is there at once, whatever becomes of the work unit, and belongs to the user. SHARE needs READ, UPDATE and
    /// EXCLUSIVE need WRITE. `workunitid` is the unit whose own changes are not in the way.
    ///
    /// # Errors
    /// `FileNotFound`, `DirectoryNotFound`, `NotAuthorized`, `LockExists`, `ExplicitLock`, `Locked` when another work unit
    /// changes the object.
    pub async fn dmscrloc(
        &self,
        object: &SfsObject,
        kind: LockType,
        duration: LockDuration,
        workunitid: WorkUnitId,
    ) -> Result<(), CslError> {
        let call = Call::Lock { object: object.clone(), kind, duration };
        self.do_call(object.pool(), workunitid, CommitOption::NoCommit, call).await.map(|_| ())
    }
}
