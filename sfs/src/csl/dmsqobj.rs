//! DMSQOBJ - Query External Object: its data.

use super::{CommitOption, Csl, CslError, FileRef, ReasonCode, WorkUnitId};
use crate::server::protocol::{Answer, Call};

impl Csl {
    /// DMSQOBJ: the data of an external object.
    ///
    /// # Errors
    /// `FileNotFound`, also for a name that is no external object.
    pub async fn dmsqobj(&self, fileid: &FileRef, workunitid: WorkUnitId) -> Result<Vec<u8>, CslError> {
        let call = Call::External { file: fileid.clone() };
        match self.ask(fileid.dir.pool, workunitid, call).await? {
            Answer::Data(data) => Ok(data),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }

    /// One question to a pool's server.
    pub(super) async fn ask(
        &self,
        pool: cp::name::FilePoolId,
        workunitid: WorkUnitId,
        call: Call,
    ) -> Result<Answer, CslError> {
        let sent = self.call(pool, workunitid, CommitOption::NoCommit, call, bytes::Bytes::new());
        Ok(sent.await?.0.answer)
    }
}
