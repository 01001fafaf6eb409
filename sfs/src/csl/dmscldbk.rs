//! DMSCLDBK - Close Data Block.

use super::{Closed, CommitOption, Csl, CslError, Token};

impl Csl {
    /// DMSCLDBK: blocks that were written become the records of the file. Blocks that are not whole records, or not as many as the open
    /// announced, are refused: the file stays open, nothing is committed, and the blocks may be written again. A commit without a close
    /// rolls such a work unit back.
    ///
    /// # Errors
    /// `BlockData`; those of DMSCLOSE.
    pub async fn dmscldbk(&self, token: Token, commit: CommitOption) -> Result<Closed, CslError> {
        self.dmsclose(token, commit).await
    }
}
