//! DIRCONTROL directories: readers that have accessed one see the state of the access until they release it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::system::{System, WU, get, put, reason, user};
use common::{Bed, fid, top};
use sfs::csl::*;
use sfs::pool::{DirPath, PoolError};
use sfs::server::{MAX_ACCESSED_DIRS, MAX_ACCESSED_FILES};
use sfs::types::DateReference;

const COMMIT: CommitOption = CommitOption::Commit;

async fn group(joe: &Csl, name: &str) -> cp::name::DirName {
    let dir = joe.dirname(name).unwrap();
    joe.dmscrdir(&dir, COMMIT, WU).await.unwrap();
    joe.dmsdirat(&dir, DirControl::Directory, COMMIT, WU).await.unwrap();
    let ann = [Grantee::User(user("ANN"))];
    joe.dmsgrant(&dir.clone().into(), &ann, Rights::DIRREAD, COMMIT, WU).await.unwrap();
    dir
}

async fn names(csl: &Csl, dir: &cp::name::DirName) -> Vec<String> {
    let token = csl.dmsopdir(dir, DirIntent::Entries(FilePattern::ALL), WU).await.unwrap();
    let all = csl.dmsgetdi_all(token).await.unwrap();
    csl.dmscldir(token).await.unwrap();
    let name = |r: DirRecord| match r {
        DirRecord::File(f) => f.id.to_string(),
        DirRecord::Directory(d) => d.level,
    };
    all.into_iter().map(name).collect()
}

#[tokio::test]
async fn a_reader_sees_the_state_of_the_access_until_the_release() {
    let system = System::new().await;
    let (joe, ann) = (system.csl("JOE"), system.csl("ANN"));
    let dir = group(&joe, ".GROUP").await;
    let long = "x".repeat(300_000);
    put(&joe, "KEPT FILE .GROUP", &["old"], WU).await.unwrap();
    put(&joe, "GONE FILE .GROUP", &[&long[..60_000], "end"], WU).await.unwrap();
    let index = joe.fileid("NOTE INDEX .GROUP").unwrap();
    let open = joe.dmsopen(&index, Intent::New, &OpenOptions::fixed(4), WU).await.unwrap();
    joe.dmswrite(open.token, 1, bytes::Bytes::from_static(b"aaaa"), CommitOption::NoCommit).await.unwrap();
    joe.dmsclose(open.token, COMMIT).await.unwrap();
    assert!(ann.access_directory(&dir).await.unwrap());

    put(&joe, "KEPT FILE .GROUP", &["new"], WU).await.unwrap();
    put(&joe, "LATE FILE .GROUP", &["late"], WU).await.unwrap();
    let gone: SfsObject = joe.fileid("GONE FILE .GROUP").unwrap().into();
    joe.dmserase(&gone, EraseScope::Entire, CommitOption::NoCommit, WU).await.unwrap();
    let open = joe.dmsopen(&index, Intent::Write, &OpenOptions::fixed(4), WU).await.unwrap();
    joe.dmspoint(open.token, None, Some(1)).await.unwrap();
    joe.dmswrite(open.token, 1, bytes::Bytes::from_static(b"bbbb"), CommitOption::NoCommit).await.unwrap();
    joe.dmsclose(open.token, COMMIT).await.unwrap();
    // Storage is recycled as far as it can be.
    let pool = system.servers[0].pool().clone();
    for _ in 0..20 {
        put(&joe, "FILLER FILE .", &[&long[..60_000]], WU).await.unwrap();
        joe.dmscomm(WU).await.unwrap();
        let pool = pool.clone();
        tokio::task::spawn_blocking(move || pool.tidy()).await.unwrap().unwrap();
        system.servers[0].pool().checkpoint().await.unwrap();
    }

    assert_eq!(names(&ann, &dir).await, ["GONE FILE", "KEPT FILE", "NOTE INDEX"]);
    assert_eq!(get(&ann, "KEPT FILE JOE.GROUP", WU).await.unwrap(), &b"\0\x03old"[..]);
    assert_eq!(get(&ann, "GONE FILE JOE.GROUP", WU).await.unwrap().len(), 60_007);
    assert_eq!(get(&ann, "NOTE INDEX JOE.GROUP", WU).await.unwrap(), &b"aaaa"[..]);
    assert_eq!(reason(get(&ann, "LATE FILE JOE.GROUP", WU).await), ReasonCode::FileNotFound);
    let kept = ann.fileid("KEPT FILE JOE.GROUP").unwrap();
    assert_eq!(ann.dmsexifi(&kept, WU).await.unwrap().bytes, 5);
    // Everybody else sees what is, and so does she after the release.
    assert_eq!(get(&joe, "KEPT FILE .GROUP", WU).await.unwrap(), &b"\0\x03new"[..]);
    assert!(ann.access_directory(&dir).await.unwrap(), "a second file mode");
    ann.release_directory(&dir, false).await.unwrap();
    assert_eq!(get(&ann, "KEPT FILE JOE.GROUP", WU).await.unwrap(), &b"\0\x03old"[..]);
    ann.release_directory(&dir, false).await.unwrap();
    assert_eq!(names(&ann, &dir).await, ["KEPT FILE", "LATE FILE", "NOTE INDEX"]);
    assert_eq!(get(&ann, "NOTE INDEX JOE.GROUP", WU).await.unwrap(), &b"bbbb"[..]);
    assert_eq!(reason(ann.release_directory(&dir, false).await), ReasonCode::NotOpen);
}

#[tokio::test]
async fn nothing_is_changed_where_the_machine_reads_an_old_state() {
    let system = System::new().await;
    let (joe, other) = (system.csl("JOE"), system.csl("JOE"));
    let dir = group(&joe, ".GROUP").await;
    put(&joe, "A FILE .GROUP", &["a"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    assert!(joe.access_directory(&dir).await.unwrap());
    assert_eq!(reason(put(&joe, "A FILE .GROUP", &["b"], WU).await), ReasonCode::WrongControl);
    let file = joe.fileid("A FILE .GROUP").unwrap();
    let moved =
        joe.dmsrenam(&file.clone().into(), &joe.fileid("B FILE .GROUP").unwrap().into(), COMMIT, WU).await;
    assert_eq!(reason(moved), ReasonCode::WrongControl);
    let erased = joe.dmserase(&file.into(), EraseScope::Entire, COMMIT, WU).await;
    assert_eq!(reason(erased), ReasonCode::WrongControl);
    put(&joe, "A FILE .", &["elsewhere"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    // Another connection of the same user is another matter; a lost one forgets what it held.
    put(&other, "A FILE .GROUP", &["b"], WU).await.unwrap();
    other.dmscomm(WU).await.unwrap();
    assert_eq!(get(&joe, "A FILE .GROUP", WU).await.unwrap(), &b"\0\x01a"[..]);
    system.servers[0].force(Some(user("JOE")));
    assert_eq!(get(&joe, "A FILE .GROUP", WU).await.unwrap(), &b"\0\x01b"[..]);
}

#[tokio::test]
async fn a_filecontrol_directory_is_read_as_it_is() {
    let system = System::new().await;
    let (joe, ann) = (system.csl("JOE"), system.csl("ANN"));
    let top = joe.dirname(".").unwrap();
    assert_eq!(reason(ann.access_directory(&top).await), ReasonCode::DirectoryNotFound);
    assert!(!joe.access_directory(&top).await.unwrap());
    put(&joe, "A FILE .", &["a"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    assert_eq!(get(&joe, "A FILE .", WU).await.unwrap(), &b"\0\x01a"[..]);
}

#[tokio::test]
async fn accessed_directories_and_their_files_are_bounded() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    for n in 0..=MAX_ACCESSED_DIRS {
        let dir = group(&joe, &format!(".D{n}")).await;
        let to_write = joe.access_directory_to_write(&dir).await;
        for accessed in [to_write, joe.access_directory(&dir).await] {
            match accessed {
                Ok(held) => assert!(held && n < MAX_ACCESSED_DIRS),
                Err(error) => assert_eq!((error.reason, n), (ReasonCode::LimitExceeded, MAX_ACCESSED_DIRS)),
            }
        }
    }
    let pool = joe.default_pool().unwrap();
    let accessors = joe.accessors(pool, None).await.unwrap();
    assert_eq!(accessors.len(), 2 * MAX_ACCESSED_DIRS);
    let ann = system.csl("ANN");
    // ANN may read them all and owns none; who may write in one sees that one.
    let first = joe.dirname(".D0").unwrap();
    assert!(ann.accessors(pool, None).await.unwrap().is_empty());
    assert_eq!(reason(ann.accessors(pool, Some(&first)).await), ReasonCode::NotAuthorized);
    let ann_too = [Grantee::User(user("ANN"))];
    joe.release_directory(&first, false).await.unwrap();
    joe.dmsgrant(&first.clone().into(), &ann_too, Rights::DIRWRITE, CommitOption::Commit, WU).await.unwrap();
    assert_eq!(ann.accessors(pool, Some(&first)).await.unwrap().len(), 1);
    assert_eq!(system.csl("IMAP").accessors(pool, Some(&first)).await.unwrap().len(), 1);
    system.servers[0].force(Some(user("JOE")));
    assert!(ann.accessors(pool, Some(&first)).await.unwrap().is_empty());
    let own = joe.dirname(".OWN").unwrap();
    joe.dmscrdir_as(&own, DirControl::Directory, CommitOption::Commit, WU).await.unwrap();
    assert!(joe.access_directory_to_write(&own).await.unwrap());
    assert_eq!(joe.accessors(pool, None).await.unwrap().len(), 1, "the others went with the connection");
    assert_eq!(reason(ann.accessors(pool, Some(&own)).await), ReasonCode::DirectoryNotFound);
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    let levels = ["GROUP".to_owned()];
    let dir = DirPath { levels: &levels, ..top("JOE") };
    unit.create_dir_as(dir, DirControl::Directory).unwrap();
    for n in 0..3 {
        common::put(&unit, dir, &format!("F{n} FILE"), &["x"]).unwrap();
    }
    unit.commit().await.unwrap();
    assert!(matches!(unit.access_dir(dir, 2), Err(PoolError::Limit(_))));
    let state = unit.access_dir(dir, 3).unwrap().unwrap();
    assert_eq!(state.len(), 3);
    assert!(unit.access_dir(top("JOE"), 0).unwrap().is_none());
    let gone = unit.open_accessed(&state, fid("F9 FILE"), DateReference::Old);
    assert!(matches!(gone, Err(PoolError::NoFile)));
}

#[tokio::test]
async fn the_files_of_accessed_directories_are_bounded_together() {
    let system = System::new().await;
    let (joe, imap) = (system.csl("JOE"), system.csl("IMAP"));
    imap.modify_user(user("JOE"), "MAIL".parse().unwrap(), 1_000_000).await.unwrap();
    let (large, small) = (group(&joe, ".LARGE").await, group(&joe, ".SMALL").await);
    let unit = system.servers[0].pool().begin();
    let fill = |level: &str, count: usize| {
        let levels = [level.to_owned()];
        for n in 0..count {
            common::put(&unit, DirPath { levels: &levels, ..top("JOE") }, &format!("F{n} FILE"), &["x"])
                .unwrap();
        }
    };
    fill("LARGE", MAX_ACCESSED_FILES - 1);
    fill("SMALL", 1);
    unit.commit().await.unwrap();
    assert!(joe.access_directory(&large).await.unwrap());
    assert!(joe.access_directory(&small).await.unwrap());
    joe.release_directory(&small, false).await.unwrap();
    fill("SMALL", 2);
    unit.commit().await.unwrap();
    assert_eq!(reason(joe.access_directory(&small).await), ReasonCode::LimitExceeded);
    assert!(system.csl("ANN").access_directory(&small).await.unwrap(), "another connection has its own");
    joe.release_directory(&large, false).await.unwrap();
    assert!(joe.access_directory(&small).await.unwrap());
}
