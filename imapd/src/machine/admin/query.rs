//! QUERY: the state of the server, its users, its clients.

use cms::cp::name::UserId;
use cms::vmipc::Answer;

use super::{Administration, RC_FAILED, RequestRow, failed, syntax};
use crate::mailstore::StoreError;

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "QUERY",
    min: 1,
    syntax: "QUERY [STATUS|USERS|USER userid|SESSIONS]",
    summary: "Shows the state of the server, its users, its clients",
    run: |a, words, _| Box::pin(run(a, words)),
};

async fn run(admin: &Administration, words: &[&str]) -> Answer {
    match words {
        [] | ["STATUS"] => status(admin),
        ["USERS"] => users(admin).await,
        ["USER", user] | [user] if UserId::new(user).is_ok() && *user != "SESSIONS" => {
            match UserId::new(user) {
                Ok(user) => one_user(admin, user).await,
                Err(_) => syntax("QUERY"),
            }
        }
        ["SESSIONS"] => {
            let mut lines = vec!["Session  Userid   Since             Address".to_owned()];
            let zone = admin.guest.cp().clock.zone();
            lines.extend(admin.service.server.sessions.list().into_iter().map(|s| {
                let user = s.user.map_or("-".to_owned(), |u| u.to_string());
                let since = jiff::Timestamp::from_second(s.since).unwrap_or_default().to_zoned(zone.clone());
                format!("{:>7}  {user:<8} {} {}", s.id.0, since.strftime("%m/%d/%y %H:%M:%S"), s.peer)
            }));
            Answer { rc: 0, lines }
        }
        _ => syntax("QUERY"),
    }
}

fn status(admin: &Administration) -> Answer {
    let uptime = admin.guest.now().as_second() - admin.started.as_second();
    let lines = vec![
        format!("File pool        {}", admin.config.file_pool),
        format!("Mail origin      {}", admin.config.mail_origin),
        format!("Bad files go to  {}", admin.config.bad_file_id),
        format!("Idle timeout     {} minutes", admin.config.idle_timeout.as_secs() / 60),
        format!("Clients          {}", admin.service.connections()),
        format!("Up for           {}:{:02}:{:02}", uptime / 3600, uptime / 60 % 60, uptime % 60),
    ];
    Answer { rc: 0, lines }
}

async fn users(admin: &Administration) -> Answer {
    match admin.csl.enrolled_users(admin.config.file_pool).await {
        Ok(users) => {
            let mut lines = vec!["Userid        Limit       Used".to_owned()];
            lines.extend(users.iter().map(|(user, s)| format!("{user:<8} {:>10} {:>10}", s.limit, s.used)));
            Answer { rc: 0, lines }
        }
        Err(error) => Answer::line(RC_FAILED, format!("DTCIMP3003E The users cannot be listed: {error}")),
    }
}

async fn one_user(admin: &Administration, user: UserId) -> Answer {
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
