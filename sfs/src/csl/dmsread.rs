//! DMSREAD - Read: records at the read position.

use super::{CommitOption, Csl, CslError, ReadOut, Token};
use crate::reason::ReasonCode;
use crate::server::protocol::{Answer, Call};

impl Csl {
    /// DMSREAD: up to `num_recs` records that fit into `buflen` octets; the read position moves behind them. One record comes
    /// as its octets alone; several as their image: RECFM F records one behind the other, RECFM V records each with a big-endian
    /// halfword of its length in front.
    ///
    /// # Errors
    /// `EndOfFile`, `BufferTooShort`, `NotOpen`, `Damaged`.
    pub async fn dmsread(&self, token: Token, num_recs: u32, buflen: usize) -> Result<ReadOut, CslError> {
        let max = u32::try_from(buflen).unwrap_or(u32::MAX);
        let call = Call::Read { token: token.number, count: num_recs, max };
        let (reply, data) = self.token_call(token, CommitOption::NoCommit, call, bytes::Bytes::new()).await?;
        match reply.answer {
            Answer::Read { records } => Ok(ReadOut { data, records }),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
