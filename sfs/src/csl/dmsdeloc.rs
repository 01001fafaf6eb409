//! DMSDELOC - Delete Lock.

use super::{Csl, CslError, SfsObject, WorkUnitId};
use crate::csl::CommitOption;
use crate::server::protocol::Call;
use cp::name::UserId;

impl Csl {
    /// DMSDELOC: deletes the caller's lock, or as administrator that of `userid`. At once, whatever becomes of the work unit.
    ///
    /// # Errors
    /// `NoLock`, `FileNotFound`, `DirectoryNotFound`, `NotAdministrator`.
    pub async fn dmsdeloc(
        &self,
        object: &SfsObject,
        userid: Option<UserId>,
        workunitid: WorkUnitId,
    ) -> Result<(), CslError> {
        let call = Call::Unlock { object: object.clone(), user: userid };
        self.do_call(object.pool(), workunitid, CommitOption::NoCommit, call).await.map(|_| ())
    }
}
