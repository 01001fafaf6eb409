//! A server for tests, over any backend.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

pub mod memory;
pub mod sfs_pool;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use cp::directory::password::{Salts, Verifier};
use cp::directory::{DirectoryEntry, DirectoryImage, Password};
use futures::FutureExt;
use futures::future::BoxFuture;
use imapd::auth::{Authenticator, LoginError, PasswordCheck};
use imapd::mailstore::{Backend, MailStore, StoreError};
use imapd::session::{About, Drain, Out, Server, Session};
use imapd::transport::{ConnectionLimits, Listener, Service, Timeouts};
use imapd::vm::UserId;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Every user's password is `SECRET`.
pub struct Secret;

impl PasswordCheck for Secret {
    fn check<'a>(&'a self, _user: UserId, password: &'a [u8]) -> BoxFuture<'a, Result<bool, LoginError>> {
        let good = password.eq_ignore_ascii_case(b"SECRET");
        async move { Ok(good) }.boxed()
    }

    fn directory(&self) -> Option<Arc<DirectoryImage>> {
        static DIRECTORY: LazyLock<Arc<DirectoryImage>> = LazyLock::new(|| {
            let salts = Salts { argon2: [1; 16], scram_sha1: [2; 16], scram_sha256: [3; 16] };
            let verifier = Verifier::derive("secret", &salts).unwrap();
            let entry = |name| DirectoryEntry::new(user(name), Password::Hashed(Box::new(verifier.clone())));
            Arc::new(DirectoryImage::new(["ALICE", "BOB"].map(entry)))
        });
        Some(DIRECTORY.clone())
    }
}

/// Keeps all that is sent.
pub struct Sink(pub Vec<u8>);

impl Drain for Sink {
    fn drain<'a>(&'a mut self, buf: &'a mut Vec<u8>, more: Bytes) -> BoxFuture<'a, io::Result<()>> {
        self.0.append(buf);
        self.0.extend_from_slice(&more);
        async { Ok(()) }.boxed()
    }
}

/// Carries out a command in a session; what is sent to the client.
pub async fn run(session: &mut Session, tag: u32, command: &str) -> Vec<u8> {
    let frame = Bytes::from(format!("t{tag} {command}"));
    let (mut buf, mut sink) = (Vec::new(), Sink(Vec::new()));
    let mut out = Out::new(&mut buf, &mut sink);
    session.command(frame, &mut out).await.unwrap();
    out.flush().await.unwrap();
    sink.0
}

/// A client that sends and reads line by line, and has read the greeting.
pub struct LineClient(BufReader<TcpStream>);

impl LineClient {
    pub async fn new(address: SocketAddr) -> Self {
        let mut client = Self(BufReader::new(TcpStream::connect(address).await.unwrap()));
        client.line().await;
        client
    }

    /// The next line; empty when the server has closed.
    pub async fn line(&mut self) -> String {
        let mut text = String::new();
        tokio::time::timeout(SOON, self.0.read_line(&mut text)).await.unwrap().unwrap();
        text
    }

    /// Sends a line; the next one that comes.
    pub async fn ask(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.line().await
    }

    /// Sends a command; its tagged answer, or nothing when the server has closed.
    pub async fn command(&mut self, command: &str) -> String {
        let mut line = self.ask(&format!("a {command}")).await;
        while !line.is_empty() && !line.starts_with("a ") {
            line = self.line().await;
        }
        line
    }
}

/// What a test server is made of.
pub struct Running {
    pub service: Arc<Service>,
    pub store: Arc<MailStore>,
    pub address: SocketAddr,
}

pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub async fn start(backend: Arc<dyn Backend>, timeouts: Timeouts, limits: ConnectionLimits) -> Running {
    start_with(backend, timeouts, limits, |_| {}).await
}

pub async fn start_with(
    backend: Arc<dyn Backend>,
    timeouts: Timeouts,
    limits: ConnectionLimits,
    configure: impl FnOnce(&mut Server),
) -> Running {
    // A clock that stands still: UIDVALIDITY must grow all the same.
    let store = Arc::new(MailStore::new(backend, Arc::new(|| 1_000_000_000)));
    for name in ["ALICE", "BOB"] {
        // They are, when a server was there before on what is below.
        let enrolled = store.enroll(user(name), 1000).await;
        assert!(matches!(enrolled, Ok(()) | Err(StoreError::AlreadyExists)), "{enrolled:?}");
    }
    let start = std::time::Instant::now();
    let auth = Authenticator::new(
        Arc::new(Secret),
        "vm.localhost".into(),
        [1; 32],
        Arc::new(move || start.elapsed()),
    );
    let mut server = Server::new("vm.localhost".into(), store.clone(), auth, 2);
    server.limits = Arc::new(limits);
    configure(&mut server);
    server.administrators = Arc::new(|user| user.as_str() == "BOB");
    server.about.store(Arc::new(About { comment: Some("A system for tests".into()), admin: None }));
    let service = Service::new(Arc::new(server), timeouts, None);
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let address = listener.address().unwrap();
    tokio::spawn(listener.run(service.clone()));
    Running { service, store, address }
}

pub async fn start_plain(backend: Arc<dyn Backend>) -> Running {
    start(backend, Timeouts::default(), ConnectionLimits::default()).await
}

/// A server as these statements of IMAP CONFIG want it.
#[allow(dead_code)]
pub async fn start_configured(
    backend: Arc<dyn Backend>,
    statements: &str,
    progress_every: Option<Duration>,
) -> Running {
    let text = format!("FilePoolID P\nBadFileID B\n{statements}");
    let config = imapd::machine::config::read(text.lines()).unwrap();
    let configure = |server: &mut Server| {
        server.tokens.store(Arc::new(config.tokens.clone()));
        server.message_limit.store(Arc::new(config.message_limit));
        server.mailbox_referrals.store(Arc::new(config.mailbox_referrals.clone()));
        server.set_clear_passwords(config.clear_passwords);
        server.set_eight_bit_headers(config.eight_bit_headers);
        server.referrals.store(Arc::new(config.referrals.clone()));
        server.progress_every = progress_every.unwrap_or(server.progress_every);
    };
    start_with(backend, Timeouts::default(), ConnectionLimits::default(), configure).await
}

#[allow(dead_code)]
pub const SOON: Duration = Duration::from_secs(120);

/// Private memory of this process in octets.
pub fn private_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Private memory that one idle client costs: `connect` opens each, it logs in, selects and idles.
///
/// The first fifty are not counted, so that what is allocated once does not count either.
pub async fn idle_cost<S: AsyncRead + AsyncWrite + Unpin>(
    clients: usize,
    connect: impl AsyncFn() -> S,
) -> usize {
    let commands = "a LOGIN alice secret\r\nb SELECT INBOX\r\nc IDLE\r\n";
    quiet_cost(clients, commands, "+ idling", connect).await
}

/// The same of a client that sends these commands and is quiet after that answer.
pub async fn quiet_cost<S: AsyncRead + AsyncWrite + Unpin>(
    clients: usize,
    commands: &str,
    answer: &str,
    connect: impl AsyncFn() -> S,
) -> usize {
    const WARMING: usize = 50;
    let mut streams = Vec::with_capacity(clients + WARMING);
    let mut before = 0;
    for i in 0..clients + WARMING {
        if i == WARMING {
            before = private_memory();
        }
        let mut stream = connect().await;
        stream.write_all(commands.as_bytes()).await.unwrap();
        let mut text = Vec::new();
        let mut piece = [0; 512];
        while !text.windows(answer.len()).any(|w| w == answer.as_bytes()) {
            let n = stream.read(&mut piece).await.unwrap();
            assert!(n > 0);
            text.extend_from_slice(&piece[..n]);
        }
        streams.push(stream);
    }
    (private_memory() - before) / clients
}
