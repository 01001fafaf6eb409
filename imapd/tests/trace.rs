//! TRACE: no secret ever comes out, whatever way a client takes to send it; a program of its own, for the log is one.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as B64;
use imapd::session::traces::TraceKind;
use support::memory::Memory;
use support::{SOON, start_configured, user};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Everything that is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn take(&self) -> String {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("imapd")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        text.push_str(event.metadata().target());
        event.record(&mut Line(&mut text));
        text.push('\n');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Says each line when the answer to the one before has come, then reads to the end.
async fn talk(address: std::net::SocketAddr, lines: &[String]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut all = String::new();
    let mut buffer = [0u8; 4096];
    for line in lines {
        let n = tokio::time::timeout(SOON, stream.read(&mut buffer)).await.unwrap().unwrap();
        all.push_str(&String::from_utf8_lossy(&buffer[..n]));
        if stream.write_all(format!("{line}\r\n").as_bytes()).await.is_err() {
            break;
        }
    }
    stream.shutdown().await.ok();
    while let Ok(n) = tokio::time::timeout(SOON, stream.read(&mut buffer)).await.unwrap() {
        if n == 0 {
            break;
        }
        all.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    all
}

/// The ways to send a password: each a client's lines.
fn ways(password: &str) -> Vec<Vec<String>> {
    let plain = B64.encode(format!("\0alice\0{password}"));
    let word = B64.encode(password);
    let bearer = B64.encode(format!("n,,\u{1}auth=Bearer {password}\u{1}\u{1}"));
    let all: Vec<Vec<String>> = vec![
        vec![format!("a LOGIN alice {password}")],
        vec![format!("a LOGIN \"alice\" \"{password}\"")],
        vec!["a LOGIN {5}".into(), format!("alice {{{}}}", password.len()), password.into()],
        vec![format!("a LOGIN alice {{{}+}}\r\n{password}", password.len())],
        vec![format!("LOGIN alice {password}")],
        vec![format!("a  LOGIN alice {password}")],
        vec![format!("a LOGIN\talice {password}")],
        vec![format!("a NOOP b LOGIN alice {password}")],
        vec![format!("a UID LOGIN alice {password}")],
        vec![format!("a ID (\"name\" \"x\") LOGIN alice {password}")],
        vec![format!("a AUTHENTICATE PLAIN {plain}")],
        vec!["a AUTHENTICATE PLAIN".into(), plain.clone()],
        vec!["a AUTHENTICATE LOGIN".into(), B64.encode("alice"), word.clone()],
        vec!["a AUTHENTICATE CRAM-MD5".into(), plain.clone()],
        vec!["a AUTHENTICATE SCRAM-SHA-1".into(), plain.clone()],
        vec!["a AUTHENTICATE SCRAM-SHA-256".into(), word.clone()],
        vec![format!("a AUTHENTICATE SCRAM-SHA-256-PLUS {plain}")],
        vec![format!("a AUTHENTICATE EXTERNAL {plain}")],
        vec!["a AUTHENTICATE EXTERNAL".into(), word.clone()],
        vec![format!("a AUTHENTICATE OAUTHBEARER {bearer}")],
        // The mechanism is refused, and the response comes as if it were a command.
        vec!["a AUTHENTICATE OAUTHBEARER".into(), bearer],
        vec!["a AUTHENTICATE NTLM".into(), plain.clone()],
        vec!["a AUTHENTICATE PLAIN".into(), "*".into(), plain],
        vec!["a LOGIN alice {99999999}".into(), password.into()],
    ];
    all
}

#[tokio::test]
async fn no_secret_comes_out() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let running = start_configured(Arc::new(Memory::default()), "Capability AUTH=CRAM-MD5 ON\n", None).await;
    for password in ["SeCrEt", "hunter2!"] {
        let mut hidden = vec![password.to_owned(), B64.encode(password)];
        hidden.push(B64.encode(format!("\0alice\0{password}")));
        hidden.push(B64.encode(format!("n,,\u{1}auth=Bearer {password}\u{1}\u{1}")));
        for way in ways(password) {
            let answer = talk(running.address, &way).await;
            let text = log.take();
            assert!(
                text.contains("imapd::socketio") && answer.starts_with("* OK"),
                "{way:?}: {answer}\n{text}"
            );
            for secret in &hidden {
                assert!(!text.contains(secret.as_str()), "{way:?} shows {secret}:\n{text}");
            }
            // Failures of one address slow the next ones down; that is not what is tested here.
            running.service.server.auth.forgive(std::net::Ipv4Addr::LOCALHOST.into(), user("ALICE"));
        }
    }
    // Named users only: nobody else is shown, and nobody before login.
    running.service.server.traces.add(TraceKind::SocketIo, user("BOB"));
    let lines = |name: &str| [format!("a LOGIN {name} secret"), "b SELECT INBOX".into(), "c LOGOUT".into()];
    talk(running.address, &lines("alice")).await;
    assert!(!log.take().contains("imapd::socketio"));
    talk(running.address, &lines("bob")).await;
    let text = log.take();
    assert!(text.contains("C: b SELECT INBOX") && !text.contains("C: a LOGIN"), "{text}");
    // One line tells of the whole session.
    let end = text.lines().find(|l| l.contains("session ended")).unwrap();
    for part in
        ["peer=127.0.0.1", "user=\"BOB\"", "commands=3", "received=", "sent=", "seconds=", "end=logged out"]
    {
        assert!(end.contains(part), "{part}: {end}");
    }
    for part in ["appended=0", "fetched=0", "expunged=0"] {
        assert!(end.contains(part), "{part}: {end}");
    }
}
