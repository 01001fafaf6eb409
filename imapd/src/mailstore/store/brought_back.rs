//! A user who was brought back from a backup: his mailboxes are older than what clients were told of them.

use super::{MailStore, Op, StoreError};
use crate::mailstore::backend::LoadedUser;
use crate::vm::UserId;

impl MailStore {
    /// Gives all mailboxes new UIDVALIDITYs, in the backend and in `loaded`: the UIDs that are given next may have been given before,
    /// to other messages, and what clients remember may never have been (RFC 9051 section 2.3.1.1). Texts name the former ones.
    pub(super) async fn renumber(&self, id: UserId, loaded: &mut LoadedUser) -> Result<(), StoreError> {
        let count = u32::try_from(loaded.rows.len()).unwrap_or(u32::MAX);
        let first = self.shared.backend.new_validities(count, self.now()).await?;
        loaded.renumber(first);
        let dirs = loaded.rows.iter().filter(|row| row.selectable()).map(|row| row.dir.clone()).collect();
        let rows = loaded.rows.iter().cloned().map(Op::PutRow);
        let header = Op::PutHeader(loaded.header.clone());
        let ops = [Op::DropTexts { dirs }, header].into_iter().chain(rows).collect();
        self.shared.backend.commit(id, ops).await?;
        tracing::warn!(user = %id, "brought back from a backup: all mailboxes have new UIDVALIDITYs");
        Ok(())
    }
}
