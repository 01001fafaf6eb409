//! ROOM: what SMTP asks before it accepts a recipient.

use cms::cp::name::UserId;
use cms::vmipc::Answer;

use super::{Administration, RequestRow, syntax};
use crate::mailstore::StoreError;

/// The user's mail is not stored here.
const RC_NOT_HERE: i32 = 4;

/// There is no room, or it cannot be told.
const RC_NO_ROOM: i32 = 8;

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "ROOM",
    min: 4,
    syntax: "ROOM userid",
    summary: "Tells whether mail for a user can be stored (0), is not stored here (4), or finds no room (8)",
    run: |a, words, _| Box::pin(run(a, words)),
};

/// What SMTP asks before it accepts a recipient.
async fn run(admin: &Administration, words: &[&str]) -> Answer {
    let [user] = words else { return syntax("ROOM") };
    let Ok(user) = UserId::new(user) else { return syntax("ROOM") };
    match reached(admin, user).await {
        Ok(None) => Answer::line(0, format!("{user} has room")),
        Ok(Some(limit)) => Answer::line(RC_NO_ROOM, format!("{user} has reached the limit of {limit}")),
        Err(StoreError::NotEnrolled) => Answer::line(RC_NOT_HERE, format!("{user} is not enrolled")),
        Err(error) => Answer::line(RC_NO_ROOM, format!("The mail store cannot be asked: {error}")),
    }
}

/// The limit that a user has reached, in words.
async fn reached(admin: &Administration, user: UserId) -> Result<Option<String>, StoreError> {
    let store = admin.service.server.store.user(user).await?;
    let space = store.space().await?;
    if space.used >= space.limit {
        return Ok(Some(format!("{} blocks", space.limit)));
    }
    let catalog = store.catalog();
    let most = catalog.entries.limits.messages.filter(|most| catalog.messages() >= *most);
    Ok(most.map(|most| format!("{most} messages")))
}
