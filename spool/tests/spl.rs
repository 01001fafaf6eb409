//! `*SPL` through a guest's path: select, read, close, seen marks, idle announcement, severs, authority.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::time::Duration;

use common::*;
use cp::iucv::{ConnectParms, IpRcode, IucvTarget};
use cp::name::SpoolId;
use proptest::prelude::*;
use spool::spl::{CloseAction, MAX_SPLINKS, Spgbk, SplError, SplPath, class, option, rc, splink, splink_rc};
use spool::{Queue, UnitRecord};

fn block(user_id: &str, spid: u16, option: u8) -> Spgbk {
    Spgbk { user: user(user_id), spid, queue: 1, option, first_splink: 1, splinks: 1 }
}

#[tokio::test]
async fn connecting_needs_the_statement_and_sound_user_data() {
    let cp = cp_with(&warm(&fresh()));
    let fred = guest(&cp, "FRED");
    assert_eq!(SplPath::connect(&fred, "X").await.err(), Some(SplError::Iucv(IpRcode::NotAuthorised)));
    let imap = guest(&cp, "IMAP");
    assert_eq!(SplPath::connect(&imap, "TOOLONGNAME").await.err(), Some(SplError::BadName));
    let bare = imap.iucv_connect(&IucvTarget::Service("*SPL".into()), &ConnectParms::default()).await;
    let Err(IpRcode::Severed(user)) = bare else { panic!("taken") };
    assert_eq!(user[0], 8);
    let mut paths = Vec::new();
    for _ in 0..16 {
        paths.push(SplPath::connect(&imap, "IMAP").await.unwrap());
    }
    let Err(SplError::Iucv(IpRcode::Severed(user))) = SplPath::connect(&imap, "IMAP").await else {
        panic!("17 paths")
    };
    assert_eq!(user[0], 4);
    paths.pop();
    SplPath::connect(&imap, "IMAP").await.unwrap();
}

#[tokio::test]
async fn files_are_selected_read_and_purged() {
    let disk = fresh();
    let cp = cp_with(&warm(&disk));
    let (smtp, imap) = (guest(&cp, "SMTP"), guest(&cp, "IMAP"));
    let long = vec![0x83u8; 65_535];
    let records: Vec<&[u8]> = vec![b"first", b"", &long, b"blanks \x40\x40"];
    let sent = send(&smtp, "IMAP", &records).await.unwrap();
    send(&smtp, "IMAP", &[b"second"]).await.unwrap();
    let path = SplPath::connect(&imap, "IMAP").await.unwrap();
    let first = path.select_next(user("IMAP"), Queue::Reader).await.unwrap().unwrap();
    assert_eq!((first.file, first.origin, first.tag.as_str()), (sent.key(), user("SMTP"), "joe@example.com"));
    assert_eq!((first.name.as_str(), first.records, first.record_size), ("NOTE", 4, 65_535));
    let mut read = Vec::new();
    let mut from = path.records(&first);
    while let Some(record) = from.next().await.unwrap() {
        read.push(record.data);
    }
    assert_eq!(read, records);
    // While it is selected nobody else takes it.
    assert!(UnitRecord::of(&imap).unwrap().open_file(sent.id).await.is_err());
    assert_eq!(answer_len(&imap).await, 2);
    path.close(&first, CloseAction::Purge).await.unwrap();
    assert_eq!(answer_len(&imap).await, 1);
    assert_eq!(path.close(&first, CloseAction::Purge).await, Err(SplError::Refused(rc::NO_MATCH)));
    let second = path.select_next(user("IMAP"), Queue::Reader).await.unwrap().unwrap();
    assert_eq!(path.select_next(user("IMAP"), Queue::Reader).await.unwrap(), None);
    let other = SplPath::connect(&imap, "IMAP").await.unwrap();
    assert_eq!(other.select(user("IMAP"), second.file.id).await, Err(SplError::Refused(rc::ACTIVE)));
    path.close(&second, CloseAction::Release).await.unwrap();
    assert_eq!(other.select_next(user("IMAP"), Queue::Reader).await.unwrap(), None, "it has been seen");
    other.reset_seen(user("IMAP"), Queue::Reader).await.unwrap();
    let again = other.select_next(user("IMAP"), Queue::Reader).await.unwrap().unwrap();
    other.close(&again, CloseAction::UserHold).await.unwrap();
    other.reset_seen(user("IMAP"), Queue::Reader).await.unwrap();
    assert_eq!(other.select_next(user("IMAP"), Queue::Reader).await.unwrap(), None, "it is held");
    assert_eq!(other.select(user("IMAP"), again.file.id).await, Err(SplError::Refused(rc::NO_MATCH)));
    // The purge was durable.
    assert_eq!(warm(&disk.restart(|| 0)).count(user("IMAP"), Queue::Reader), 1);
}

async fn answer_len(guest: &cp::Guest) -> usize {
    UnitRecord::of(guest).unwrap().reader_files().len()
}

#[tokio::test]
async fn an_idle_path_is_told_once() {
    let cp = cp_with(&warm(&fresh()));
    let (smtp, imap) = (guest(&cp, "SMTP"), guest(&cp, "IMAP"));
    let path = SplPath::connect(&imap, "IMAP").await.unwrap();
    send(&smtp, "FRED", &[b"not ours"]).await.unwrap();
    assert_eq!(path.select_next(user("IMAP"), Queue::Reader).await.unwrap(), None);
    let wait = tokio::spawn({
        let path = path.clone();
        async move { path.arrival().await }
    });
    send(&smtp, "FRED", &[b"not ours"]).await.unwrap();
    let one = send(&smtp, "IMAP", &[b"1"]).await.unwrap();
    send(&smtp, "IMAP", &[b"2"]).await.unwrap();
    let arrival = tokio::time::timeout(Duration::from_secs(120), wait).await.unwrap().unwrap().unwrap();
    assert_eq!((arrival.owner, arrival.id, arrival.queue), (user("IMAP"), one.id, Queue::Reader));
    let quiet = tokio::time::timeout(Duration::from_millis(20), path.arrival()).await;
    assert!(quiet.is_err(), "one message until the next SELECT");
    for _ in 0..2 {
        let file = path.select_next(user("IMAP"), Queue::Reader).await.unwrap().unwrap();
        path.close(&file, CloseAction::Purge).await.unwrap();
    }
    assert_eq!(path.select_next(user("IMAP"), Queue::Reader).await.unwrap(), None);
}

#[tokio::test]
async fn a_sever_puts_files_back() {
    let cp = cp_with(&warm(&fresh()));
    let (smtp, imap) = (guest(&cp, "SMTP"), guest(&cp, "IMAP"));
    let sent = send(&smtp, "IMAP", &[b"1"]).await.unwrap();
    let path = SplPath::connect(&imap, "IMAP").await.unwrap();
    path.select(user("IMAP"), sent.id).await.unwrap();
    assert!(UnitRecord::of(&imap).unwrap().open_file(sent.id).await.is_err());
    drop(path);
    UnitRecord::of(&imap).unwrap().open_file(sent.id).await.unwrap();
}

#[tokio::test]
async fn requests_are_checked() {
    let cp = cp_with(&warm(&fresh()));
    let (smtp, imap) = (guest(&cp, "SMTP"), guest(&cp, "IMAP"));
    let line = [0x81u8; 3000];
    let sent = send(&smtp, "IMAP", &[&line, &line, &line]).await.unwrap();
    let path = SplPath::connect(&imap, "IMAP").await.unwrap();
    let general = async |class, block: Spgbk| path.request(class, &block).await.unwrap().0.general;
    assert_eq!(general(class::SELECT, block("FRED", 1, option::NEXT)).await, rc::NOT_PRIVILEGED);
    assert_eq!(
        general(class::SELECT, Spgbk { queue: 4, ..block("IMAP", 0, option::NEXT) }).await,
        rc::BAD_QUEUE
    );
    assert_eq!(general(class::SELECT, block("IMAP", 0, 0)).await, rc::BAD_LIST);
    assert_eq!(general(class::SELECT, block("IMAP", 0, option::SPEC)).await, rc::BAD_LIST);
    assert_eq!(general(class::SELECT, block("IMAP", 77, option::SPEC)).await, rc::NO_MATCH);
    assert_eq!(general(99, block("IMAP", 1, option::SPEC)).await, rc::BAD_LIST);
    let all = option::SPEC | option::GET_SFB | option::GET_SPLINK | option::GET_XAB;
    let (status, sfblok, data) =
        path.request(class::SELECT, &block("IMAP", sent.id.get(), all)).await.unwrap();
    assert_eq!((status.splinks, status.xab, data.len()), (1, splink_rc::NO_XAB, splink::SPLINK));
    let sfblok = sfblok.unwrap();
    let (data, ended) = path.splinks(&sfblok, 1, MAX_SPLINKS).await.unwrap();
    assert!(ended);
    let pages = u32::try_from(data.len() / splink::SPLINK).unwrap();
    assert_eq!(pages, 3);
    let (last, ended) = path.splinks(&sfblok, pages, 1).await.unwrap();
    assert!(ended);
    assert_eq!(last, data.slice(2 * splink::SPLINK..));
    assert_eq!(path.splinks(&sfblok, pages + 1, 1).await, Err(SplError::Splink(splink_rc::BAD_START)));
    assert_eq!(path.splinks(&sfblok, 0, 1).await, Err(SplError::Splink(splink_rc::BAD_START)));
    assert_eq!(path.splinks(&sfblok, 1, MAX_SPLINKS + 1).await, Err(SplError::Splink(splink_rc::BAD_START)));
    let nosuch = path.select(user("IMAP"), SpoolId::new(9999).unwrap()).await;
    assert!(nosuch.unwrap_err().is_no_match());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_records_travel_through_splinks(records in prop::collection::vec(
        prop_oneof![prop::collection::vec(any::<u8>(), 0..200), (3900usize..4200).prop_map(|n| vec![1; n]), (0usize..9000).prop_map(|n| vec![2; n])], 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let cp = cp_with(&warm(&fresh()));
            let (smtp, imap) = (guest(&cp, "SMTP"), guest(&cp, "IMAP"));
            let borrowed: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
            send(&smtp, "IMAP", &borrowed).await.unwrap();
            let path = SplPath::connect(&imap, "IMAP").await.unwrap();
            let file = path.select_next(user("IMAP"), Queue::Reader).await.unwrap().unwrap();
            let mut read = Vec::new();
            let mut from = path.records(&file);
            while let Some(record) = from.next().await.unwrap() {
                read.push(record.data.to_vec());
            }
            assert_eq!(read, records);
        });
    }

    #[test]
    fn rubbish_for_a_splink_is_an_error_and_no_panic(mut page in prop::collection::vec(any::<u8>(), 4096), count in 0u8..40) {
        page[12..16].copy_from_slice(&[0, 0, 0, count]);
        let mut unpager = splink::Unpager::default();
        unpager.feed(page.into()).unwrap();
        while let Ok(Some(_)) = unpager.record() {}
    }
}
