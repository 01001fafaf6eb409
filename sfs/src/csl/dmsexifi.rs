//! DMSEXIFI - Exist, File.

use super::{CommitOption, Csl, CslError, FileRef, FileStatus, ReasonCode, WorkUnitId};
use crate::server::protocol::{Answer, Call};

impl Csl {
    /// DMSEXIFI: the file as this work unit sees it.
    ///
    /// # Errors
    /// `FileNotFound`, `DirectoryNotFound`, `SpaceNotFound`.
    pub async fn dmsexifi(&self, fileid: &FileRef, workunitid: WorkUnitId) -> Result<FileStatus, CslError> {
        let call = Call::FileStatus { file: fileid.clone() };
        let sent = self.call(fileid.dir.pool, workunitid, CommitOption::NoCommit, call, bytes::Bytes::new());
        match sent.await?.0.answer {
            Answer::File(status) => Ok(status),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
