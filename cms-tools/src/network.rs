//! The host's network as the TCP/IP guests see it: which addresses they listen on, and the TLS configuration.
//!
//! The host decides addresses and certificates (`endicott.toml`); a guest asks for a listener by name when it starts and
//! gives it back by dropping it. A port of 0 becomes a fixed one with the first use, so that a restarted guest is found
//! where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

/// Connections the host may hold for a listener that is busy: more than a burst of clients after a restart.
const BACKLOG: u32 = 1_024;

/// Called whenever the set of bound addresses changes.
pub type OnChange = dyn Fn(&BTreeMap<String, SocketAddr>) + Send + Sync;

/// Looks at the host's certificate files: a new configuration when they have changed since the last look.
pub type TlsLoader = dyn Fn() -> Result<Option<Arc<ServerConfig>>, String> + Send + Sync;

/// The host's side of the network.
pub struct HostNetwork {
    /// Mail domain of the system.
    pub domain: String,
    addresses: Mutex<BTreeMap<String, SocketAddr>>,
    bound: Mutex<BTreeMap<String, SocketAddr>>,
    /// Those that their guests do not want.
    declined: Mutex<BTreeSet<String>>,
    tls: ArcSwapOption<ServerConfig>,
    tls_editions: watch::Sender<u64>,
    tls_loader: Mutex<Option<Box<TlsLoader>>>,
    on_change: Box<OnChange>,
}

/// A listener by name; its address is withdrawn when this is dropped.
pub struct NamedListener {
    network: Arc<HostNetwork>,
    name: String,
    /// The socket.
    pub socket: Arc<TcpListener>,
}

impl Drop for NamedListener {
    fn drop(&mut self) {
        let mut bound = self.network.bound.lock();
        bound.remove(&self.name);
        (self.network.on_change)(&bound);
    }
}

impl HostNetwork {
    /// A network in which the listeners of `addresses` can be opened.
    pub fn new(
        domain: String,
        addresses: BTreeMap<String, SocketAddr>,
        tls: Option<Arc<ServerConfig>>,
        on_change: Box<OnChange>,
    ) -> Arc<Self> {
        Arc::new(Self {
            domain,
            addresses: Mutex::new(addresses),
            bound: Mutex::default(),
            declined: Mutex::default(),
            tls: ArcSwapOption::new(tls),
            tls_editions: watch::Sender::new(0),
            tls_loader: Mutex::default(),
            on_change,
        })
    }

    /// Opens the listener called `name`; `None` when the host has switched it off.
    ///
    /// # Errors
    /// The host's error, with the address in it.
    pub fn listen(self: &Arc<Self>, name: &str) -> io::Result<Option<NamedListener>> {
        let Some(address) = self.addresses.lock().get(name).copied() else { return Ok(None) };
        let opened = self.open(name, address)?;
        // A port of 0 has become a fixed one.
        self.addresses.lock().insert(name.to_owned(), opened.socket.local_addr()?);
        Ok(Some(opened))
    }

    /// As [`Self::listen`], on a port of the guest's choice instead of the host's.
    ///
    /// # Errors
    /// The host's error, with the address in it.
    pub fn listen_on(self: &Arc<Self>, name: &str, port: u16) -> io::Result<Option<NamedListener>> {
        let Some(mut address) = self.addresses.lock().get(name).copied() else { return Ok(None) };
        address.set_port(port);
        self.open(name, address).map(Some)
    }

    /// The guest does without a listener: nobody is to wait for it.
    pub fn decline(&self, name: &str) {
        self.declined.lock().insert(name.to_owned());
        // Whoever waits for it looks again.
        (self.on_change)(&self.bound.lock());
    }

    fn open(self: &Arc<Self>, name: &str, address: SocketAddr) -> io::Result<NamedListener> {
        self.declined.lock().remove(name);
        let open = || -> io::Result<TcpListener> {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        let socket = open().map_err(|e| io::Error::new(e.kind(), format!("{name} on {address}: {e}")))?;
        let actual = socket.local_addr()?;
        let mut bound = self.bound.lock();
        bound.insert(name.to_owned(), actual);
        (self.on_change)(&bound);
        Ok(NamedListener { network: self.clone(), name: name.to_owned(), socket: Arc::new(socket) })
    }

    /// Names of the listeners that are to be open: the host has switched them on, and their guests do not do without.
    pub fn wanted(&self) -> Vec<String> {
        let declined = self.declined.lock();
        self.addresses.lock().keys().filter(|name| !declined.contains(*name)).cloned().collect()
    }

    /// Addresses that are being listened on.
    pub fn bound(&self) -> BTreeMap<String, SocketAddr> {
        self.bound.lock().clone()
    }

    /// The TLS configuration in force; `None` when there is none.
    pub fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.load_full()
    }

    /// Puts another TLS configuration in force for new connections.
    pub fn set_tls(&self, tls: Option<Arc<ServerConfig>>) {
        self.tls.store(tls);
        self.tls_editions.send_modify(|n| *n += 1);
    }

    /// Changes whenever another TLS configuration is in force.
    pub fn tls_editions(&self) -> watch::Receiver<u64> {
        self.tls_editions.subscribe()
    }

    /// Says how the certificate files are looked at.
    pub fn set_tls_loader(&self, loader: Box<TlsLoader>) {
        *self.tls_loader.lock() = Some(loader);
    }

    /// Looks at the certificate files, and puts in force what they hold when they have changed; whether they have. Connections that
    /// are there stay as they are.
    ///
    /// # Errors
    /// What is wrong with the files; what was in force stays.
    pub fn reload_tls(&self) -> Result<bool, String> {
        let loader = self.tls_loader.lock();
        let Some(loader) = &*loader else { return Ok(false) };
        let Some(tls) = loader()? else { return Ok(false) };
        self.set_tls(Some(tls));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn a_guest_may_choose_the_port_and_not_the_address() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let network =
            HostNetwork::new("x.example".into(), [("imap".to_owned(), any)].into(), None, Box::new(|_| {}));
        let first = network.listen("imap").unwrap().unwrap();
        let given = first.socket.local_addr().unwrap();
        drop(first);
        // Another port that nobody has now.
        let free = std::net::TcpListener::bind(any).unwrap().local_addr().unwrap();
        let chosen = network.listen_on("imap", free.port()).unwrap().unwrap();
        assert_eq!(chosen.socket.local_addr().unwrap(), free);
        assert_eq!(network.bound()["imap"], free);
        drop(chosen);
        // The host's own choice is as it was.
        assert_eq!(network.listen("imap").unwrap().unwrap().socket.local_addr().unwrap(), given);
        assert!(network.listen_on("imaps", free.port()).unwrap().is_none(), "the host has switched it off");
        assert_eq!(network.wanted(), ["imap"]);
        network.decline("imap");
        assert!(network.wanted().is_empty());
        let _again = network.listen("imap").unwrap();
        assert_eq!(network.wanted(), ["imap"]);
    }
}
