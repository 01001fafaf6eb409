//! EMAILIDs of messages that went from one user to another, over restarts of the server, formats of NOTE INDEX and REBUILD.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use imapd::mailstore::sfs::note_index::{FORMAT, LRECL};
use support::sfs_pool::MailPool;
use support::{LineClient, Running, SOON, start_plain, user};

/// First octet of a message's record, and where it says whose its EMAILID is.
const MESSAGE: u8 = 0xD4;
const OWNER: std::ops::Range<usize> = 68..76;
/// `BOB` in EBCDIC, blanks behind it.
const BOB: [u8; 8] = [0xC2, 0xD6, 0xC2, 0x40, 0x40, 0x40, 0x40, 0x40];

fn index() -> cms::csl::FileRef {
    MailPool::alices(Some("INBOX"), "NOTE", "INDEX")
}

/// The format of NOTE INDEX, and of each message whose its EMAILID is.
async fn written(pool: &MailPool) -> (u16, Vec<[u8; 8]>) {
    let image = pool.read_fixed(index()).await;
    let messages = image.chunks_exact(LRECL).filter(|r| r[0] == MESSAGE);
    let owners = messages.map(|r| r[OWNER].try_into().unwrap()).collect();
    (u16::from_le_bytes([image[2], image[3]]), owners)
}

async fn client(running: &Running, name: &str) -> LineClient {
    let mut client = LineClient::new(running.address).await;
    assert!(client.command(&format!("LOGIN {name} secret")).await.starts_with("a OK"));
    client
}

async fn append(client: &mut LineClient, mailbox: &str) {
    let done = client.ask(&format!("a APPEND {mailbox} {{12+}}\r\nSubject: x\r\n")).await;
    assert!(done.starts_with("a OK"), "{done}");
}

/// The EMAILIDs in a mailbox, as a user sees them.
async fn seen(running: &Running, name: &str, mailbox: &str) -> Vec<String> {
    let mut client = client(running, name).await;
    assert!(client.command(&format!("EXAMINE {mailbox}")).await.starts_with("a OK"));
    let mut all = Vec::new();
    let mut line = client.ask("a FETCH 1:* EMAILID").await;
    while let Some((_, id)) = line.split_once("(EMAILID (") {
        all.push(id.trim_end().trim_end_matches(')').to_owned());
        line = client.line().await;
    }
    assert!(line.starts_with("a OK"), "{line}");
    all
}

#[tokio::test]
async fn they_are_kept_over_restarts_and_formats() {
    let pool = MailPool::generate();
    start_plain(pool.backend()).await.service.shutdown(SOON).await;
    // As of users whom the build before has enrolled within a second: header and INBOX have the number that BOB's have.
    let same = |image: &mut Vec<u8>| {
        let number = u32::from_le_bytes(image[4..8].try_into().unwrap()) + 1;
        image[4..8].copy_from_slice(&number.to_le_bytes());
        image[1032..1036].copy_from_slice(&number.to_le_bytes());
    };
    pool.rewrite(MailPool::alices(None, "MAILBOX", "INDEX"), 512, same).await;
    let running = start_plain(pool.backend()).await;
    let mut alice = client(&running, "alice").await;
    append(&mut alice, "INBOX").await;
    assert!(alice.command("SETACL INBOX bob lrswitekx").await.starts_with("a OK"));
    let mut bob = client(&running, "bob").await;
    append(&mut bob, "INBOX").await;
    let alices = seen(&running, "alice", "INBOX").await;
    let bobs = seen(&running, "bob", "INBOX").await;
    // Both count from the same UIDVALIDITY: the numbers alone are no identifiers.
    assert_eq!(alices, bobs);
    let shared = "\"Other Users/ALICE/INBOX\"";
    let others = seen(&running, "bob", shared).await;
    assert_eq!(others, [format!("{}-ALICE", alices[0])]);
    running.service.shutdown(SOON).await;
    // As the build before has written it: the same is seen, and a change that needs no more than that format leaves it.
    let former = (FORMAT - 1).to_le_bytes();
    pool.rewrite(index(), LRECL, |image| image[2..4].copy_from_slice(&former)).await;
    let running = start_plain(pool.backend()).await;
    let mut alice = client(&running, "alice").await;
    append(&mut alice, "INBOX").await;
    assert_eq!(written(&pool).await, (FORMAT - 1, vec![[0; 8]; 2]));
    let two = seen(&running, "alice", "INBOX").await;
    assert_eq!(two[..1], alices);
    assert_eq!(seen(&running, "bob", shared).await[..1], others);
    // What comes from somebody else does.
    let mut bob = client(&running, "bob").await;
    assert!(bob.command("SELECT INBOX").await.starts_with("a OK"));
    assert!(bob.command(&format!("MOVE 1 {shared}")).await.starts_with("a OK"));
    assert_eq!(written(&pool).await, (FORMAT, vec![[0; 8], [0; 8], BOB]));
    let all = seen(&running, "alice", "INBOX").await;
    assert_eq!(all, [two[0].clone(), two[1].clone(), format!("{}-BOB", bobs[0])]);
    let others = seen(&running, "bob", shared).await;
    assert_eq!(others, [format!("{}-ALICE", two[0]), format!("{}-ALICE", two[1]), bobs[0].clone()]);
    running.service.shutdown(SOON).await;
    let running = start_plain(pool.backend()).await;
    assert_eq!(seen(&running, "alice", "INBOX").await, all);
    assert_eq!(seen(&running, "bob", shared).await, others);
    // ENVELOPE comes from the summary, and each message has its own.
    let mut alice = client(&running, "alice").await;
    assert!(alice.command("SELECT INBOX").await.starts_with("a OK"));
    let envelope = alice.ask("a FETCH 3 ENVELOPE").await;
    assert!(envelope.starts_with("* 3 FETCH (ENVELOPE (NIL \"x\" "), "{envelope}");
    running.service.shutdown(SOON).await;
}

#[tokio::test]
async fn rebuild_keeps_them() {
    let pool = MailPool::generate();
    let backend = pool.backend();
    let running = start_plain(backend.clone()).await;
    let mut alice = client(&running, "alice").await;
    assert!(alice.command("SETACL INBOX bob lrswitekx").await.starts_with("a OK"));
    let mut bob = client(&running, "bob").await;
    append(&mut bob, "INBOX").await;
    append(&mut bob, "INBOX").await;
    assert!(bob.command("SELECT INBOX").await.starts_with("a OK"));
    assert!(bob.command("COPY 1:2 \"Other Users/ALICE/INBOX\"").await.starts_with("a OK"));
    drop((alice, bob));
    let before = seen(&running, "alice", "INBOX").await;
    // One record is right, the other one does not fit its note.
    let damage = |image: &mut Vec<u8>| {
        let mut messages = image.chunks_exact_mut(LRECL).filter(|r| r[0] == MESSAGE);
        messages.next().unwrap()[48] ^= 1;
    };
    let alice = user("ALICE");
    let at_rest = running.store.replacing(alice, pool.rewrite(index(), LRECL, damage));
    at_rest.await.unwrap();
    let done = running.store.replacing(alice, backend.rebuild(alice, 1)).await.unwrap().unwrap();
    assert!(done.iter().any(|d| d.contains("with 1 records as they were and 1 from the notes")), "{done:?}");
    assert_eq!(seen(&running, "alice", "INBOX").await, before);
    assert_eq!(written(&pool).await, (FORMAT, vec![BOB; 2]));
    // A user id that cannot be one is damage; the message gets an EMAILID of this mailbox.
    let damage = |image: &mut Vec<u8>| {
        let mut messages = image.chunks_exact_mut(LRECL).filter(|r| r[0] == MESSAGE);
        messages.next().unwrap()[OWNER].fill(0x6B);
    };
    running.store.replacing(alice, pool.rewrite(index(), LRECL, damage)).await.unwrap();
    let found = running.store.at_rest(alice, backend.examine(alice)).await.unwrap().unwrap().findings;
    assert!(
        found.iter().any(|f| f.contains("NOTE INDEX record") && f.contains("names no user")),
        "{found:?}"
    );
    running.store.replacing(alice, backend.rebuild(alice, 1)).await.unwrap().unwrap();
    let after = seen(&running, "alice", "INBOX").await;
    assert_eq!(after[1..], before[1..]);
    assert!(!after[0].contains('-'));
    running.service.shutdown(SOON).await;
}
