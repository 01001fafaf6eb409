//! A user at rest: for those who look at his files, or replace them, beside the mail store.

use std::sync::Weak;

use super::{MailStore, StoreError};
use crate::vm::UserId;

impl MailStore {
    /// Runs `work` while nothing of the user changes: changes under way are finished first, others wait.
    ///
    /// # Errors
    /// When the mail store is stopping.
    pub async fn at_rest<T>(&self, id: UserId, work: impl Future<Output = T>) -> Result<T, StoreError> {
        self.rest(id, false, work).await
    }

    /// As [`Self::at_rest`], for `work` that replaces the user's files. What is in memory of them is forgotten afterwards: sessions
    /// of the user find that nothing can be changed any more and must be told to go.
    ///
    /// # Errors
    /// When the mail store is stopping.
    pub async fn replacing<T>(&self, id: UserId, work: impl Future<Output = T>) -> Result<T, StoreError> {
        self.rest(id, true, work).await
    }

    async fn rest<T>(
        &self,
        id: UserId,
        replaced: bool,
        work: impl Future<Output = T>,
    ) -> Result<T, StoreError> {
        // Nobody gets at the user, or loads him anew, until this is over.
        let mut held = self.hold(id).await;
        let user = held.upgrade();
        let turns = match &user {
            Some(user) => Some(user.at_rest().await?),
            None => None,
        };
        let done = work.await;
        drop(turns);
        if replaced {
            if let Some(user) = &user {
                user.retire();
            }
            *held = Weak::new();
            let gone: Vec<_> = {
                let mut warm = self.shared.warm.lock();
                let (gone, keep): (Vec<_>, Vec<_>) = warm.drain(..).partition(|m| m.user.id() == id);
                warm.extend(keep);
                gone
            };
            // Dropped outside the lock.
            drop(gone);
        }
        if user.is_none() || replaced {
            self.forget(id, held);
        }
        Ok(done)
    }
}
