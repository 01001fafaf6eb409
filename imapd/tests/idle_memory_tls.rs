//! What an idle client with TLS costs. Alone in its process, since it looks at the memory of all of it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use imapd::transport::{ConnectionLimits, Listener, Service, Timeouts};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use support::memory::Memory;
use support::{idle_cost, start};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[tokio::test]
async fn idle_clients_with_tls_are_cheap() {
    const CLIENTS: usize = 300;
    let made = rcgen::generate_simple_self_signed(vec!["vm.localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(client));
    let running = start(Arc::new(Memory::default()), Timeouts::default(), ConnectionLimits::default()).await;
    let service = Service::new(running.service.server.clone(), Timeouts::default(), Some(Arc::new(config)));
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), true).unwrap();
    let address = listener.address().unwrap();
    tokio::spawn(listener.run(service.clone()));
    let each = idle_cost(CLIENTS, async || {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("vm.localhost").unwrap();
        connector.connect(name, stream).await.unwrap()
    })
    .await;
    // Both ends of each connection, with the TLS state of each, live in this process, so this is an upper bound.
    assert!(each < 96 * 1024, "{each} octets a client");
    println!("{each} octets an idle client with TLS, both ends");
}
