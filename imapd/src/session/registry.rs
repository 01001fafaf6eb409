//! Who is connected: for QUERY SESSIONS, ALERT and KILL.
//!
//! A connection registers when it begins and is forgotten when its [`Registration`] is dropped. An alert waits in a small
//! queue for its connection; a client that has not taken the last few gets no more, so that nothing grows on its behalf.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::meter::{Counts, Meter};
use crate::mailstore::SessionId;
use crate::vm::UserId;

/// Alerts that may wait for one client.
pub const MAX_WAITING_ALERTS: usize = 4;

/// What is known of a connection.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// Its number.
    pub id: SessionId,
    /// Who has logged in.
    pub user: Option<UserId>,
    /// The client's address.
    pub peer: IpAddr,
    /// When it began, seconds since 1970.
    pub since: i64,
    /// What is counted of it.
    pub meter: Arc<Meter>,
}

struct Entry {
    info: SessionInfo,
    alerts: mpsc::Sender<Arc<str>>,
}

/// All connections.
#[derive(Default)]
pub struct Sessions {
    entries: Mutex<HashMap<u64, Entry>>,
}

/// A connection's place in the list.
pub struct Registration {
    sessions: Arc<Sessions>,
    id: SessionId,
    alerts: mpsc::Receiver<Arc<str>>,
}

impl Sessions {
    /// Adds a connection.
    pub fn register(
        self: &Arc<Self>,
        id: SessionId,
        peer: IpAddr,
        since: i64,
        meter: Arc<Meter>,
    ) -> Registration {
        let (sender, alerts) = mpsc::channel(MAX_WAITING_ALERTS);
        let info = SessionInfo { id, user: None, peer, since, meter };
        self.entries.lock().insert(id.0, Entry { info, alerts: sender });
        Registration { sessions: self.clone(), id, alerts }
    }

    /// All connections, oldest first.
    pub fn list(&self) -> Vec<SessionInfo> {
        let mut all: Vec<SessionInfo> = self.entries.lock().values().map(|e| e.info.clone()).collect();
        all.sort_by_key(|s| s.id.0);
        all
    }

    /// Tells a connection to end; whether there is one of that number.
    pub fn kill(&self, id: SessionId) -> bool {
        let entries = self.entries.lock();
        let found = entries.get(&id.0);
        found.inspect(|e| e.info.meter.kill()).is_some()
    }

    /// Tells the connections of a user to end, and those that have selected one of his mailboxes; how many.
    pub fn kill_user(&self, user: UserId) -> usize {
        let entries = self.entries.lock();
        entries.values().filter(|e| concerns(&e.info, user)).inspect(|e| e.info.meter.kill()).count()
    }

    /// The counts of all connections that are there.
    pub fn counts(&self) -> Counts {
        let entries = self.entries.lock();
        entries.values().fold(Counts::default(), |sum, e| sum.plus(e.info.meter.counts()))
    }

    /// Queues an alert for the clients of `user`, or for all; the number of clients that will get it.
    pub fn alert(&self, user: Option<UserId>, text: &str) -> usize {
        let text: Arc<str> = text.chars().filter(|c| !c.is_control()).collect::<String>().into();
        let entries = self.entries.lock();
        let wanted = entries.values().filter(|e| user.is_none() || e.info.user == user);
        wanted.filter(|e| e.alerts.try_send(text.clone()).is_ok()).count()
    }
}

fn concerns(info: &SessionInfo, user: UserId) -> bool {
    info.user == Some(user) || info.meter.place().selected.is_some_and(|(owner, _)| owner == user)
}

impl Registration {
    /// Says who has logged in.
    pub fn set_user(&self, user: Option<UserId>) {
        if let Some(entry) = self.sessions.entries.lock().get_mut(&self.id.0) {
            entry.info.user = user;
        }
    }

    /// The next alert.
    pub async fn alert(&mut self) -> Arc<str> {
        match self.alerts.recv().await {
            Some(text) => text,
            // The sender lives in the list as long as this does.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.sessions.entries.lock().remove(&self.id.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_reach_whom_they_are_for_and_do_not_pile_up() {
        let sessions = Arc::new(Sessions::default());
        let peer = IpAddr::from([127, 0, 0, 1]);
        let joe = sessions.register(SessionId(1), peer, 0, Arc::default());
        let _other = sessions.register(SessionId(2), peer, 0, Arc::default());
        joe.set_user(UserId::new("JOE").ok());
        assert_eq!(sessions.alert(UserId::new("JOE").ok(), "a"), 1);
        for _ in 1..MAX_WAITING_ALERTS {
            assert_eq!(sessions.alert(None, "b"), 2);
        }
        assert_eq!(sessions.alert(None, "one too many for JOE"), 1);
        drop(joe);
        assert_eq!(sessions.list().len(), 1);
    }
}
