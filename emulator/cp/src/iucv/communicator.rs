//! What one virtual machine has of IUCV: its path ids, its limit, and, once declared, the queue of connections that
//! wait for it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::path::{PathCore, PendingConnection};
use super::{IpRcode, MAX_PENDING_CONNECTIONS, PathId, UserData};

#[derive(Default)]
struct Paths {
    open: HashMap<u16, (Weak<PathCore>, usize)>,
    next: u16,
}

struct Pending {
    declared: bool,
    waiting: VecDeque<PendingConnection>,
}

/// A virtual machine's side of IUCV.
pub struct Communicator {
    maxconn: usize,
    paths: Mutex<Paths>,
    pending: Mutex<Pending>,
    arrived: Notify,
}

/// A path id in use; given back when dropped.
pub(super) struct Slot {
    home: Weak<Communicator>,
    id: PathId,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            home.paths.lock().open.remove(&self.id.0);
        }
    }
}

impl Communicator {
    /// A communicator with at most `maxconn` paths (directory OPTION MAXCONN).
    pub fn new(maxconn: u32) -> Arc<Self> {
        Arc::new(Self {
            maxconn: maxconn as usize,
            paths: Mutex::default(),
            pending: Mutex::new(Pending { declared: false, waiting: VecDeque::new() }),
            arrived: Notify::new(),
        })
    }

    /// Number of paths this machine has.
    pub fn paths(&self) -> usize {
        self.paths.lock().open.len()
    }

    /// DCLBFR: from now on other machines may connect; [`Communicator::next_connection`] delivers them.
    ///
    /// # Errors
    /// `BufferDeclared` (19) when it has been declared already.
    pub fn declare_buffer(&self) -> Result<(), IpRcode> {
        let mut pending = self.pending.lock();
        if pending.declared {
            return Err(IpRcode::BufferDeclared);
        }
        pending.declared = true;
        Ok(())
    }

    /// The next connection that waits to be accepted.
    pub async fn next_connection(&self) -> PendingConnection {
        loop {
            let arrived = self.arrived.notified();
            if let Some(connection) = self.pending.lock().waiting.pop_front() {
                return connection;
            }
            arrived.await;
        }
    }

    /// RTRVBFR, logoff and system reset: severs every path and refuses whoever waits.
    pub fn retrieve_buffer(&self) {
        let waiting = {
            let mut pending = self.pending.lock();
            pending.declared = false;
            std::mem::take(&mut pending.waiting)
        };
        for connection in waiting {
            connection.refuse(UserData::default());
        }
        let open: Vec<_> = self.paths.lock().open.values().cloned().collect();
        for (core, end) in open {
            if let Some(core) = core.upgrade() {
                core.sever(end, UserData::default());
            }
        }
    }

    pub(super) fn take_slot(self: &Arc<Self>, core: &Arc<PathCore>, end: usize) -> Option<(Slot, PathId)> {
        let mut paths = self.paths.lock();
        if paths.open.len() >= self.maxconn {
            return None;
        }
        // Numbers go round, so that one just given back is not the next to be given out.
        let id = loop {
            let id = paths.next;
            paths.next = paths.next.wrapping_add(1);
            if !paths.open.contains_key(&id) {
                break id;
            }
        };
        paths.open.insert(id, (Arc::downgrade(core), end));
        Some((Slot { home: Arc::downgrade(self), id: PathId(id) }, PathId(id)))
    }

    pub(super) fn offer(&self, connection: PendingConnection) -> Result<(), IpRcode> {
        let mut pending = self.pending.lock();
        if !pending.declared || pending.waiting.len() >= MAX_PENDING_CONNECTIONS {
            drop(pending);
            connection.refuse(UserData::default());
            return Err(IpRcode::NoBuffer);
        }
        pending.waiting.push_back(connection);
        drop(pending);
        self.arrived.notify_one();
        Ok(())
    }
}
