//! DMSERASE with FILES: a directory goes with the files in it, or nothing goes.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::system::{System, WU, get, put, reason, user};
use sfs::csl::words::parse_options;
use sfs::csl::*;

const COMMIT: CommitOption = CommitOption::Commit;
const NO: CommitOption = CommitOption::NoCommit;
const FILES: EraseScope = EraseScope::WithFiles;

async fn make(csl: &Csl, file: &str, line: &str) {
    put(csl, file, &[line], WU).await.unwrap();
    csl.dmscomm(WU).await.unwrap();
}

async fn make_dir(csl: &Csl, dir: &str) -> SfsObject {
    let dir = csl.dirname(dir).unwrap();
    csl.dmscrdir(&dir, COMMIT, WU).await.unwrap();
    dir.into()
}

fn sound(system: &System) {
    assert_eq!(system.servers[0].pool().check(true).unwrap().problems, Vec::<String>::new());
}

#[tokio::test]
async fn everything_in_the_directory_goes_and_nothing_else() {
    let system = System::new().await;
    let (joe, ann) = (system.csl("JOE"), system.csl("ANN"));
    let dir = make_dir(&joe, ".OLD").await;
    let blocks = || system.servers[0].pool().space_status("JOE").unwrap().used;
    let before = blocks();
    for n in 0..300 {
        put(&joe, &format!("{n} FILE .OLD"), &["x"], WU).await.unwrap();
    }
    make(&joe, "BASE FILE .OLD", "base").await;
    make(&joe, "OTHER FILE .", "other").await;
    let id = |name: &str| joe.fileid(name).unwrap();
    let shared = [Grantee::User(user("ANN"))];
    joe.dmsgrant(&id("BASE FILE .OLD").into(), &shared, Rights::READ, COMMIT, WU).await.unwrap();
    joe.dmscrali(&id("OTHER FILE .").clone(), &id("AN ALIAS .OLD"), COMMIT, WU).await.unwrap();
    joe.dmscrob(&id("AN OBJECT .OLD"), b"elsewhere", COMMIT, WU).await.unwrap();
    let alias = ann.fileid("HERS ALIAS .").unwrap();
    ann.dmscrali(&id("BASE FILE .OLD"), &alias, COMMIT, WU).await.unwrap();
    // What is open for reading stays open.
    let open = ann.dmsopen(&alias, Intent::Read, &OpenOptions::default(), WU).await.unwrap();
    assert_eq!(
        reason(joe.dmserase(&dir, EraseScope::Entire, COMMIT, WU).await),
        ReasonCode::DirectoryNotEmpty
    );
    joe.dmserase(&dir, FILES, NO, WU).await.unwrap();
    // Until the commit nobody else sees it.
    let imap = system.csl("IMAP");
    assert_eq!(get(&imap, "7 FILE JOE.OLD", WU).await.unwrap(), &b"\0\x01x"[..]);
    assert_eq!(reason(get(&joe, "7 FILE .OLD", WU).await), ReasonCode::DirectoryNotFound);
    joe.dmscomm(WU).await.unwrap();
    assert_eq!(reason(get(&imap, "7 FILE JOE.OLD", WU).await), ReasonCode::DirectoryNotFound);
    assert_eq!(get(&joe, "OTHER FILE .", WU).await.unwrap(), &b"\0\x05other"[..]);
    let read = ann.dmsread(open.token, 1, 100).await.unwrap();
    assert_eq!(read.data, &b"base"[..]);
    ann.dmsclose(open.token, NO).await.unwrap();
    let listed = ann.dmsgetdl(&ann.dirname(".").unwrap(), FilePattern::ALL, WU).await.unwrap();
    assert_eq!(listed.iter().map(|l| l.status.entry).collect::<Vec<_>>(), [EntryType::Erased]);
    assert_eq!(blocks(), before + 1);
    sound(&system);
    // The name is free.
    make_dir(&joe, ".OLD").await;
}

#[tokio::test]
async fn a_rolled_back_erase_leaves_everything() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let dir = make_dir(&joe, ".OLD").await;
    make(&joe, "A FILE .OLD", "a").await;
    put(&joe, "A FILE .OLD", &["changed"], WU).await.unwrap();
    put(&joe, "B FILE .OLD", &["new"], WU).await.unwrap();
    joe.dmserase(&dir, FILES, NO, WU).await.unwrap();
    joe.dmsrollb(WU).await.unwrap();
    assert_eq!(get(&joe, "A FILE .OLD", WU).await.unwrap(), &b"\0\x01a"[..]);
    put(&joe, "B FILE .OLD", &["new"], WU).await.unwrap();
    joe.dmserase(&dir, FILES, COMMIT, WU).await.unwrap();
    assert_eq!(reason(joe.dmsexidi(dir.dir(), WU).await), ReasonCode::DirectoryNotFound);
    sound(&system);
}

#[tokio::test]
async fn a_directory_below_keeps_it() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let dir = make_dir(&joe, ".OLD").await;
    make(&joe, "A FILE .OLD", "a").await;
    let below = make_dir(&joe, ".OLD.BELOW").await;
    assert_eq!(reason(joe.dmserase(&dir, FILES, COMMIT, WU).await), ReasonCode::DirectoryNotEmpty);
    assert_eq!(get(&joe, "A FILE .OLD", WU).await.unwrap(), &b"\0\x01a"[..]);
    // In one work unit with the one below.
    joe.dmserase(&below, FILES, NO, WU).await.unwrap();
    joe.dmserase(&dir, FILES, COMMIT, WU).await.unwrap();
    let top: SfsObject = joe.dirname(".").unwrap().into();
    assert_eq!(reason(joe.dmserase(&top, FILES, COMMIT, WU).await), ReasonCode::DirectoryInvalid);
    sound(&system);
}

/// One file that cannot go keeps all of them, and the directory.
#[tokio::test]
async fn what_hinders_one_file_hinders_all() {
    let system = System::new().await;
    let (joe, ann, imap) = (system.csl("JOE"), system.csl("ANN"), system.csl("IMAP"));
    let dir = make_dir(&joe, ".OLD").await;
    for name in ["A FILE .OLD", "B FILE .OLD", "C FILE .OLD"] {
        make(&joe, name, "x").await;
    }
    let b: SfsObject = joe.fileid("B FILE .OLD").unwrap().into();
    imap.dmscrloc(&b, LockType::Share, LockDuration::Lasting, WU).await.unwrap();
    assert_eq!(reason(joe.dmserase(&dir, FILES, COMMIT, WU).await), ReasonCode::ExplicitLock);
    imap.dmsdeloc(&b, None, WU).await.unwrap();
    // What was refused keeps nobody out.
    put(&imap, "B FILE JOE.OLD", &["changing"], WU).await.unwrap();
    assert_eq!(reason(joe.dmserase(&dir, FILES, COMMIT, WU).await), ReasonCode::Locked);
    imap.dmsrollb(WU).await.unwrap();
    let file = joe.fileid("B FILE .OLD").unwrap();
    let open = joe.dmsopen(&file, Intent::Read, &OpenOptions::default(), WU).await.unwrap();
    assert_eq!(reason(joe.dmserase(&dir, FILES, COMMIT, WU).await), ReasonCode::FileOpen);
    joe.dmsclose(open.token, NO).await.unwrap();
    // Authority on all its files is none on the directory, and none to erase it.
    let hers = [Grantee::User(user("ANN"))];
    joe.dmsgrant(&dir, &hers, Rights::WRITE, COMMIT, WU).await.unwrap();
    for name in ["A FILE .OLD", "B FILE .OLD", "C FILE .OLD"] {
        joe.dmsgrant(&joe.fileid(name).unwrap().into(), &hers, Rights::WRITE, COMMIT, WU).await.unwrap();
    }
    assert_eq!(reason(ann.dmserase(&dir, FILES, COMMIT, WU).await), ReasonCode::NotAuthorized);
    for name in ["A FILE .OLD", "B FILE .OLD", "C FILE .OLD"] {
        get(&joe, name, WU).await.unwrap();
    }
    imap.dmserase(&dir, FILES, COMMIT, WU).await.unwrap();
    sound(&system);
}

#[tokio::test]
async fn a_dircontrol_directory_goes_unless_it_is_held_as_it_was() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let name = joe.dirname(".GROUP").unwrap();
    joe.dmscrdir_as(&name, DirControl::Directory, COMMIT, WU).await.unwrap();
    make(&joe, "A FILE .GROUP", "a").await;
    let dir = SfsObject::Directory(name.clone());
    joe.access_directory(&name).await.unwrap();
    assert_eq!(reason(joe.dmserase(&dir, FILES, COMMIT, WU).await), ReasonCode::WrongControl);
    joe.release_directory(&name, false).await.unwrap();
    joe.dmserase(&dir, FILES, COMMIT, WU).await.unwrap();
    // A new one of the name is of the other kind.
    joe.dmscrdir(&name, COMMIT, WU).await.unwrap();
    assert_eq!(joe.dmsexidi(&name, WU).await.unwrap().control, DirControl::File);
    sound(&system);
}

#[tokio::test]
async fn the_word_is_for_directories() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    make(&joe, "A FILE .", "a").await;
    let file: SfsObject = joe.fileid("A FILE .").unwrap().into();
    assert_eq!(reason(joe.dmserase(&file, FILES, COMMIT, WU).await), ReasonCode::WrongIntent);
    get(&joe, "A FILE .", WU).await.unwrap();
    let given = parse_options("DMSERASE", "FILES COMMIT").unwrap();
    assert_eq!(given, [Some("COMMIT"), None, Some("FILES")]);
    assert_eq!(parse_options("DMSERASE", "FILES NOFILES"), Err("NOFILES"));
}
