//! DMSGETDT - Get Directory - Auth: the authorities on an object.

use super::{Csl, CslError, Grantee, ReasonCode, Rights, SfsObject, WorkUnitId};
use crate::server::protocol::{Answer, Call};

impl Csl {
    /// DMSGETDT for one object: who was granted what, PUBLIC first. The owner's own authority is not in the list. Source: QUERY
    /// AUTHORITY.
    ///
    /// # Errors
    /// `FileNotFound`, `DirectoryNotFound`, `NotAuthorized`.
    pub async fn dmsgetdt(
        &self,
        object: &SfsObject,
        workunitid: WorkUnitId,
    ) -> Result<Vec<(Grantee, Rights)>, CslError> {
        match self.ask(object.pool(), workunitid, Call::Grants { object: object.clone() }).await? {
            Answer::Grants(grants) => Ok(grants),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
