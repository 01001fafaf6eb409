//! What is counted of a session: for QUERY SESSIONS, QUERY STATISTICS and the line in the log at its end.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::mailstore::MailboxId;
use crate::syntax::ast::ClientId;
use crate::vm::UserId;

/// Characters of a client's name that are kept: names are short, and what is longer is of no use to anybody.
pub const MAX_CLIENT_NAME: usize = 60;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds.
    pub fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// The sum.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts of a session.
#[derive(Debug, Default)]
pub struct Meter {
    /// Commands that were understood.
    pub commands: Count,
    /// Octets from the client.
    pub received: Count,
    /// Octets to the client.
    pub sent: Count,
    /// Messages added: APPEND, REPLACE.
    pub appended: Count,
    /// Messages of which something was shown with FETCH.
    pub fetched: Count,
    /// Messages removed: EXPUNGE, CLOSE, MOVE, REPLACE.
    pub expunged: Count,
    place: Mutex<Place>,
    kill: CancellationToken,
}

/// Where a session is and who says he is there.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Place {
    /// What the client says it is (RFC 2971): name and version.
    pub client: Option<Box<str>>,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The selected mailbox: of whom, and its number.
    pub selected: Option<(UserId, MailboxId)>,
}

/// A copy of the counts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of Meter")]
pub struct Counts {
    pub commands: u64,
    pub received: u64,
    pub sent: u64,
    pub appended: u64,
    pub fetched: u64,
    pub expunged: u64,
}

impl Counts {
    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            commands: self.commands + other.commands,
            received: self.received + other.received,
            sent: self.sent + other.sent,
            appended: self.appended + other.appended,
            fetched: self.fetched + other.fetched,
            expunged: self.expunged + other.expunged,
        }
    }
}

impl Meter {
    /// The counts now.
    pub fn counts(&self) -> Counts {
        Counts {
            commands: self.commands.get(),
            received: self.received.get(),
            sent: self.sent.get(),
            appended: self.appended.get(),
            fetched: self.fetched.get(),
            expunged: self.expunged.get(),
        }
    }

    /// Where the session is.
    pub fn place(&self) -> Place {
        self.place.lock().clone()
    }

    /// Notes where the session is.
    pub fn set_place(&self, tls: bool, selected: Option<(UserId, MailboxId)>) {
        let mut place = self.place.lock();
        place.tls = tls;
        place.selected = selected;
    }

    /// Notes what the client says of itself: printable characters, at most [`MAX_CLIENT_NAME`].
    pub fn set_client(&self, id: &ClientId) {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).replace(|c: char| c.is_control(), " ");
        let words: Vec<String> = [&id.name, &id.version].into_iter().flatten().map(|o| text(o)).collect();
        let name: String = words.join(" ").chars().take(MAX_CLIENT_NAME).collect();
        self.place.lock().client = (!name.trim().is_empty()).then(|| name.trim().into());
    }

    /// Tells the session to end.
    pub fn kill(&self) {
        self.kill.cancel();
    }

    /// Resolves when the session is told to end.
    pub async fn killed(&self) {
        self.kill.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_names_are_short_and_printable() {
        let meter = Meter::default();
        let client = |name: &str| {
            let id = ClientId { name: Some(name.to_owned().into()), version: Some("1".into()) };
            meter.set_client(&id);
            meter.place().client.map(String::from)
        };
        assert_eq!(client("a\r\nb").as_deref(), Some("a  b 1"));
        let fits = "x".repeat(MAX_CLIENT_NAME - 2);
        assert_eq!(client(&fits), Some(format!("{fits} 1")));
        assert_eq!(client(&"x".repeat(MAX_CLIENT_NAME + 1)), Some("x".repeat(MAX_CLIENT_NAME)));
        meter.set_client(&ClientId::default());
        assert_eq!(meter.place().client, None);
    }
}
