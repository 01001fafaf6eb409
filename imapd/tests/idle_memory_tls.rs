//! What an idle client with TLS costs. Alone in its process, since it looks at the memory of all of it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use imapd::transport::{ConnectionLimits, Listener, Service, Timeouts};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use support::memory::Memory;
use support::{private_memory, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
    let mut streams = Vec::with_capacity(CLIENTS);
    let mut before = 0;
    for i in 0..CLIENTS + 50 {
        if i == 50 {
            before = private_memory();
        }
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("vm.localhost").unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream.write_all(b"a LOGIN alice secret\r\nb SELECT INBOX\r\nc IDLE\r\n").await.unwrap();
        let mut text = Vec::new();
        let mut piece = [0; 512];
        while !text.windows(8).any(|w| w == b"+ idling") {
            let n = stream.read(&mut piece).await.unwrap();
            assert!(n > 0);
            text.extend_from_slice(&piece[..n]);
        }
        streams.push(stream);
    }
    let each = (private_memory() - before) / CLIENTS;
    // Both ends of each connection, with the TLS state of each, live in this process, so this is an upper bound.
    assert!(each < 96 * 1024, "{each} octets a client");
    println!("{each} octets an idle client with TLS, both ends");
}
