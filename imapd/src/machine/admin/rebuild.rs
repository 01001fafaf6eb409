//! REBUILD: makes a user's indexes anew from his notes, where CHECK finds them damaged. His sessions are told to go.

use cms::cp::name::UserId;
use cms::vmipc::Answer;

use super::check::shown;
use super::{Administration, RC_FAILED, RequestRow, failed, syntax};
use crate::mailstore::StoreError;

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "REBUILD",
    min: 7,
    syntax: "REBUILD userid",
    summary: "Makes a user's damaged indexes anew from the notes",
    run: |a, words, _| Box::pin(run(a, words)),
};

async fn run(admin: &Administration, words: &[&str]) -> Answer {
    let [user] = words else { return syntax("REBUILD") };
    let Ok(user) = UserId::new(user) else { return syntax("REBUILD") };
    let server = &admin.service.server;
    let told = server.sessions.kill_user(user);
    let now = server.store.now();
    let rebuilt = server.store.replacing(user, admin.backend.rebuild(user, now)).await.and_then(|done| done);
    // Who came while it went on holds what is no longer true.
    let told = told + server.sessions.kill_user(user);
    match rebuilt {
        Ok(done) if done.is_empty() => {
            Answer::line(0, format!("DTCIMP3024I The indexes of {user} are right; nothing was changed"))
        }
        Ok(done) => {
            let mut lines = shown(&done);
            lines.push(format!(
                "DTCIMP3025I The indexes of {user} are rebuilt; {told} sessions were told to go"
            ));
            Answer { rc: 0, lines }
        }
        Err(StoreError::NotEnrolled) => {
            Answer::line(RC_FAILED, format!("DTCIMP3007E {user} is not enrolled"))
        }
        Err(error) => failed(&format!("{user} cannot be rebuilt"), &error),
    }
}
