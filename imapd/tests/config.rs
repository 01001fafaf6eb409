//! CONFIG: what changes in a server that runs.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use imapd::machine::{config, inforce};
use support::memory::Memory;
use support::{SOON, start_plain};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(address: std::net::SocketAddr) -> (Self, String) {
        let mut client = Self(BufReader::new(TcpStream::connect(address).await.unwrap()));
        let greeting = client.line().await;
        (client, greeting)
    }

    async fn line(&mut self) -> String {
        let mut text = String::new();
        tokio::time::timeout(SOON, self.0.read_line(&mut text)).await.unwrap().unwrap();
        text
    }

    /// All lines up to the tagged one.
    async fn ask(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("a {command}\r\n").as_bytes()).await.unwrap();
        let mut all = String::new();
        while !all.lines().last().is_some_and(|l| l.starts_with("a ")) {
            let line = self.line().await;
            assert!(!line.is_empty(), "{command}: {all}");
            all += &line;
        }
        all
    }
}

#[tokio::test]
async fn what_changes_while_it_runs() {
    let running = start_plain(Arc::new(Memory::default())).await;
    let put = |text: &str| {
        let text = format!("FilePoolID P\nBadFileID B\n{text}");
        inforce::apply(&running.service, &config::read(text.lines()).unwrap(), None);
    };
    put("");
    let (mut old, _) = Client::connect(running.address).await;
    assert!(old.ask("LOGIN alice secret").await.contains("a OK"));

    put("Capability MOVE OFF\nComment Changed\nMaxPerUser 1\nIdleTimeout 31\n");
    assert_eq!(running.service.idle().as_secs(), 31 * 60);
    // A session that is there keeps what it was told; the comment is that of now.
    assert!(old.ask("CAPABILITY").await.contains(" MOVE"));
    assert!(old.ask("GETMETADATA \"\" /shared/comment").await.contains("Changed"));
    let (mut new, _) = Client::connect(running.address).await;
    let answer = new.ask("LOGIN alice secret").await;
    assert!(answer.starts_with("a NO [LIMIT]"), "{answer}");
    put("MaxConnections 2\nCapability MOVE OFF\n");
    assert!(new.ask("LOGIN alice secret").await.contains("a OK"));
    assert!(!new.ask("CAPABILITY").await.contains(" MOVE"));
    let (_third, greeting) = Client::connect(running.address).await;
    assert_eq!(greeting, "* BYE [LIMIT] Too many connections\r\n");
    assert_eq!(running.service.server.statistics.refused.get(), 1);

    // That is for the next message of whoever is there.
    let message = "APPEND INBOX {13+}\r\nSubject: \u{fc}\r\n";
    put("EightBitHeaders REFUSE\n");
    assert!(old.ask(message).await.starts_with("a NO [CANNOT]"));
    put("EightBitHeaders ACCEPT\n");
    assert!(old.ask(message).await.contains("a OK"));
}
