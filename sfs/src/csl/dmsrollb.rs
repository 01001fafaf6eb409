//! DMSROLLB - Rollback: everything on a work unit.

use super::{CommitOption, Csl, CslError, WorkUnitId};
use crate::server::protocol::Call;

impl Csl {
    /// DMSROLLB: all changes of the work unit are undone, its open files are closed, its locks end.
    ///
    /// # Errors
    /// `WorkUnitUnknown`; `ConnectionLost`, after which the work unit is rolled back all the same.
    pub async fn dmsrollb(&self, workunitid: WorkUnitId) -> Result<(), CslError> {
        let unit = self.inner.units.lock().resolve(workunitid)?;
        self.inner.units.lock().forget_errors(unit);
        let pools = self.inner.units.lock().pools(unit);
        let mut failed = None;
        for pool in pools {
            let done = self.do_call(pool, unit, CommitOption::NoCommit, Call::Rollback).await;
            failed = failed.or(done.err());
        }
        failed.map_or(Ok(()), Err)
    }
}
