//! CHECK and REBUILD: each file of a user is damaged in turn; every damage is named, and what can be known is there again.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use cms::csl::FileRef;
use imapd::mailstore::sfs::SfsBackend;
use imapd::mailstore::sfs::note_index::{self, LRECL};
use imapd::mailstore::sfs::read::{INDEX_BEGINNING, INDEX_PIECE};
use imapd::mailstore::text_keep::{ENOUGH, Pace};
use imapd::mailstore::{Backend, MailStore, ModSeq, NewMessage, SessionId, StoreError, Uid};
use imapd::syntax::ast::FlagChange;
use imapd::syntax::date::InternalDate;
use imapd::syntax::flag::{FlagList, Keyword, SystemFlags};
use imapd::syntax::mailbox_name::MailboxName;
use support::sfs_pool::MailPool;
use support::user;

const NOW: i64 = 1_000_000_000;

/// What is in the mailboxes: a CRLF at the end, none, a bare line feed, a line longer than a record.
fn messages() -> Vec<Vec<u8>> {
    let long = format!("Subject: d\r\n\r\n{}\r\nend\r\n", "x".repeat(70_000));
    vec![
        b"Subject: a\r\n\r\nfirst\r\n".to_vec(),
        b"Subject: b\r\n\r\nno end of line".to_vec(),
        b"Subject: c\r\n\r\nbare\nfeed\r\n".to_vec(),
        long.into_bytes(),
    ]
}

/// Name, UIDVALIDITY, UIDNEXT, and of each message UID, flags, keywords, octets.
type SeenMailbox = (String, u32, u32, Vec<(u32, u8, u64, Vec<u8>)>);
/// All mailboxes.
type Seen = Vec<SeenMailbox>;

struct Alice {
    pool: MailPool,
    backend: Arc<SfsBackend>,
    store: MailStore,
}

impl Alice {
    /// INBOX with all messages, of which the first one is expunged, and a folder `Work` with two.
    async fn new() -> Self {
        let pool = MailPool::generate();
        let backend = pool.backend();
        let store = MailStore::new(backend.clone(), Arc::new(|| NOW));
        store.enroll(user("ALICE"), 10_000).await.unwrap();
        let alice = store.user(user("ALICE")).await.unwrap();
        alice.create(MailboxName::new("Work").unwrap()).await.unwrap();
        let by = SessionId::NOBODY;
        for (name, count) in [("INBOX", 4), ("Work", 2)] {
            let mailbox = alice.open(&MailboxName::new(name).unwrap()).await.unwrap();
            let new = messages().into_iter().take(count).map(|octets| NewMessage {
                flags: SystemFlags::default(),
                keywords: Vec::new(),
                date: InternalDate { seconds: 77, zone_minutes: 60 },
                email: None,
                octets: octets.into(),
            });
            alice.append(&mailbox, new.collect(), by).await.unwrap();
            let flags =
                FlagList { system: SystemFlags::FLAGGED, keywords: vec![Keyword::new(b"$Work").unwrap()] };
            alice.store(&mailbox, vec![Uid(2)], FlagChange::Add, flags, by).await.unwrap();
        }
        let inbox = alice.open(&MailboxName::inbox()).await.unwrap();
        let deleted = FlagList { system: SystemFlags::DELETED, keywords: Vec::new() };
        alice.store(&inbox, vec![Uid(1)], FlagChange::Add, deleted, by).await.unwrap();
        alice.expunge(&inbox, None, by).await.unwrap();
        drop((inbox, alice));
        Self { pool, backend, store }
    }

    async fn check(&self) -> Vec<String> {
        let examined = self.store.at_rest(user("ALICE"), self.backend.examine(user("ALICE"))).await;
        examined.unwrap().unwrap().findings
    }

    async fn rebuild(&self) -> Vec<String> {
        let done = self.store.replacing(user("ALICE"), self.backend.rebuild(user("ALICE"), NOW)).await;
        let done = done.unwrap().unwrap();
        assert_eq!(self.check().await, Vec::<String>::new(), "after {done:?}");
        done
    }

    async fn seen(&self) -> Seen {
        let alice = self.store.user(user("ALICE")).await.unwrap();
        let rows: Vec<_> = alice.catalog().iter().cloned().collect();
        let mut all = Vec::new();
        for row in rows {
            let mailbox = alice.open(&row.name).await.unwrap();
            let records: Vec<_> = {
                let state = mailbox.state();
                (0..state.columns.len()).map(|i| state.columns.at(i)).collect()
            };
            let octets = mailbox.read_several(&records).await.unwrap();
            let messages = records.iter().zip(octets);
            let messages = messages.map(|(r, o)| (r.uid.0, r.flags.bits(), r.keywords, o.unwrap().to_vec()));
            all.push((row.name.to_string(), row.uid_validity.0, row.uid_next.0, messages.collect()));
        }
        all.sort();
        all
    }
}

fn note_index() -> FileRef {
    MailPool::alices(Some("INBOX"), "NOTE", "INDEX")
}

fn mailbox_index() -> FileRef {
    MailPool::alices(None, "MAILBOX", "INDEX")
}

/// INBOX of what was seen.
fn inbox(seen: &mut Seen) -> &mut SeenMailbox {
    seen.iter_mut().find(|m| m.0 == "INBOX").unwrap()
}

#[tokio::test]
async fn nothing_is_wrong_and_nothing_changes() {
    let alice = Alice::new().await;
    let before = alice.seen().await;
    assert_eq!(alice.check().await, Vec::<String>::new());
    assert!(alice.rebuild().await.is_empty());
    assert_eq!(alice.seen().await, before);
    let nobody = alice.backend.examine(user("NOBODY")).await;
    assert_eq!(nobody.unwrap_err(), StoreError::NotEnrolled);
}

#[tokio::test]
async fn note_index_is_lost() {
    let alice = Alice::new().await;
    let mut wanted = alice.seen().await;
    alice.pool.erase(note_index()).await;
    let found = alice.check().await;
    assert!(found.contains(&"INBOX: NOTE INDEX is missing".to_owned()), "{found:?}");
    assert!(found.contains(&"INBOX: the note of UID 2 is not in NOTE INDEX".to_owned()), "{found:?}");
    alice.rebuild().await;
    // Flags are lost with it, UIDs, UIDVALIDITY and UIDNEXT are not; records do not tell of a last line without its end.
    let mailbox = inbox(&mut wanted);
    mailbox.3.iter_mut().for_each(|m| (m.1, m.2) = (0, 0));
    mailbox.3[0].3.extend_from_slice(b"\r\n");
    assert_eq!(alice.seen().await, wanted);
}

#[tokio::test]
async fn records_of_note_index_are_damaged() {
    let alice = Alice::new().await;
    let mut wanted = alice.seen().await;
    // The header and the record of UID 3 are none; UID 4 claims to be longer than its note.
    let damage = |image: &mut Vec<u8>| {
        image[0] = 1;
        for record in image.chunks_exact_mut(128).filter(|r| r[0] == 0xD4) {
            match record[4] {
                3 => record[0] = 0x77,
                4 => record[48] ^= 1,
                _ => {}
            }
        }
    };
    alice.pool.rewrite(note_index(), 128, damage).await;
    let found = alice.check().await;
    for part in
        ["NOTE INDEX record 1:", "is of no known kind", "UID 4: the note has", "UID 3 is not in NOTE INDEX"]
    {
        assert!(found.iter().any(|f| f.contains(part)), "{part}: {found:?}");
    }
    alice.rebuild().await;
    let mailbox = inbox(&mut wanted);
    assert_eq!(mailbox.3[0].2, 1, "the keyword stays");
    assert_eq!(alice.seen().await, wanted);
    // What is given out next was never given out.
    let store = alice.store.user(user("ALICE")).await.unwrap();
    let mailbox = store.open(&MailboxName::inbox()).await.unwrap();
    let new = NewMessage {
        flags: SystemFlags::default(),
        keywords: Vec::new(),
        date: InternalDate { seconds: 1, zone_minutes: 0 },
        email: None,
        octets: messages().remove(0).into(),
    };
    assert_eq!(store.append(&mailbox, vec![new], SessionId::NOBODY).await.unwrap(), [Uid(5)]);
    assert_eq!(alice.check().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_note_is_lost() {
    let alice = Alice::new().await;
    let mut wanted = alice.seen().await;
    alice.pool.erase(MailPool::alices(Some("INBOX"), "00000003", "NOTE")).await;
    let found = alice.check().await;
    assert!(found.contains(&"INBOX: UID 3 has no note".to_owned()), "{found:?}");
    alice.rebuild().await;
    inbox(&mut wanted).3.remove(1);
    assert_eq!(alice.seen().await, wanted);
}

#[tokio::test]
async fn mailbox_index_is_lost() {
    let alice = Alice::new().await;
    let before = alice.seen().await;
    alice.pool.erase(mailbox_index()).await;
    assert!(alice.check().await.contains(&"MAILBOX INDEX is missing".to_owned()));
    alice.rebuild().await;
    let after = alice.seen().await;
    assert_eq!(after.len(), 2);
    let work = before.iter().find(|m| m.0 == "Work").unwrap();
    let recovered = after.iter().find(|m| m.0 == "Recovered-F00000002").unwrap();
    assert_eq!(recovered.3, work.3);
    let old: Vec<u32> = before.iter().map(|m| m.1).collect();
    // Nobody knows which UIDs were given: UIDVALIDITY is another one. The clock stands still here, and NOW is the first ever given.
    assert!(after.iter().all(|m| m.1 > NOW as u32), "{old:?}");
    assert_ne!(after[0].1, after[1].1);
}

#[tokio::test]
async fn a_row_and_the_counts_of_mailbox_index_are_damaged() {
    let alice = Alice::new().await;
    let before = alice.seen().await;
    let damage = |image: &mut Vec<u8>| {
        for record in image.chunks_exact_mut(512).filter(|r| r[0] == 0xD4) {
            match record[4] {
                // INBOX counts wrong; UIDNEXT is one that is there.
                1 => (record[40], record[12]) = (9, 4),
                _ => record[0] = 0x77,
            }
        }
    };
    alice.pool.rewrite(mailbox_index(), 512, damage).await;
    let found = alice.check().await;
    for part in [
        "INBOX: MAILBOX INDEX counts 9 messages",
        "INBOX: UIDNEXT is 4",
        "F00000002: the directory belongs to no folder",
    ] {
        assert!(found.iter().any(|f| f.contains(part)), "{part}: {found:?}");
    }
    alice.rebuild().await;
    let after = alice.seen().await;
    assert_eq!(after[0], before[0]);
    assert_eq!((after[1].0.as_str(), &after[1].3), ("Recovered-F00000002", &before[1].3));
    assert!(before.iter().all(|m| m.1 < after[1].1));
}

#[tokio::test]
async fn summaries_are_damaged() {
    let alice = Alice::new().await;
    let before = alice.seen().await;
    let file = || MailPool::alices(Some("INBOX"), "NOTE", "SUMMARY");
    alice.pool.rewrite(file(), 512, |image| image.chunks_exact_mut(512).for_each(|r| r[60] ^= 1)).await;
    assert!(alice.check().await.iter().any(|f| f.starts_with("INBOX: NOTE SUMMARY has no sound summary")));
    alice.rebuild().await;
    assert_eq!(alice.seen().await, before);
    let alice = Alice::new().await;
    alice.pool.erase(file()).await;
    assert_eq!(alice.check().await, ["INBOX: NOTE SUMMARY is missing"]);
    alice.rebuild().await;
    assert_eq!(alice.seen().await, before);
}

/// A summary of a former version is no damage, and nothing is shown from it.
#[tokio::test]
async fn summaries_are_of_a_former_version() {
    let alice = Alice::new().await;
    let file = MailPool::alices(Some("INBOX"), "NOTE", "SUMMARY");
    let mut changed = 0;
    let former = |image: &mut Vec<u8>| {
        // Behind the sixteen octets before it: its version, then what its checksum is not of.
        for run in image.chunks_mut(512).filter(|run| run[0] == 0xE2) {
            (run[16], run[17]) = (1, 0);
            changed += 1;
        }
    };
    alice.pool.rewrite(file, 512, former).await;
    assert!(changed > 0);
    assert_eq!(alice.check().await, Vec::<String>::new());
    let store = MailStore::new(alice.pool.backend(), Arc::new(|| NOW));
    let inbox = store.user(user("ALICE")).await.unwrap().open(&MailboxName::inbox()).await.unwrap();
    let records: Vec<_> = {
        let state = inbox.state();
        (0..state.columns.len()).map(|i| state.columns.at(i)).collect()
    };
    let kept = inbox.kept_summaries(&records).await.unwrap();
    assert!(kept.iter().all(Option::is_none), "{kept:?}");
}

#[tokio::test]
async fn texts_are_damaged() {
    let alice = Alice::new().await;
    {
        let store = alice.store.user(user("ALICE")).await.unwrap();
        let mailbox = store.open(&MailboxName::inbox()).await.unwrap();
        let new = |octets| NewMessage {
            flags: SystemFlags::default(),
            keywords: Vec::new(),
            date: InternalDate { seconds: 1, zone_minutes: 0 },
            email: None,
            octets,
        };
        let many = (0..ENOUGH).map(|n| new(format!("Subject: {n}\r\n\r\nbody\r\n").into()));
        store.append(&mailbox, many.collect(), SessionId::NOBODY).await.unwrap();
        mailbox.keep_texts(Pace::Fast).await.unwrap();
    }
    let before = alice.seen().await;
    let file = || MailPool::alices(Some("INBOX"), "NOTE", "TEXT");
    alice.pool.rewrite(file(), 4096, |image| image.extend_from_slice(&[0; 4096])).await;
    assert!(alice.check().await.iter().any(|f| f.starts_with("INBOX: NOTE TEXT is damaged from record")));
    alice.pool.rewrite(file(), 4096, |image| image.truncate(image.len() - 4096)).await;
    assert_eq!(alice.check().await, Vec::<String>::new());
    alice.pool.rewrite(file(), 4096, |image| image[70] ^= 1).await;
    assert_eq!(alice.check().await, ["INBOX: NOTE TEXT is damaged from record 1 on"]);
    alice.rebuild().await;
    assert_eq!(alice.seen().await, before);
}

/// Indexes that end where a piece of them does, and just before and behind that.
#[tokio::test]
async fn an_index_of_several_pieces() {
    let alice = Alice::new().await;
    let file = || MailPool::alices(Some("INBOX"), "NOTE", "INDEX");
    let record = alice.pool.read_fixed(file()).await.chunks(LRECL).find(|r| r[0] == 0xD4).unwrap().to_vec();
    let pieces = [0, 1, 2, 5].map(|pieces| INDEX_BEGINNING + pieces * INDEX_PIECE);
    for records in pieces.into_iter().flat_map(|n| [n - 1, n, n + 1]) {
        let mut image = note_index::header(ModSeq(0)).to_vec();
        for uid in 1..records {
            let at = image.len();
            image.extend_from_slice(&record);
            image[at + 4..at + 8].copy_from_slice(&uid.to_le_bytes());
        }
        alice.pool.put_fixed(file(), LRECL, &image).await;
        let loaded = alice.backend.load_mailbox(user("ALICE"), "INBOX").await.unwrap();
        assert!(loaded.records.iter().map(|r| r.uid.0).eq(1..records), "{records}");
        assert_eq!((loaded.next_slot, loaded.free_slots.len()), (records + 1, 0));
        // The same octets as records of another length are no index.
        alice.pool.put_fixed(file(), LRECL / 2, &image).await;
        let refused = alice.backend.load_mailbox(user("ALICE"), "INBOX").await;
        assert!(matches!(refused, Err(StoreError::Damaged(_))), "{records}");
    }
}

#[tokio::test]
async fn entries_are_damaged() {
    let alice = Alice::new().await;
    let before = alice.seen().await;
    alice.pool.write_variable(MailPool::alices(None, "MAILBOX", "ENTRIES"), b"garbage").await;
    let found = alice.check().await;
    assert!(matches!(&found[..], [one] if one.contains("MAILBOX ENTRIES record 1")), "{found:?}");
    let done = alice.rebuild().await;
    assert!(done.iter().any(|d| d.contains("annotations and limits are lost")), "{done:?}");
    assert_eq!(alice.seen().await, before);
}
