//! DMSPURWU - Purge Work Unit IDs: gives all ids back and ends all connections.

use super::dmspusha::on_connection;
use super::{Csl, CslError, ReasonCode};
use crate::server::protocol::{Answer, Call};

impl Csl {
    /// DMSPURWU: without `force` nothing happens when a work unit has something to commit; with it such work is rolled back.
    ///
    /// # Errors
    /// `WorkUnitActive` without `force`.
    pub async fn dmspurwu(&self, force: bool) -> Result<(), CslError> {
        if !force {
            let links: Vec<_> =
                self.inner.links.lock().await.values().map(|(link, _)| link.clone()).collect();
            for link in links {
                // A pool that is gone has nothing active.
                if on_connection(&*link, Call::Active).await == Ok(Answer::Active(true)) {
                    return Err(ReasonCode::WorkUnitActive.into());
                }
            }
        }
        *self.inner.last_link.lock() = None;
        let links = std::mem::take(&mut *self.inner.links.lock().await);
        for ((pool, _), (link, _)) in links {
            // Severing rolls back as well; the call only does it in good order.
            if let Err(error) = on_connection(&*link, Call::Purge).await {
                tracing::debug!(%pool, %error, "purge of work units");
            }
            link.sever();
        }
        self.inner.units.lock().purge();
        self.inner.directories.lock().clear();
        Ok(())
    }
}
