//! DMSRETWU - Return Work Unit ID.

use super::{CommitInfo, Csl, CslError, WorkUnitId};
use crate::csl::CommitOption;
use crate::server::protocol::Call;

impl Csl {
    /// DMSRETWU: closes what is open under the work unit, commits what is outstanding, and gives the id back. It neither checks
    /// nor changes the stack of default work units.
    ///
    /// # Errors
    /// `WorkUnitUnknown`; those of DMSCOMM, after which the id is given back all the same.
    pub async fn dmsretwu(&self, workunitid: WorkUnitId) -> Result<CommitInfo, CslError> {
        let unit = self.inner.units.lock().resolve(workunitid)?;
        self.inner.units.lock().forget_errors(unit);
        let several = self.inner.units.lock().pending(unit).len() > 1;
        let (mut info, mut failed) = match several {
            true => match self.dmscomm(unit).await {
                Ok(info) => (info, None),
                Err(error) => (CommitInfo::default(), Some(error)),
            },
            false => (CommitInfo::default(), None),
        };
        let pools = self.inner.units.lock().pools(unit);
        for pool in pools {
            let call = if failed.is_none() { Call::Return } else { Call::Rollback };
            match self.do_call(pool, unit, CommitOption::NoCommit, call).await {
                Ok(done) => info.warnings.extend(done.warnings),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let alternate = self.inner.units.lock().user_of(unit);
        self.inner.units.lock().forget(unit);
        if let Some(user) = alternate {
            self.work_for_no_more(user).await;
        }
        failed.map_or(Ok(info), Err)
    }
}
