//! KILL: ends a session with a BYE.

use cms::vmipc::Answer;

use super::{Administration, RC_FAILED, RequestRow, syntax};
use crate::mailstore::SessionId;

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "KILL",
    min: 4,
    syntax: "KILL session",
    summary: "Ends a session of QUERY SESSIONS",
    run: |a, words, _| Box::pin(async move { run(a, words) }),
};

fn run(admin: &Administration, words: &[&str]) -> Answer {
    let [number] = words else { return syntax("KILL") };
    let Ok(number) = number.parse::<u64>() else { return syntax("KILL") };
    if admin.service.server.sessions.kill(SessionId(number)) {
        Answer::line(0, format!("DTCIMP3017I Session {number} is told to end"))
    } else {
        Answer::line(RC_FAILED, format!("DTCIMP3009E There is no session {number}"))
    }
}
