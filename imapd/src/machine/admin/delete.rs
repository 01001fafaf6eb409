//! DELETE: a user goes with all mail; it asks first. His sessions are told to go.

use cms::cp::name::UserId;
use cms::vmipc::Answer;

use super::{Administration, RC_FAILED, RequestRow, failed, syntax};

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "DELETE",
    min: 3,
    syntax: "DELETE userid [FORCE]",
    summary: "Removes a user with all mail and folders",
    run: |a, words, _| Box::pin(run(a, words)),
};

async fn run(admin: &Administration, words: &[&str]) -> Answer {
    let (user, force) = match words {
        [user] => (user, false),
        [user, "FORCE"] => (user, true),
        _ => return syntax("DELETE"),
    };
    let Ok(user) = UserId::new(user) else { return syntax("DELETE") };
    match admin.service.server.store.is_enrolled(user).await {
        Ok(true) if !force => Answer::line(
            4,
            format!(
                "DTCIMP3006R All mail and folders of {user} will be erased; say DELETE {user} FORCE to do it"
            ),
        ),
        Ok(false) => Answer::line(RC_FAILED, format!("DTCIMP3007E {user} is not enrolled")),
        Ok(true) => match admin.service.server.store.delete_user(user).await {
            Ok(()) => {
                // They have nothing any more, and would have nothing of what he gets when he is enrolled again.
                admin.service.server.sessions.kill_user(user);
                Answer::line(0, format!("DTCIMP3011I {user} has been deleted"))
            }
            Err(error) => failed(&format!("{user} cannot be deleted"), &error),
        },
        Err(error) => failed(&format!("{user} cannot be looked up"), &error),
    }
}
