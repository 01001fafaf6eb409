//! DMSGETDF - Get Directory - File: the next file of a directory opened with intent FILE.

use super::{Csl, CslError, DirControl, DirIntent, DirRecord, FileStatus, ReasonCode, Token};
use cp::name::UserId;

/// What DMSGETDF returns beside the codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// `fileid`, `fm_no`, `rd_auth`, `wr_auth`, `recform`, `rec_len`, `num_blks`, `num_recs`, date and time, `unique_id`.
    pub status: FileStatus,
    /// `owner_userid`: the owner of the directory.
    pub owner: UserId,
    /// `dir_attr`.
    pub dir_attr: DirControl,
}

impl Csl {
    /// DMSGETDF: right after DMSOPDIR the first entry, then the next ones.
    ///
    /// # Errors
    /// `EndOfDirectory`, `NotOpen`, `WrongIntent` for a directory opened with another intent.
    pub async fn dmsgetdf(&self, token: Token) -> Result<FileRecord, CslError> {
        let dir = self.opened_for(token, |intent| matches!(intent, DirIntent::File(_)))?;
        match self.dmsgetdi(token).await? {
            DirRecord::File(status) => {
                Ok(FileRecord { status, owner: dir.name.owner, dir_attr: dir.control })
            }
            DirRecord::Directory(_) => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
