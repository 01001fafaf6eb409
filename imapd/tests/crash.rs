//! Power goes at any write: what was answered is there, nothing is there twice, UIDs go on.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dasd::Faults;
use imapd::mail::summary::Summary;
use imapd::mailstore::{MailStore, NewMessage, Origin, SessionId, Uid, UserStore};
use imapd::syntax::ast::FlagChange;
use imapd::syntax::date::InternalDate;
use imapd::syntax::flag::{FlagList, SystemFlags};
use imapd::syntax::mailbox_name::MailboxName;
use proptest::prelude::*;
use support::sfs_pool::MailPool;
use support::user;

const ME: SessionId = SessionId(1);

fn message(n: u16) -> NewMessage {
    NewMessage {
        flags: SystemFlags::default(),
        keywords: Vec::new(),
        date: InternalDate { seconds: 1, zone_minutes: 0 },
        email: None,
        octets: Bytes::from(format!("Subject: {n}\r\n\r\nbody of {n}\r\n")),
    }
}

fn origin(n: u16) -> Origin {
    Origin { owner: user("IMAP"), spool_id: n, created: 1 }
}

/// Delivers until something fails; what was acknowledged, with its flags.
async fn deliver_all(alice: &Arc<UserStore>, from: u16, to: u16) -> Vec<(u16, bool)> {
    let mut done = Vec::new();
    for n in from..to {
        match alice.deliver(message(n), origin(n)).await {
            Ok(_) => done.push((n, false)),
            Err(_) => break,
        }
        let inbox = alice.open(&MailboxName::inbox()).await.unwrap();
        let last = inbox.state().columns.uids().last().copied().unwrap();
        let flags = FlagList { system: SystemFlags::FLAGGED, keywords: vec![] };
        match alice.store(&inbox, vec![Uid(last)], FlagChange::Add, flags, ME).await {
            Ok(_) => done.last_mut().unwrap().1 = true,
            Err(_) => break,
        }
    }
    done
}

/// What is in INBOX: body and flag by UID. Every note must be readable and as long as its record says.
async fn contents(alice: &Arc<UserStore>) -> BTreeMap<u32, (String, bool)> {
    let inbox = alice.open(&MailboxName::inbox()).await.unwrap();
    let uids: Vec<u32> = inbox.state().columns.uids().to_vec();
    let mut all = BTreeMap::new();
    for uid in uids {
        let record = inbox.state().columns.get(Uid(uid)).unwrap();
        let octets = inbox.read(&record).await.unwrap();
        assert_eq!(octets.len() as u64, record.size);
        // It was committed with the message.
        assert_eq!(inbox.kept_summaries(&[record]).await.unwrap(), [Summary::new(&octets)]);
        let text = String::from_utf8(octets.to_vec()).unwrap();
        all.insert(uid, (text, record.flags.contains(SystemFlags::FLAGGED)));
    }
    all
}

async fn crash_and_recover(writes: u64, survivors: Vec<u32>) {
    const MESSAGES: u16 = 12;
    let pool = MailPool::generate();
    let clock = || Arc::new(|| 1_000_000_000);
    let store = MailStore::new(pool.backend(), clock());
    store.enroll(user("ALICE"), 10_000).await.unwrap();
    let alice = store.user(user("ALICE")).await.unwrap();
    pool.dasd.set_faults(Faults { crash_at_write: Some(writes), ..Faults::default() });
    let acknowledged = deliver_all(&alice, 1, MESSAGES).await;
    drop((alice, store));
    // Whatever subset of what was not synced survives.
    let mut pick = survivors.into_iter().cycle();
    let dasd = pool.dasd.restart(|| pick.next().unwrap_or(0));
    drop(pool);
    let pool = MailPool::ipl(dasd);
    let store = MailStore::new(pool.backend(), clock());
    let alice = store.user(user("ALICE")).await.unwrap();
    let found = contents(&alice).await;
    for (n, flagged) in &acknowledged {
        let body = message(*n).octets;
        let same: Vec<_> = found.values().filter(|(text, _)| text.as_bytes() == &body[..]).collect();
        assert_eq!(same.len(), 1, "message {n} was acknowledged");
        assert!(same[0].1 || !flagged, "the flag of message {n} was acknowledged");
    }
    assert!(found.len() <= acknowledged.len() + 1, "at most the one under way is there as well");
    let greatest = found.keys().last().copied().unwrap_or(0);
    // Arrival finds the spool files of all messages still there and tries them again.
    for n in 1..MESSAGES {
        alice.deliver(message(n), origin(n)).await.unwrap();
    }
    let after = contents(&alice).await;
    assert_eq!(after.len(), usize::from(MESSAGES) - 1, "each message is there once");
    assert!(after.keys().skip(found.len()).all(|uid| *uid > greatest), "UIDs go on");
    drop((alice, store));
    let pool = pool.power_cut();
    let store = MailStore::new(pool.backend(), clock());
    let alice = store.user(user("ALICE")).await.unwrap();
    assert_eq!(contents(&alice).await, after);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_lost_and_nothing_twice(writes in 0u64..60, survivors in proptest::collection::vec(any::<u32>(), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(crash_and_recover(writes, survivors));
    }
}
