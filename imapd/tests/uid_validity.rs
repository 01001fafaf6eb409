//! No UIDVALIDITY stands for two mailboxes, or for UIDs that were given twice: whatever is lost, whatever comes back from a backup, and
//! though the clock stands still.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use imapd::mailstore::sfs::SfsBackend;
use imapd::mailstore::{MailStore, NewMessage, SessionId, StoreError, Uid};
use imapd::syntax::ast::FlagChange;
use imapd::syntax::date::InternalDate;
use imapd::syntax::flag::{FlagList, SystemFlags};
use imapd::syntax::mailbox_name::MailboxName;
use sfs::tools::Selection;
use support::sfs_pool::{MailPool, Second};
use support::user;

const NOW: i64 = 1_000_000_000;
const ME: SessionId = SessionId::NOBODY;

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

fn store_over(backend: Arc<SfsBackend>) -> MailStore {
    MailStore::new(backend, Arc::new(|| NOW))
}

/// Name and UIDVALIDITY of all mailboxes and names of a user.
async fn validities(store: &MailStore, who: &str) -> Vec<(String, u32)> {
    let it = store.user(user(who)).await.unwrap();
    it.catalog().iter().map(|row| (row.name.to_string(), row.uid_validity.0)).collect()
}

/// Makes mailboxes that go again, far more than seconds go by; the numbers that they had.
async fn churn(store: &MailStore, who: &str, count: u32) -> BTreeSet<u32> {
    let it = store.user(user(who)).await.unwrap();
    let mut given = BTreeSet::new();
    for n in 0..count {
        let gone = name(&format!("gone{n}"));
        it.create(gone.clone()).await.unwrap();
        given.extend(it.catalog().iter().map(|row| row.uid_validity.0));
        it.delete(gone, ME).await.unwrap();
    }
    given
}

async fn append(store: &MailStore, body: &str) -> Uid {
    let it = store.user(user("ALICE")).await.unwrap();
    let inbox = it.open(&MailboxName::inbox()).await.unwrap();
    let message = NewMessage {
        flags: SystemFlags::default(),
        keywords: Vec::new(),
        date: InternalDate { seconds: 1, zone_minutes: 0 },
        email: None,
        octets: format!("Subject: s\r\n\r\n{body}\r\n").into(),
    };
    it.append(&inbox, vec![message], ME).await.unwrap()[0]
}

/// ALICE and BOB with a folder each; ALICE has mail.
async fn prepare(store: &MailStore) {
    for who in ["ALICE", "BOB"] {
        store.enroll(user(who), 10_000).await.unwrap();
        store.user(user(who)).await.unwrap().create(name("Work")).await.unwrap();
    }
    append(store, "first").await;
}

fn all_beyond(now: &[(String, u32)], given: &BTreeSet<u32>) {
    let last = *given.last().unwrap();
    assert!(now.iter().all(|(_, v)| *v > last), "{now:?} after {last}");
    let different: BTreeSet<u32> = now.iter().map(|(_, v)| *v).collect();
    assert_eq!(different.len(), now.len(), "{now:?}");
}

#[tokio::test]
async fn after_the_loss_of_mailbox_index() {
    let pool = MailPool::generate();
    let backend = pool.backend();
    let store = store_over(backend.clone());
    prepare(&store).await;
    let given = churn(&store, "ALICE", 600).await;
    assert!(*given.last().unwrap() >= NOW as u32 + 600, "they are ahead of the clock");
    pool.erase(MailPool::alices(None, "MAILBOX", "INDEX")).await;
    let done = store.replacing(user("ALICE"), backend.rebuild(user("ALICE"), NOW)).await.unwrap().unwrap();
    let found = store.at_rest(user("ALICE"), backend.examine(user("ALICE"))).await.unwrap().unwrap().findings;
    assert_eq!(found, Vec::<String>::new());
    let after = validities(&store, "ALICE").await;
    all_beyond(&after, &given);
    // They are those that REBUILD told of, and stay so.
    for (_, validity) in after {
        assert!(done.iter().any(|line| line.ends_with(&format!(" UIDVALIDITY {validity}"))), "{done:?}");
    }
}

/// What was made after the backup is not known to it; what is given then has never been given before, with whatever is restored.
#[tokio::test]
async fn after_a_restored_file_space_or_index() {
    let index = || Selection::File("ALICE".into(), Vec::new(), MailPool::alices(None, "MAILBOX", "INDEX").id);
    for selection in [Selection::Space("ALICE".into()), index()] {
        let pool = MailPool::generate();
        prepare(&store_over(pool.backend())).await;
        let (pool, backup) = pool.backed_up();
        let store = store_over(pool.backend());
        let (bobs, before) = (validities(&store, "BOB").await, validities(&store, "ALICE").await);
        let mut given = churn(&store, "ALICE", 300).await;
        drop(store);
        let pool = pool.restored(&backup, &selection).await;
        let backend = pool.backend();
        let store = store_over(backend.clone());
        let after = validities(&store, "ALICE").await;
        all_beyond(&after, &given);
        assert!(after.iter().map(|(name, _)| name).eq(before.iter().map(|(name, _)| name)));
        assert_eq!(validities(&store, "BOB").await, bobs, "nobody else is concerned");
        let found = store.at_rest(user("ALICE"), backend.examine(user("ALICE"))).await;
        assert_eq!(found.unwrap().unwrap().findings, Vec::<String>::new());
        // It is so once, and stays so.
        drop((store, backend));
        let pool = pool.power_cut();
        let store = store_over(pool.backend());
        assert_eq!(validities(&store, "ALICE").await, after);
        store.user(user("ALICE")).await.unwrap().create(name("next")).await.unwrap();
        given.extend(after.iter().map(|(_, v)| v));
        let made = validities(&store, "ALICE").await.into_iter().filter(|(name, _)| name == "next");
        all_beyond(&made.collect::<Vec<_>>(), &given);
        // The same backup again is as new as the first time.
        given.extend(validities(&store, "ALICE").await.into_iter().map(|(_, v)| v));
        drop(store);
        let pool = pool.restored(&backup, &selection).await;
        all_beyond(&validities(&store_over(pool.backend()), "ALICE").await, &given);
    }
}

/// A UID that comes again is another message's, with another UIDVALIDITY and another EMAILID.
#[tokio::test]
async fn uids_that_come_again() {
    let pool = MailPool::generate();
    prepare(&store_over(pool.backend())).await;
    let (pool, backup) = pool.backed_up();
    let seen = async |store: &MailStore, uid: Uid| {
        let it = store.user(user("ALICE")).await.unwrap();
        let inbox = it.open(&MailboxName::inbox()).await.unwrap();
        let state = inbox.state();
        (inbox.uid_validity, state.columns.get(uid).unwrap().email)
    };
    let store = store_over(pool.backend());
    let kept = seen(&store, Uid(1)).await;
    let lost_uid = append(&store, "told to clients and then lost").await;
    let lost = seen(&store, lost_uid).await;
    drop(store);
    let pool = pool.restored(&backup, &Selection::Space("ALICE".into())).await;
    let store = store_over(pool.backend());
    assert_eq!(append(&store, "another one").await, lost_uid);
    let new = seen(&store, lost_uid).await;
    assert_ne!(new.0, lost.0);
    assert_ne!(new.1, lost.1);
    // What came back is the message that it was.
    assert_eq!(seen(&store, Uid(1)).await.1, kept.1);
}

/// The number kept in the pool goes back with it; the one outside does not.
#[tokio::test]
async fn after_a_restored_pool() {
    let second = Arc::new(Second::default());
    let pool = MailPool::generate();
    prepare(&store_over(pool.backend_beside(&second))).await;
    let (pool, backup) = pool.backed_up();
    let store = store_over(pool.backend_beside(&second));
    let given = churn(&store, "ALICE", 600).await;
    store.enroll(user("CAROL"), 100).await.unwrap();
    let carols = churn(&store, "CAROL", 2).await;
    drop((store, pool));
    for _ in 0..2 {
        let pool = MailPool::generate().restored(&backup, &Selection::Pool).await;
        let store = store_over(pool.backend_beside(&second));
        all_beyond(&validities(&store, "ALICE").await, &given);
        all_beyond(&validities(&store, "BOB").await, &given);
        assert!(matches!(store.user(user("CAROL")).await, Err(StoreError::NotEnrolled)));
        store.enroll(user("CAROL"), 100).await.unwrap();
        all_beyond(&validities(&store, "CAROL").await, &carols);
    }
    // Nor does the one in the pool go with the other.
    let pool = MailPool::generate();
    let store = store_over(pool.backend_beside(&second));
    prepare(&store).await;
    let given = churn(&store, "ALICE", 300).await;
    *second.0.lock() = None;
    drop(store);
    store_over(pool.backend_beside(&second)).enroll(user("CAROL"), 100).await.unwrap();
    assert!(second.0.lock().is_some());
    all_beyond(&validities(&store_over(pool.backend()), "CAROL").await, &given);
}

/// REBUILD of what came back before its user was wanted.
#[tokio::test]
async fn a_restored_space_is_rebuilt() {
    let pool = MailPool::generate();
    prepare(&store_over(pool.backend())).await;
    let (pool, backup) = pool.backed_up();
    let store = store_over(pool.backend());
    let given = churn(&store, "ALICE", 300).await;
    drop(store);
    let pool = pool.restored(&backup, &Selection::Space("ALICE".into())).await;
    pool.erase(MailPool::alices(Some("INBOX"), "NOTE", "INDEX")).await;
    let backend = pool.backend();
    let store = store_over(backend.clone());
    let done = store.replacing(user("ALICE"), backend.rebuild(user("ALICE"), NOW)).await.unwrap().unwrap();
    assert!(done.iter().any(|line| line.contains("of a backup")), "{done:?}");
    let after = validities(&store, "ALICE").await;
    all_beyond(&after, &given);
    drop((store, backend));
    let pool = pool.power_cut();
    assert_eq!(validities(&store_over(pool.backend()), "ALICE").await, after, "once is enough");
}

/// Files of before it was noted where they were written open as they are, and are noted with the next change of names.
#[tokio::test]
async fn files_of_before() {
    let pool = MailPool::generate();
    prepare(&store_over(pool.backend())).await;
    let file = || MailPool::alices(None, "MAILBOX", "INDEX");
    pool.rewrite(file(), 512, |image| image[16..32].fill(0)).await;
    let store = store_over(pool.backend());
    let before = validities(&store, "ALICE").await;
    assert!(before.iter().all(|(_, v)| *v < NOW as u32 + 256), "{before:?}");
    store.user(user("ALICE")).await.unwrap().create(name("new")).await.unwrap();
    drop(store);
    assert_ne!(pool.read_fixed(file()).await[24..32], [0; 8]);
    assert!(
        validities(&store_over(pool.backend()), "ALICE")
            .await
            .iter()
            .all(|v| v.0 == "new" || before.contains(v))
    );
}

/// A change of flags, and mail, cost nothing more.
#[tokio::test]
async fn most_changes_do_not_touch_the_number() {
    let second = Arc::new(Second::default());
    let pool = MailPool::generate();
    let store = store_over(pool.backend_beside(&second));
    prepare(&store).await;
    let kept = second.0.lock().take();
    assert!(kept.is_some());
    let uid = append(&store, "second").await;
    let it = store.user(user("ALICE")).await.unwrap();
    let inbox = it.open(&MailboxName::inbox()).await.unwrap();
    let flags = FlagList { system: SystemFlags::FLAGGED, keywords: Vec::new() };
    it.store(&inbox, vec![uid], FlagChange::Add, flags, ME).await.unwrap();
    churn(&store, "ALICE", 100).await;
    assert_eq!(*second.0.lock(), None, "a hundred mailboxes neither");
}
