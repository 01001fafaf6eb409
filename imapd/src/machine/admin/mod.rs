//! Administration: requests by VMIPC from listed machines and at the console. One file a request; one table of their rows.

mod alert;
mod check;
mod config;
mod delete;
mod enroll;
mod help;
mod kill;
mod query;
mod rebuild;
mod retry;
mod room;
mod sharefolder;
mod shutdown;
mod trace;

use std::sync::Arc;

use cms::Cms;
use cms::cp::Guest;
use cms::cp::name::UserId;
use cms::csl::Csl;
use cms::network::HostNetwork;
use cms::vmipc::Answer;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::config::ConfigInForce;
use crate::auth::exit::AuthExits;
use crate::mailstore::StoreError;
use crate::mailstore::sfs::SfsBackend;
use crate::transport::Service;

/// Return code of a request that was not understood.
const RC_SYNTAX: i32 = 24;

/// Return code of a request that failed.
const RC_FAILED: i32 = 28;

/// What requests work on.
pub struct Administration {
    /// CMS in the IMAP machine, whose disks hold the configuration.
    pub cms: Arc<Cms>,
    /// The IMAP machine.
    pub guest: Guest,
    /// Its file pool interface.
    pub csl: Csl,
    /// The host's network, whose certificates CONFIG looks at.
    pub network: Arc<HostNetwork>,
    /// Exits that AuthExit can name.
    pub exits: Arc<AuthExits>,
    /// Where the mail store keeps its files, for CHECK and REBUILD.
    pub backend: Arc<SfsBackend>,
    /// Configuration.
    pub config: ConfigInForce,
    /// Held while it is read again: what was read first must not be put in force last.
    pub configuring: tokio::sync::Mutex<()>,
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
    alert::ROW,
    check::ROW,
    config::ROW,
    delete::ROW,
    enroll::ROW,
    help::ROW,
    kill::ROW,
    query::ROW,
    rebuild::ROW,
    retry::ROW,
    room::ROW,
    sharefolder::ROW,
    shutdown::ROW,
    trace::ROW,
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
