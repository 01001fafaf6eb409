//! QUERY FOLDERS: the mailboxes of a user.

use cms::cp::name::UserId;
use cms::vmipc::Answer;

use super::{Administration, RC_FAILED, failed};
use crate::mailstore::StoreError;

pub(super) async fn run(admin: &Administration, user: UserId) -> Answer {
    match admin.service.server.store.user(user).await {
        Ok(store) => {
            let catalog = store.catalog();
            let mut lines = vec![format!("{user}: folders")];
            lines.extend(catalog.iter().map(|row| {
                format!("  {:>8} messages {:>12} octets  {}", row.messages, row.octets, row.name)
            }));
            Answer { rc: 0, lines }
        }
        Err(StoreError::NotEnrolled) => {
            Answer::line(RC_FAILED, format!("DTCIMP3007E {user} is not enrolled"))
        }
        Err(error) => failed(&format!("{user} cannot be looked up"), &error),
    }
}
