//! DMSGETDX - Get Directory - File Extended: the next entry of a directory opened with intent FILEEXT.

use super::{Csl, CslError, DirIntent, DirRecord, FileStatus, ReasonCode, Token};

impl Csl {
    /// DMSGETDX: the next file, alias (ERASED and REVOKED ones too) or external object, with its dates of creation and reference and
    /// its RECOVER and INPLACE attributes.
    ///
    /// # Errors
    /// `EndOfDirectory`, `NotOpen`, `WrongIntent` for a directory opened with another intent.
    pub async fn dmsgetdx(&self, token: Token) -> Result<FileStatus, CslError> {
        self.opened_for(token, |intent| matches!(intent, DirIntent::Entries(_)))?;
        match self.dmsgetdi(token).await? {
            DirRecord::File(status) => Ok(status),
            DirRecord::Directory(_) => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
