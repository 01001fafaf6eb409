//! The mail store over memory and over a file pool: against a model, over restarts, under failure.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use imapd::mail::summary::Summary;
use imapd::mailstore::{
    Backend, MailStore, MessageRecord, NewMessage, OpenMailbox, Origin, SessionId, StoreError, Uid, UserStore,
};
use imapd::syntax::ast::FlagChange;
use imapd::syntax::date::InternalDate;
use imapd::syntax::flag::{FlagList, Keyword, SystemFlags};
use imapd::syntax::mailbox_name::MailboxName;
use proptest::prelude::*;
use support::memory::Memory;
use support::sfs_pool::{Harm, MailPool};
use support::user;
use tokio::sync::Semaphore;

const ME: SessionId = SessionId(1);

fn store_over(backend: Arc<dyn Backend>) -> MailStore {
    MailStore::new(backend, Arc::new(|| 1_000_000_000))
}

fn message(octets: &[u8]) -> NewMessage {
    NewMessage {
        flags: SystemFlags::default(),
        keywords: Vec::new(),
        date: InternalDate { seconds: 1, zone_minutes: 60 },
        email: None,
        octets: Bytes::copy_from_slice(octets),
    }
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize, Vec<u8>),
    Flags(usize, Vec<u32>, FlagChange, u8, Option<u8>),
    Expunge(usize),
    Copy(usize, Vec<u32>, usize, bool),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let boxes = 0usize..3;
    let uids = proptest::collection::vec(1u32..12, 1..4);
    let text = prop_oneof![
        "[a-z]{1,8}(\r\n[a-z]{0,9}){0,4}(\r\n)?".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 1..60)
    ];
    let change = prop_oneof![Just(FlagChange::Add), Just(FlagChange::Remove), Just(FlagChange::Replace)];
    prop_oneof![
        4 => (boxes.clone(), text).prop_map(|(b, t)| Step::Append(b, t)),
        4 => (boxes.clone(), uids.clone(), change, 0u8..32, proptest::option::of(0u8..3))
            .prop_map(|(b, u, c, f, k)| Step::Flags(b, u, c, f, k)),
        2 => boxes.clone().prop_map(Step::Expunge),
        2 => (boxes.clone(), uids, boxes, any::<bool>()).prop_map(|(a, u, b, m)| Step::Copy(a, u, b, m)),
        1 => Just(Step::Restart),
    ]
}

#[derive(Default, Clone, Debug, PartialEq)]
struct ModelMessage {
    octets: Vec<u8>,
    flags: u8,
    keywords: std::collections::BTreeSet<u8>,
    /// Whether it came by COPY or MOVE.
    copied: bool,
}

#[derive(Default, Clone, Debug)]
struct ModelBox {
    messages: BTreeMap<u32, ModelMessage>,
    uid_next: u32,
}

const NAMES: [&str; 3] = ["INBOX", "a", "a/\u{e9}"];

fn keyword(k: u8) -> Keyword {
    Keyword::new(format!("$k{k}").as_bytes()).unwrap()
}

async fn compare(user: &Arc<UserStore>, model: &[ModelBox]) -> Result<(), TestCaseError> {
    for (text, expected) in NAMES.iter().zip(model) {
        let mailbox = user.open(&name(text)).await.unwrap();
        let (uids, next) = {
            let state = mailbox.state();
            (state.columns.uids().to_vec(), state.uid_next.0)
        };
        prop_assert_eq!(&uids, &expected.messages.keys().copied().collect::<Vec<_>>());
        prop_assert_eq!(next, expected.uid_next + 1);
        let row = user.catalog().get(&name(text)).unwrap().clone();
        prop_assert_eq!(row.messages as usize, uids.len());
        let seen = |m: &&ModelMessage| m.flags & SystemFlags::SEEN.bits() == 0;
        prop_assert_eq!(row.unseen as usize, expected.messages.values().filter(seen).count());
        prop_assert_eq!(
            row.octets as usize,
            expected.messages.values().map(|m| m.octets.len()).sum::<usize>()
        );
        for (uid, m) in &expected.messages {
            let record = mailbox.state().columns.get(Uid(*uid)).unwrap();
            prop_assert_eq!(record.flags.bits(), m.flags);
            let bits = m.keywords.iter().map(|k| mailbox.state().keyword_bit(&keyword(*k)).unwrap());
            prop_assert_eq!(record.keywords, bits.fold(0, |a, b| a | b));
            prop_assert_eq!(&mailbox.read(&record).await.unwrap()[..], &m.octets[..]);
            // Beside each message is the summary that would be made of it; copies may have to wait for theirs.
            let kept = mailbox.kept_summaries(&[record]).await.unwrap();
            let made = Summary::new(&m.octets).filter(|_| !record.summary.is_none());
            prop_assert!(m.copied || !record.summary.is_none());
            prop_assert_eq!(kept, vec![made]);
        }
    }
    Ok(())
}

async fn apply(user: &Arc<UserStore>, boxes: &[Arc<OpenMailbox>], model: &mut [ModelBox], step: &Step) {
    match step {
        Step::Append(b, octets) => {
            let uids = user.append(&boxes[*b], vec![message(octets)], ME).await.unwrap();
            model[*b].uid_next += 1;
            assert_eq!(uids, [Uid(model[*b].uid_next)]);
            let new = ModelMessage { octets: octets.clone(), ..ModelMessage::default() };
            let next = model[*b].uid_next;
            model[*b].messages.insert(next, new);
        }
        Step::Flags(b, uids, change, flags, k) => {
            let list = FlagList {
                system: SystemFlags::from_bits(*flags),
                keywords: k.iter().map(|k| keyword(*k)).collect(),
            };
            let asked = uids.iter().map(|u| Uid(*u)).collect();
            user.store(&boxes[*b], asked, *change, list, ME).await.unwrap();
            for uid in uids {
                let Some(m) = model[*b].messages.get_mut(uid) else { continue };
                match change {
                    FlagChange::Add => {
                        m.flags |= flags;
                        m.keywords.extend(k);
                    }
                    FlagChange::Remove => {
                        m.flags &= !flags;
                        m.keywords.retain(|x| Some(*x) != *k);
                    }
                    FlagChange::Replace => {
                        m.flags = *flags;
                        m.keywords = k.iter().copied().collect();
                    }
                }
            }
        }
        Step::Expunge(b) => {
            user.expunge(&boxes[*b], None, ME).await.unwrap();
            model[*b].messages.retain(|_, m| m.flags & SystemFlags::DELETED.bits() == 0);
        }
        Step::Copy(a, uids, b, remove) => {
            let mut uids = uids.clone();
            uids.sort_unstable();
            uids.dedup();
            let asked = uids.iter().map(|u| Uid(*u)).collect();
            user.copy(&boxes[*a], asked, &boxes[*b], *remove, ME).await.unwrap();
            // What is copied is settled before anything is added.
            let found: Vec<_> =
                uids.iter().filter_map(|u| Some((*u, model[*a].messages.get(u)?.clone()))).collect();
            for (uid, m) in found {
                if *remove {
                    model[*a].messages.remove(&uid);
                }
                model[*b].uid_next += 1;
                let next = model[*b].uid_next;
                model[*b].messages.insert(next, ModelMessage { copied: true, ..m });
            }
        }
        Step::Restart => {}
    }
}

async fn open_all(store: &MailStore) -> (Arc<UserStore>, Vec<Arc<OpenMailbox>>) {
    let user = store.user(user("ALICE")).await.unwrap();
    let mut boxes = Vec::new();
    for text in NAMES {
        boxes.push(user.open(&name(text)).await.unwrap());
    }
    (user, boxes)
}

async fn prepare(store: &MailStore) {
    store.enroll(user("ALICE"), 100_000).await.unwrap();
    let alice = store.user(user("ALICE")).await.unwrap();
    alice.create(name("a/\u{e9}")).await.unwrap();
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn memory_agrees_with_the_model(steps in proptest::collection::vec(step(), 1..40)) {
        block_on(async {
            let backend = Arc::new(Memory::default());
            let mut store = store_over(backend.clone());
            prepare(&store).await;
            let mut model = vec![ModelBox::default(); 3];
            let (mut user, mut boxes) = open_all(&store).await;
            for step in &steps {
                if matches!(step, Step::Restart) {
                    store = store_over(backend.clone());
                    (user, boxes) = open_all(&store).await;
                }
                apply(&user, &boxes, &mut model, step).await;
            }
            compare(&user, &model).await
        })?;
    }

    #[test]
    fn file_pool_agrees_with_the_model(steps in proptest::collection::vec(step(), 1..25)) {
        block_on(async {
            let mut pool = MailPool::generate();
            let mut store = store_over(pool.backend());
            prepare(&store).await;
            let mut model = vec![ModelBox::default(); 3];
            let (mut user, mut boxes) = open_all(&store).await;
            for step in &steps {
                if matches!(step, Step::Restart) {
                    pool = pool.power_cut();
                    store = store_over(pool.backend());
                    (user, boxes) = open_all(&store).await;
                    compare(&user, &model).await?;
                }
                apply(&user, &boxes, &mut model, step).await;
            }
            compare(&user, &model).await
        })?;
    }
}

#[test]
fn many_changes_at_once_join_and_all_happen() {
    block_on(async {
        let pool = MailPool::generate();
        let store = store_over(pool.backend());
        prepare(&store).await;
        let (user, boxes) = open_all(&store).await;
        let before = pool.dasd.syncs();
        let appends = (0..200).map(|i| {
            let (user, mailbox) = (user.clone(), boxes[i % 3].clone());
            tokio::spawn(async move { user.append(&mailbox, vec![message(b"x\r\n")], ME).await.unwrap() })
        });
        let appends: Vec<_> = appends.collect();
        for a in appends {
            a.await.unwrap();
        }
        assert_eq!(boxes.iter().map(|b| b.state().columns.uids().len()).sum::<usize>(), 200);
        assert!(pool.dasd.syncs() - before < 40, "changes joined into few commits");
    });
}

#[test]
fn arrival_is_exactly_once() {
    block_on(async {
        let mut pool = MailPool::generate();
        let mut store = store_over(pool.backend());
        prepare(&store).await;
        let origin = |n| Origin { owner: user("IMAP"), spool_id: n, created: 5 };
        let alice = store.user(user("ALICE")).await.unwrap();
        assert!(alice.deliver(message(b"one\r\n"), origin(1)).await.unwrap());
        assert!(!alice.deliver(message(b"one\r\n"), origin(1)).await.unwrap());
        drop(alice);
        pool = pool.power_cut();
        store = store_over(pool.backend());
        let alice = store.user(user("ALICE")).await.unwrap();
        assert!(!alice.deliver(message(b"one\r\n"), origin(1)).await.unwrap());
        let again = Origin { created: 6, ..origin(1) };
        assert!(alice.deliver(message(b"two\r\n"), again).await.unwrap());
        let inbox = alice.open(&name("INBOX")).await.unwrap();
        assert_eq!(inbox.state().columns.uids().len(), 2);
    });
}

#[test]
fn arrival_goes_to_the_folder_that_is_named() {
    block_on(async {
        let store = store_over(Arc::new(Memory::default()));
        store.enroll(user("ALICE"), 1000).await.unwrap();
        let alice = store.user(user("ALICE")).await.unwrap();
        for folder in ["Lists/rust", "twice", "Twice", "above/it"] {
            alice.create(name(folder)).await.unwrap();
        }
        alice.delete(name("above"), ME).await.unwrap();
        let given = [
            ("Lists/rust", "Lists/rust"),
            ("lists/RUST", "Lists/rust"),
            ("lists", "Lists"),
            ("Twice", "Twice"),
            ("inbox", "INBOX"),
            // Two could be meant, one cannot hold messages, one is not there, and one is no name.
            ("TWICE", "INBOX"),
            ("above", "INBOX"),
            ("rust", "INBOX"),
            ("a//b", "INBOX"),
        ];
        for (n, (asked, expected)) in given.into_iter().enumerate() {
            let messages = |of: &str| alice.catalog().get(&name(of)).unwrap().messages;
            let before = messages(expected);
            let origin = Origin { owner: user("SMTP"), spool_id: n as u16, created: 5 };
            assert!(alice.deliver_into(message(b"one\r\n"), origin, asked).await.unwrap());
            assert_eq!(messages(expected), before + 1, "{asked}");
            // It is one mail wherever it goes.
            assert!(!alice.deliver(message(b"one\r\n"), origin).await.unwrap());
        }
    });
}

#[test]
fn inbox_is_renamed_in_one_work_unit() {
    block_on(async {
        let mut pool = MailPool::generate();
        let mut store = store_over(pool.backend());
        prepare(&store).await;
        let mut alice = store.user(user("ALICE")).await.unwrap();
        let inbox = alice.open(&name("INBOX")).await.unwrap();
        let texts = [&b"one\r\n"[..], b"two\r\n"];
        alice.append(&inbox, texts.map(message).to_vec(), ME).await.unwrap();
        // A name that is subscribed to has a number and a directory already.
        alice.subscribe(name("old/mail"), true, ME).await.unwrap();
        alice.rename(name("INBOX"), name("old/mail"), ME).await.unwrap();
        for cut in [false, true] {
            if cut {
                pool = pool.power_cut();
                store = store_over(pool.backend());
                alice = store.user(user("ALICE")).await.unwrap();
            }
            let old = alice.open(&name("old/mail")).await.unwrap();
            let records: Vec<MessageRecord> =
                (1..=2).map(|n| old.state().columns.get(Uid(n)).unwrap()).collect();
            for (record, text) in records.iter().zip(texts) {
                assert_eq!(old.read(record).await.unwrap(), text);
            }
            let inbox = alice.open(&name("INBOX")).await.unwrap();
            assert!(inbox.state().columns.uids().is_empty());
            assert_eq!(inbox.state().uid_next, Uid(3));
        }
        // Both take messages as before.
        for to in ["INBOX", "old/mail"] {
            let mailbox = alice.open(&name(to)).await.unwrap();
            assert_eq!(alice.append(&mailbox, vec![message(b"three\r\n")], ME).await.unwrap(), [Uid(3)]);
        }
        alice.delete(name("old/mail"), ME).await.unwrap();
    });
}

#[test]
fn a_full_space_refuses_one_and_harms_none() {
    block_on(async {
        let pool = MailPool::generate();
        let store = store_over(pool.backend());
        store.enroll(user("ALICE"), 20).await.unwrap();
        let alice = store.user(user("ALICE")).await.unwrap();
        let inbox = alice.open(&name("INBOX")).await.unwrap();
        let big = message(&[b'x'; 200_000]);
        let small = message(b"small\r\n");
        let (a, b) =
            tokio::join!(alice.append(&inbox, vec![big], ME), alice.append(&inbox, vec![small.clone()], ME));
        assert_eq!(a, Err(StoreError::OverQuota));
        assert_eq!(b.unwrap().len(), 1);
        assert_eq!(inbox.state().columns.uids().len(), 1);
        assert_eq!(alice.append(&inbox, vec![small], ME).await.unwrap(), [Uid(2)]);
    });
}

#[test]
fn enrolment_and_removal() {
    block_on(async {
        let pool = MailPool::generate();
        let store = store_over(pool.backend());
        assert!(!store.is_enrolled(user("ALICE")).await.unwrap());
        store.enroll(user("ALICE"), 100).await.unwrap();
        assert_eq!(store.enroll(user("ALICE"), 100).await, Err(StoreError::AlreadyExists));
        assert!(store.is_enrolled(user("ALICE")).await.unwrap());
        let old = store.user(user("ALICE")).await.unwrap();
        let old_inbox = old.open(&name("INBOX")).await.unwrap();
        store.delete_user(user("ALICE")).await.unwrap();
        assert!(!store.is_enrolled(user("ALICE")).await.unwrap());
        assert_eq!(store.delete_user(user("ALICE")).await, Err(StoreError::NotEnrolled));
        store.enroll(user("ALICE"), 100).await.unwrap();
        // A session of before the removal can do nothing to the new file space.
        assert_eq!(old.append(&old_inbox, vec![message(b"x")], ME).await, Err(StoreError::NotEnrolled));
        assert_eq!(old.create(name("new")).await, Err(StoreError::NotEnrolled));
        assert!(old_inbox.state().deleted);
        let new = store.user(user("ALICE")).await.unwrap();
        let inbox = new.open(&name("INBOX")).await.unwrap();
        assert_eq!(new.append(&inbox, vec![message(b"x")], ME).await.unwrap(), [Uid(1)]);
    });
}

/// Whoever is enrolled anew gets greater ones than he had, though the clock did not go on, and though the system did not last.
#[test]
fn uid_validity_never_repeats_for_who_was_removed() {
    block_on(async {
        let mut pool = MailPool::generate();
        let mut last = 0;
        for round in 0..3 {
            let store = store_over(pool.backend());
            store.enroll(user("ALICE"), 100).await.unwrap();
            let alice = store.user(user("ALICE")).await.unwrap();
            // More mailboxes than seconds go by.
            for n in 0..5 {
                alice.create(name(&format!("m{n}"))).await.unwrap();
            }
            let all: Vec<u32> = alice.catalog().iter().map(|row| row.uid_validity.0).collect();
            assert!(all.iter().all(|v| *v > last), "round {round}: {all:?} after {last}");
            last = *all.iter().max().unwrap();
            store.delete_user(user("ALICE")).await.unwrap();
            drop((alice, store));
            if round == 1 {
                pool = pool.power_cut();
            }
        }
        // The machine that keeps count of that is no mail user by it, and may become one.
        let store = store_over(pool.backend());
        let machine = user("IMAP");
        assert!(!store.is_enrolled(machine).await.unwrap());
        assert!(matches!(pool.backend().examine(machine).await, Err(StoreError::NotEnrolled)));
        store.enroll(machine, 100).await.unwrap();
        store.delete_user(machine).await.unwrap();
        store.enroll(user("ALICE"), 100).await.unwrap();
        let alice = store.user(user("ALICE")).await.unwrap();
        assert!(alice.catalog().iter().all(|row| row.uid_validity.0 > last));
    });
}

#[test]
fn keywords_at_and_past_the_limit() {
    block_on(async {
        let store = store_over(Arc::new(Memory::default()));
        prepare(&store).await;
        let (user, boxes) = open_all(&store).await;
        user.append(&boxes[0], vec![message(b"x")], ME).await.unwrap();
        let set = |n: std::ops::Range<usize>| FlagList {
            system: SystemFlags::default(),
            keywords: n.map(|i| Keyword::new(format!("k{i}").as_bytes()).unwrap()).collect(),
        };
        let all = set(0..OpenMailbox::MAX_KEYWORDS);
        user.store(&boxes[0], vec![Uid(1)], FlagChange::Add, all, ME).await.unwrap();
        let more = set(0..OpenMailbox::MAX_KEYWORDS + 1);
        let refused = user.store(&boxes[0], vec![Uid(1)], FlagChange::Add, more, ME).await;
        assert!(matches!(refused, Err(StoreError::Limit(_))));
    });
}

/// A keyword that no message has makes room for another one, which has its record of NOTE INDEX from then on.
#[test]
fn unused_keywords_make_room() {
    block_on(async {
        let pool = MailPool::generate();
        let store = store_over(pool.backend());
        prepare(&store).await;
        let (user, boxes) = open_all(&store).await;
        user.append(&boxes[0], vec![message(b"x")], ME).await.unwrap();
        let flags = |names: &[&str]| FlagList {
            system: SystemFlags::default(),
            keywords: names.iter().map(|n| Keyword::new(n.as_bytes()).unwrap()).collect(),
        };
        let names: Vec<String> = (0..OpenMailbox::MAX_KEYWORDS).map(|i| format!("k{i}")).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let of_first = vec![Uid(1)];
        user.store(&boxes[0], of_first.clone(), FlagChange::Add, flags(&all), ME).await.unwrap();
        user.store(&boxes[0], of_first.clone(), FlagChange::Remove, flags(&["k7"]), ME).await.unwrap();
        let bit = boxes[0].state().keyword_bit(&Keyword::new(b"k7").unwrap()).unwrap();
        let two =
            user.store(&boxes[0], of_first.clone(), FlagChange::Add, flags(&["new", "newer"]), ME).await;
        assert!(matches!(two, Err(StoreError::Limit(_))));
        // What is asked for together makes no room for what it comes with.
        let with = user.store(&boxes[0], of_first.clone(), FlagChange::Add, flags(&["new", "k7"]), ME).await;
        assert!(matches!(with, Err(StoreError::Limit(_))));
        user.store(&boxes[0], of_first, FlagChange::Add, flags(&["new"]), ME).await.unwrap();
        drop((user, boxes, store));
        let pool = pool.power_cut();
        let store = store_over(pool.backend());
        let (_, boxes) = open_all(&store).await;
        let state = boxes[0].state();
        assert_eq!(state.keyword_bit(&Keyword::new(b"k7").unwrap()), None);
        assert_eq!(state.keyword_bit(&Keyword::new(b"new").unwrap()), Some(bit));
        assert_eq!(state.columns.at(0).keywords, u64::MAX);
    });
}

#[test]
fn a_failed_commit_leaves_no_trace() {
    block_on(async {
        let backend = Arc::new(Memory::default());
        let store = store_over(backend.clone());
        prepare(&store).await;
        let (user, boxes) = open_all(&store).await;
        *backend.failure.lock() = Some(StoreError::Unavailable("disk".into()));
        let failed = user.append(&boxes[0], vec![message(b"x")], ME).await;
        assert_eq!(failed, Err(StoreError::Unavailable("disk".into())));
        assert!(user.create(name("new")).await.is_err());
        assert!(boxes[0].state().columns.uids().is_empty());
        *backend.failure.lock() = None;
        assert_eq!(user.append(&boxes[0], vec![message(b"x")], ME).await.unwrap(), [Uid(1)]);
        user.create(name("new")).await.unwrap();
    });
}

/// A summary that is not there, damaged, or of another message is made from the message, and kept again.
#[test]
fn summaries_come_back() {
    const MAIL: &[u8] = b"Subject: one\r\nFrom: a@x\r\n\r\nbody\r\n";
    for harm in [Harm::Erased, Harm::Damaged, Harm::Exchanged, Harm::NeverMade] {
        block_on(async {
            let mut pool = MailPool::generate();
            let mut store = store_over(pool.backend());
            prepare(&store).await;
            let alice = store.user(user("ALICE")).await.unwrap();
            let inbox = alice.open(&name("INBOX")).await.unwrap();
            let mails = [MAIL.to_vec(), [b"To: b@y\r\n", MAIL].concat(), MAIL.to_ascii_uppercase()];
            for mail in &mails {
                alice.append(&inbox, vec![message(mail)], ME).await.unwrap();
            }
            let expected: Vec<_> = mails.iter().map(|m| Summary::new(m)).collect();
            drop((alice, inbox, store));
            pool.harm_summaries(harm).await;
            pool = pool.power_cut();
            store = store_over(pool.backend());
            let alice = store.user(user("ALICE")).await.unwrap();
            let inbox = alice.open(&name("INBOX")).await.unwrap();
            let records = || -> Vec<_> { (0..3).map(|i| inbox.state().columns.at(i)).collect() };
            assert_ne!(inbox.kept_summaries(&records()).await.unwrap(), expected, "{harm:?}");
            let before = records();
            let cpu = Arc::new(Semaphore::new(1));
            assert_eq!(inbox.summaries(&cpu, &before).await.unwrap(), expected, "{harm:?}");
            while inbox.kept_summaries(&records()).await.unwrap() != expected {
                tokio::task::yield_now().await;
            }
            let same = |(a, b): (&MessageRecord, &MessageRecord)| {
                assert_eq!(
                    a,
                    &MessageRecord { summary: a.summary, email: a.email, ..*b },
                    "nothing else changed"
                );
            };
            before.iter().zip(&records()).for_each(same);
            // Copies get theirs from the originals, and an empty mailbox keeps nothing of what was there.
            let target = alice.open(&name("a/\u{e9}")).await.unwrap();
            let all = vec![Uid(1), Uid(2), Uid(3)];
            alice.copy(&inbox, all.clone(), &target, false, ME).await.unwrap();
            let records = || -> Vec<_> { (0..3).map(|i| target.state().columns.at(i)).collect() };
            while target.kept_summaries(&records()).await.unwrap() != expected {
                tokio::task::yield_now().await;
            }
            alice.remove_messages(&inbox, all, ME).await.unwrap();
            drop((alice, inbox, target, store));
            assert!(!pool.has_summaries().await);
            pool = pool.power_cut();
            store = store_over(pool.backend());
            let alice = store.user(user("ALICE")).await.unwrap();
            let target = alice.open(&name("a/\u{e9}")).await.unwrap();
            let records: Vec<_> = (0..3).map(|i| target.state().columns.at(i)).collect();
            assert_eq!(target.kept_summaries(&records).await.unwrap(), expected, "{harm:?}");
        });
    }
}

/// How many messages are changed alike: enough for one record to stand for them.
const MANY: u32 = 150;

#[derive(Debug, Clone)]
enum Many {
    /// Several at once, so that some share a work unit.
    Flags(Vec<(u32, u32, FlagChange, u8, Option<u8>)>),
    Expunge(u32, u32),
    Copy(u32, u32),
    Restart,
}

fn many() -> impl Strategy<Value = Many> {
    let range = || prop_oneof![Just((1, MANY)), (1..=MANY, 0u32..80).prop_map(|(low, n)| (low, low + n))];
    let change = || prop_oneof![Just(FlagChange::Add), Just(FlagChange::Remove), Just(FlagChange::Replace)];
    let one = (range(), change(), 0u8..32, proptest::option::of(0u8..3))
        .prop_map(|((low, high), change, flags, k)| (low, high, change, flags, k));
    prop_oneof![
        6 => proptest::collection::vec(one, 1..5).prop_map(Many::Flags),
        1 => (1..=MANY, 0u32..5).prop_map(|(low, n)| Many::Expunge(low, low + n)),
        1 => (1..=MANY, 0u32..100).prop_map(|(low, n)| Many::Copy(low, low + n)),
        2 => Just(Many::Restart),
    ]
}

/// All messages of a mailbox, without what is written at leisure.
fn known(mailbox: &OpenMailbox) -> Vec<MessageRecord> {
    let state = mailbox.state();
    let all = (0..state.columns.len()).map(|i| state.columns.at(i));
    all.map(|r| MessageRecord { summary: Default::default(), ..r }).collect()
}

async fn play(steps: &[Many], backend: impl Fn() -> Arc<dyn Backend>) -> Result<(), TestCaseError> {
    let mut store = store_over(backend());
    prepare(&store).await;
    let (mut user, mut boxes) = open_all(&store).await;
    user.append(&boxes[0], vec![message(b"x\r\n"); MANY as usize], ME).await.unwrap();
    for step in steps.iter().chain([&Many::Restart]) {
        match step {
            Many::Flags(all) => {
                let stores = all.iter().map(|(low, high, change, flags, k)| {
                    let flags = FlagList {
                        system: SystemFlags::from_bits(*flags),
                        keywords: k.iter().map(|k| keyword(*k)).collect(),
                    };
                    user.store(&boxes[0], (*low..=*high).map(Uid).collect(), *change, flags, ME)
                });
                for stored in futures::future::join_all(stores).await {
                    stored.unwrap();
                }
            }
            Many::Expunge(low, high) => {
                user.remove_messages(&boxes[0], (*low..=*high).map(Uid).collect(), ME).await.unwrap();
            }
            Many::Copy(low, high) => {
                user.copy(&boxes[0], (*low..=*high).map(Uid).collect(), &boxes[1], false, ME).await.unwrap();
            }
            Many::Restart => {
                let before = (known(&boxes[0]), known(&boxes[1]));
                drop((user, boxes, store));
                store = store_over(backend());
                (user, boxes) = open_all(&store).await;
                prop_assert_eq!(before, (known(&boxes[0]), known(&boxes[1])));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Flags of many messages changed alike, also by several at once: what is loaded is what was known.
    #[test]
    fn flags_of_many_come_back_from_memory(steps in proptest::collection::vec(many(), 1..40)) {
        let memory = Arc::new(Memory::default());
        block_on(play(&steps, || memory.clone()))?;
    }

    #[test]
    fn flags_of_many_come_back_from_a_file_pool(steps in proptest::collection::vec(many(), 1..16)) {
        block_on(async {
            let pool = MailPool::generate();
            play(&steps, || pool.backend()).await
        })?;
    }
}
