//! Sockets: TLS, timeouts, limits, orderly stop.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use imapd::session::Server;
use imapd::transport::{ConnectionLimits, Listener, Service, Timeouts};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use support::memory::Memory;
use support::{LineClient, SOON, start};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

async fn line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> String {
    let mut text = String::new();
    tokio::time::timeout(SOON, stream.read_line(&mut text)).await.unwrap().unwrap();
    text
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, text: &str) {
    stream.get_mut().write_all(text.as_bytes()).await.unwrap();
}

fn certificate() -> (Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["vm.localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let server = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

async fn with_tls(implicit: bool) -> (Arc<Service>, std::net::SocketAddr, TlsConnector) {
    let (server_config, client_config) = certificate();
    let plain = start(Arc::new(Memory::default()), Timeouts::default(), ConnectionLimits::default()).await;
    let start = std::time::Instant::now();
    let auth = imapd::auth::Authenticator::new(
        Arc::new(support::Secret),
        "vm.localhost".into(),
        [2; 32],
        Arc::new(move || start.elapsed()),
    );
    let mut server = Server::new("vm.localhost".into(), plain.store.clone(), auth, 1);
    server.starttls = true;
    server.set_clear_passwords(false);
    let service = Service::new(Arc::new(server), Timeouts::default(), Some(server_config));
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), implicit).unwrap();
    let address = listener.address().unwrap();
    tokio::spawn(listener.run(service.clone()));
    (service, address, TlsConnector::from(client_config))
}

#[tokio::test]
async fn starttls_then_login() {
    let (service, address, connector) = with_tls(false).await;
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    let greeting = line(&mut stream).await;
    assert!(greeting.contains(" STARTTLS ") && greeting.contains(" LOGINDISABLED "), "{greeting}");
    say(&mut stream, "a LOGIN alice secret\r\n").await;
    assert!(line(&mut stream).await.starts_with("a NO [PRIVACYREQUIRED]"));
    // What is sent behind STARTTLS in the clear is not taken as sent within TLS.
    say(&mut stream, "b STARTTLS\r\nc LOGIN alice secret\r\n").await;
    assert!(line(&mut stream).await.starts_with("b OK"));
    let name = ServerName::try_from("vm.localhost").unwrap();
    let tls = connector.connect(name, stream.into_inner()).await.unwrap();
    let mut stream = BufReader::new(tls);
    say(&mut stream, "d CAPABILITY\r\n").await;
    let tokens = line(&mut stream).await;
    assert!(tokens.contains("AUTH=PLAIN") && !tokens.contains("STARTTLS"), "{tokens}");
    assert!(line(&mut stream).await.starts_with("d OK"));
    say(&mut stream, "e STARTTLS\r\n").await;
    assert!(line(&mut stream).await.starts_with("e BAD"));
    say(&mut stream, "f LOGIN alice secret\r\n").await;
    assert!(line(&mut stream).await.starts_with("f OK"));
    drop(stream);
    service.shutdown(SOON).await;
}

#[tokio::test]
async fn clients_that_mean_another_protocol_get_no_tls() {
    let (service, address, connector) = with_tls(true).await;
    let offered: [(&[&[u8]], _); 4] = [
        (&[], Some(None)),
        (&[b"imap"], Some(Some(&b"imap"[..]))),
        (&[b"h2", b"imap"], Some(Some(&b"imap"[..]))),
        (&[b"http/1.1"], None),
    ];
    for (protocols, agreed) in offered {
        let mut config = rustls::ClientConfig::clone(connector.config());
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        let name = ServerName::try_from("vm.localhost").unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        match TlsConnector::from(Arc::new(config)).connect(name, tcp).await {
            Ok(tls) => {
                assert_eq!(Some(tls.get_ref().1.alpn_protocol()), agreed);
                assert!(line(&mut BufReader::new(tls)).await.starts_with("* OK"));
            }
            Err(e) => {
                assert!(agreed.is_none(), "{protocols:?}");
                assert!(e.to_string().contains("NoApplicationProtocol"), "{e}");
            }
        }
    }
    service.shutdown(SOON).await;
}

#[tokio::test]
async fn implicit_tls_carries_large_messages() {
    let (service, address, connector) = with_tls(true).await;
    let name = ServerName::try_from("vm.localhost").unwrap();
    let tls = connector.connect(name, TcpStream::connect(address).await.unwrap()).await.unwrap();
    let mut stream = BufReader::new(tls);
    assert!(line(&mut stream).await.starts_with("* OK"));
    say(&mut stream, "a LOGIN alice secret\r\n").await;
    assert!(line(&mut stream).await.starts_with("a OK"));
    let body: String = (0..40_000).map(|i| format!("line {i} of a large message\r\n")).collect();
    say(&mut stream, &format!("b APPEND INBOX {{{}+}}\r\n{body}\r\n", body.len())).await;
    assert!(line(&mut stream).await.starts_with("b OK"));
    say(&mut stream, "c SELECT INBOX\r\n").await;
    while !line(&mut stream).await.starts_with("c OK") {}
    say(&mut stream, "d FETCH 1 BODY.PEEK[]\r\n").await;
    assert_eq!(line(&mut stream).await, format!("* 1 FETCH (BODY[] {{{}}}\r\n", body.len()));
    let mut got = vec![0; body.len()];
    stream.read_exact(&mut got).await.unwrap();
    assert!(got == body.as_bytes());
    while !line(&mut stream).await.starts_with("d OK") {}
    // Large enough to be scanned off the session's thread; its header never ends.
    say(&mut stream, "e FETCH 1 (BODY BODY.PEEK[HEADER]<5.4> BODY.PEEK[1])\r\n").await;
    let structure = line(&mut stream).await;
    assert!(structure.starts_with("* 1 FETCH (BODY (\"TEXT\" \"PLAIN\""), "{structure}");
    assert!(structure.ends_with("BODY[HEADER]<5> {4}\r\n"), "{structure}");
    assert_eq!(line(&mut stream).await, "0 of BODY[1] {0}\r\n");
    assert_eq!(line(&mut stream).await, ")\r\n");
    assert!(line(&mut stream).await.starts_with("e OK"));
    drop(stream);
    service.shutdown(SOON).await;
}

#[tokio::test]
async fn shutdown_says_bye_to_everybody() {
    let running = start(Arc::new(Memory::default()), Timeouts::default(), ConnectionLimits::default()).await;
    let mut idle = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    line(&mut idle).await;
    say(&mut idle, "a LOGIN alice secret\r\n").await;
    line(&mut idle).await;
    say(&mut idle, "b IDLE\r\n").await;
    line(&mut idle).await;
    let mut fresh = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    line(&mut fresh).await;
    let shutdown = tokio::spawn({
        let service = running.service.clone();
        async move { service.shutdown(SOON).await }
    });
    for stream in [&mut idle, &mut fresh] {
        assert!(line(stream).await.starts_with("* BYE [UNAVAILABLE]"));
        assert_eq!(line(stream).await, "");
    }
    shutdown.await.unwrap();
    assert_eq!(running.service.connections(), 0);
}

#[tokio::test]
async fn silent_clients_are_sent_away() {
    // Each client meets only the limit that is its own, however slow the machine.
    let before_login = Timeouts { login: Duration::from_millis(100), ..Timeouts::default() };
    let running = start(Arc::new(Memory::default()), before_login, ConnectionLimits::default()).await;
    let mut silent = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    line(&mut silent).await;
    assert_eq!(line(&mut silent).await, "* BYE Autologout; nobody has logged in\r\n");
    assert_eq!(line(&mut silent).await, "");
    // Talking is no login.
    let mut chatty = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    line(&mut chatty).await;
    let mut answer = "a OK".to_owned();
    while answer.starts_with("a OK") {
        // The connection may be closed while this is sent.
        let _ = chatty.get_mut().write_all(b"a NOOP\r\n").await;
        answer = line(&mut chatty).await;
    }
    assert_eq!(answer, "* BYE Autologout; nobody has logged in\r\n");
    // A client that has logged in is not concerned, and the time may change.
    running.service.set_login_time(SOON);
    let mut user = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    line(&mut user).await;
    say(&mut user, "a LOGIN alice secret\r\n").await;
    assert!(line(&mut user).await.starts_with("a OK"));
    running.service.set_login_time(Duration::from_millis(1));
    let mut silent = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    line(&mut silent).await;
    assert!(line(&mut silent).await.starts_with("* BYE Autologout; nobody"));
    say(&mut user, "b NOOP\r\n").await;
    assert!(line(&mut user).await.starts_with("b OK"));
    let logged_in = Timeouts { idle: Duration::from_millis(150), ..Timeouts::default() };
    let running = start(Arc::new(Memory::default()), logged_in, ConnectionLimits::default()).await;
    let mut user = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    line(&mut user).await;
    say(&mut user, "a LOGIN alice secret\r\n").await;
    assert!(line(&mut user).await.starts_with("a OK"));
    assert_eq!(line(&mut user).await, "* BYE Autologout; idle for too long\r\n");
}

#[tokio::test]
async fn limits_by_address_and_user() {
    let limits = ConnectionLimits::new(10, 3, 1);
    let running = start(Arc::new(Memory::default()), Timeouts::default(), limits).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = BufReader::new(TcpStream::connect(running.address).await.unwrap());
        assert!(line(&mut stream).await.starts_with("* OK"));
        streams.push(stream);
    }
    let mut fourth = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    assert!(line(&mut fourth).await.starts_with("* BYE [LIMIT]"));
    say(&mut streams[0], "a LOGIN alice secret\r\n").await;
    assert!(line(&mut streams[0]).await.starts_with("a OK"));
    say(&mut streams[1], "a LOGIN alice secret\r\n").await;
    assert!(line(&mut streams[1]).await.starts_with("a NO [LIMIT]"));
    assert_eq!(running.service.server.statistics.failures.get(), 1, "that is a login refused");
    say(&mut streams[0], "b LOGOUT\r\n").await;
    assert!(line(&mut streams[0]).await.starts_with("* BYE"));
    assert!(line(&mut streams[0]).await.starts_with("b OK"));
    assert_eq!(line(&mut streams[0]).await, "");
    // The place is given back when the task has ended, which is a moment after the connection has.
    let place = async {
        loop {
            say(&mut streams[1], "b LOGIN alice secret\r\n").await;
            if line(&mut streams[1]).await.starts_with("b OK") {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, place).await.expect("the place is given back");
}

/// Too many on the port of TLS are told within TLS, some of them: a handshake is work. The others are closed at once.
#[tokio::test]
async fn too_many_connections_are_told_within_tls() {
    let (service, address, connector) = with_tls(true).await;
    service.server.limits.set(1000, 1, 1);
    let name = ServerName::try_from("vm.localhost").unwrap();
    let connect = async || {
        let tcp = TcpStream::connect(address).await.unwrap();
        connector.connect(name.clone(), tcp).await.map(BufReader::new)
    };
    let mut first = connect().await.unwrap();
    assert!(line(&mut first).await.starts_with("* OK"));
    let mut second = connect().await.unwrap();
    assert_eq!(line(&mut second).await, "* BYE [LIMIT] Too many connections from your address\r\n");
    assert_eq!(line(&mut second).await, "", "and TLS ends as it should");
    // Those who say nothing take the places that there are, and nobody waits for one.
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let ends = silent.iter_mut().map(|stream| stream.read_u8());
    let mut ends: FuturesUnordered<_> = ends.collect();
    for _ in 0..32 {
        assert!(tokio::time::timeout(SOON, ends.next()).await.unwrap().unwrap().is_err());
    }
    assert_eq!(service.server.statistics.refused.get(), 41);
    say(&mut first, "a LOGIN alice secret\r\n").await;
    assert!(line(&mut first).await.starts_with("a OK"));
    // Nobody is told any more when the service has stopped.
    service.shutdown(SOON).await;
    while let Some(end) = tokio::time::timeout(SOON, ends.next()).await.unwrap() {
        assert!(end.is_err());
    }
}

#[tokio::test]
async fn large_literals_of_many_clients_take_turns() {
    // More than the memory for large literals together, each sent slowly enough to overlap with the others.
    let clients = 12;
    let size = imapd::wire::MAX_MESSAGE;
    assert!(clients * size > Server::LITERAL_ROOM_KB * 1024);
    let running = start(Arc::new(Memory::default()), Timeouts::default(), ConnectionLimits::default()).await;
    let mut streams = Vec::new();
    for _ in 0..clients {
        let mut stream = BufReader::new(TcpStream::connect(running.address).await.unwrap());
        line(&mut stream).await;
        say(&mut stream, "a LOGIN alice secret\r\n").await;
        line(&mut stream).await;
        say(&mut stream, &format!("b APPEND INBOX {{{size}}}\r\n")).await;
        assert!(line(&mut stream).await.starts_with("+ "));
        streams.push(stream);
    }
    // Nobody has sent anything: those who hold the memory go away, and the last gets its turn.
    let mut last = streams.pop().unwrap();
    drop(streams);
    let mut piece = vec![b'x'; 1 << 20];
    piece[100] = b'\n';
    for _ in 0..size >> 20 {
        last.get_mut().write_all(&piece).await.unwrap();
    }
    say(&mut last, "\r\n").await;
    // 64 MiB are over the user's 1,000 blocks.
    assert!(line(&mut last).await.starts_with("b NO [OVERQUOTA]"));
}

/// Half a command is acknowledged at once; whole ones need nothing.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn many_small_messages_leave_a_command_its_room() {
    let running = start(Arc::new(Memory::default()), Timeouts::default(), ConnectionLimits::default()).await;
    let mut client = LineClient::new(running.address).await;
    assert!(client.command("LOGIN alice SECRET").await.starts_with("a OK"));
    // Each is less than what is held apart as large, all together more than a command may have without them.
    let message = format!("Subject: x\r\n\r\n{}", "y".repeat(6_000));
    let literal = format!(" {{{}+}}\r\n{message}", message.len());
    for count in [10, 250] {
        let answer = client.command(&format!("APPEND INBOX{}", literal.repeat(count))).await;
        assert!(answer.starts_with("a OK [APPENDUID"), "{count}: {answer}");
    }
    assert!(client.ask("a STATUS INBOX (MESSAGES)").await.contains("MESSAGES 260"));
}

#[tokio::test]
async fn halves_of_commands_are_acknowledged_at_once() {
    let running = start(Arc::new(Memory::default()), Timeouts::default(), ConnectionLimits::default()).await;
    let mut stream = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    line(&mut stream).await;
    say(&mut stream, "a LOGIN alice secret\r\n").await;
    assert!(line(&mut stream).await.starts_with("a OK"));
    assert_eq!(running.service.hurried(), 0);
    for i in 0..20 {
        say(&mut stream, &format!("b{i} APPEND INBOX {{14}}\r\n")).await;
        assert!(line(&mut stream).await.starts_with("+ "));
        say(&mut stream, "Subject: x\r\n\r").await;
        // once behind the announcement, once behind the first half
        while running.service.hurried() < 2 * i + 2 {
            tokio::task::yield_now().await;
        }
        say(&mut stream, "\n\r\n").await;
        let answer = line(&mut stream).await;
        assert!(answer.starts_with("b"), "{answer}");
    }
}

#[tokio::test]
async fn a_session_is_killed_and_counted() {
    use imapd::mailstore::SessionId;
    let running = start(Arc::new(Memory::default()), Timeouts::default(), ConnectionLimits::default()).await;
    let server = &running.service.server;
    let mut idle = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    line(&mut idle).await;
    let greeted = server.statistics.connections.get();
    assert_eq!(greeted, 1);
    for (command, answer) in [
        ("a ID (\"name\" \"Mutt\" \"version\" \"2.2\")", "a OK"),
        ("b LOGIN alice secret", "b OK"),
        ("c APPEND INBOX {3+}\r\na\r\n", "c OK"),
        ("d SELECT INBOX", "d OK"),
        ("e FETCH 1 (FLAGS BODY[])", "e OK"),
        ("f STORE 1 +FLAGS (\\Deleted)", "f OK"),
        ("g EXPUNGE", "g OK"),
        ("h IDLE", "+ idling"),
    ] {
        say(&mut idle, &format!("{command}\r\n")).await;
        while !line(&mut idle).await.starts_with(answer) {}
    }
    let listed = server.sessions.list();
    let [session] = &listed[..] else { panic!("{listed:?}") };
    let (counts, place) = (session.meter.counts(), session.meter.place());
    assert_eq!((counts.commands, counts.appended, counts.fetched, counts.expunged), (8, 1, 1, 1));
    assert!(counts.received > 100 && counts.sent > counts.received);
    assert_eq!(place.client.as_deref(), Some("Mutt 2.2"));
    assert!(!place.tls && place.selected.is_some());
    let counted = server.statistics.commands();
    assert!(
        counted.contains(&("FETCH".into(), 1)) && !counted.iter().any(|(n, _)| n == "NOOP"),
        "{counted:?}"
    );
    assert_eq!((server.statistics.logins.get(), server.statistics.failures.get()), (1, 0));

    assert!(!server.sessions.kill(SessionId(session.id.0 + 1)));
    assert!(server.sessions.kill(session.id));
    assert_eq!(line(&mut idle).await, "* BYE [CONTACTADMIN] The administrator ends this session\r\n");
    assert_eq!(line(&mut idle).await, "");
    running.service.shutdown(SOON).await;
    assert_eq!(server.statistics.ended().fetched, 1);
    assert!(server.sessions.list().is_empty());
}

#[tokio::test]
async fn who_came_to_a_proxy_within_tls_may_log_in() {
    use imapd::transport::proxy::{ProxyAddress, SIGNATURE};
    let running = start(Arc::new(Memory::default()), Timeouts::default(), ConnectionLimits::default()).await;
    running.service.server.set_clear_passwords(false);
    running.service.set_proxies(vec![ProxyAddress::parse("127.0.0.1", Some(false)).unwrap()]);
    for (flags, answer) in [(0u8, "a NO [PRIVACYREQUIRED]"), (1, "a OK")] {
        let addresses = [192, 0, 2, 7, 127, 0, 0, 1, 1, 1, 0, 143];
        let header =
            [&SIGNATURE[..], &[0x21, 0x11, 0, 20], &addresses, &[0x20, 0, 5, flags, 0, 0, 0, 0]].concat();
        let mut client = BufReader::new(TcpStream::connect(running.address).await.unwrap());
        client.get_mut().write_all(&[header, b"a LOGIN alice secret\r\n".to_vec()].concat()).await.unwrap();
        assert!(line(&mut client).await.starts_with("* OK"));
        let answered = line(&mut client).await;
        assert!(answered.starts_with(answer), "{answered}");
    }
    running.service.shutdown(SOON).await;
}

#[tokio::test]
async fn proxies_say_for_whom() {
    use imapd::transport::proxy::{ProxyAddress, SIGNATURE};
    let limits = ConnectionLimits::new(100, 1, 100);
    let running = start(Arc::new(Memory::default()), Timeouts::default(), limits).await;
    let proxy = |text: &str| ProxyAddress::parse(text, Some(false)).unwrap();
    let header = |last: u8| {
        let addresses = [192, 0, 2, last, 127, 0, 0, 1, 1, 1, 0, 143];
        [&SIGNATURE[..], &[0x21, 0x11, 0, 12], &addresses].concat()
    };
    // Nobody is a proxy: a header is not understood, and the address is that of the connection.
    let mut liar = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    line(&mut liar).await;
    liar.get_mut().write_all(&header(7)).await.unwrap();
    assert!(line(&mut liar).await.starts_with("* BAD"));
    assert_eq!(running.service.server.sessions.list()[0].peer.to_string(), "127.0.0.1");
    drop(liar);

    running.service.set_proxies(vec![proxy("10.0.0.0/8"), proxy("127.0.0.0/8")]);
    let mut client = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    client.get_mut().write_all(&[header(7), b"a LOGIN alice secret\r\n".to_vec()].concat()).await.unwrap();
    assert!(line(&mut client).await.starts_with("* OK"));
    assert!(line(&mut client).await.starts_with("a OK"));
    let peers =
        || running.service.server.sessions.list().into_iter().map(|s| s.peer.to_string()).collect::<Vec<_>>();
    assert!(peers().contains(&"192.0.2.7".to_owned()), "{:?}", peers());
    // One an address: the one behind the proxy, not the proxy's.
    let mut second = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    second.get_mut().write_all(&header(7)).await.unwrap();
    assert_eq!(line(&mut second).await, "* BYE [LIMIT] Too many connections from your address\r\n");
    let mut other = BufReader::new(TcpStream::connect(running.address).await.unwrap());
    other.get_mut().write_all(&header(8)).await.unwrap();
    assert!(line(&mut other).await.starts_with("* OK"));
    // Version 1, and one that does not know the client.
    for (sent, peer) in [("TCP4 192.0.2.9 127.0.0.1 1 143", "192.0.2.9"), ("UNKNOWN", "127.0.0.1")] {
        let mut third = BufReader::new(TcpStream::connect(running.address).await.unwrap());
        let sent = format!("PROXY {sent}\r\na LOGIN alice secret\r\n");
        third.get_mut().write_all(sent.as_bytes()).await.unwrap();
        assert!(line(&mut third).await.starts_with("* OK"));
        assert!(line(&mut third).await.starts_with("a OK"));
        assert!(peers().contains(&peer.to_owned()), "{:?}", peers());
    }
    // Rubbish is refused without a word.
    for rubbish in [&b"PROXY TCP4 192.0.2.9 127.0.0.1\r\n"[..], b"a LOGIN alice secret\r\n"] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(rubbish).await.unwrap();
        let mut answer = Vec::new();
        // The connection may be reset, since what was sent was not read to its end.
        let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap();
        assert!(answer.is_empty());
    }
    drop((client, other));
    running.service.shutdown(SOON).await;
}
