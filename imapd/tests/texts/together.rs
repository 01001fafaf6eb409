//! Texts are made while everything else goes on, and then there is rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use imapd::mailstore::text_keep::{ENOUGH, Pace};
use imapd::mailstore::{OpenMailbox, Uid};
use imapd::search::column::ColumnKey;
use imapd::syntax::mailbox_name::MailboxName;
use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::common::*;
use crate::support::memory::Memory;
use crate::support::sfs_pool::MailPool;
use crate::support::user;

#[derive(Debug, Clone, Copy)]
enum Step {
    Append(usize, usize),
    Copy(usize, u32, u32, bool),
    Expunge(usize, u32, u32),
    Replace(usize, u32),
    /// The second mailbox gets another name.
    Rename,
    /// The second mailbox goes, and comes again with nothing in it.
    Delete,
    /// INBOX goes elsewhere.
    RenameInbox,
    /// All texts give way, at once.
    Tight,
}

fn step() -> impl Strategy<Value = Step> {
    let boxes = || 0..2usize;
    prop_oneof![
        4 => (boxes(), ENOUGH..ENOUGH + 40).prop_map(|(b, n)| Step::Append(b, n)),
        2 => (boxes(), 1u32..300, 1u32..100, any::<bool>()).prop_map(|(b, low, n, m)| Step::Copy(b, low, low + n, m)),
        2 => (boxes(), 1u32..300, 1u32..200).prop_map(|(b, low, n)| Step::Expunge(b, low, low + n)),
        2 => (boxes(), 1u32..300).prop_map(|(b, uid)| Step::Replace(b, uid)),
        1 => Just(Step::Rename),
        1 => Just(Step::Delete),
        1 => Just(Step::RenameInbox),
        1 => Just(Step::Tight),
    ]
}

fn small(n: usize) -> imapd::mailstore::NewMessage {
    message(format!("Subject: a {n}\r\nX-Other: x\r\n\r\npart {n}\r\n").as_bytes())
}

/// Makes texts of a mailbox over and over until told to stop.
fn fill(mailbox: &Arc<OpenMailbox>, stop: &Arc<AtomicBool>) -> tokio::task::JoinHandle<()> {
    let (mailbox, stop) = (mailbox.clone(), stop.clone());
    tokio::spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            mailbox.keep_texts(Pace::Fast).await.unwrap();
            tokio::task::yield_now().await;
        }
    })
}

async fn play(steps: &[Step]) {
    let pool = MailPool::generate();
    let store = store_over(pool.backend());
    store.enroll(user("ALICE"), 100_000).await.unwrap();
    let (alice, mut boxes) = open_all(&store).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut fills: Vec<_> = boxes.iter().map(|b| fill(b, &stop)).collect();
    let mut name = MailboxName::new(NAMES[1]).unwrap();
    for (i, step) in steps.iter().enumerate() {
        match step {
            Step::Append(b, n) => {
                alice.append(&boxes[*b], (0..*n).map(small).collect(), ME).await.unwrap();
            }
            Step::Copy(b, low, high, remove) => {
                alice.copy(&boxes[*b], uids(*low, *high), &boxes[1 - *b], *remove, ME).await.unwrap();
            }
            Step::Expunge(b, low, high) => {
                alice.remove_messages(&boxes[*b], uids(*low, *high), ME).await.unwrap();
            }
            Step::Replace(b, uid) => {
                alice.replace(&boxes[*b], Uid(*uid), &boxes[1 - *b], small(7), ME).await.unwrap();
            }
            Step::Rename => {
                let next = MailboxName::new(&format!("renamed {i}")).unwrap();
                alice.rename(name, next.clone(), ME).await.unwrap();
                name = next;
            }
            Step::Delete => {
                alice.delete(name.clone(), ME).await.unwrap();
                alice.create(name.clone()).await.unwrap();
                boxes[1] = alice.open(&name).await.unwrap();
                fills.push(fill(&boxes[1], &stop));
            }
            Step::RenameInbox => {
                let to = MailboxName::new(&format!("inbox {i}")).unwrap();
                alice.rename(MailboxName::inbox(), to, ME).await.unwrap();
            }
            Step::Tight => {
                let used = alice.space().await.unwrap().used;
                alice.set_space(used).await.unwrap();
                alice.space().await.unwrap();
                alice.set_space(100_000).await.unwrap();
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    for fill in fills {
        fill.await.unwrap();
    }
    for mailbox in &boxes {
        compare(mailbox).await;
        mailbox.keep_texts(Pace::Fast).await.unwrap();
    }
    assert_eq!(pool.backend().examine(user("ALICE")).await.unwrap().findings, Vec::<String>::new());
    drop((alice, boxes, store));
    let pool = pool.power_cut();
    let store = store_over(pool.backend());
    let alice = store.user(user("ALICE")).await.unwrap();
    for name in [MailboxName::inbox(), name] {
        compare(&alice.open(&name).await.unwrap()).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changes_while_texts_are_made(steps in proptest::collection::vec(step(), 4..14)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
        runtime.block_on(play(&steps));
    }
}

/// Looks for texts once, which is when a mailbox without them gets some.
async fn search(mailbox: &Arc<OpenMailbox>) {
    let cpu = Arc::new(Semaphore::new(1));
    let upto = Uid(mailbox.state().columns.uids().last().copied().unwrap());
    let keys = [ColumnKey::Body, ColumnKey::Header].into();
    mailbox.fill_texts(&cpu, keys, upto, &AtomicU32::new(0)).await.unwrap();
}

async fn later(hours: u64) {
    tokio::time::sleep(Duration::from_secs(3600 * hours)).await;
}

/// Nothing is read or written any more once all texts are made that there is room for.
#[tokio::test(start_paused = true)]
async fn an_idle_machine_is_at_rest() {
    for (blocks, kept) in [(100_000, true), (170, false)] {
        let memory = Arc::new(Memory::default());
        let store = store_over(memory.clone());
        store.enroll(user("ALICE"), blocks).await.unwrap();
        let (alice, boxes) = open_all(&store).await;
        alice.append(&boxes[0], (0..ENOUGH).map(numbered).collect(), ME).await.unwrap();
        later(1).await;
        assert_eq!(memory.has_texts(user("ALICE"), "INBOX"), kept);
        let made = memory.calls.load(Ordering::Relaxed);
        later(1_000).await;
        assert_eq!(memory.calls.load(Ordering::Relaxed), made);
        // A search that reads what could not be written brings no unrest either.
        drop((alice, boxes, store));
        let store = store_over(memory.clone());
        let (_alice, boxes) = open_all(&store).await;
        search(&boxes[0]).await;
        later(1).await;
        let searched = memory.calls.load(Ordering::Relaxed);
        later(1_000).await;
        assert_eq!(memory.calls.load(Ordering::Relaxed), searched);
    }
}

/// DELETE waits for texts that are being written, and none are written after it.
#[tokio::test]
async fn delete_while_texts_are_written() {
    let memory = Arc::new(Memory::default());
    let store = store_over(memory.clone());
    store.enroll(user("ALICE"), 100_000).await.unwrap();
    let (alice, boxes) = open_all(&store).await;
    alice.append(&boxes[1], (0..ENOUGH).map(small).collect(), ME).await.unwrap();
    let held = memory.hold_texts();
    let writing = tokio::spawn({
        let mailbox = boxes[1].clone();
        async move { mailbox.keep_texts(Pace::Fast).await }
    });
    held.reached().await;
    let mut deleting = Box::pin(alice.delete(MailboxName::new(NAMES[1]).unwrap(), ME));
    for _ in 0..100 {
        assert!(futures::poll!(&mut deleting).is_pending());
        tokio::task::yield_now().await;
    }
    held.release();
    assert_eq!(writing.await.unwrap(), Ok(()));
    assert_eq!(deleting.await, Ok(()));
    assert_eq!(boxes[1].keep_texts(Pace::Fast).await, Ok(()));
    assert!(!memory.has_texts(user("ALICE"), &boxes[1].dir));
}
