//! Administration: ENROLL, DELETE, ALERT, TRACE, QUERY, SHUTDOWN, by VMIPC from listed machines and at the console.
//!
//! One table: a row is a request with its operands, what it does, and its function.

use std::sync::Arc;

use cms::cp::Guest;
use cms::cp::name::UserId;
use cms::csl::{Csl, ReasonCode};
use cms::trace::TraceSwitch;
use cms::vmipc::Answer;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::config::ImapConfig;
use super::sharefolder;
use crate::mailstore::StoreError;
use crate::transport::Service;

/// Return code of a request that was not understood.
const RC_SYNTAX: i32 = 24;

/// Return code of a request that failed.
const RC_FAILED: i32 = 28;

/// ROOM: the user's mail is not stored here.
const RC_NOT_HERE: i32 = 4;

/// ROOM: there is no room, or it cannot be told.
const RC_NO_ROOM: i32 = 8;

/// What requests work on.
pub struct Administration {
    /// The IMAP machine.
    pub guest: Guest,
    /// Its file pool interface.
    pub csl: Csl,
    /// Configuration.
    pub config: ImapConfig,
    /// The client service.
    pub service: Arc<Service>,
    /// Makes the arrival thread look at all files in the reader again.
    pub retry: Arc<Notify>,
    /// Cancelled by SHUTDOWN.
    pub stop: CancellationToken,
    /// When the server started.
    pub started: jiff::Timestamp,
}

type RequestFunction = for<'a> fn(&'a Administration, &'a [&'a str], &'a str) -> BoxFuture<'a, Answer>;

/// One request.
pub struct RequestRow {
    /// Name, upper case.
    pub name: &'static str,
    /// Length of the shortest abbreviation.
    pub min: usize,
    /// Operands.
    pub syntax: &'static str,
    /// What it does.
    pub summary: &'static str,
    run: RequestFunction,
}

/// All requests, sorted by name.
pub const REQUESTS: &[RequestRow] = &[
    RequestRow {
        name: "ALERT",
        min: 2,
        syntax: "ALERT {userid|ALL} text",
        summary: "Shows a text to connected clients",
        run: |a, words, text| Box::pin(alert(a, words, text)),
    },
    RequestRow {
        name: "DELETE",
        min: 3,
        syntax: "DELETE userid [FORCE]",
        summary: "Removes a user with all mail and folders",
        run: |a, words, _| Box::pin(delete(a, words)),
    },
    RequestRow {
        name: "ENROLL",
        min: 3,
        syntax: "ENROLL userid [blocks]",
        summary: "Gives a user a mail box",
        run: |a, words, _| Box::pin(enroll(a, words)),
    },
    RequestRow {
        name: "HELP",
        min: 1,
        syntax: "HELP",
        summary: "Lists the requests",
        run: |_, _, _| Box::pin(async { help() }),
    },
    RequestRow {
        name: "QUERY",
        min: 1,
        syntax: "QUERY [STATUS|USERS|USER userid|SESSIONS|SHARES]",
        summary: "Shows the state of the server, its users, its clients",
        run: |a, words, _| Box::pin(query(a, words)),
    },
    RequestRow {
        name: "RETRY",
        min: 3,
        syntax: "RETRY",
        summary: "Looks again at the spool files that could not be taken",
        run: |a, _, _| Box::pin(async move { retry(a) }),
    },
    RequestRow {
        name: "ROOM",
        min: 4,
        syntax: "ROOM userid",
        summary: "Tells whether mail for a user can be stored (0), is not stored here (4), or finds no room (8)",
        run: |a, words, _| Box::pin(room(a, words)),
    },
    RequestRow {
        name: "SHAREFOLDER",
        min: 5,
        syntax: "SHAREFOLDER userid mailbox [AS name] {WITH {userid|ANYONE} rights [SEEN {OWN|SHARED}]|OFF}",
        summary: "Publishes a folder with what is below it, or ends that",
        run: |a, _, text| Box::pin(share_folder(a, text)),
    },
    RequestRow {
        name: "SHUTDOWN",
        min: 4,
        syntax: "SHUTDOWN",
        summary: "Ends the server",
        run: |a, _, _| Box::pin(async move { shutdown(a) }),
    },
    RequestRow {
        name: "TRACE",
        min: 2,
        syntax: "TRACE {ON|OFF} {CODEFLOW|SOCKETIO}",
        summary: "Switches a trace on or off",
        run: |a, words, _| Box::pin(async move { trace(a, words) }),
    },
];

impl Administration {
    /// Carries out one request of `from`; one who is no administrator may only ask for ROOM.
    pub async fn request(&self, from: UserId, administrator: bool, text: &str) -> Answer {
        let (word, rest) = cms::cp::command::split_word(text);
        let name = word.to_ascii_uppercase();
        let row = REQUESTS.iter().find(|r| name.len() >= r.min && r.name.starts_with(&name));
        let Some(row) = row else {
            return Answer::line(
                RC_SYNTAX,
                format!("DTCIMP3001E Unknown request: {name}; HELP lists the requests"),
            );
        };
        if !administrator && row.name != "ROOM" {
            return Answer::line(RC_FAILED, format!("DTCIMP3016E {from} is no administrator of this server"));
        }
        tracing::debug!(target: "imapd::admin", "{from}: {text}");
        let upper = rest.to_ascii_uppercase();
        let words: Vec<&str> = upper.split_ascii_whitespace().collect();
        if row.syntax == row.name && !words.is_empty() {
            return syntax(row.name);
        }
        (row.run)(self, &words, rest).await
    }
}

fn syntax(row: &str) -> Answer {
    let row = REQUESTS.iter().find(|r| r.name == row);
    Answer::line(
        RC_SYNTAX,
        format!("DTCIMP3002E Operand missing or invalid; the form is: {}", row.map_or("", |r| r.syntax)),
    )
}

fn failed(what: &str, error: &StoreError) -> Answer {
    Answer::line(RC_FAILED, format!("DTCIMP3003E {what}: {error}"))
}

fn help() -> Answer {
    let lines = REQUESTS.iter().map(|r| format!("{:<44} {}", r.syntax, r.summary)).collect();
    Answer { rc: 0, lines }
}

async fn enroll(admin: &Administration, words: &[&str]) -> Answer {
    let (user, blocks) = match words {
        [user] => (user, Ok(admin.config.enroll_blocks)),
        [user, blocks] => (user, blocks.parse::<u32>()),
        _ => return syntax("ENROLL"),
    };
    let (Ok(user), Ok(blocks)) = (UserId::new(user), blocks) else { return syntax("ENROLL") };
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

async fn delete(admin: &Administration, words: &[&str]) -> Answer {
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
            Ok(()) => Answer::line(0, format!("DTCIMP3011I {user} has been deleted")),
            Err(error) => failed(&format!("{user} cannot be deleted"), &error),
        },
        Err(error) => failed(&format!("{user} cannot be looked up"), &error),
    }
}

async fn share_folder(admin: &Administration, operands: &str) -> Answer {
    sharefolder::run(admin, operands).await.unwrap_or_else(|| syntax("SHAREFOLDER"))
}

async fn alert(admin: &Administration, words: &[&str], rest: &str) -> Answer {
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

fn trace(admin: &Administration, words: &[&str]) -> Answer {
    let (on, kind) = match words {
        ["ON", kind] => (true, *kind),
        ["OFF", kind] => (false, *kind),
        _ => return syntax("TRACE"),
    };
    let target = match kind {
        "CODEFLOW" => "imapd::codeflow",
        "SOCKETIO" => "imapd::socketio",
        _ => return syntax("TRACE"),
    };
    let state = if on { "on" } else { "off" };
    if TraceSwitch::set(admin.guest.cp(), target, on) {
        Answer::line(0, format!("DTCIMP3013I Trace {kind} is {state}"))
    } else {
        Answer::line(
            RC_FAILED,
            format!("DTCIMP3008E Trace {kind} cannot be switched {state}: the host keeps no log"),
        )
    }
}

/// What SMTP asks before it accepts a recipient.
async fn room(admin: &Administration, words: &[&str]) -> Answer {
    let [user] = words else { return syntax("ROOM") };
    let Ok(user) = UserId::new(user) else { return syntax("ROOM") };
    match admin.csl.dmsqlimu(user, admin.config.file_pool).await {
        Ok(space) if space.used >= space.limit => {
            Answer::line(RC_NO_ROOM, format!("{user} has reached the limit of {} blocks", space.limit))
        }
        Ok(_) => match admin.service.server.store.user(user).await {
            Ok(store) => {
                let catalog = store.catalog();
                match catalog.entries.limits.messages {
                    Some(most) if catalog.messages() >= most => {
                        Answer::line(RC_NO_ROOM, format!("{user} has reached the limit of {most} messages"))
                    }
                    _ => Answer::line(0, format!("{user} has room")),
                }
            }
            Err(StoreError::NotEnrolled) => Answer::line(RC_NOT_HERE, format!("{user} is not enrolled")),
            Err(error) => Answer::line(RC_NO_ROOM, format!("The mail store cannot be asked: {error}")),
        },
        Err(error) if error.reason == ReasonCode::SpaceNotFound => {
            Answer::line(RC_NOT_HERE, format!("{user} is not enrolled"))
        }
        Err(error) => Answer::line(RC_NO_ROOM, format!("The mail store cannot be asked: {error}")),
    }
}

fn retry(admin: &Administration) -> Answer {
    admin.retry.notify_one();
    Answer::line(0, "DTCIMP3015I The files in the reader are looked at again")
}

fn shutdown(admin: &Administration) -> Answer {
    admin.stop.cancel();
    Answer::line(0, "DTCIMP3014I The IMAP server is shutting down")
}

async fn query(admin: &Administration, words: &[&str]) -> Answer {
    match words {
        [] | ["STATUS"] => status(admin),
        ["USERS"] => users(admin).await,
        ["SHARES"] => sharefolder::query(admin).await,
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
