//! DMSCOMM - Commit: everything on a work unit.

use cp::name::FilePoolId;

use super::{CommitInfo, CommitOption, Csl, CslError, ReasonCode, ReturnCode, WorkUnitId};
use crate::pool::GlobalUnit;
use crate::server::protocol::{Answer, Call};

impl Csl {
    /// DMSCOMM: all changes of the work unit become durable and visible, all or none, and its locks end. Files open for writing
    /// are closed; files open for reading stay open.
    ///
    /// # Errors
    /// `SpaceLimit`, `PoolFull`, `PoolOffline`, `ConnectionLost`, `BlockData` of an open file: the work unit was rolled back (return code 12).
    pub async fn dmscomm(&self, workunitid: WorkUnitId) -> Result<CommitInfo, CslError> {
        let unit = self.inner.units.lock().resolve(workunitid)?;
        self.inner.units.lock().forget_errors(unit);
        let pending = self.inner.units.lock().pending(unit);
        let mut info = CommitInfo::default();
        if let [coordinator, others @ ..] = pending.as_slice()
            && !others.is_empty()
        {
            info = self.commit_several(unit, *coordinator, others).await?;
        }
        let pools = self.inner.units.lock().pools(unit);
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

    /// Commits changes in several pools, all or none: the others prepare, the coordinator decides, the others are told.
    async fn commit_several(
        &self,
        unit: WorkUnitId,
        coordinator: FilePoolId,
        others: &[FilePoolId],
    ) -> Result<CommitInfo, CslError> {
        let no = CommitOption::NoCommit;
        let global = match self.ask(coordinator, unit, Call::NewGlobal).await {
            Ok(Answer::Number(number)) => Ok(GlobalUnit { coordinator, number }),
            Ok(_) => Err(ReasonCode::ProtocolError.into()),
            Err(error) => Err(error),
        };
        let (mut prepared, mut warnings) = (Vec::new(), Vec::new());
        let mut failed = global.as_ref().err().cloned();
        if let Ok(global) = global {
            for pool in others {
                match self.do_call(*pool, unit, no, Call::Prepare { global }).await {
                    Ok(info) => {
                        prepared.push(*pool);
                        warnings.extend(info.warnings);
                    }
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            if failed.is_none() {
                let call = Call::Decide { number: global.number, pools: others.to_vec() };
                match self.do_call(coordinator, unit, no, call).await {
                    Ok(info) => {
                        self.tell(unit, global, others).await;
                        warnings.extend(info.warnings);
                        return Ok(CommitInfo { warnings });
                    }
                    Err(error) => failed = Some(error),
                }
            }
            // Where it may have decided all the same, the servers ask it; else the others are told at once.
            let lost =
                |e: &CslError| matches!(e.reason, ReasonCode::ConnectionLost | ReasonCode::PoolOffline);
            let in_doubt = prepared.len() == others.len() && failed.as_ref().is_some_and(lost);
            for pool in &prepared {
                let call = Call::Resolve { global, commit: (!in_doubt).then_some(false) };
                if let Err(error) = self.do_call(*pool, unit, no, call).await {
                    tracing::debug!(%pool, %error, "a prepared work unit is left to its server");
                }
            }
        }
        for pool in std::iter::once(&coordinator).chain(others) {
            if let Err(error) = self.do_call(*pool, unit, no, Call::Rollback).await {
                tracing::debug!(%pool, %error, "rollback after a failed commit");
            }
        }
        let error = failed.unwrap_or_else(|| ReasonCode::ProtocolError.into());
        Err(CslError { rc: ReturnCode::Severe, ..error })
    }

    /// Tells the pools that have prepared that the commit is done. A pool that cannot be told asks by itself.
    async fn tell(&self, unit: WorkUnitId, global: GlobalUnit, others: &[FilePoolId]) {
        let no = CommitOption::NoCommit;
        for pool in others {
            let call = Call::Resolve { global, commit: Some(true) };
            let told = match self.do_call(*pool, unit, no, call).await {
                Ok(_) => {
                    let call = Call::Told { number: global.number, pool: *pool };
                    self.do_call(global.coordinator, unit, no, call).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = told {
                tracing::warn!(%pool, %error, "the decision stays until the pool has asked for it");
            }
        }
    }
}
