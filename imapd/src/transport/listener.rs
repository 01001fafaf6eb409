//! Listening sockets and what all connections share.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Timeouts;
use super::connection;
use super::limits::Full;
use super::proxy::{self, ProxyAddress};
use super::refusal::{self, Refusals};
use crate::session::Server;

/// Connections waiting to be accepted; as many as the kernel allows by default.
const BACKLOG: u32 = 4096;

/// What clients call IMAP in the handshake of TLS (RFC 7301, IANA's TLS ALPN Protocol IDs).
const ALPN: &[u8] = b"imap";

/// A configuration with which the handshake fails for clients that mean other protocols (RFC 7301 section 3.2, RFC 9325 section 3.7);
/// most mail programs name none.
fn for_imap(tls: Option<Arc<ServerConfig>>) -> Option<Arc<ServerConfig>> {
    let mut own = ServerConfig::clone(&*tls?);
    own.alpn_protocols = vec![ALPN.to_vec()];
    Some(Arc::new(own))
}

/// The service: sessions, their limits, and how they end.
pub struct Service {
    /// What sessions share.
    pub server: Arc<Server>,
    /// When clients are sent away.
    pub timeouts: Timeouts,
    /// Ends the service when cancelled.
    pub stop: CancellationToken,
    pub(super) hurried: AtomicU64,
    /// Idle time in milliseconds, which may change.
    idle: AtomicU64,
    /// Time for the login in milliseconds, which may change.
    login: AtomicU64,
    /// Who must say for whom he connects.
    proxies: ArcSwap<Vec<ProxyAddress>>,
    tls: ArcSwapOption<ServerConfig>,
    pub(super) refusals: Refusals,
    tasks: TaskTracker,
}

impl Service {
    /// A service that is ready for listeners. TLS is offered by `server.starttls` and needs `tls`.
    pub fn new(server: Arc<Server>, timeouts: Timeouts, tls: Option<Arc<ServerConfig>>) -> Arc<Self> {
        Arc::new(Self {
            server,
            timeouts,
            stop: CancellationToken::new(),
            hurried: AtomicU64::new(0),
            idle: AtomicU64::new(millis(timeouts.idle)),
            login: AtomicU64::new(millis(timeouts.login)),
            proxies: ArcSwap::default(),
            tls: ArcSwapOption::new(for_imap(tls)),
            refusals: Refusals::default(),
            tasks: TaskTracker::new(),
        })
    }

    /// Time without a word after which a client that has logged in is sent away.
    pub fn idle(&self) -> Duration {
        Duration::from_millis(self.idle.load(Ordering::Relaxed))
    }

    /// Changes [`Self::idle`]; a client that waits now is measured by it from its next command on.
    pub fn set_idle(&self, idle: Duration) {
        self.idle.store(millis(idle), Ordering::Relaxed);
    }

    /// Time from the connection on in which a client must log in.
    pub fn login_time(&self) -> Duration {
        Duration::from_millis(self.login.load(Ordering::Relaxed))
    }

    /// Changes [`Self::login_time`]; a client that waits now is measured by it from its next command on.
    pub fn set_login_time(&self, login: Duration) {
        self.login.store(millis(login), Ordering::Relaxed);
    }

    /// Time for a handshake: no more than for the login.
    pub(super) fn handshake_time(&self) -> Duration {
        self.timeouts.stall.min(self.login_time())
    }

    /// Names the proxies, for connections from now on.
    pub fn set_proxies(&self, proxies: Vec<ProxyAddress>) {
        self.proxies.store(Arc::new(proxies));
    }

    /// Takes new certificates for connections from now on.
    pub fn set_tls(&self, tls: Option<Arc<ServerConfig>>) {
        self.tls.store(for_imap(tls));
    }

    pub(super) fn tls(&self) -> Option<TlsAcceptor> {
        self.tls.load_full().map(TlsAcceptor::from)
    }

    /// How often half a command was acknowledged at once, so that its client sends the rest.
    pub fn hurried(&self) -> u64 {
        self.hurried.load(Ordering::Relaxed)
    }

    /// Connections now.
    pub fn connections(&self) -> usize {
        self.tasks.len()
    }

    /// Says BYE to everybody and waits until all are gone or `patience` is over. A command under way is finished.
    pub async fn shutdown(&self, patience: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "clients did not go in time");
        }
    }
}

/// A connection from a proxy: it says for whom.
async fn serve_proxied(service: Arc<Service>, mut stream: TcpStream, proxy: IpAddr, implicit_tls: bool) {
    let header = tokio::select! {
        () = service.stop.cancelled() => return,
        header = tokio::time::timeout(service.handshake_time(), proxy::read(&mut stream)) => header,
    };
    let (peer, tls) = match header {
        Ok(Ok(proxied)) => (proxied.client.unwrap_or(proxy), proxied.tls),
        Ok(Err(error)) => {
            tracing::warn!(%proxy, %error, "connection refused");
            return;
        }
        Err(_) => {
            tracing::warn!(%proxy, "connection refused: no PROXY header in time");
            return;
        }
    };
    let Some(slot) = service.server.limits.address(peer) else {
        return refusal::refuse(&service, stream, peer, implicit_tls, Full::Address);
    };
    service.server.statistics.connections.add(1);
    connection::serve(service, stream, peer, implicit_tls, tls).await;
    drop(slot);
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A listening socket.
pub struct Listener {
    socket: Arc<TcpListener>,
    implicit_tls: bool,
}

impl Listener {
    /// Listens on an address; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(address: SocketAddr, implicit_tls: bool) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self { socket: Arc::new(socket.listen(BACKLOG)?), implicit_tls })
    }

    /// Over a socket that listens already.
    pub fn on(socket: Arc<TcpListener>, implicit_tls: bool) -> Self {
        Self { socket, implicit_tls }
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// When the socket does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts clients until the service stops.
    pub async fn run(self, service: Arc<Service>) {
        loop {
            let accepted = tokio::select! {
                () = service.stop.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.begin(&service, stream, peer),
                Err(e) => {
                    // Out of descriptors, most likely: connections end and free some.
                    tracing::warn!(error = %e, "accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn begin(&self, service: &Arc<Service>, stream: TcpStream, peer: SocketAddr) {
        let peer = peer.ip().to_canonical();
        // Answers are written whole, so waiting for more to send only delays them.
        let _ = stream.set_nodelay(true);
        let implicit = self.implicit_tls;
        let limits = &service.server.limits;
        if service.proxies.load().iter().any(|p| p.is(peer, implicit)) {
            match limits.any() {
                Some(slot) => {
                    let proxied = serve_proxied(service.clone(), stream, peer, implicit);
                    service.tasks.spawn(async move {
                        proxied.await;
                        drop(slot);
                    });
                }
                // What it says first has not been read, so that nothing can be said within TLS.
                None if implicit => refusal::count(service, peer, Full::All),
                None => refusal::refuse(service, stream, peer, implicit, Full::All),
            }
            return;
        }
        match limits.connection(peer) {
            Ok(slots) => {
                service.server.statistics.connections.add(1);
                let service_of_task = service.clone();
                service.tasks.spawn(async move {
                    connection::serve(service_of_task, stream, peer, implicit, false).await;
                    drop(slots);
                });
            }
            Err(full) => refusal::refuse(service, stream, peer, implicit, full),
        }
    }
}
