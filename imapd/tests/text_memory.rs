//! What making texts costs. Alone in its process, since it looks at the memory of all of it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use imapd::mailstore::text_batch::LARGE;
use imapd::mailstore::text_keep::{ENOUGH, MAX_MEMORY, Pace};
use imapd::mailstore::{MailStore, NewMessage, SessionId};
use imapd::syntax::date::InternalDate;
use imapd::syntax::flag::SystemFlags;
use imapd::syntax::mailbox_name::MailboxName;
use support::sfs_pool::MailPool;
use support::user;

/// The greatest of messages whose texts are kept; so many that no column of them is filled beforehand.
const MESSAGES: usize = 13;
/// What the disks of the test take, which are memory, and what the allocator leaves unused.
const BESIDE: usize = 8 << 20;

/// Octets of a line of this process's status.
fn status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

fn message(octets: String) -> NewMessage {
    NewMessage {
        flags: SystemFlags::default(),
        keywords: Vec::new(),
        date: InternalDate { seconds: 1, zone_minutes: 0 },
        email: None,
        octets: octets.into(),
    }
}

#[tokio::test]
async fn memory_of_the_largest_messages() {
    let pool = MailPool::generate();
    let store = MailStore::new(pool.backend(), Arc::new(|| 1_000_000_000));
    store.enroll(user("ALICE"), 100_000).await.unwrap();
    let alice = store.user(user("ALICE")).await.unwrap();
    let inbox = alice.open(&MailboxName::inbox()).await.unwrap();
    let line = "all of it is text\r\n";
    let large = || message(format!("Subject: x\r\n\r\n{}", line.repeat(LARGE as usize / line.len() - 1)));
    for _ in 0..MESSAGES {
        alice.append(&inbox, vec![large()], SessionId(1)).await.unwrap();
    }
    let small = (0..ENOUGH).map(|n| message(format!("Subject: {n}\r\n\r\n{line}")));
    alice.append(&inbox, small.collect(), SessionId(1)).await.unwrap();
    // The greatest memory so far is forgotten.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmHWM:");
    inbox.keep_texts(Pace::Fast).await.unwrap();
    // The host counts by the processor, so that memory which did not grow may seem less than before.
    let grown = status("VmHWM:").saturating_sub(before);
    assert!(pool.exists(MailPool::alices(Some("INBOX"), "NOTE", "TEXT")).await);
    println!("{grown} octets");
    assert!(grown < MAX_MEMORY + BESIDE, "{grown}");
}
