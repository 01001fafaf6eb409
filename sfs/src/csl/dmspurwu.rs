//! DMSPURWU - Purge Work Unit IDs: gives all ids back and ends all connections.

use super::{CommitOption, Csl, CslError, ReasonCode, WorkUnitId};
use crate::server::protocol::{Answer, Call};

impl Csl {
    /// DMSPURWU: without `force` nothing happens when a work unit has something to commit; with it such work is rolled back.
    ///
    /// # Errors
    /// `WorkUnitActive` without `force`.
    pub async fn dmspurwu(&self, force: bool) -> Result<(), CslError> {
        let pools = self.connections().await;
        if !force {
            for pool in &pools {
                let sent = self.call(
                    *pool,
                    WorkUnitId(1),
                    CommitOption::NoCommit,
                    Call::Active,
                    bytes::Bytes::new(),
                );
                match sent.await {
                    Ok((reply, _)) if reply.answer == Answer::Active(true) => {
                        return Err(ReasonCode::WorkUnitActive.into());
                    }
                    // A pool that is gone has nothing active.
                    _ => {}
                }
            }
        }
        for pool in pools {
            // Severing rolls back as well; the call only does it in good order.
            let purge = self.do_call(pool, WorkUnitId(1), CommitOption::NoCommit, Call::Purge).await;
            if let Err(error) = purge {
                tracing::debug!(%pool, %error, "purge of work units");
            }
            *self.inner.last_link.lock() = None;
            if let Some((link, _)) = self.inner.links.lock().await.remove(&pool) {
                link.sever();
            }
        }
        self.inner.units.lock().purge();
        self.inner.directories.lock().clear();
        Ok(())
    }
}
