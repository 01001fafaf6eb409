//! DMSCLDBK - Close Data Block.

use super::{Closed, CommitOption, Csl, CslError, Token};

impl Csl {
    /// DMSCLDBK.
    ///
    /// # Errors
    /// As DMSCLOSE.
    pub async fn dmscldbk(&self, token: Token, commit: CommitOption) -> Result<Closed, CslError> {
        self.dmsclose(token, commit).await
    }
}
