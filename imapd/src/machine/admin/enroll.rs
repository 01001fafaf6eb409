//! ENROLL: a mail box for a user of the CP directory.

use cms::cp::name::UserId;
use cms::vmipc::Answer;

use super::{Administration, RC_FAILED, RequestRow, failed, syntax};
use crate::mailstore::StoreError;

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "ENROLL",
    min: 3,
    syntax: "ENROLL userid [blocks]",
    summary: "Gives a user a mail box",
    run: |a, words, _| Box::pin(run(a, words)),
};

async fn run(admin: &Administration, words: &[&str]) -> Answer {
    let (user, blocks) = match words {
        [user] => (user, Ok(admin.config.load().enroll_blocks)),
        [user, blocks] => (user, blocks.parse::<u32>()),
        _ => return syntax("ENROLL"),
    };
    let (Ok(user), Ok(blocks @ 1..)) = (UserId::new(user), blocks) else { return syntax("ENROLL") };
    if admin.guest.cp().entry(user).is_none() {
        return Answer::line(RC_FAILED, format!("DTCIMP3004E {user} is not in the CP directory"));
    }
    match admin.service.server.store.enroll(user, blocks).await {
        Ok(()) => Answer::line(0, format!("DTCIMP3010I {user} is enrolled with {blocks} blocks")),
        Err(StoreError::AlreadyExists) => {
            Answer::line(RC_FAILED, format!("DTCIMP3005E {user} is enrolled already"))
        }
        Err(error) => failed(&format!("{user} cannot be enrolled"), &error),
    }
}
