//! The file pool server: the virtual machine that owns a pool and answers on IUCV paths.
//!
//! The server identifies its pool to CP as a resource (`*IDENT`); whoever connects to the resource gets a session of his own,
//! known by the user id of the connection, if he is enrolled, an administrator, or PUBLIC is enrolled. A session's requests run in
//! the sender's task. When the path is severed, every work unit of the session is rolled back.

mod authority;
mod counters;
mod ending;
mod handler;
mod perform;
pub(crate) mod protocol;
mod report;
mod resync;
mod stopping;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use cp::Guest;
use cp::iucv::{ConnectRequest, IpRcode, IucvService, PathBack, PathHandler, ResourceOwner, UserData};
use cp::name::{FilePoolId, UserId};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

pub use perform::{MAX_ACCESSED_DIRS, MAX_ACCESSED_FILES, MAX_OPEN_DIRS};
pub use protocol::{Conflict, DirRecord, MAX_USER_DATA, UserData as WorkUnitData};
pub use report::{Accessor, ConnectedUser, ConnectionState, FilePoolReport};

/// What DMSQSFSL returns: the level of VM/ESA Version 2 Release 4.
pub(crate) const SERVER_LEVEL: u32 = 40;

use crate::pool::{Pool, PoolError};
use crate::types::Stamp;
use handler::Session;

/// What sessions and operator commands share.
pub(crate) struct Shared {
    pub(crate) id: FilePoolId,
    pub(crate) pool: Pool,
    pub(crate) admins: RwLock<BTreeSet<UserId>>,
    pub(crate) disabled: AtomicBool,
    /// STOP: nothing new is begun.
    stopping: AtomicBool,
    /// Something ended while the server stops.
    quieter: Notify,
    group_threshold: AtomicU8,
    pub(crate) sessions: Mutex<BTreeMap<u64, Connected>>,
    pub(crate) resync: resync::Resync,
    counters: counters::Counters,
    /// The server machine; `None` when no resource points to it.
    machine: Option<UserId>,
    since: Stamp,
    next_session: AtomicU64,
}

/// GROUPTHRESH when DMSPARMS does not say: percent of a storage group above which it is reported as nearly full.
pub const DEFAULT_GROUPTHRESH: u8 = 90;

/// A connection as the server's own commands see it.
pub(crate) struct Connected {
    /// The user whose work it is.
    user: UserId,
    /// Whose connection it is.
    machine: UserId,
    back: PathBack,
    session: Weak<Session>,
}

impl Shared {
    /// GRANT ADMIN and ENROLL ADMINISTRATOR.
    fn grant_admin(&self, user: UserId) {
        self.admins.write().insert(user);
    }

    /// REVOKE ADMIN and DELETE ADMINISTRATOR. False when the user is none.
    fn revoke_admin(&self, user: UserId) -> bool {
        let was = self.admins.write().remove(&user);
        self.sever(|s| s.machine == user && s.user != user);
        was
    }

    /// Severs connections, whose work is rolled back; how many there were.
    fn sever(&self, which: impl Fn(&Connected) -> bool) -> usize {
        let meant: Vec<_> = {
            let sessions = self.sessions.lock();
            let meant = sessions.values().filter(|s| which(s));
            meant.map(|s| (s.back.clone(), s.session.clone())).collect()
        };
        for (back, session) in &meant {
            back.sever(UserData::default());
            if let Some(session) = session.upgrade() {
                session.end_all();
                session.leave();
            }
        }
        meant.len()
    }

    fn group_threshold(&self) -> u8 {
        self.group_threshold.load(Ordering::Relaxed)
    }
}

/// A file pool server in operation.
pub struct FilePoolServer {
    shared: Arc<Shared>,
    resource: Mutex<Option<ResourceOwner>>,
    servers: Arc<resync::Servers>,
}

impl std::fmt::Debug for FilePoolServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilePoolServer").field("id", &self.shared.id).finish_non_exhaustive()
    }
}

impl FilePoolServer {
    /// Begins multiple user mode: `guest`, the server machine, identifies `id` to CP and answers connections to it.
    ///
    /// # Errors
    /// `NotAuthorised` without the IUCV *IDENT directory statement, or when the resource has an owner already.
    pub fn start(guest: &Guest, id: FilePoolId, pool: Pool, admins: &[UserId]) -> Result<Self, IpRcode> {
        let servers = guest.cp().ext.get_or_insert_with(resync::Servers::default);
        let server = Self { servers: servers.clone(), ..Self::on(Some(guest.userid()), id, pool, admins) };
        let owner = guest.identify_resource(id, server.service())?;
        *server.resource.lock() = Some(owner);
        servers.add(&server.shared);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(resync::look_after(Arc::downgrade(&server.shared), servers));
        }
        Ok(server)
    }

    /// A server that no resource points to: reachable only through [`Self::service`].
    pub fn unidentified(id: FilePoolId, pool: Pool, admins: &[UserId]) -> Self {
        Self::on(None, id, pool, admins)
    }

    fn on(machine: Option<UserId>, id: FilePoolId, pool: Pool, admins: &[UserId]) -> Self {
        let shared = Shared {
            id,
            since: pool.inner.now(),
            pool,
            counters: counters::Counters::default(),
            machine,
            admins: RwLock::new(admins.iter().copied().collect()),
            disabled: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            quieter: Notify::new(),
            group_threshold: AtomicU8::new(DEFAULT_GROUPTHRESH),
            sessions: Mutex::default(),
            resync: resync::Resync::default(),
            next_session: AtomicU64::new(1),
        };
        Self { shared: Arc::new(shared), resource: Mutex::new(None), servers: Arc::default() }
    }

    /// The service that answers connections.
    pub fn service(&self) -> Arc<dyn IucvService> {
        Arc::new(Service(self.shared.clone()))
    }

    /// The pool's name.
    pub fn id(&self) -> FilePoolId {
        self.shared.id
    }

    /// The pool itself, for the server's own commands.
    pub fn pool(&self) -> &Pool {
        &self.shared.pool
    }

    /// GRANT ADMIN: until the server stops.
    pub fn grant_admin(&self, user: UserId) {
        self.shared.grant_admin(user);
    }

    /// REVOKE ADMIN. Connections on which he worked for others are severed. False when the user is none.
    pub fn revoke_admin(&self, user: UserId) -> bool {
        self.shared.revoke_admin(user)
    }

    /// DISABLE and ENABLE: whether new connections are refused.
    pub fn set_disabled(&self, disabled: bool) {
        self.shared.disabled.store(disabled, Ordering::Relaxed);
    }

    /// GROUPTHRESH of DMSPARMS, in percent.
    pub fn set_group_threshold(&self, percent: u8) {
        self.shared.group_threshold.store(percent, Ordering::Relaxed);
    }

    /// GROUPTHRESH, in percent.
    pub fn group_threshold(&self) -> u8 {
        self.shared.group_threshold()
    }

    /// FORCE: severs the connections of `user`, or with `None` of everybody; their work is rolled back. Returns how many there
    /// were.
    pub fn force(&self, user: Option<UserId>) -> usize {
        self.shared.sever(|s| user.is_none_or(|u| u == s.user || u == s.machine))
    }

    /// Settles work units that were prepared for a commit over several pools and left so, as far as the pools that decide are
    /// there. Returns how many are left. The server does so by itself every second.
    ///
    /// # Errors
    /// Those of a commit.
    pub async fn resync(&self) -> Result<usize, PoolError> {
        self.shared.settle(&self.servers).await
    }

    /// The end of STOP: no further connections; a checkpoint; the pool's threads end. Requests that come later fail.
    pub async fn stop(&self) {
        self.set_disabled(true);
        self.resource.lock().take();
        // Who waits for a lock of somebody else must not wait on.
        self.force(None);
        self.shared.pool.close().await;
    }
}

struct Service(Arc<Shared>);

/// First octet of the sever data: the pool is disabled.
const SEVER_DISABLED: u8 = 1;
/// First octet of the sever data: neither the user nor PUBLIC is enrolled.
pub(crate) const SEVER_NOT_ENROLLED: u8 = 2;

impl Shared {
    /// Whether `user` may connect: an administrator, who is enrolled, or with PUBLIC enrolled everybody. Source: "ENROLL
    /// ADMINISTRATOR".
    fn may_connect(&self, user: UserId) -> Result<bool, PoolError> {
        Ok(self.admins.read().contains(&user)
            || self.pool.public_enrolled()?
            || self.pool.has_space(user.as_str())?)
    }
}

impl IucvService for Service {
    fn connect(&self, request: ConnectRequest) -> Result<Arc<dyn PathHandler>, UserData> {
        if self.0.disabled.load(Ordering::Relaxed) || self.0.stopping.load(Ordering::SeqCst) {
            let mut data = UserData::default();
            data[0] = SEVER_DISABLED;
            return Err(data);
        }
        match self.0.may_connect(request.from) {
            Ok(true) => {}
            Ok(false) => {
                let mut data = UserData::default();
                data[0] = SEVER_NOT_ENROLLED;
                return Err(data);
            }
            Err(error) => {
                tracing::error!(%error, user = %request.from, "it cannot be told who may connect");
                return Err(UserData::default());
            }
        }
        self.0.counters.count(counters::Counter::Connect);
        let number = self.0.next_session.fetch_add(1, Ordering::Relaxed);
        let session = Arc::new(Session::new(self.0.clone(), request.from, number));
        let connected = Connected {
            user: request.from,
            machine: request.from,
            back: request.back,
            session: Arc::downgrade(&session),
        };
        self.0.sessions.lock().insert(number, connected);
        Ok(session)
    }
}
