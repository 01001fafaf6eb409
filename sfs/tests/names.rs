//! Namedefs, dates of reference, and reading directories record by record, through CSL routines.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::system::{System, WU, get, put, reason, user};
use jiff::SignedDuration;
use sfs::csl::*;

const COMMIT: CommitOption = CommitOption::Commit;
const DAY: i64 = 24 * 3600 * 1_000_000;

#[tokio::test]
async fn a_namedef_stands_for_a_directory_or_a_file() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let dir = joe.dirname(".WORK").unwrap();
    joe.dmscrdir(&dir, COMMIT, WU).await.unwrap();
    joe.create_namedef("Place", Namedef::Directory(dir.clone()), false).unwrap();
    let id = FileId::new("A".parse().unwrap(), "FILE".parse().unwrap());
    joe.create_namedef("NOTE", Namedef::File(id), false).unwrap();
    put(&joe, "A FILE PLACE", &["a"], WU).await.unwrap();
    assert_eq!(get(&joe, "note place", WU).await.unwrap(), &b"\0\x01a"[..]);
    assert_eq!(get(&joe, "NOTE .WORK", WU).await.unwrap(), &b"\0\x01a"[..]);
    assert_eq!(get(&joe, "A FILE .WORK", WU).await.unwrap(), &b"\0\x01a"[..]);
    assert_eq!(joe.dirname("PLACE").unwrap(), dir);
    // The machine's own: nobody else's, no server's.
    assert!(system.csl("ANN").fileid("NOTE PLACE").is_err());
    let top = joe.dirname(".").unwrap();
    let again = joe.create_namedef("PLACE", Namedef::Directory(top.clone()), false);
    assert_eq!(reason(again), ReasonCode::NamedefExists);
    joe.create_namedef("PLACE", Namedef::Directory(top.clone()), true).unwrap();
    assert_eq!(joe.dirname("PLACE").unwrap(), top);
    assert_eq!(joe.delete_namedef("place").unwrap(), Namedef::Directory(top));
    assert_eq!(reason(joe.delete_namedef("PLACE")), ReasonCode::NamedefUnknown);
    assert_eq!(joe.namedefs(), [("NOTE".to_owned(), Namedef::File(id))]);
}

#[tokio::test]
async fn namedefs_have_sixteen_characters_and_are_bounded() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let id = FileId::new("A".parse().unwrap(), "FILE".parse().unwrap());
    for bad in ["", "A2345678901234567", "A.B", "A:B", "A B", "*"] {
        assert_eq!(
            reason(joe.create_namedef(bad, Namedef::File(id), true)),
            ReasonCode::NameInvalid,
            "{bad}"
        );
    }
    joe.create_namedef("A234567890123456", Namedef::File(id), true).unwrap();
    for n in 1..MAX_NAMEDEFS {
        joe.create_namedef(&format!("N{n}"), Namedef::File(id), false).unwrap();
    }
    assert_eq!(reason(joe.create_namedef("ONEMORE", Namedef::File(id), false)), ReasonCode::LimitExceeded);
    joe.create_namedef("N1", Namedef::File(id), true).unwrap();
}

#[tokio::test]
async fn an_open_with_olddateref_is_no_reference() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    put(&joe, "A FILE .", &["a"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    let file = joe.fileid("A FILE .").unwrap();
    let pool = system.servers[0].pool().clone();
    let referenced = || async {
        let pool = pool.clone();
        tokio::task::spawn_blocking(move || pool.tidy()).await.unwrap().unwrap();
        joe.dmsexifi(&file, WU).await.unwrap().referenced.0
    };
    system.clock.advance(SignedDuration::from_hours(48));
    let open = joe.dmsopdbk(&file, &BlockOpen::read().old_dateref(), WU).await.unwrap();
    joe.dmscldbk(open.token, CommitOption::NoCommit).await.unwrap();
    assert_eq!(referenced().await, 0);
    // Writing and replacing without a reference.
    let options = OpenOptions::variable().old_dateref();
    for intent in [Intent::Write, Intent::Replace] {
        let open = joe.dmsopen(&file, intent, &options, WU).await.unwrap();
        joe.dmswrite(open.token, 1, bytes::Bytes::from_static(b"b"), COMMIT).await.unwrap();
        assert_eq!(referenced().await, 0, "{intent:?}");
    }
    let open = joe.dmsopdbk(&file, &BlockOpen::read(), WU).await.unwrap();
    joe.dmscldbk(open.token, CommitOption::NoCommit).await.unwrap();
    assert_eq!(referenced().await, 2 * DAY);
    system.clock.advance(SignedDuration::from_hours(24));
    let open = joe.dmsopen(&file, Intent::Write, &OpenOptions::variable(), WU).await.unwrap();
    joe.dmswrite(open.token, 1, bytes::Bytes::from_static(b"c"), COMMIT).await.unwrap();
    assert_eq!(referenced().await, 3 * DAY);
}

#[tokio::test]
async fn directories_are_read_record_by_record() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let group = joe.dirname(".GROUP").unwrap();
    joe.dmscrdir(&group, COMMIT, WU).await.unwrap();
    joe.dmsdirat(&group, DirControl::Directory, COMMIT, WU).await.unwrap();
    put(&joe, "A FILE .", &["a"], WU).await.unwrap();
    put(&joe, "B FILE .", &["b"], WU).await.unwrap();
    joe.dmscrob(&joe.fileid("C OBJECT .").unwrap(), b"elsewhere", COMMIT, WU).await.unwrap();
    let top = joe.dirname(".").unwrap();
    let files = joe.dmsopdir(&top, DirIntent::File(FilePattern::ALL), WU).await.unwrap();
    let first = joe.dmsgetdf(files).await.unwrap();
    assert_eq!((first.status.id.to_string(), first.owner), ("A FILE".to_owned(), user("JOE")));
    assert_eq!(first.dir_attr, DirControl::File);
    // A record that one routine has returned is not returned by another.
    let DirRecord::File(second) = joe.dmsgetdi(files).await.unwrap() else { panic!("no file") };
    assert_eq!(second.id.to_string(), "B FILE");
    assert_eq!(reason(joe.dmsgetdf(files).await), ReasonCode::EndOfDirectory);
    assert_eq!(reason(joe.dmsgetdd(files).await), ReasonCode::WrongIntent);
    assert_eq!(reason(joe.dmsgetdx(files).await), ReasonCode::WrongIntent);
    joe.dmscldir(files).await.unwrap();
    assert_eq!(reason(joe.dmsgetdf(files).await), ReasonCode::NotOpen);
    let dirs = joe.dmsopdir(&top, DirIntent::Dir, WU).await.unwrap();
    assert_eq!(joe.dmsgetdd(dirs).await.unwrap(), (group, DirControl::Directory));
    assert_eq!(reason(joe.dmsgetdd(dirs).await), ReasonCode::EndOfDirectory);
    assert_eq!(reason(joe.dmsgetdf(dirs).await), ReasonCode::WrongIntent);
    let all = joe.dmsopdir(&top, DirIntent::Entries(FilePattern::ALL), WU).await.unwrap();
    let kinds = [joe.dmsgetdx(all).await, joe.dmsgetdx(all).await, joe.dmsgetdx(all).await];
    let kinds = kinds.map(|status| status.unwrap().entry);
    assert_eq!(kinds, [EntryType::Base, EntryType::Base, EntryType::External]);
}
