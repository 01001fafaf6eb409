//! Translate tables of the mail store: every octet comes back, and a table changes only while there is no mail.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use cms::cp::codepage::{EBCDIC_TO_LATIN1, LATIN1_TO_EBCDIC};
use cms::cp::name::{DirName, FileName, FilePoolId, FileType};
use cms::cp::translate_table::TranslateTable;
use cms::csl::{FileId, FileRef};
use imapd::mailstore::sfs::SfsBackend;
use imapd::mailstore::sfs::table::Agreement;
use imapd::mailstore::{Backend, MailStore, NewMessage, Origin, SessionId, StoreError};
use imapd::syntax::date::InternalDate;
use imapd::syntax::flag::SystemFlags;
use imapd::syntax::mailbox_name::MailboxName;
use support::sfs_pool::MailPool;
use support::user;

const ME: SessionId = SessionId(1);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

/// Each code turned by so many places, so that nothing stays what it was.
fn turned(name: &str, by: u8) -> TranslateTable {
    let to_ebcdic: [u8; 256] = std::array::from_fn(|octet| LATIN1_TO_EBCDIC[octet].wrapping_add(by));
    let from_ebcdic: [u8; 256] =
        std::array::from_fn(|code| EBCDIC_TO_LATIN1[usize::from((code as u8).wrapping_sub(by))]);
    TranslateTable::new(FileName::new(name).unwrap(), to_ebcdic, from_ebcdic).unwrap()
}

fn backend(pool: &MailPool, table: TranslateTable) -> Arc<SfsBackend> {
    Arc::new(pool.new_backend().with_table(table))
}

fn store(backend: &Arc<SfsBackend>) -> MailStore {
    MailStore::new(backend.clone(), Arc::new(|| 1_000_000_000))
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

fn kept(name: &str, kind: &str) -> FileRef {
    let dir = DirName::top(FilePoolId::new("MAIL").unwrap(), user("IMAP"));
    FileRef { id: FileId::new(FileName::new(name).unwrap(), FileType::new(kind).unwrap()), dir }
}

/// All octets, no end of line, bare line feeds, a line longer than a record, and none at all.
fn messages() -> Vec<Vec<u8>> {
    let all: Vec<u8> = (0..=255).collect();
    let long = [b"Subject: long\r\n\r\n".to_vec(), all.repeat(300), b"\r\nend\r\n".to_vec()].concat();
    vec![
        [b"Subject: all\r\n\r\n".to_vec(), all.clone(), b"\r\n".to_vec()].concat(),
        [b"Subject: rows\r\n\r\n".to_vec(), all.chunks(16).collect::<Vec<_>>().join(&b"\r\n"[..])].concat(),
        b"Subject: feeds\n\n\r\r\n\n".to_vec(),
        long,
        Vec::new(),
    ]
}

/// What is in ALICE's INBOX, message by message, whole and in part.
async fn read_all(backend: &Arc<SfsBackend>) -> Vec<Vec<u8>> {
    let loaded = backend.load_mailbox(user("ALICE"), "INBOX").await.unwrap();
    let records: Vec<_> = loaded.records.iter().collect();
    let together = backend.read_notes(user("ALICE"), "INBOX", &records).await.unwrap();
    let mut out = Vec::new();
    for (record, whole) in records.iter().zip(together) {
        let whole = whole.unwrap().to_vec();
        for (from, to) in [(0, record.size), (record.size / 3, record.size / 2), (record.size, record.size)] {
            let part = backend.read_note(user("ALICE"), "INBOX", record, from..to, 0).await.unwrap();
            assert_eq!(part, whole[from as usize..to as usize]);
        }
        out.push(whole);
    }
    out
}

async fn append(store: &MailStore, octets: Vec<Vec<u8>>) {
    let alice = store.user(user("ALICE")).await.unwrap();
    let inbox = alice.open(&MailboxName::inbox()).await.unwrap();
    for octets in octets {
        alice.append(&inbox, vec![message(&octets)], ME).await.unwrap();
    }
}

#[test]
fn every_octet_comes_back() {
    block_on(async {
        let table = turned("TURNED", 77);
        let mut pool = MailPool::generate();
        let mut backend = backend(&pool, table.clone());
        let mail = store(&backend);
        mail.enroll(user("ALICE"), 10_000).await.unwrap();
        append(&mail, messages()).await;
        let delivered = b"Subject: delivered\r\n\r\n\x00\xff\r\n".to_vec();
        let origin = Origin { owner: user("SMTP"), spool_id: 1, created: 1 };
        let alice = mail.user(user("ALICE")).await.unwrap();
        alice.deliver(message(&delivered), origin).await.unwrap();
        let expected = [messages(), vec![delivered]].concat();
        assert_eq!(read_all(&backend).await, expected);
        // What is on the disk is in the table, and nothing of it in code page 1047.
        let image = pool.read_fixed(MailPool::alices(Some("INBOX"), "00000001", "NOTE")).await;
        let written: Vec<u8> = b"Subject".iter().map(|o| table.to_ebcdic()[usize::from(*o)]).collect();
        assert!(image.windows(7).any(|w| w == written));
        assert_eq!(backend.examine(user("ALICE")).await.unwrap().findings, [""; 0]);
        drop((alice, mail));

        // A store that has none of this in memory, and indexes made anew.
        pool = pool.power_cut();
        backend = self::backend(&pool, turned("ALIKE", 77));
        assert_eq!(read_all(&backend).await, expected);
        pool.erase(MailPool::alices(Some("INBOX"), "NOTE", "INDEX")).await;
        backend.rebuild(user("ALICE"), 1_000_000_000).await.unwrap();
        assert_eq!(backend.examine(user("ALICE")).await.unwrap().findings, [""; 0]);
        let rebuilt = read_all(&backend).await;
        for (n, (now, before)) in rebuilt.iter().zip(&expected).enumerate() {
            // Records do not tell whether a CRLF stood at the end.
            assert!(now == before || now == &[before, &b"\r\n"[..]].concat(), "message {n}");
        }
    });
}

#[test]
fn a_table_changes_only_while_there_is_no_mail() {
    block_on(async {
        let (first, second) = (turned("FIRST", 1), turned("SECOND", 2));
        let mut pool = MailPool::generate();
        let of = |pool: &MailPool, table: &TranslateTable| backend(pool, table.clone());
        let mail = store(&of(&pool, &first));
        mail.enroll(user("ALICE"), 10_000).await.unwrap();
        assert!(pool.exists(kept("STORE", "TCPXLBIN")).await);
        // Another one as long as it is empty, and the built-in one, which is kept nowhere.
        of(&pool, &second).agree().await.unwrap();
        of(&pool, &TranslateTable::builtin()).agree().await.unwrap();
        assert!(!pool.exists(kept("STORE", "TCPXLBIN")).await);
        of(&pool, &first).agree().await.unwrap();

        let mail = store(&of(&pool, &first));
        append(&mail, messages()).await;
        pool = pool.power_cut();
        let backend = of(&pool, &first);
        let refused =
            |table: &TranslateTable| StoreError::OtherTable { written: first.id(), wanted: table.id() };
        for table in [&second, &TranslateTable::builtin()] {
            let other = of(&pool, table);
            assert_eq!(other.agree().await, Err(refused(table)));
            // Whatever a program does first, nothing is written or read by the other table.
            let mail = store(&other);
            assert_eq!(mail.user(user("ALICE")).await.err(), Some(refused(table)));
            assert_eq!(mail.enroll(user("BOB"), 10).await, Err(refused(table)));
            assert_eq!(other.examine(user("ALICE")).await.err(), Some(refused(table)));
            assert_eq!(other.commit_together(Vec::new()).await.err(), Some(refused(table)));
            assert_eq!(other.read_notes(user("ALICE"), "INBOX", &[]).await.err(), Some(refused(table)));
            assert_eq!(backend.compare_table(table).await, Err(refused(table)));
        }
        assert_eq!(backend.compare_table(&turned("ALIKE", 1)).await, Ok(Agreement::Written));
        let mail = store(&backend);
        let alice = mail.user(user("ALICE")).await.unwrap();
        let inbox = alice.open(&MailboxName::inbox()).await.unwrap();
        alice.append(&inbox, vec![message(b"y")], ME).await.unwrap();
        drop((alice, inbox));
        assert_eq!(backend.compare_table(&second).await, Err(refused(&second)));
        mail.delete_user(user("ALICE")).await.unwrap();
        assert_eq!(backend.compare_table(&second).await, Ok(Agreement::Empty));
        of(&pool, &second).agree().await.unwrap();
        assert_eq!(backend.compare_table(&second).await, Ok(Agreement::Written));
        // Mail in the built-in table stays in it as well.
        let builtin = TranslateTable::builtin();
        let mail = store(&of(&pool, &builtin));
        mail.enroll(user("ALICE"), 10_000).await.unwrap();
        append(&mail, messages()).await;
        let refused = StoreError::OtherTable { written: builtin.id(), wanted: second.id() };
        assert_eq!(of(&pool, &second).agree().await, Err(refused));
        assert_eq!(read_all(&of(&pool, &builtin)).await, messages());
    });
}

/// The machine that keeps the table may be a mail user, and be removed.
#[test]
fn the_table_stays_when_its_machine_is_removed() {
    block_on(async {
        let table = turned("FIRST", 9);
        let mut pool = MailPool::generate();
        let mail = store(&backend(&pool, table.clone()));
        let machine = user("IMAP");
        for id in [user("ALICE"), machine] {
            mail.enroll(id, 10_000).await.unwrap();
        }
        append(&mail, messages()).await;
        let own = mail.user(machine).await.unwrap();
        own.create(MailboxName::new("Work").unwrap()).await.unwrap();
        let inbox = own.open(&MailboxName::inbox()).await.unwrap();
        own.append(&inbox, vec![message(b"x")], ME).await.unwrap();
        let before = own.catalog().header.last_uid_validity;
        drop((own, inbox));
        mail.delete_user(machine).await.unwrap();
        assert!(!mail.is_enrolled(machine).await.unwrap());
        drop(mail);
        pool = pool.power_cut();
        assert!(
            pool.exists(kept("STORE", "TCPXLBIN")).await && pool.exists(kept("UIDVALID", "HISTORY")).await
        );
        let other = backend(&pool, TranslateTable::builtin());
        assert!(matches!(other.agree().await, Err(StoreError::OtherTable { .. })));
        let backend = backend(&pool, table);
        assert_eq!(read_all(&backend).await, messages());
        assert!(matches!(backend.examine(machine).await, Err(StoreError::NotEnrolled)));
        let mail = store(&backend);
        mail.enroll(machine, 100).await.unwrap();
        assert!(mail.user(machine).await.unwrap().catalog().header.last_uid_validity > before);
    });
}

#[test]
fn a_damaged_table_is_no_table() {
    block_on(async {
        let table = turned("FIRST", 9);
        let pool = MailPool::generate();
        let mail = store(&backend(&pool, table.clone()));
        mail.enroll(user("ALICE"), 10_000).await.unwrap();
        append(&mail, messages()).await;
        let file = || kept("STORE", "TCPXLBIN");
        let good = pool.read_fixed(file()).await;
        let mut turned_header = good.clone();
        turned_header[30] ^= 0xFF;
        let mut two_alike = good.clone();
        two_alike[300] = two_alike[301];
        for bad in [&good[..512], &turned_header, &two_alike] {
            pool.put_fixed(file(), 256, bad).await;
            for wanted in [table.clone(), TranslateTable::builtin()] {
                let agreed = backend(&pool, wanted).agree().await;
                assert!(
                    matches!(&agreed, Err(StoreError::Damaged(why)) if why.contains("STORE TCPXLBIN")),
                    "{agreed:?}"
                );
            }
        }
        pool.put_fixed(file(), 256, &good).await;
        assert_eq!(read_all(&backend(&pool, table)).await, messages());
    });
}
