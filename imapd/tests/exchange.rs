//! Messages that go from one user to another: in one mailbox or in the other at any moment, whatever happens.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dasd::Faults;
use imapd::mailstore::user::Untouchable;
use imapd::mailstore::{
    Backend, Exchange, MailStore, Moved, NewMessage, OpenMailbox, SessionId, StoreError, Uid,
};
use imapd::syntax::ast::FlagChange;
use imapd::syntax::date::InternalDate;
use imapd::syntax::flag::{FlagList, Keyword, SystemFlags};
use imapd::syntax::mailbox_name::MailboxName;
use proptest::prelude::*;
use support::memory::Memory;
use support::sfs_pool::MailPool;
use support::user;

const ME: SessionId = SessionId(1);

fn message(n: usize) -> NewMessage {
    NewMessage {
        flags: SystemFlags::default(),
        keywords: Vec::new(),
        date: InternalDate { seconds: 1, zone_minutes: 0 },
        email: None,
        octets: Bytes::from(format!("Subject: {n}\r\n\r\nbody of {n}\r\n")),
    }
}

fn over(backend: Arc<dyn Backend>) -> MailStore {
    MailStore::new(backend, Arc::new(|| 1_000_000_000))
}

async fn enrolled(backend: Arc<dyn Backend>, blocks: u32) -> MailStore {
    let store = over(backend);
    for name in ["ALICE", "BOB"] {
        store.enroll(user(name), blocks).await.unwrap();
    }
    store
}

async fn inbox(store: &MailStore, name: &str) -> Arc<OpenMailbox> {
    store.user(user(name)).await.unwrap().open(&MailboxName::inbox()).await.unwrap()
}

fn uids(mailbox: &OpenMailbox) -> Vec<Uid> {
    mailbox.state().columns.uids().iter().map(|uid| Uid(*uid)).collect()
}

/// A move of messages as they are.
async fn moving(from: &Arc<OpenMailbox>, asked: &[Uid], to: &Arc<OpenMailbox>) -> Exchange {
    let mut messages = Vec::new();
    for uid in asked {
        let Some(record) = from.state().columns.get(*uid) else { continue };
        let Ok(octets) = from.read(&record).await else { continue };
        messages.push((*uid, NewMessage { octets, ..message(0) }));
    }
    let moved = Some(Moved { reader: None, kept: Untouchable::default() });
    Exchange { from: from.clone(), messages, to: to.clone(), reader: None, moved, by: ME }
}

/// How often each message is there, in both mailboxes together; every one must be readable.
async fn copies(store: &MailStore) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for name in ["ALICE", "BOB"] {
        let mailbox = inbox(store, name).await;
        for uid in uids(&mailbox) {
            let record = mailbox.state().columns.get(uid).unwrap();
            let octets = mailbox.read(&record).await.unwrap();
            assert_eq!(octets.len() as u64, record.size);
            *all.entry(String::from_utf8(octets.to_vec()).unwrap()).or_default() += 1;
        }
    }
    all
}

const MESSAGES: usize = 4;

/// Moves two messages there and one back while power goes at a write; whether both were answered.
async fn crash(writes: u64, survivors: &[u32]) -> bool {
    let pool = MailPool::generate();
    let store = enrolled(pool.backend(), 10_000).await;
    let (from, to) = (inbox(&store, "BOB").await, inbox(&store, "ALICE").await);
    from.user.append(&from, (0..MESSAGES).map(message).collect(), ME).await.unwrap();
    let before = copies(&store).await;
    pool.dasd.set_faults(Faults { crash_at_write: Some(writes), ..Faults::default() });
    let there = moving(&from, &[Uid(1), Uid(2)], &to).await.run().await;
    let back = match &there {
        Ok(pairs) => moving(&to, &[pairs[0].1], &from).await.run().await,
        Err(e) => Err(e.clone()),
    };
    drop((from, to, store));
    let mut pick = survivors.iter().cycle();
    let dasd = pool.dasd.restart(|| pick.next().copied().unwrap_or(0));
    drop(pool);
    let pool = MailPool::ipl(dasd);
    let store = over(pool.backend());
    assert_eq!(copies(&store).await, before, "nothing is lost, nothing is there twice");
    let (from, to) = (inbox(&store, "BOB").await, inbox(&store, "ALICE").await);
    let (alice, bob) = (uids(&to), uids(&from));
    let answered = there.is_ok() && back.is_ok();
    match (there, back) {
        (Ok(_), Ok(_)) => assert_eq!((alice, bob), (vec![Uid(2)], vec![Uid(3), Uid(4), Uid(5)])),
        // What was not answered has happened as a whole or not at all.
        (Ok(_), Err(_)) => assert!(alice == [Uid(1), Uid(2)] || (alice == [Uid(2)] && bob.contains(&Uid(5)))),
        (Err(_), _) => assert!([(0, 4), (2, 2)].contains(&(alice.len(), bob.len()))),
    }
    answered
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// At every write there is, with all and with nothing surviving of what was not synced.
#[test]
fn power_goes_at_each_write() {
    for survivors in [u32::MAX, 0] {
        let writes = (0..100).find(|writes| block_on(crash(*writes, &[survivors])));
        assert!(writes.is_some_and(|writes| writes > 1), "{writes:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn power_goes_and_some_survives(writes in 0u64..24, survivors in prop::collection::vec(any::<u32>(), 1..8)) {
        block_on(async { _ = crash(writes, &survivors).await });
    }
}

/// Both ways at once, with other changes of both users, and with both at rest now and then: all come to an end, nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_ever() {
    const EACH: usize = 40;
    let store = Arc::new(enrolled(Arc::new(Memory::default()), 10_000).await);
    let boxes = [inbox(&store, "ALICE").await, inbox(&store, "BOB").await];
    let mut tasks = Vec::new();
    for side in 0..2 {
        let (from, to) = (boxes[side].clone(), boxes[1 - side].clone());
        let mover = async move {
            for n in 0..EACH {
                from.user.append(&from, vec![message(side * EACH + n)], ME).await.unwrap();
                let some: Vec<Uid> = uids(&from).into_iter().take(3).collect();
                moving(&from, &some, &to).await.run().await.unwrap();
            }
        };
        tasks.push(tokio::spawn(mover));
        let mailbox = boxes[side].clone();
        let flagger = async move {
            for _ in 0..EACH {
                let flags = FlagList { system: SystemFlags::FLAGGED, keywords: vec![] };
                let all = uids(&mailbox);
                mailbox.user.store(&mailbox, all, FlagChange::Add, flags, ME).await.unwrap();
            }
        };
        tasks.push(tokio::spawn(flagger));
        let (store, name) = (store.clone(), ["ALICE", "BOB"][side]);
        let rester = async move {
            for _ in 0..EACH {
                store.at_rest(user(name), tokio::task::yield_now()).await.unwrap();
            }
        };
        tasks.push(tokio::spawn(rester));
    }
    for task in tasks {
        tokio::time::timeout(support::SOON, task).await.unwrap().unwrap();
    }
    let all = copies(&store).await;
    assert_eq!(all.len(), 2 * EACH);
    assert!(all.values().all(|n| *n == 1), "{all:?}");
}

/// What fails changes neither of the two, and they can go on.
#[tokio::test]
async fn a_limit_of_one_stops_both() {
    let memory = Arc::new(Memory::default());
    let store = enrolled(memory.clone(), 10).await;
    let (from, to) = (inbox(&store, "ALICE").await, inbox(&store, "BOB").await);
    let large = NewMessage { octets: Bytes::from(vec![b'x'; 20 * 1024]), ..message(0) };
    from.user.append(&from, vec![large.clone()], ME).await.unwrap();
    to.user.append(&to, vec![large], ME).await.unwrap();
    to.user.set_space(9).await.unwrap();
    assert_eq!(moving(&from, &[Uid(1)], &to).await.run().await, Err(StoreError::OverQuota));
    assert_eq!((uids(&from).len(), uids(&to).len()), (1, 1));
    *memory.failure.lock() = Some(StoreError::InUse);
    to.user.set_space(20).await.unwrap();
    assert_eq!(moving(&from, &[Uid(1)], &to).await.run().await, Err(StoreError::InUse));
    assert_eq!((uids(&from).len(), uids(&to).len()), (1, 1));
    *memory.failure.lock() = None;
    assert_eq!(moving(&from, &[Uid(1)], &to).await.run().await, Ok(vec![(Uid(1), Uid(2))]));
    assert_eq!((uids(&from).len(), uids(&to)), (0, vec![Uid(1), Uid(2)]));
}

/// A message has the flags that it has when it goes, and one that went meanwhile does not come back.
#[tokio::test]
async fn what_changed_since_it_was_read() {
    let store = enrolled(Arc::new(Memory::default()), 1000).await;
    let (from, to) = (inbox(&store, "ALICE").await, inbox(&store, "BOB").await);
    from.user.append(&from, vec![message(1), message(2)], ME).await.unwrap();
    let move_both = moving(&from, &[Uid(1), Uid(2)], &to).await;
    let flags = FlagList { system: SystemFlags::SEEN, keywords: vec![Keyword::new(b"key").unwrap()] };
    from.user.store(&from, vec![Uid(2)], FlagChange::Add, flags, ME).await.unwrap();
    from.user.remove_messages(&from, vec![Uid(1)], ME).await.unwrap();
    assert_eq!(move_both.run().await, Ok(vec![(Uid(2), Uid(1))]));
    let record = to.state().columns.get(Uid(1)).unwrap();
    assert_eq!(record.flags, SystemFlags::SEEN);
    assert_eq!(record.keywords, to.state().keyword_bit(&Keyword::new(b"key").unwrap()).unwrap());
    assert!(uids(&from).is_empty());
    // Of one that is gone nothing happens.
    let again = Exchange { messages: vec![(Uid(2), message(2))], ..moving(&from, &[], &to).await };
    assert_eq!(again.run().await, Ok(vec![]));
    assert_eq!(uids(&to), [Uid(1)]);
}
