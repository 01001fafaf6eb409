//! DMSCLDIR - Close Directory.

use super::{CommitOption, Csl, CslError, Token};
use crate::server::protocol::Call;

impl Csl {
    /// DMSCLDIR.
    ///
    /// # Errors
    /// `NotOpen`.
    pub async fn dmscldir(&self, token: Token) -> Result<(), CslError> {
        self.inner.directories.lock().remove(&token);
        self.inner.opened_directories.lock().remove(&token);
        let call = Call::CloseDir { token: token.number };
        let closed = self.token_call(token, CommitOption::NoCommit, call, bytes::Bytes::new()).await;
        self.inner.units.lock().closed(token);
        closed.map(|_| ())
    }
}
