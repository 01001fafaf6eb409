//! What tests of `NOTE TEXT` have in common.
#![allow(dead_code, reason = "each module uses a part")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use bytes::Bytes;
use cms::csl::FileRef;
use imapd::mailstore::{Backend, MailStore, NewMessage, OpenMailbox, SessionId, Uid, UserStore};
use imapd::search::column::{ColumnKey, Counted, TextColumn, texts};
use imapd::search::fold::Needle;
use imapd::syntax::date::InternalDate;
use imapd::syntax::flag::SystemFlags;
use imapd::syntax::mailbox_name::MailboxName;
use tokio::sync::Semaphore;

use crate::support::sfs_pool::MailPool;
use crate::support::user;

pub const ME: SessionId = SessionId(1);
pub const NAMES: [&str; 2] = ["INBOX", "a"];

pub fn store_over(backend: Arc<dyn Backend>) -> MailStore {
    MailStore::new(backend, Arc::new(|| 1_000_000_000))
}

pub fn message(octets: &[u8]) -> NewMessage {
    NewMessage {
        flags: SystemFlags::default(),
        keywords: Vec::new(),
        date: InternalDate { seconds: 1, zone_minutes: 0 },
        email: None,
        octets: Bytes::copy_from_slice(octets),
    }
}

pub fn text_file() -> FileRef {
    MailPool::alices(Some("INBOX"), "NOTE", "TEXT")
}

pub async fn open_all(store: &MailStore) -> (Arc<UserStore>, Vec<Arc<OpenMailbox>>) {
    let alice = store.user(user("ALICE")).await.unwrap();
    let mut boxes = Vec::new();
    for name in NAMES {
        let name = MailboxName::new(name).unwrap();
        if alice.catalog().get(&name).is_none() {
            alice.create(name.clone()).await.unwrap();
        }
        boxes.push(alice.open(&name).await.unwrap());
    }
    (alice, boxes)
}

pub fn keys() -> Vec<ColumnKey> {
    let fields = ["Subject", "x-other", "Content-Type"].map(|name| ColumnKey::field(name.as_bytes()));
    [ColumnKey::Body, ColumnKey::Header].into_iter().chain(fields).collect()
}

/// Looks for a needle in a column.
pub fn find(needle: &Arc<Needle>) -> impl Fn(&TextColumn) -> Vec<u32> + Clone + Send + 'static {
    let needle = needle.clone();
    move |column: &TextColumn| column.find(&needle, Counted::All)
}

/// Every search by every key finds what looking into the messages finds.
pub async fn compare(mailbox: &Arc<OpenMailbox>) {
    let records: Vec<_> = {
        let state = mailbox.state();
        (0..state.columns.len()).map(|i| state.columns.at(i)).collect()
    };
    let there: BTreeSet<u32> = records.iter().map(|r| r.uid.0).collect();
    let octets = mailbox.read_several(&records).await.unwrap();
    let upto = records.last().map_or(Uid(0), |r| r.uid);
    let cpu = Arc::new(Semaphore::new(2));
    let done = AtomicU32::new(0);
    mailbox.fill_texts(&cpu, keys().into_iter().collect(), upto, &done).await.unwrap();
    for key in keys() {
        let mut expected = TextColumn::default();
        for (record, octets) in records.iter().zip(&octets) {
            texts([(&key, &mut expected)], record.uid, octets.as_ref().unwrap(), None);
        }
        let column = mailbox.text_column(&key).unwrap().read_owned().await;
        for needle in ["", "a", "x", "\u{e4}", ": ", "part", "no such"] {
            let needle = Arc::new(Needle::new(needle));
            let seen =
                |found: Vec<u32>| -> Vec<u32> { found.into_iter().filter(|u| there.contains(u)).collect() };
            assert_eq!(
                seen(column.find(&needle, Counted::All)),
                expected.find(&needle, Counted::All),
                "{key:?}"
            );
            let scanned = mailbox.scan_texts(&cpu, key.clone(), find(&needle), upto, &done).await.unwrap();
            assert_eq!(seen(scanned), expected.find(&needle, Counted::All), "{key:?}");
        }
    }
}

/// The UIDs of messages whose bodies contain a needle.
pub async fn found(mailbox: &Arc<OpenMailbox>, needle: &str) -> Vec<u32> {
    let needle = Arc::new(Needle::new(needle));
    scan(mailbox, find(&needle)).await
}

/// What is found in the bodies of a mailbox without a column in memory.
pub async fn scan(
    mailbox: &Arc<OpenMailbox>,
    find: impl Fn(&TextColumn) -> Vec<u32> + Clone + Send + 'static,
) -> Vec<u32> {
    let upto = Uid(mailbox.state().columns.uids().last().copied().unwrap_or(0));
    let cpu = Arc::new(Semaphore::new(1));
    mailbox.scan_texts(&cpu, ColumnKey::Body, find, upto, &AtomicU32::new(0)).await.unwrap()
}

/// A message that takes two blocks, and a fifth of one when its texts are deflated.
pub fn numbered(n: usize) -> NewMessage {
    let mut text = format!("Subject: {n}\r\n\r\nnumber {n} {}", "word ".repeat(1_000));
    let mut number = n as u32;
    for _ in 0..200 {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(&format!(" {number:08x}"));
    }
    message((text + "\r\n").as_bytes())
}

/// UIDs from one to another.
pub fn uids(low: u32, high: u32) -> Vec<Uid> {
    (low..=high).map(Uid).collect()
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
