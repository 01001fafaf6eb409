//! QUERY STORE: the mail store as a whole.

use cms::vmipc::Answer;

use super::{Administration, RC_FAILED, failed};
use crate::mailstore::StoreError;

/// Looks at every user's MAILBOX INDEX.
pub(super) async fn run(admin: &Administration) -> Answer {
    let pool = admin.config.load().file_pool;
    let users = match admin.csl.enrolled_users(pool).await {
        Ok(users) => users,
        Err(error) => {
            return Answer::line(RC_FAILED, format!("DTCIMP3003E The users cannot be listed: {error}"));
        }
    };
    let (mut used, mut limit) = (0, 0);
    let (mut with_mail, mut folders, mut messages, mut octets) = (0u64, 0, 0, 0);
    for (user, space) in &users {
        let mut count_blocks = || {
            used += space.used;
            limit += space.limit;
        };
        match admin.service.server.store.user(*user).await {
            Ok(store) => {
                count_blocks();
                let catalog = store.catalog();
                with_mail += 1;
                for row in catalog.iter() {
                    folders += u64::from(row.selectable());
                    messages += u64::from(row.messages);
                    octets += row.octets;
                }
            }
            // The server's own file space is no mail box.
            Err(StoreError::NotEnrolled) if *user == admin.csl.userid() => {}
            Err(StoreError::NotEnrolled) => count_blocks(),
            Err(error) => return failed(&format!("{user} cannot be looked up"), &error),
        }
    }
    let lines = vec![
        format!("File pool        {pool}"),
        format!("Users            {with_mail}"),
        format!("Folders          {folders}"),
        format!("Messages         {messages}"),
        format!("Octets           {octets}"),
        format!("Blocks used      {used}"),
        format!("Blocks granted   {limit}"),
        format!("Octets in memory {}", admin.service.server.store.cached_octets()),
    ];
    Answer { rc: 0, lines }
}
