//! QUERY: the state of the server, its users, its clients. One file a subject.

mod folders;
mod sessions;
mod statistics;
mod status;
mod store;
mod users;

use cms::cp::name::UserId;
use cms::vmipc::Answer;

use super::{Administration, RC_FAILED, RequestRow, failed, syntax};

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "QUERY",
    min: 1,
    syntax: "QUERY [STATUS|USERS|{USER|FOLDERS} userid|SESSIONS [userid]|SHARES|STORE|STATISTICS]",
    summary: "Shows the state of the server, its users, its clients",
    run: |a, words, _| Box::pin(run(a, words)),
};

async fn run(admin: &Administration, words: &[&str]) -> Answer {
    match words {
        [] | ["STATUS"] => status::run(admin),
        ["USERS"] => users::run(admin).await,
        ["SESSIONS"] => sessions::run(admin, None).await,
        ["SHARES"] => super::sharefolder::query(admin).await,
        ["STORE"] => store::run(admin).await,
        ["STATISTICS"] => statistics::run(admin),
        ["USER" | "FOLDERS", user] | [user] => match UserId::new(user) {
            Ok(user) => folders::run(admin, user).await,
            Err(_) => syntax("QUERY"),
        },
        ["SESSIONS", user] => match UserId::new(user) {
            Ok(user) => sessions::run(admin, Some(user)).await,
            Err(_) => syntax("QUERY"),
        },
        _ => syntax("QUERY"),
    }
}

/// Date and time in the system's zone.
fn date_and_time(admin: &Administration, seconds: i64) -> String {
    let zone = admin.guest.cp().clock.zone();
    let when = jiff::Timestamp::from_second(seconds).unwrap_or_default().to_zoned(zone);
    when.strftime("%m/%d/%y %H:%M:%S").to_string()
}
