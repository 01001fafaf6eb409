//! DMSCLOSE - Close: a file.

use super::{CommitOption, Csl, CslError, FileStatus, ReasonCode, Token};
use crate::server::protocol::{Answer, Call};

/// A successful close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The file as it was closed, with its date and time.
    pub status: FileStatus,
    /// Warnings of the commit, if one was asked for.
    pub warnings: Vec<ReasonCode>,
}

impl Csl {
    /// DMSCLOSE. With COMMIT everything on the work unit is committed, changes to other files and pools included; with NOCOMMIT
    /// the changes stay pending. A file created by the open and closed without a record is erased unless opened with
    /// ALLOWEMPTY.
    ///
    /// # Errors
    /// `NotOpen`; `BlockData`, with which the file stays open; with COMMIT those of DMSCOMM.
    pub async fn dmsclose(&self, token: Token, commit: CommitOption) -> Result<Closed, CslError> {
        let unit = self.inner.units.lock().unit_of(token);
        // Committing several pools is the machine's work, not one server's.
        let here = match unit {
            Some(unit) if self.inner.units.lock().pools(unit).len() > 1 => CommitOption::NoCommit,
            _ => commit,
        };
        let call = Call::Close { token: token.number };
        let closed = self.token_call(token, here, call, bytes::Bytes::new()).await;
        // Refused, it is still open, unless it never was.
        let open = |e: &CslError| !e.rolled_back() && e.reason != ReasonCode::NotOpen;
        if !closed.as_ref().is_err_and(open) {
            self.inner.units.lock().closed(token);
        }
        let (reply, _) = closed?;
        let Answer::File(status) = reply.answer else { return Err(ReasonCode::ProtocolError.into()) };
        let mut warnings = reply.warnings;
        if let Some(unit) = unit
            && here != commit
        {
            warnings = self.dmscomm(unit).await?.warnings;
        }
        Ok(Closed { status, warnings })
    }
}
