//! DMSPOINT - Point: moves the read and write positions.

use super::{CommitOption, Csl, CslError, Token};
use crate::server::protocol::Call;

impl Csl {
    /// DMSPOINT: record numbers from 1; `None` leaves a position where it is. The read position may be one behind the last
    /// record.
    ///
    /// # Errors
    /// `RecordNumber`, `NotOpen`.
    pub async fn dmspoint(
        &self,
        token: Token,
        read_ptr: Option<u32>,
        write_ptr: Option<u32>,
    ) -> Result<(), CslError> {
        let call = Call::Point { token: token.number, read: read_ptr, write: write_ptr };
        self.token_call(token, CommitOption::NoCommit, call, bytes::Bytes::new()).await.map(|_| ())
    }
}
