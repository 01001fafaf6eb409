//! `NOTE TEXT`: searches find with it exactly what they find in the messages, whatever came, went, was lost or damaged.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use imapd::mailstore::Uid;
use imapd::mailstore::text_keep::{ENOUGH, Pace};
use imapd::search::column::ColumnKey;
use imapd::syntax::mailbox_name::MailboxName;
use proptest::prelude::*;
use support::memory::Memory;
use support::sfs_pool::MailPool;
use support::user;
use texts::common::*;

mod texts {
    pub mod common;
    pub mod crash;
    pub mod room;
    pub mod state;
    pub mod together;
}

#[derive(Debug, Clone)]
enum Step {
    /// Many messages made from a few.
    Append(usize, Vec<Vec<u8>>, usize),
    Copy(usize, u32, u32, bool),
    Expunge(usize, u32, u32),
    Keep(usize),
    Compare(usize),
    Restart,
    /// A bit of the file of INBOX is another one.
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Erase,
}

fn mail() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        "Subject: [ax\u{e4}]{0,5}\r\n",
        "X-Other: =\\?utf-8\\?q\\?=C3=A4x\\?=[ax]{0,3}\r\n",
        "[aX\u{17f}]{1,3}ubject: [ax]{0,3}\r\n",
        Just("Content-Type: text/plain; charset=utf-8\r\n".to_owned()),
        Just("Content-Type: multipart/mixed; boundary=a\r\n".to_owned()),
    ];
    let body =
        prop_oneof!["[ax \u{e4}\r\n]{0,20}", Just("--a\r\nX-Part: x\r\n\r\na\r\n--a--\r\n".to_owned())];
    (proptest::collection::vec(field, 0..4), body)
        .prop_map(|(fields, body)| format!("{}\r\n{body}", fields.concat()).into_bytes())
}

fn step() -> impl Strategy<Value = Step> {
    let boxes = 0..NAMES.len();
    let range = || (1u32..300, 1u32..200);
    prop_oneof![
        4 => (boxes.clone(), proptest::collection::vec(mail(), 1..6), 1..2 * ENOUGH)
            .prop_map(|(b, mails, n)| Step::Append(b, mails, n)),
        2 => (boxes.clone(), range(), any::<bool>()).prop_map(|(b, (low, n), m)| Step::Copy(b, low, low + n, m)),
        2 => (boxes.clone(), range()).prop_map(|(b, (low, n))| Step::Expunge(b, low, low + n)),
        4 => boxes.clone().prop_map(Step::Keep),
        1 => boxes.prop_map(Step::Compare),
        2 => Just(Step::Restart),
        1 => (any::<prop::sample::Index>(), 0u8..8).prop_map(|(i, bit)| Step::Flip(i, bit)),
        1 => any::<prop::sample::Index>().prop_map(Step::Cut),
        1 => Just(Step::Erase),
    ]
}

async fn play(steps: &[Step]) {
    let mut pool = MailPool::generate();
    let mut store = store_over(pool.backend());
    store.enroll(user("ALICE"), 100_000).await.unwrap();
    let (mut alice, mut boxes) = open_all(&store).await;
    for step in steps.iter().chain([&Step::Compare(0), &Step::Compare(1)]) {
        match step {
            Step::Append(b, mails, n) => {
                let many = mails.iter().cycle().take(*n).map(|m| message(m));
                alice.append(&boxes[*b], many.collect(), ME).await.unwrap();
            }
            Step::Copy(b, low, high, remove) => {
                let uids = (*low..=*high).map(Uid).collect();
                alice.copy(&boxes[*b], uids, &boxes[1 - *b], *remove, ME).await.unwrap();
            }
            Step::Expunge(b, low, high) => {
                alice.remove_messages(&boxes[*b], (*low..=*high).map(Uid).collect(), ME).await.unwrap();
            }
            // Fails where the file was damaged beside the mail store, as it may.
            Step::Keep(b) => drop(boxes[*b].keep_texts(Pace::Fast).await),
            Step::Compare(b) => compare(&boxes[*b]).await,
            Step::Flip(..) | Step::Cut(_) | Step::Erase if !pool.exists(text_file()).await => {}
            Step::Flip(at, bit) => {
                pool.rewrite(text_file(), 4096, |image| {
                    let at = at.index(image.len());
                    image[at] ^= 1 << bit;
                })
                .await;
            }
            Step::Cut(at) => {
                pool.rewrite(text_file(), 4096, |image| {
                    image.truncate((at.index(image.len()) / 4096).max(1) * 4096);
                })
                .await;
            }
            Step::Erase => pool.erase(text_file()).await,
            Step::Restart => {
                drop((alice, boxes, store));
                pool = pool.power_cut();
                store = store_over(pool.backend());
                (alice, boxes) = open_all(&store).await;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn searches_find_what_messages_say(steps in proptest::collection::vec(step(), 1..16)) {
        block_on(play(&steps));
    }
}

/// Few messages are left to the next search; as soon as they are enough their texts are added to those of the others.
#[test]
fn messages_at_and_past_what_is_enough() {
    block_on(async {
        let pool = MailPool::generate();
        let store = store_over(pool.backend());
        store.enroll(user("ALICE"), 100_000).await.unwrap();
        let (alice, boxes) = open_all(&store).await;
        let inbox = &boxes[0];
        let few = (1..ENOUGH).map(numbered).collect();
        alice.append(inbox, few, ME).await.unwrap();
        inbox.keep_texts(Pace::Fast).await.unwrap();
        assert_eq!(pool.octets(text_file()).await, 0);
        alice.append(inbox, vec![numbered(ENOUGH)], ME).await.unwrap();
        inbox.keep_texts(Pace::Fast).await.unwrap();
        let first = pool.octets(text_file()).await;
        assert!(first > 0 && found(inbox, "number").await.len() == ENOUGH);
        assert!(first < (ENOUGH * 10_000) as u64 / 4, "texts are deflated: {first}");
        alice.append(inbox, (0..ENOUGH).map(numbered).collect(), ME).await.unwrap();
        inbox.keep_texts(Pace::Fast).await.unwrap();
        let second = pool.octets(text_file()).await;
        assert!(second > first && found(inbox, "number").await.len() == 2 * ENOUGH);
        // When most of it is of expunged messages, that is cut off, and made again for those that are there.
        let gone = (1..=ENOUGH as u32 + 40).map(Uid).collect();
        alice.remove_messages(inbox, gone, ME).await.unwrap();
        inbox.keep_texts(Pace::Fast).await.unwrap();
        let third = pool.octets(text_file()).await;
        assert!(third <= first && found(inbox, "number").await.len() == ENOUGH - 40, "{first} {third}");
        // Without a message there is no file.
        let all = inbox.state().columns.uids().iter().map(|u| Uid(*u)).collect();
        alice.remove_messages(inbox, all, ME).await.unwrap();
        assert!(!pool.exists(text_file()).await);
    });
}

/// What comes while nobody asks for anything gets its texts by itself, and a mailbox that goes takes them along.
#[tokio::test]
async fn texts_are_made_in_a_quiet_moment() {
    let store = store_over(Arc::new(Memory::default()));
    store.enroll(user("ALICE"), 100_000).await.unwrap();
    let (alice, boxes) = open_all(&store).await;
    alice.append(&boxes[1], (0..ENOUGH).map(numbered).collect(), ME).await.unwrap();
    let body = boxes[1].text_column(&ColumnKey::Body).unwrap();
    while body.read().await.upto() < Uid(ENOUGH as u32) {
        tokio::task::yield_now().await;
    }
    alice.delete(MailboxName::new(NAMES[1]).unwrap(), ME).await.unwrap();
    assert!(boxes[1].keep_texts(Pace::Fast).await.is_ok());
}
