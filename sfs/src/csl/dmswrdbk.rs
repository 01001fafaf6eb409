//! DMSWRDBK - Write Data Block: blocks of a file that is open for it.

use bytes::Bytes;

use super::{CommitOption, Csl, CslError, Token};
use crate::server::protocol::Call;

impl Csl {
    /// DMSWRDBK: one or several whole blocks from number `block` (from 0) on, at most 16 MB; only the file's last block may be shorter
    /// than [`super::BLKSIZE`]. Blocks come in any order that leaves no gap, and may be written again until the file is closed. What
    /// they hold is looked at when it is closed.
    ///
    /// # Errors
    /// `BlockLength`, `WrongIntent` (READ, and opens of DMSOPEN), `NotOpen`, `LimitExceeded`.
    pub async fn dmswrdbk(&self, token: Token, block: u64, buffer: Bytes) -> Result<(), CslError> {
        let call = Call::WriteBlocks { token: token.number, block };
        self.token_call(token, CommitOption::NoCommit, call, buffer).await.map(|_| ())
    }
}
