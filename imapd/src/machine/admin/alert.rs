//! ALERT: a text for connected clients.

use cms::cp::name::UserId;
use cms::vmipc::Answer;

use super::{Administration, RequestRow, syntax};

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "ALERT",
    min: 2,
    syntax: "ALERT {userid|ALL} text",
    summary: "Shows a text to connected clients",
    run: |a, words, text| Box::pin(run(a, words, text)),
};

async fn run(admin: &Administration, words: &[&str], rest: &str) -> Answer {
    let (who, text) = cms::cp::command::split_word(rest);
    if words.len() < 2 || text.is_empty() {
        return syntax("ALERT");
    }
    let user = if who.eq_ignore_ascii_case("ALL") {
        None
    } else {
        match UserId::new(who) {
            Ok(user) => Some(user),
            Err(_) => return syntax("ALERT"),
        }
    };
    let reached = admin.service.server.sessions.alert(user, text);
    Answer::line(0, format!("DTCIMP3012I The alert goes to {reached} clients"))
}
