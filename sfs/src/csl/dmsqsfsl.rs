//! DMSQSFSL - Query File Pool Server Level.

use super::{Csl, CslError, ReasonCode, WorkUnitId};
use crate::server::protocol::{Answer, Call};
use cp::name::FilePoolId;

impl Csl {
    /// DMSQSFSL: 40, the level of VM/ESA Version 2 Release 4.
    ///
    /// # Errors
    /// `PoolUnknown` and others of the connection.
    pub async fn dmsqsfsl(&self, filepoolid: FilePoolId) -> Result<u32, CslError> {
        match self.ask(filepoolid, WorkUnitId::DEFAULT, Call::Level).await? {
            Answer::Level(level) => Ok(level),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
