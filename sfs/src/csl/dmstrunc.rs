//! DMSTRUNC - Truncate: cuts an open file.

use super::{CommitOption, Csl, CslError, Token};
use crate::server::protocol::Call;

impl Csl {
    /// DMSTRUNC: keeps the first `record_number` records.
    ///
    /// # Errors
    /// `RecordNumber`, `WrongIntent`, `NotOpen`.
    pub async fn dmstrunc(&self, token: Token, record_number: u32) -> Result<(), CslError> {
        let call = Call::Truncate { token: token.number, records: record_number };
        self.token_call(token, CommitOption::NoCommit, call, bytes::Bytes::new()).await.map(|_| ())
    }
}
