//! What a file pool server tells of itself: the figures of QUERY FILEPOOL, QUERY FILEPOOL CONNECT and QUERY ACCESSORS.

use super::{Accessor, ConnectedUser, Csl, CslError, FilePoolReport, ReasonCode, WorkUnitId};
use crate::server::protocol::{Answer, Call};
use cp::name::{DirName, FilePoolId};

impl Csl {
    /// All figures of a file pool. Source: QUERY FILEPOOL REPORT. For administrators.
    ///
    /// # Errors
    /// `NotAdministrator`, and those of the connection.
    pub async fn filepool_report(&self, filepoolid: FilePoolId) -> Result<FilePoolReport, CslError> {
        match self.ask(filepoolid, WorkUnitId::DEFAULT, Call::Report).await? {
            Answer::Report(report) => Ok(*report),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }

    /// Who is connected to a file pool, a row for each connection, by user. Source: QUERY FILEPOOL CONNECT.
    ///
    /// # Errors
    /// `PoolUnknown` and others of the connection.
    pub async fn filepool_connections(&self, filepoolid: FilePoolId) -> Result<Vec<ConnectedUser>, CslError> {
        match self.ask(filepoolid, WorkUnitId::DEFAULT, Call::Connections).await? {
            Answer::Connections(all) => Ok(all),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }

    /// Who has accessed a DIRCONTROL directory (for its owner, administrators, and who may write in it), or the caller's own ones.
    /// Source: QUERY ACCESSORS.
    ///
    /// # Errors
    /// `NotAuthorized`, `DirectoryNotFound`, `PoolUnknown` and others of the connection.
    pub async fn accessors(
        &self,
        filepoolid: FilePoolId,
        dirname: Option<&DirName>,
    ) -> Result<Vec<Accessor>, CslError> {
        let call = Call::Accessors { dir: dirname.cloned() };
        match self.ask(filepoolid, WorkUnitId::DEFAULT, call).await? {
            Answer::Accessors(all) => Ok(all),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
