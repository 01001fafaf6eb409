//! DMSWRITE - Write: records at the write position.

use bytes::Bytes;

use super::{CommitInfo, CommitOption, Csl, CslError, Token};
use crate::server::protocol::Call;

impl Csl {
    /// DMSWRITE: `num_recs` records; the write position moves behind them. For one record `buffer` is the record; for several
    /// their image, as DMSREAD returns it. A RECFM V record replaced by one of another length cuts the file behind it.
    ///
    /// # Errors
    /// `RecordLength`, `RecordNumber`, `WrongIntent`, `NotOpen`, `LimitExceeded`; with COMMIT those of DMSCOMM.
    pub async fn dmswrite(
        &self,
        token: Token,
        num_recs: u32,
        buffer: Bytes,
        commit: CommitOption,
    ) -> Result<CommitInfo, CslError> {
        let call = Call::Write { token: token.number, count: num_recs };
        let unit = self.inner.units.lock().unit_of(token);
        let here = unit.map_or(commit, |unit| self.commit_here(token.pool, unit, commit));
        let (reply, _) = self.token_call(token, here, call, buffer).await?;
        if let Some(unit) = unit
            && here != commit
        {
            return self.dmscomm(unit).await;
        }
        Ok(CommitInfo { warnings: reply.warnings })
    }
}
