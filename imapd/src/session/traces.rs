//! Whom TRACE shows: all sessions or those of some users, one choice a trace.
//!
//! What goes to the log at all is the host's choice (its filter); this narrows it.

use std::collections::BTreeSet;

use parking_lot::RwLock;

use crate::vm::UserId;

/// The two traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceKind {
    /// Which commands run.
    CodeFlow,
    /// What goes over the socket, secrets masked.
    SocketIo,
}

/// Whom the traces show.
#[derive(Debug, Default)]
pub struct Traces {
    code_flow: RwLock<Option<BTreeSet<UserId>>>,
    socket_io: RwLock<Option<BTreeSet<UserId>>>,
}

impl Traces {
    fn of(&self, kind: TraceKind) -> &RwLock<Option<BTreeSet<UserId>>> {
        match kind {
            TraceKind::CodeFlow => &self.code_flow,
            TraceKind::SocketIo => &self.socket_io,
        }
    }

    /// Whether sessions of a user are shown; nobody is anybody before login.
    pub fn shows(&self, kind: TraceKind, user: Option<UserId>) -> bool {
        match &*self.of(kind).read() {
            None => true,
            Some(users) => user.is_some_and(|u| users.contains(&u)),
        }
    }

    /// Shows everybody from now on.
    pub fn everybody(&self, kind: TraceKind) {
        *self.of(kind).write() = None;
    }

    /// Shows this user, beside others that were named before.
    pub fn add(&self, kind: TraceKind, user: UserId) {
        self.of(kind).write().get_or_insert_default().insert(user);
    }

    /// Shows this user no more; whether some are left that were named.
    pub fn remove(&self, kind: TraceKind, user: UserId) -> bool {
        let mut users = self.of(kind).write();
        let left = users.as_mut().is_some_and(|u| {
            u.remove(&user);
            !u.is_empty()
        });
        if !left {
            *users = None;
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_users_and_everybody() {
        let (traces, kind) = (Traces::default(), TraceKind::SocketIo);
        let (joe, ann) = (UserId::new("JOE").unwrap(), UserId::new("ANN").unwrap());
        assert!(traces.shows(kind, None) && traces.shows(kind, Some(joe)));
        traces.add(kind, joe);
        assert!(traces.shows(kind, Some(joe)) && !traces.shows(kind, Some(ann)) && !traces.shows(kind, None));
        assert!(traces.shows(TraceKind::CodeFlow, Some(ann)));
        traces.add(kind, ann);
        assert!(traces.remove(kind, joe) && !traces.shows(kind, Some(joe)));
        assert!(!traces.remove(kind, ann) && traces.shows(kind, Some(joe)));
        traces.add(kind, joe);
        traces.everybody(kind);
        assert!(traces.shows(kind, None));
    }
}
