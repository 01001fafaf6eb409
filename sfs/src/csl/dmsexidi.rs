//! DMSEXIDI - Exist, Directory.

use super::{CommitOption, Csl, CslError, DirStatus, ReasonCode, WorkUnitId};
use crate::server::protocol::{Answer, Call};
use cp::name::DirName;

impl Csl {
    /// DMSEXIDI: the directory as this work unit sees it.
    ///
    /// # Errors
    /// `DirectoryNotFound`, `SpaceNotFound`.
    pub async fn dmsexidi(&self, dirname: &DirName, workunitid: WorkUnitId) -> Result<DirStatus, CslError> {
        let call = Call::DirStatus { dir: dirname.clone() };
        let sent = self.call(dirname.pool, workunitid, CommitOption::NoCommit, call, bytes::Bytes::new());
        match sent.await?.0.answer {
            Answer::Directory(status) => Ok(status),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
