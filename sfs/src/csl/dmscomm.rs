//! DMSCOMM - Commit: everything on a work unit.

use super::{CommitInfo, CommitOption, Csl, CslError, WorkUnitId};
use crate::server::protocol::Call;

impl Csl {
    /// DMSCOMM: all changes of the work unit become durable and visible, all or none, and its locks end. Files open for writing
    /// are closed; files open for reading stay open.
    ///
    /// # Errors
    /// `SpaceLimit`, `PoolFull`, `PoolOffline`, `ConnectionLost`: the work unit was rolled back (return code 12).
    pub async fn dmscomm(&self, workunitid: WorkUnitId) -> Result<CommitInfo, CslError> {
        let unit = self.inner.units.lock().resolve(workunitid)?;
        let pools = self.inner.units.lock().pools(unit);
        let mut info = CommitInfo::default();
        let mut failed = None;
        for pool in pools {
            let call = if failed.is_none() { Call::Commit } else { Call::Rollback };
            match self.do_call(pool, unit, CommitOption::NoCommit, call).await {
                Ok(done) => info.warnings.extend(done.warnings),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(info), Err)
    }
}
