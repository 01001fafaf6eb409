//! DMSQLIMU - Query Limits, User: space of a file space.

use super::{CommitOption, Csl, CslError, ReasonCode, SpaceStatus, WorkUnitId};
use crate::server::protocol::{Answer, Call};
use cp::name::{FilePoolId, UserId};

impl Csl {
    /// DMSQLIMU: limit, committed blocks and warning threshold. One's own, or as administrator anybody's.
    ///
    /// # Errors
    /// `SpaceNotFound`, `NotAuthorized`.
    pub async fn dmsqlimu(&self, userid: UserId, filepoolid: FilePoolId) -> Result<SpaceStatus, CslError> {
        let call = Call::QueryLimits { user: userid };
        let sent =
            self.call(filepoolid, WorkUnitId::DEFAULT, CommitOption::NoCommit, call, bytes::Bytes::new());
        match sent.await?.0.answer {
            Answer::Limits(status) => Ok(status),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
