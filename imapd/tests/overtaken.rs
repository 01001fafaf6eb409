//! A session that reads messages while another one removes them: the notes are gone a moment before the index says so, and the
//! client is told that messages were expunged, not that the mail store is damaged.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use support::memory::Memory;
use support::{LineClient, start_plain};
use tokio::sync::Semaphore;

const LETTER: &str = "{15+}\r\nSubject: x\r\n\r\ny";

async fn ok(client: &mut LineClient, command: &str) {
    let answer = client.command(command).await;
    assert!(answer.starts_with("a OK"), "{command}: {answer}");
}

/// Has `change` done by one session but not yet known, lets another one run `read` until it has missed a note, and gives back the
/// tagged answer to that.
async fn overtaken(change: &str, read: &str) -> String {
    let memory = Arc::new(Memory::default());
    let running = start_plain(memory.clone()).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = LineClient::new(running.address).await;
        ok(&mut client, "LOGIN alice secret").await;
        clients.push(client);
    }
    let [mut reader, mut other] = <[LineClient; 2]>::try_from(clients).ok().unwrap();
    ok(&mut other, "CREATE work").await;
    for _ in 0..3 {
        ok(&mut other, &format!("APPEND work (\\Deleted) {LETTER}")).await;
    }
    ok(&mut reader, "SELECT work").await;
    ok(&mut other, "SELECT work").await;
    let hold = Arc::new(Semaphore::new(0));
    *memory.hold.lock() = Some(hold.clone());
    let changed = tokio::spawn({
        let change = change.to_owned();
        async move { ok(&mut other, &change).await }
    });
    memory.held.notified().await;
    let missed = async {
        memory.missed.notified().await;
        hold.add_permits(Semaphore::MAX_PERMITS / 2);
    };
    let (answer, ()) = tokio::join!(reader.command(read), missed);
    changed.await.unwrap();
    answer
}

#[tokio::test]
async fn fetch_and_search() {
    for change in ["EXPUNGE", "UID EXPUNGE 1:3", "MOVE 1:* INBOX"] {
        let answer = overtaken(change, "FETCH 1:* BODY.PEEK[TEXT]").await;
        assert!(answer.contains("NO [EXPUNGEISSUED]"), "{change}: {answer}");
        let answer = overtaken(change, "UID FETCH 1:* BODY.PEEK[]").await;
        assert!(answer.contains("OK FETCH"), "{change}: {answer}");
        let answer = overtaken(change, "UID SEARCH BODY y LARGER 1").await;
        assert!(answer.contains("OK SEARCH"), "{change}: {answer}");
    }
}

#[tokio::test]
async fn deleted_mailbox() {
    let answer = overtaken("DELETE work", "UID FETCH 1:* BODY.PEEK[]").await;
    assert!(answer.contains("OK FETCH") || answer.contains("NO [NONEXISTENT]"), "{answer}");
}
