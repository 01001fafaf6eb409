//! DMSRDDBK - Read Data Block: octets of a file's stored image.

use bytes::Bytes;

use super::{CommitOption, Csl, CslError, ReasonCode, Token};
use crate::server::protocol::{Answer, Call};

impl Csl {
    /// DMSRDDBK: octets of the image from `offset` (block number times 4096, or any other) on; fewer than `length` only at its
    /// end or beyond 16 MB. The image of a RECFM V file has a big-endian halfword with the length in front of each record.
    ///
    /// # Errors
    /// `WrongIntent` for an open of DMSOPEN, `NotOpen`, `Damaged`.
    pub async fn dmsrddbk(&self, token: Token, offset: u64, length: usize) -> Result<Bytes, CslError> {
        let len = u32::try_from(length).unwrap_or(u32::MAX);
        let call = Call::ReadImage { token: token.number, offset, len };
        let (reply, data) = self.token_call(token, CommitOption::NoCommit, call, Bytes::new()).await?;
        match reply.answer {
            Answer::Done => Ok(data),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
