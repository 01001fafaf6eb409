//! AUTHENTICATE with mechanisms whose client has to compute, by a client that shares no code with the server.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as B64;
use cp::directory::DirectoryImage;
use futures::FutureExt;
use futures::future::BoxFuture;
use hmac::{Hmac, Mac};
use imapd::auth::{Authenticator, LoginError, PasswordCheck};
use imapd::session::Server;
use imapd::transport::{ConnectionLimits, Listener, Service, Timeouts};
use imapd::vm::UserId;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use support::memory::Memory;
use support::{SOON, start_configured, start_with};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Either hash of SCRAM, as a client computes it.
#[derive(Clone, Copy)]
enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    fn hmac(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => {
                Hmac::<Sha1>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
            }
            Self::Sha256 => Hmac::<Sha256>::new_from_slice(key)
                .unwrap()
                .chain_update(text)
                .finalize()
                .into_bytes()
                .to_vec(),
        }
    }

    fn digest(self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(text).to_vec(),
            Self::Sha256 => Sha256::digest(text).to_vec(),
        }
    }

    /// `Hi` of RFC 5802 section 2.2.
    fn stretched(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut u = self.hmac(password, &[salt, &[0, 0, 0, 1]].concat());
        let mut out = u.clone();
        for _ in 1..iterations {
            u = self.hmac(password, &u);
            out.iter_mut().zip(&u).for_each(|(o, u)| *o ^= u);
        }
        out
    }
}

struct Client<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn new(stream: S) -> (Self, String) {
        let mut client = Self { stream: BufReader::new(stream) };
        let greeting = client.line().await;
        (client, greeting)
    }

    async fn line(&mut self) -> String {
        let mut text = String::new();
        tokio::time::timeout(SOON, self.stream.read_line(&mut text)).await.unwrap().unwrap();
        text.trim_end_matches(['\r', '\n']).to_owned()
    }

    async fn ask(&mut self, text: &str) -> String {
        self.stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
        self.line().await
    }

    /// The decoded challenge that follows a response.
    async fn challenge(&mut self, text: &str) -> Result<String, String> {
        let line = self.ask(text).await;
        match line.strip_prefix("+ ") {
            Some(challenge) => Ok(String::from_utf8(B64.decode(challenge).unwrap()).unwrap()),
            None => Err(line),
        }
    }

    /// A SCRAM exchange; the tagged answer.
    async fn scram(
        &mut self,
        mechanism: &str,
        user: &str,
        password: &str,
        gs2: &str,
        channel: &[u8],
    ) -> String {
        let hash = if mechanism.contains("256") { Hash::Sha256 } else { Hash::Sha1 };
        let bare = format!("n={user},r=clientnonce");
        let first = B64.encode(format!("{gs2}{bare}"));
        let server = match self.challenge(&format!("s AUTHENTICATE {mechanism} {first}")).await {
            Ok(server) => server,
            Err(line) => return line,
        };
        let mut parts = server.splitn(3, ',').map(|p| p[2..].to_owned());
        let (nonce, salt, iterations) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        assert!(nonce.starts_with("clientnonce") && nonce.len() > 25, "{nonce}");
        let salted =
            hash.stretched(password.as_bytes(), &B64.decode(salt).unwrap(), iterations.parse().unwrap());
        let client_key = hash.hmac(&salted, b"Client Key");
        let without_proof = format!("c={},r={nonce}", B64.encode([gs2.as_bytes(), channel].concat()));
        let message = format!("{bare},{server},{without_proof}");
        let signature = hash.hmac(&hash.digest(&client_key), message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(k, s)| k ^ s).collect();
        let last = B64.encode(format!("{without_proof},p={}", B64.encode(proof)));
        match self.challenge(&last).await {
            Ok(shown) => {
                let server_key = hash.hmac(&salted, b"Server Key");
                assert_eq!(shown, format!("v={}", B64.encode(hash.hmac(&server_key, message.as_bytes()))));
                self.ask("").await
            }
            Err(line) => line,
        }
    }
}

async fn plain(address: SocketAddr) -> Client<TcpStream> {
    Client::new(TcpStream::connect(address).await.unwrap()).await.0
}

#[tokio::test]
async fn scram_without_a_channel() {
    let running = start_configured(Arc::new(Memory::default()), "", None).await;
    for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256"] {
        // The directory keeps both spellings of a short password, and login names fold.
        for (user, password) in [("alice", "secret"), ("ALICE", "SECRET"), ("bob@vm.localhost", "secret")] {
            let mut client = plain(running.address).await;
            let answer = client.scram(mechanism, user, password, "n,,", b"").await;
            assert!(answer.starts_with("s OK [CAPABILITY "), "{mechanism} {user}: {answer}");
        }
        let mut client = plain(running.address).await;
        let wrong = client.scram(mechanism, "alice", "wrong", "n,,", b"").await;
        let nobody = client.scram(mechanism, "nobody", "secret", "n,,", b"").await;
        assert_eq!(wrong, "s NO [AUTHENTICATIONFAILED] Invalid userid or password");
        assert_eq!(nobody, wrong);
        // Without encryption there is no channel to bind to, and none may be claimed.
        let bound =
            client.scram(&format!("{mechanism}-PLUS"), "alice", "secret", "p=tls-exporter,,", b"").await;
        assert_eq!(bound, "s NO [CANNOT] Mechanism is not offered");
        assert!(client.scram(mechanism, "alice", "secret", "y,,", b"").await.starts_with("s OK"));
        // Who he wants to be is judged as with PLAIN, and told to one who has shown who he is.
        let mut client = plain(running.address).await;
        let other = client.scram(mechanism, "alice", "secret", "n,a=bob,", b"").await;
        assert_eq!(other, "s NO [AUTHORIZATIONFAILED] You may not act for another user");
        assert_eq!(client.scram(mechanism, "alice", "wrong", "n,a=bob,", b"").await, wrong);
        running.service.server.auth.forgive("127.0.0.1".parse().unwrap(), support::user("ALICE"));
        let himself = client.scram(mechanism, "alice", "secret", "n,a=ALICE@vm.localhost,", b"").await;
        assert!(himself.starts_with("s OK"), "{himself}");
        // The answer to another exchange is a refusal, no mistake in grammar.
        let mut client = plain(running.address).await;
        let first = B64.encode("n,,n=alice,r=x");
        client.challenge(&format!("s AUTHENTICATE {mechanism} {first}")).await.unwrap();
        assert_eq!(client.ask(&B64.encode("c=biws,r=xother,p=AAAA")).await, wrong);
        let first = B64.encode("n,,n=alice,r=x,m=must");
        let answer = client.ask(&format!("s AUTHENTICATE {mechanism} {first}")).await;
        assert!(answer.starts_with("s BAD [CLIENTBUG] "), "{answer}");
        running.service.server.auth.forgive("127.0.0.1".parse().unwrap(), support::user("ALICE"));
    }
}

/// Passwords as the CP directory checks them.
struct Directory(Arc<DirectoryImage>);

impl PasswordCheck for Directory {
    fn check<'a>(&'a self, user: UserId, password: &'a [u8]) -> BoxFuture<'a, Result<bool, LoginError>> {
        let entry = self.0.get(user);
        let right = entry.is_some_and(|entry| entry.password.verify(std::str::from_utf8(password).unwrap()));
        std::future::ready(Ok(right)).boxed()
    }

    fn directory(&self) -> Option<Arc<DirectoryImage>> {
        Some(self.0.clone())
    }
}

/// A client prepares the password by SASLprep (RFC 5802 section 2.2); who shows it may leave that to the server (RFC 4616 section 2).
#[tokio::test]
async fn passwords_that_saslprep_changes() {
    const RAW: &str = "p\u{aa}ss\u{ad}word\u{a0}of a fi\u{148} \u{b5}";
    const PREPARED: &str = "password of a fi\u{148} \u{3bc}";
    let mut random = |octets: &mut [u8]| octets.fill(9);
    let source = format!("DIRECTORY 123 3390 ESARES\nUSER ALICE '{RAW}' 64M 64M G\n");
    let image = Arc::new(cp::directory::source::read(&source).unwrap().seal(&mut random).unwrap());
    let configure = |server: &mut Server| {
        let check = Arc::new(Directory(image.clone()));
        server.auth = Authenticator::new(check, "vm.localhost".into(), [1; 32], Arc::new(|| Duration::ZERO));
    };
    let backend = Arc::new(Memory::default());
    let running = start_with(backend, Timeouts::default(), ConnectionLimits::default(), configure).await;
    for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256"] {
        let mut client = plain(running.address).await;
        let answer = client.scram(mechanism, "alice", PREPARED, "n,,", b"").await;
        assert!(answer.starts_with("s OK"), "{mechanism}: {answer}");
        let mut client = plain(running.address).await;
        let answer = client.scram(mechanism, "alice", RAW, "n,,", b"").await;
        assert!(answer.starts_with("s NO [AUTHENTICATIONFAILED]"), "{mechanism}: {answer}");
        running.service.server.auth.forgive("127.0.0.1".parse().unwrap(), support::user("ALICE"));
    }
    for password in [RAW, PREPARED] {
        let mut client = plain(running.address).await;
        let shown = B64.encode(format!("\0alice\0{password}"));
        assert!(client.ask(&format!("a AUTHENTICATE PLAIN {shown}")).await.starts_with("a OK"), "{password}");
        let mut client = plain(running.address).await;
        let login = format!("a LOGIN alice {{{}+}}\r\n{password}", password.len());
        assert!(client.ask(&login).await.starts_with("a OK"), "{password}");
    }
    let mut client = plain(running.address).await;
    let shown = B64.encode("\0alice\0password of a fan \u{3bc}");
    let answer = client.ask(&format!("a AUTHENTICATE PLAIN {shown}")).await;
    assert!(answer.starts_with("a NO [AUTHENTICATIONFAILED]"), "{answer}");
    running.service.shutdown(SOON).await;
}

#[tokio::test]
async fn cram_md5_when_switched_on() {
    let running = start_configured(Arc::new(Memory::default()), "Capability AUTH=CRAM-MD5 ON\n", None).await;
    let mut client = plain(running.address).await;
    assert!(client.ask("a CAPABILITY").await.contains(" AUTH=CRAM-MD5 "));
    client.line().await;
    let refused = "a NO [AUTHENTICATIONFAILED] Invalid userid or password";
    for (user, password, want) in
        [("alice", "wrong", refused), ("nobody", "secret", refused), ("alice", "secret", "a OK")]
    {
        let challenge = client.challenge("a AUTHENTICATE CRAM-MD5").await.unwrap();
        // Something random, a time stamp, and the host (RFC 2195 section 2).
        assert!(
            challenge.starts_with('<') && challenge.ends_with(".1000000000@vm.localhost>"),
            "{challenge}"
        );
        let mac = Hmac::<md5::Md5>::new_from_slice(password.as_bytes()).unwrap().chain_update(&challenge);
        let digits: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        let answer = client.ask(&B64.encode(format!("{user} {digits}"))).await;
        assert!(answer.starts_with(want), "{user}: {answer}");
    }
}

struct Tls {
    service: Arc<Service>,
    address: SocketAddr,
    roots: rustls::RootCertStore,
    /// Certificate and key of the client that the authority has signed, for this mail address.
    client: (rustls::pki_types::CertificateDer<'static>, PrivateKeyDer<'static>),
}

async fn with_tls(address_of_client: &str) -> Tls {
    let made = rcgen::generate_simple_self_signed(vec!["vm.localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(params, authority_key);
    let client_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names.push(rcgen::SanType::Rfc822Name(address_of_client.try_into().unwrap()));
    let client = params.signed_by(&client_key, &issuer).unwrap();
    let client_key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(client_key.serialize_der()));
    let mut authorities = rustls::RootCertStore::empty();
    authorities.add(authority.der().clone()).unwrap();
    let verifier =
        rustls::server::WebPkiClientVerifier::builder(Arc::new(authorities)).allow_unauthenticated().build();
    let config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let configure = |server: &mut Server| server.set_clear_passwords(false);
    let memory = Arc::new(Memory::default());
    let running = start_with(memory, Timeouts::default(), ConnectionLimits::default(), configure).await;
    let service = Service::new(running.service.server.clone(), Timeouts::default(), Some(Arc::new(config)));
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), true).unwrap();
    let address = listener.address().unwrap();
    tokio::spawn(listener.run(service.clone()));
    Tls { service, address, roots, client: (client.der().clone(), client_key) }
}

impl Tls {
    async fn connect(
        &self,
        certificate: bool,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> TlsStream<TcpStream> {
        let builder = rustls::ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(self.roots.clone());
        let config = match certificate {
            false => builder.with_no_client_auth(),
            true => {
                builder.with_client_auth_cert(vec![self.client.0.clone()], self.client.1.clone_key()).unwrap()
            }
        };
        let name = ServerName::try_from("vm.localhost").unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }
}

fn exporter(stream: &TlsStream<TcpStream>) -> [u8; 32] {
    let (_, tls) = stream.get_ref();
    tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).unwrap()
}

#[tokio::test]
async fn scram_over_a_channel() {
    let tls = with_tls("alice@vm.localhost").await;
    for mechanism in ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"] {
        let stream = tls.connect(false, &rustls::version::TLS13).await;
        let channel = exporter(&stream);
        let (mut client, greeting) = Client::new(stream).await;
        assert!(greeting.split([' ', ']']).any(|w| w == format!("AUTH={mechanism}")), "{greeting}");
        assert!(!greeting.contains("EXTERNAL"), "{greeting}");
        let gs2 = "p=tls-exporter,,";
        let refused = "s NO [AUTHENTICATIONFAILED] Invalid userid or password";
        // Another channel than ours: somebody stands between.
        assert_eq!(client.scram(mechanism, "alice", "secret", gs2, &[1; 32]).await, refused);
        // A client that could bind and was not shown that we can.
        let base = mechanism.trim_end_matches("-PLUS");
        assert_eq!(client.scram(base, "alice", "secret", "y,,", b"").await, refused);
        // One exchange may be bound to a connection (RFC 9266 section 4.1).
        let spent = "s NO [CANNOT] A login was bound to this connection; make another one";
        assert_eq!(client.scram(mechanism, "alice", "secret", gs2, &channel).await, spent);
        assert!(!client.ask("c CAPABILITY").await.contains("-PLUS"));
        assert!(client.line().await.starts_with("c OK"));
        // Three refusals would wait; the next is a good one. What was given up before it was bound does not count.
        let stream = tls.connect(false, &rustls::version::TLS13).await;
        let channel = exporter(&stream);
        let (mut client, _) = Client::new(stream).await;
        let first = B64.encode("p=tls-exporter,,n=alice,r=clientnonce");
        client.challenge(&format!("s AUTHENTICATE {mechanism} {first}")).await.unwrap();
        assert!(client.ask("*").await.starts_with("s BAD"));
        assert!(client.scram(mechanism, "alice", "secret", gs2, &channel).await.starts_with("s OK"));
        assert!(client.ask("u UNAUTHENTICATE").await.starts_with("u OK"));
        assert_eq!(client.scram(mechanism, "alice", "secret", gs2, &channel).await, spent);
        assert!(client.scram(base, "alice", "secret", "n,,", b"").await.starts_with("s OK"));
    }
    // TLS 1.2 gives no channel that we could name.
    let (_client, greeting) = Client::new(tls.connect(false, &rustls::version::TLS12).await).await;
    assert!(greeting.contains(" AUTH=SCRAM-SHA-256 ") && !greeting.contains("-PLUS"), "{greeting}");
    tls.service.shutdown(SOON).await;
}

#[tokio::test]
async fn external_with_a_client_certificate() {
    let tls = with_tls("alice@vm.localhost").await;
    let (mut client, greeting) = Client::new(tls.connect(true, &rustls::version::TLS13).await).await;
    assert!(greeting.contains(" AUTH=EXTERNAL"), "{greeting}");
    let bob = B64.encode("bob");
    assert!(
        client.ask(&format!("a AUTHENTICATE EXTERNAL {bob}")).await.starts_with("a NO [AUTHORIZATIONFAILED]")
    );
    assert!(client.ask("b AUTHENTICATE EXTERNAL =").await.starts_with("b OK"));
    let (mut client, _) = Client::new(tls.connect(true, &rustls::version::TLS12).await).await;
    assert_eq!(client.ask("c AUTHENTICATE EXTERNAL").await, "+ ");
    assert!(client.ask(&B64.encode("alice@vm.localhost")).await.starts_with("c OK"));
    // Without a certificate there is no such mechanism.
    let (mut client, _) = Client::new(tls.connect(false, &rustls::version::TLS13).await).await;
    assert_eq!(client.ask("d AUTHENTICATE EXTERNAL =").await, "d NO [CANNOT] Mechanism is not offered");
    // A certificate of somebody who is no user.
    let tls = with_tls("alice@elsewhere.example").await;
    let (mut client, _) = Client::new(tls.connect(true, &rustls::version::TLS13).await).await;
    assert!(client.ask("e AUTHENTICATE EXTERNAL =").await.starts_with("e NO [AUTHENTICATIONFAILED]"));
}

/// A token of JWTHS256 for `user` that ends at `exp`.
fn token(key: &[u8], user: &str, exp: i64) -> String {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as URL;
    let claims = format!(r#"{{"iss":"issuer","sub":"{user}","exp":{exp}}}"#);
    let signed = format!("{}.{}", URL.encode(r#"{"typ":"JWT","alg":"HS256"}"#), URL.encode(claims));
    format!("{signed}.{}", URL.encode(Hash::Sha256.hmac(key, signed.as_bytes())))
}

#[tokio::test]
async fn oauthbearer_behind_an_exit() {
    const NOW: i64 = 1_000_000_000;
    let key = [7u8; 32];
    let records =
        ["Key one BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc".to_owned(), "Issuer issuer".to_owned()];
    let (_, make) = imapd::auth::bearer::EXITS.iter().find(|(name, _)| *name == "JWTHS256").unwrap();
    let exit = make(&records, Arc::new(|| NOW)).unwrap();
    // A bearer token is for TLS alone, whatever is configured of passwords (RFC 7628 section 5).
    let configure = |server: &mut Server| server.auth.set_token_exit(Some(exit.clone()));
    let memory = Arc::new(Memory::default());
    let running = start_with(memory, Timeouts::default(), ConnectionLimits::default(), configure).await;
    let (mut client, greeting) = Client::new(TcpStream::connect(running.address).await.unwrap()).await;
    assert!(!greeting.contains("OAUTHBEARER") && greeting.contains(" AUTH=PLAIN "), "{greeting}");
    assert!(client.ask("a AUTHENTICATE OAUTHBEARER").await.starts_with("a NO [PRIVACYREQUIRED] "));
    let tls = with_tls("alice@vm.localhost").await;
    tls.service.server.auth.set_token_exit(Some(exit));
    let (mut client, greeting) = Client::new(tls.connect(false, &rustls::version::TLS13).await).await;
    assert!(greeting.contains(" AUTH=OAUTHBEARER"), "{greeting}");
    let to = |host: &str, user: &str, auth: &str| {
        B64.encode(format!("n,{user},\x01host={host}\x01port=143\x01auth={auth}\x01\x01"))
    };
    let message = |user: &str, token: &str| to("vm.localhost", user, &format!("Bearer {token}"));
    let good = token(&key, "alice@vm.localhost", NOW + 1);
    for (user, bad) in [
        ("", token(&key, "alice", NOW - 61)),
        ("", token(&[8; 32], "alice", NOW + 1)),
        ("", token(&key, "nobody", NOW + 1)),
        ("a=bob", good.clone()),
    ] {
        let refusal = client.challenge(&format!("a AUTHENTICATE OAUTHBEARER {}", message(user, &bad))).await;
        assert_eq!(refusal.unwrap(), r#"{"status":"invalid_token"}"#);
        let answer = client.ask("AQ==").await;
        assert_eq!(answer, "a NO [AUTHENTICATIONFAILED] Invalid userid or password");
    }
    assert!(client.ask("b AUTHENTICATE OAUTHBEARER AAAA").await.starts_with("b BAD"));
    // Without a token a client asks what would be good (section 4.3); of that it may think better.
    let refusal =
        client.challenge(&format!("b AUTHENTICATE OAUTHBEARER {}", to("vm.localhost", "", ""))).await;
    assert_eq!(refusal.unwrap(), r#"{"status":"invalid_token"}"#);
    assert_eq!(client.ask("*").await, "b BAD AUTHENTICATE cancelled");
    // A token for another server must not be good here, whoever brings it (section 3.2).
    let (mut client, _) = Client::new(tls.connect(false, &rustls::version::TLS13).await).await;
    let elsewhere = to("vm.localhost.example", "", &format!("Bearer {good}"));
    let refusal = client.challenge(&format!("b AUTHENTICATE OAUTHBEARER {elsewhere}")).await;
    assert_eq!(refusal.unwrap(), r#"{"status":"invalid_request"}"#);
    assert!(client.ask("AQ==").await.starts_with("b NO [AUTHENTICATIONFAILED] "));
    tls.service.server.auth.forgive("127.0.0.1".parse().unwrap(), support::user("ALICE"));
    assert_eq!(client.ask("c AUTHENTICATE OAUTHBEARER").await, "+ ");
    let here = to("IMAP.vm.localhost", "a=alice", &format!("Bearer {good}"));
    assert!(client.ask(&here).await.starts_with("c OK"));
    // Without an exit there is no such mechanism.
    let running = start_configured(Arc::new(Memory::default()), "", None).await;
    let mut client = plain(running.address).await;
    let answer = client.ask(&format!("a AUTHENTICATE OAUTHBEARER {}", message("", &good))).await;
    assert_eq!(answer, "a NO [CANNOT] Mechanism is not offered");
}
