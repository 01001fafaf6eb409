//! DMSGETDK - Get Directory - Lock: the explicit locks on an object.

use super::{Csl, CslError, LockInfo, ReasonCode, SfsObject, WorkUnitId};
use crate::server::protocol::{Answer, Call};

impl Csl {
    /// DMSGETDK for one object. Implicit locks are not shown. Source: QUERY LOCK.
    ///
    /// # Errors
    /// `FileNotFound`, `DirectoryNotFound`, `NotAuthorized`.
    pub async fn dmsgetdk(
        &self,
        object: &SfsObject,
        workunitid: WorkUnitId,
    ) -> Result<Vec<LockInfo>, CslError> {
        match self.ask(object.pool(), workunitid, Call::Locks { object: object.clone() }).await? {
            Answer::Locks(locks) => Ok(locks),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }

    /// Who waits for whose lock in a pool. Source: QUERY FILEPOOL CONFLICT.
    ///
    /// # Errors
    /// `PoolUnknown` and others of the connection.
    pub async fn filepool_conflicts(
        &self,
        filepoolid: cp::name::FilePoolId,
    ) -> Result<Vec<super::Conflict>, CslError> {
        match self.ask(filepoolid, WorkUnitId::DEFAULT, Call::Conflicts).await? {
            Answer::Conflicts(conflicts) => Ok(conflicts),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
