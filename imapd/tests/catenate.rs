//! Messages put together from others: octet for octet what their parts are, and no larger than a message may be.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::fmt::Write as _;
use std::sync::Arc;

use imapd::mailstore::Backend;
use imapd::wire::MAX_MESSAGE;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use support::memory::Memory;
use support::{SOON, start_plain};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

struct Client(BufReader<TcpStream>);

impl Client {
    async fn new(address: std::net::SocketAddr) -> Self {
        let mut client = Self(BufReader::new(TcpStream::connect(address).await.unwrap()));
        client.line().await;
        assert!(client.ask(b"a LOGIN alice secret\r\n").await.starts_with("a OK"));
        client
    }

    async fn line(&mut self) -> String {
        let mut text = String::new();
        tokio::time::timeout(SOON, self.0.read_line(&mut text)).await.unwrap().unwrap();
        text
    }

    /// Sends a command and gives back its tagged answer.
    async fn ask(&mut self, command: &[u8]) -> String {
        self.0.get_mut().write_all(command).await.unwrap();
        loop {
            let line = self.line().await;
            if line.starts_with("a ") {
                return line;
            }
        }
    }

    async fn append(&mut self, message: &[u8]) {
        let head = format!("a APPEND INBOX {{{}+}}\r\n", message.len());
        let answer = self.ask(&[head.as_bytes(), message, b"\r\n"].concat()).await;
        assert!(answer.starts_with("a OK"), "{answer}");
    }

    /// All octets of a message.
    /// The octets of a message; BINARY has them as they are, also NUL.
    async fn body(&mut self, uid: usize) -> Vec<u8> {
        self.0.get_mut().write_all(format!("a UID FETCH {uid} BINARY.PEEK[]\r\n").as_bytes()).await.unwrap();
        let head = self.line().await;
        let size = head.trim_end().strip_suffix('}').and_then(|h| h.rsplit_once('{')).unwrap().1;
        let mut octets = vec![0; size.parse().unwrap()];
        self.0.read_exact(&mut octets).await.unwrap();
        while !self.line().await.starts_with("a OK") {}
        octets
    }
}

/// Messages as they come, broken ones among them: bare line feeds, lines longer than a record, octets of any value.
fn sources() -> Vec<Vec<u8>> {
    let lines: String = (0..30_000).fold(String::new(), |mut all, i| {
        write!(all, "{i} is a line\r\n").unwrap();
        all
    });
    let every: Vec<u8> = (1..=255).collect();
    vec![
        lines.into_bytes(),
        b"a\r\nb\nc\r\n\r\nd".to_vec(),
        [&b"Subject: x\r\n\r\n"[..], &b"long".repeat(50_000), b"\r\nend\r\n"].concat(),
        every.repeat(3),
    ]
}

#[derive(Debug, Clone)]
enum Part {
    Text(Vec<u8>),
    Url(usize, Option<(usize, usize)>),
}

fn part() -> impl Strategy<Value = Part> {
    let cut = proptest::option::of((0..500_000usize, 1..400_000usize));
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Part::Text),
        (0..4usize, cut).prop_map(|(source, cut)| Part::Url(source, cut)),
    ]
}

async fn octets_are_those_of_the_parts(backend: Arc<dyn Backend>) {
    let running = start_plain(backend).await;
    let mut client = Client::new(running.address).await;
    let sources = sources();
    for source in &sources {
        client.append(source).await;
    }
    assert!(client.ask(b"a SELECT INBOX\r\n").await.starts_with("a OK"));
    let mut runner = TestRunner::deterministic();
    let mut uid = sources.len();
    for _ in 0..40 {
        let parts = proptest::collection::vec(part(), 1..6).new_tree(&mut runner).unwrap().current();
        let (mut command, mut expected) = (b"a APPEND INBOX CATENATE (".to_vec(), Vec::new());
        for (i, part) in parts.iter().enumerate() {
            command.extend_from_slice(if i == 0 { b"" } else { b" " });
            match part {
                Part::Text(octets) => {
                    command.extend_from_slice(format!("TEXT ~{{{}+}}\r\n", octets.len()).as_bytes());
                    command.extend_from_slice(octets);
                    expected.extend_from_slice(octets);
                }
                Part::Url(source, cut) => {
                    let url =
                        cut.map(|(from, count)| format!("/;PARTIAL={from}.{count}")).unwrap_or_default();
                    command.extend_from_slice(format!("URL \"/INBOX/;UID={}{url}\"", source + 1).as_bytes());
                    let (octets, (from, count)) = (&sources[*source], cut.unwrap_or((0, usize::MAX)));
                    let from = from.min(octets.len());
                    expected.extend_from_slice(&octets[from..from.saturating_add(count).min(octets.len())]);
                }
            }
        }
        command.extend_from_slice(b")\r\n");
        let answer = client.ask(&command).await;
        if expected.is_empty() {
            assert!(answer.starts_with("a NO [CANNOT]"), "{answer}");
            continue;
        }
        assert!(answer.starts_with("a OK"), "{answer} {parts:?}");
        uid += 1;
        assert!(client.body(uid).await == expected, "{parts:?}");
        let gone = format!("a UID STORE {uid} FLAGS.SILENT (\\Deleted)\r\n");
        client.ask(gone.as_bytes()).await;
        assert!(client.ask(b"a EXPUNGE\r\n").await.starts_with("a OK"));
    }
    running.service.shutdown(SOON).await;
}

#[tokio::test]
async fn octets_over_memory() {
    octets_are_those_of_the_parts(Arc::new(Memory::default())).await;
}

#[tokio::test]
async fn octets_over_a_file_pool() {
    octets_are_those_of_the_parts(support::sfs_pool::MailPool::generate().backend()).await;
}

/// The largest message, and one octet more; of one message and of several together. Nothing of the user's room is left for
/// either, so that the first fails later.
#[tokio::test]
async fn size_at_and_past() {
    let running = start_plain(Arc::new(Memory::default())).await;
    let mut client = Client::new(running.address).await;
    const MIB: usize = 1 << 20;
    client.append(&b"0123456789abcde\n".repeat(MIB / 16)).await;
    let urls = vec!["URL /INBOX/;UID=1"; MAX_MESSAGE / MIB].join(" ");
    let answer = client.ask(format!("a APPEND INBOX CATENATE ({urls})\r\n").as_bytes()).await;
    assert!(answer.starts_with("a NO [OVERQUOTA]"), "{answer}");
    let answer =
        client.ask(format!("a APPEND INBOX CATENATE ({urls} TEXT {{1+}}\r\nx)\r\n").as_bytes()).await;
    assert!(answer.starts_with("a NO [TOOBIG]"), "{answer}");
    let answer = client.ask(format!("a APPEND INBOX CATENATE ({urls}) {{1+}}\r\nx\r\n").as_bytes()).await;
    assert!(answer.starts_with("a NO [TOOBIG]"), "{answer}");
    running.service.shutdown(SOON).await;
}
