//! Authorities, aliases, external objects, attributes and explicit locks, through CSL routines over IUCV.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::system::{System, WU, get, pool_id, put, reason, user};
use sfs::csl::*;
use sfs::types::{LockResource, WantedLock};

const COMMIT: CommitOption = CommitOption::Commit;

fn ann() -> Vec<Grantee> {
    vec![Grantee::User(user("ANN"))]
}

async fn make(csl: &Csl, file: &str, line: &str) {
    put(csl, file, &[line], WU).await.unwrap();
    csl.dmscomm(WU).await.unwrap();
}

async fn names(csl: &Csl, dir: &str) -> Vec<(String, EntryType)> {
    let token =
        csl.dmsopdir(&csl.dirname(dir).unwrap(), DirIntent::Entries(FilePattern::ALL), WU).await.unwrap();
    let all = csl.dmsgetdi_all(token).await.unwrap();
    csl.dmscldir(token).await.unwrap();
    all.into_iter()
        .map(|r| match r {
            DirRecord::File(f) => (f.id.to_string(), f.entry),
            DirRecord::Directory(d) => panic!("{d:?}"),
        })
        .collect()
}

#[tokio::test]
async fn authority_on_a_file_is_not_authority_on_its_directory() {
    let system = System::new().await;
    let (joe, ann_csl) = (system.csl("JOE"), system.csl("ANN"));
    make(&joe, "PLAN FILE .", "secret").await;
    make(&joe, "OTHER FILE .", "hidden").await;
    let plan: SfsObject = joe.fileid("PLAN FILE .").unwrap().into();
    assert_eq!(reason(get(&ann_csl, "PLAN FILE JOE.", WU).await), ReasonCode::FileNotFound);
    joe.dmsgrant(&plan, &ann(), Rights::READ, COMMIT, WU).await.unwrap();
    assert_eq!(get(&ann_csl, "PLAN FILE JOE.", WU).await.unwrap(), &b"\0\x06secret"[..]);
    assert_eq!(reason(get(&ann_csl, "OTHER FILE JOE.", WU).await), ReasonCode::FileNotFound);
    assert_eq!(
        reason(ann_csl.dmsexidi(&ann_csl.dirname("JOE.").unwrap(), WU).await),
        ReasonCode::DirectoryNotFound
    );
    // She sees it, so she is told that she may not write it.
    assert_eq!(reason(put(&ann_csl, "PLAN FILE JOE.", &["x"], WU).await), ReasonCode::NotAuthorized);
    assert_eq!(
        reason(ann_csl.dmsgrant(&plan, &ann(), Rights::WRITE, COMMIT, WU).await),
        ReasonCode::NotAuthorized
    );
    joe.dmsgrant(&plan, &ann(), Rights::WRITE, COMMIT, WU).await.unwrap();
    put(&ann_csl, "PLAN FILE JOE.", &["by ann"], WU).await.unwrap();
    ann_csl.dmscomm(WU).await.unwrap();
    // A replaced file is the same object: the authority is still there, erasing needs the directory as well.
    assert_eq!(get(&ann_csl, "PLAN FILE JOE.", WU).await.unwrap(), &b"\0\x06by ann"[..]);
    let erase = ann_csl.dmserase(&plan, EraseScope::Entire, COMMIT, WU).await;
    assert_eq!(reason(erase), ReasonCode::NotAuthorized);
    joe.dmsrevok(&plan, &ann(), true, COMMIT, WU).await.unwrap();
    assert_eq!(joe.dmsgetdt(&plan, WU).await.unwrap(), [(Grantee::User(user("ANN")), Rights::READ)]);
    assert_eq!(reason(put(&ann_csl, "PLAN FILE JOE.", &["x"], WU).await), ReasonCode::NotAuthorized);
    joe.dmsrevok(&plan, &ann(), false, COMMIT, WU).await.unwrap();
    assert_eq!(reason(get(&ann_csl, "PLAN FILE JOE.", WU).await), ReasonCode::FileNotFound);
    assert_eq!(reason(joe.dmsrevok(&plan, &ann(), false, COMMIT, WU).await), ReasonCode::NoAuthority);
}

#[tokio::test]
async fn a_directory_shows_names_and_its_new_files_inherit() {
    let system = System::new().await;
    let (joe, ann_csl) = (system.csl("JOE"), system.csl("ANN"));
    let dir = joe.dirname(".SHARED").unwrap();
    joe.dmscrdir(&dir, COMMIT, WU).await.unwrap();
    make(&joe, "OLD FILE .SHARED", "old").await;
    let object: SfsObject = dir.clone().into();
    joe.dmsgrant(&object, &[Grantee::Public], Rights::READ, COMMIT, WU).await.unwrap();
    let token = ann_csl.dmsopdir(&dir, DirIntent::File(FilePattern::ALL), WU).await.unwrap();
    let DirRecord::File(seen) = ann_csl.dmsgetdi(token).await.unwrap() else { panic!("no file") };
    assert_eq!((seen.records, seen.readable, seen.writable), (0, false, false));
    assert_eq!(reason(get(&ann_csl, "OLD FILE JOE.SHARED", WU).await), ReasonCode::NotAuthorized);
    joe.dmsgrant(&object, &ann(), Rights::NEWREAD, COMMIT, WU).await.unwrap();
    make(&joe, "NEW FILE .SHARED", "new").await;
    assert_eq!(get(&ann_csl, "NEW FILE JOE.SHARED", WU).await.unwrap(), &b"\0\x03new"[..]);
    assert_eq!(reason(get(&ann_csl, "OLD FILE JOE.SHARED", WU).await), ReasonCode::NotAuthorized);
    assert_eq!(reason(put(&ann_csl, "HERS FILE JOE.SHARED", &["x"], WU).await), ReasonCode::FileNotFound);
    joe.dmsgrant(&object, &ann(), Rights::WRITE, COMMIT, WU).await.unwrap();
    make(&ann_csl, "HERS FILE JOE.SHARED", "hers").await;
    make(&ann_csl, "HERS FILE JOE.SHARED", "again").await;
    let hers: SfsObject = ann_csl.fileid("HERS FILE JOE.SHARED").unwrap().into();
    ann_csl.dmserase(&hers, EraseScope::Entire, COMMIT, WU).await.unwrap();
    let below = ann_csl.dirname("JOE.SHARED.MORE").unwrap();
    assert!(ann_csl.dmscrdir(&below, COMMIT, WU).await.is_err());
    system.servers[0].pool().check(true).unwrap();
}

#[tokio::test]
async fn a_dircontrol_directory_has_one_authority_and_one_writer() {
    let system = System::new().await;
    let (joe, ann_csl) = (system.csl("JOE"), system.csl("ANN"));
    let dir = joe.dirname(".GROUP").unwrap();
    joe.dmscrdir_as(&dir, DirControl::Directory, COMMIT, WU).await.unwrap();
    make(&joe, "A FILE .GROUP", "a").await;
    let (object, file): (SfsObject, SfsObject) =
        (dir.clone().into(), joe.fileid("A FILE .GROUP").unwrap().into());
    for (what, rights) in [(&file, Rights::READ), (&object, Rights::READ), (&object, Rights::NEWREAD)] {
        let refused = joe.dmsgrant(what, &ann(), rights, COMMIT, WU).await;
        assert_eq!(reason(refused), ReasonCode::WrongControl);
    }
    joe.dmsgrant(&object, &ann(), Rights::DIRREAD, COMMIT, WU).await.unwrap();
    assert_eq!(get(&ann_csl, "A FILE JOE.GROUP", WU).await.unwrap(), &b"\0\x01a"[..]);
    assert_eq!(reason(put(&ann_csl, "B FILE JOE.GROUP", &["b"], WU).await), ReasonCode::FileNotFound);
    joe.dmsgrant(&object, &ann(), Rights::DIRWRITE, COMMIT, WU).await.unwrap();
    put(&ann_csl, "B FILE JOE.GROUP", &["b"], WU).await.unwrap();
    assert_eq!(reason(put(&joe, "C FILE .GROUP", &["c"], WU).await), ReasonCode::Locked);
    ann_csl.dmscomm(WU).await.unwrap();
    put(&joe, "C FILE .GROUP", &["c"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    let alias = joe.fileid("ALIAS FILE .GROUP").unwrap();
    let base = joe.fileid("A FILE .GROUP").unwrap();
    assert_eq!(reason(joe.dmscrali(&base, &alias, COMMIT, WU).await), ReasonCode::WrongControl);
    // But an alias elsewhere may lead into it.
    let outside = joe.fileid("ALIAS FILE .").unwrap();
    joe.dmscrali(&base, &outside, COMMIT, WU).await.unwrap();
    assert_eq!(get(&joe, "ALIAS FILE .", WU).await.unwrap(), &b"\0\x01a"[..]);
    let change = joe.dmsdirat(&dir, DirControl::File, COMMIT, WU).await;
    assert_eq!(reason(change), ReasonCode::WrongControl);
    joe.dmsrevok(&object, &ann(), false, COMMIT, WU).await.unwrap();
    joe.dmsdirat(&dir, DirControl::File, COMMIT, WU).await.unwrap();
    assert_eq!(joe.dmsexidi(&dir, WU).await.unwrap().control, DirControl::File);
}

#[tokio::test]
async fn aliases_lead_to_their_base_until_it_is_erased_or_revoked() {
    let system = System::new().await;
    let (joe, ann_csl) = (system.csl("JOE"), system.csl("ANN"));
    make(&joe, "BASE FILE .", "one").await;
    let base = joe.fileid("BASE FILE .").unwrap();
    let alias = ann_csl.fileid("MY ALIAS ANN.").unwrap();
    assert_eq!(reason(ann_csl.dmscrali(&base, &alias, COMMIT, WU).await), ReasonCode::FileNotFound);
    joe.dmsgrant(&base.clone().into(), &ann(), Rights::WRITE, COMMIT, WU).await.unwrap();
    ann_csl.dmscrali(&base, &alias, COMMIT, WU).await.unwrap();
    let second = ann_csl.fileid("SECOND ALIAS ANN.").unwrap();
    ann_csl.dmscrali(&alias, &second, COMMIT, WU).await.unwrap();
    assert_eq!(reason(ann_csl.dmscrali(&base, &alias, COMMIT, WU).await), ReasonCode::FileExists);
    assert_eq!(reason(put_new(&ann_csl, "MY ALIAS ANN.").await), ReasonCode::FileExists);
    assert_eq!(get(&ann_csl, "MY ALIAS ANN.", WU).await.unwrap(), &b"\0\x03one"[..]);
    make(&ann_csl, "MY ALIAS ANN.", "two").await;
    assert_eq!(get(&joe, "BASE FILE .", WU).await.unwrap(), &b"\0\x03two"[..]);
    let status = ann_csl.dmsexifi(&alias, WU).await.unwrap();
    assert_eq!((status.entry, status.records, status.blocks), (EntryType::Alias, 1, 1));
    assert_eq!(ann_csl.dmsqlimu(user("ANN"), pool_id("MAIL")).await.unwrap().used, 0);
    // The base may move; the aliases follow.
    let moved = joe.fileid("MOVED FILE .").unwrap();
    joe.dmsrenam(&base.clone().into(), &moved.clone().into(), COMMIT, WU).await.unwrap();
    let seen = ann_csl.dmsgetdl(&ann_csl.dirname("ANN.").unwrap(), FilePattern::ALL, WU).await.unwrap();
    assert_eq!(seen.iter().map(|a| a.base.clone()).collect::<Vec<_>>(), vec![Some(moved.clone()); 2]);
    joe.dmsrevok(&moved.clone().into(), &ann(), false, COMMIT, WU).await.unwrap();
    assert_eq!(reason(get(&ann_csl, "MY ALIAS ANN.", WU).await), ReasonCode::NotAuthorized);
    assert!(names(&ann_csl, "ANN.").await.iter().all(|(_, t)| *t == EntryType::Revoked));
    joe.dmsgrant(&moved.clone().into(), &ann(), Rights::READ, COMMIT, WU).await.unwrap();
    assert!(get(&ann_csl, "MY ALIAS ANN.", WU).await.is_ok());
    // DATAONLY on an alias empties the base; ENTIRE leaves it.
    ann_csl.dmserase(&second.clone().into(), EraseScope::Entire, COMMIT, WU).await.unwrap();
    assert!(joe.dmsexifi(&moved, WU).await.is_ok());
    joe.dmserase(&moved.clone().into(), EraseScope::Entire, COMMIT, WU).await.unwrap();
    make(&joe, "MOVED FILE .", "another").await;
    assert_eq!(names(&ann_csl, "ANN.").await, [("MY ALIAS".to_owned(), EntryType::Erased)]);
    assert!(get(&ann_csl, "MY ALIAS ANN.", WU).await.is_err());
    let token = ann_csl
        .dmsopdir(&ann_csl.dirname("ANN.").unwrap(), DirIntent::File(FilePattern::ALL), WU)
        .await
        .unwrap();
    assert!(ann_csl.dmsgetdi_all(token).await.unwrap().is_empty(), "only ALLFILE shows erased aliases");
    ann_csl.dmserase(&alias.into(), EraseScope::Entire, COMMIT, WU).await.unwrap();
    assert!(names(&ann_csl, "ANN.").await.is_empty());
}

async fn put_new(csl: &Csl, file: &str) -> Result<(), CslError> {
    let file = csl.fileid(file)?;
    csl.dmsopen(&file, Intent::New, &OpenOptions::variable(), WU).await.map(|_| ())
}

#[tokio::test]
async fn external_objects_are_entries_without_data() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let (a, b) = (joe.fileid("A OBJECT .").unwrap(), joe.fileid("B OBJECT .").unwrap());
    joe.dmscrob(&a, &[7; 4096], COMMIT, WU).await.unwrap();
    assert_eq!(reason(joe.dmscrob(&a, b"x", COMMIT, WU).await), ReasonCode::FileExists);
    assert_eq!(reason(joe.dmscrob(&b, &[7; 4097], COMMIT, WU).await), ReasonCode::LimitExceeded);
    assert_eq!(reason(put(&joe, "A OBJECT .", &["x"], WU).await), ReasonCode::External);
    joe.dmsrenam(&a.clone().into(), &b.clone().into(), COMMIT, WU).await.unwrap();
    assert_eq!(names(&joe, ".").await, [("B OBJECT".to_owned(), EntryType::External)]);
    assert_eq!(joe.dmsqobj(&b, WU).await.unwrap(), [7; 4096]);
    assert_eq!(reason(joe.dmsqobj(&a, WU).await), ReasonCode::FileNotFound);
    joe.dmserase(&b.into(), EraseScope::Entire, COMMIT, WU).await.unwrap();
    assert!(names(&joe, ".").await.is_empty());
}

#[tokio::test]
async fn attributes_and_empty_files() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let file = joe.fileid("A FILE .").unwrap();
    joe.dmscrfil(&file, Attributes::fixed(80), COMMIT, WU).await.unwrap();
    let made = joe.dmsexifi(&file, WU).await.unwrap();
    assert_eq!((made.records, made.recover, made.in_place), (0, true, false));
    let changes = FileChanges { in_place: Some(true), ..FileChanges::default() };
    assert_eq!(reason(joe.dmscattr(&file, changes, COMMIT, WU).await), ReasonCode::WrongIntent);
    let changes =
        FileChanges { recover: Some(false), mode: ModeNumber::new(6), updated: Some(Stamp(5)), ..changes };
    joe.dmscattr(&file, changes, COMMIT, WU).await.unwrap();
    let changed = joe.dmsexifi(&file, WU).await.unwrap();
    assert_eq!((changed.recover, changed.in_place, changed.mode.get()), (false, true, 6));
    assert_eq!(changed.updated, Stamp(5));
    let below = joe.dirname(".DEEP").unwrap();
    joe.dmscrdir(&below, COMMIT, WU).await.unwrap();
    joe.dmsreloc(&file.clone().into(), &below, COMMIT, WU).await.unwrap();
    assert!(joe.dmsexifi(&joe.fileid("A FILE .DEEP").unwrap(), WU).await.is_ok());
    assert_eq!(joe.dmsgetda(&joe.dirname(".").unwrap(), WU).await.unwrap().len(), 2);
    assert_eq!(joe.dmsqsfsl(pool_id("MAIL")).await.unwrap(), 40);
    joe.set_threshold(user("JOE"), pool_id("MAIL"), 99).await.unwrap();
    let over = joe.set_threshold(user("JOE"), pool_id("MAIL"), 100).await;
    assert_eq!(reason(over), ReasonCode::LimitExceeded);
    assert_eq!(joe.dmsqlimu(user("JOE"), pool_id("MAIL")).await.unwrap().threshold, 99);
}

#[tokio::test]
async fn a_rollback_leaves_norecover_files_as_they_were_written() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    make(&joe, "A FILE .", "old").await;
    make(&joe, "B FILE .", "old").await;
    let file = joe.fileid("A FILE .").unwrap();
    let changes = FileChanges { recover: Some(false), ..FileChanges::default() };
    joe.dmscattr(&file, changes, COMMIT, WU).await.unwrap();
    for name in ["A FILE .", "B FILE ."] {
        let (file, options) = (joe.fileid(name).unwrap(), OpenOptions::variable());
        let open = joe.dmsopen(&file, Intent::Write, &options, WU).await.unwrap();
        joe.dmswrite(open.token, 1, bytes::Bytes::from_static(b"more"), CommitOption::NoCommit)
            .await
            .unwrap();
    }
    joe.dmsrollb(WU).await.unwrap();
    assert_eq!(get(&joe, "A FILE .", WU).await.unwrap(), &b"\0\x03old\0\x04more"[..]);
    assert_eq!(get(&joe, "B FILE .", WU).await.unwrap(), &b"\0\x03old"[..]);
    assert_eq!(system.servers[0].pool().lock_count(), 0);
}

#[tokio::test]
async fn explicit_locks_keep_others_out() {
    let system = System::new().await;
    let (joe, imap) = (system.csl("JOE"), system.csl("IMAP"));
    make(&joe, "A FILE .", "a").await;
    let file: SfsObject = joe.fileid("A FILE .").unwrap().into();
    let (update, exclusive) = (LockType::Update, LockType::Exclusive);
    joe.dmscrloc(&file, update, LockDuration::Session, WU).await.unwrap();
    assert_eq!(
        reason(joe.dmscrloc(&file, LockType::Share, LockDuration::Session, WU).await),
        ReasonCode::LockExists
    );
    assert!(get(&imap, "A FILE JOE.", WU).await.is_ok());
    assert_eq!(reason(put(&imap, "A FILE JOE.", &["x"], WU).await), ReasonCode::ExplicitLock);
    imap.dmsrollb(WU).await.unwrap();
    make(&joe, "A FILE .", "mine").await;
    joe.dmsdeloc(&file, None, WU).await.unwrap();
    assert_eq!(reason(joe.dmsdeloc(&file, None, WU).await), ReasonCode::NoLock);
    joe.dmscrloc(&file, exclusive, LockDuration::Session, WU).await.unwrap();
    assert_eq!(reason(get(&imap, "A FILE JOE.", WU).await), ReasonCode::ExplicitLock);
    let shown = imap.dmsgetdk(&file, WU).await.unwrap();
    assert_eq!((shown[0].user, shown[0].kind), (user("JOE"), exclusive));
    // A session lock goes with the holder's last connection.
    let other = system.csl("JOE");
    other.dmsexist(&file, WU).await.unwrap();
    joe.dmspurwu(true).await.unwrap();
    assert_eq!(imap.dmsgetdk(&file, WU).await.unwrap().len(), 1);
    other.dmspurwu(true).await.unwrap();
    assert!(imap.dmsgetdk(&file, WU).await.unwrap().is_empty());
    assert!(get(&imap, "A FILE JOE.", WU).await.is_ok());
}

#[tokio::test]
async fn a_shared_file_is_written_and_erased_by_nobody() {
    let system = System::new().await;
    let (joe, imap) = (system.csl("JOE"), system.csl("IMAP"));
    make(&joe, "A FILE .", "a").await;
    let file: SfsObject = joe.fileid("A FILE .").unwrap().into();
    joe.dmscrloc(&file, LockType::Share, LockDuration::Lasting, WU).await.unwrap();
    imap.dmscrloc(&file, LockType::Share, LockDuration::Session, WU).await.unwrap();
    let erase = joe.dmserase(&file, EraseScope::Entire, COMMIT, WU).await;
    assert_eq!(reason(erase), ReasonCode::ExplicitLock);
    imap.dmsdeloc(&file, None, WU).await.unwrap();
    let erase = joe.dmserase(&file, EraseScope::Entire, COMMIT, WU).await;
    assert_eq!(reason(erase), ReasonCode::ExplicitLock, "one's own share lock forbids it too");
    joe.dmsdeloc(&file, None, WU).await.unwrap();
    joe.dmscrloc(&file, LockType::Exclusive, LockDuration::Lasting, WU).await.unwrap();
    joe.dmserase(&file, EraseScope::Entire, COMMIT, WU).await.unwrap();
    make(&joe, "A FILE .", "again").await;
    assert!(joe.dmsgetdk(&file, WU).await.unwrap().is_empty(), "a lock goes with its object");
    // Implicit locks are in the way of explicit ones, one's own unit excepted.
    put(&imap, "A FILE JOE.", &["x"], WU).await.unwrap();
    let refused = joe.dmscrloc(&file, LockType::Update, LockDuration::Session, WU).await;
    assert_eq!(reason(refused), ReasonCode::Locked);
    imap.dmscrloc(&file, LockType::Update, LockDuration::Session, WU).await.unwrap();
    imap.dmscomm(WU).await.unwrap();
}

#[tokio::test]
async fn a_locked_directory_keeps_its_names() {
    let system = System::new().await;
    let (joe, imap) = (system.csl("JOE"), system.csl("IMAP"));
    let dir = joe.dirname(".D").unwrap();
    joe.dmscrdir(&dir, COMMIT, WU).await.unwrap();
    make(&joe, "A FILE .D", "a").await;
    joe.dmscrloc(&dir.clone().into(), LockType::Update, LockDuration::Lasting, WU).await.unwrap();
    assert!(get(&imap, "A FILE JOE.D", WU).await.is_ok());
    assert_eq!(reason(put(&imap, "B FILE JOE.D", &["x"], WU).await), ReasonCode::ExplicitLock);
    imap.dmsrollb(WU).await.unwrap();
    make(&joe, "B FILE .D", "b").await;
    joe.dmsdeloc(&dir.clone().into(), None, WU).await.unwrap();
    joe.dmscrloc(&dir.clone().into(), LockType::Exclusive, LockDuration::Session, WU).await.unwrap();
    assert_eq!(reason(get(&imap, "A FILE JOE.D", WU).await), ReasonCode::ExplicitLock);
    assert!(get(&joe, "A FILE .D", WU).await.is_ok());
    // Administrators delete anybody's.
    imap.dmsdeloc(&dir.into(), Some(user("JOE")), WU).await.unwrap();
    assert!(get(&imap, "A FILE JOE.D", WU).await.is_ok());
}

#[tokio::test]
async fn who_waits_for_whom_is_shown() {
    let system = System::new().await;
    let (joe, imap) = (system.csl("JOE"), system.csl("IMAP"));
    put(&imap, "A FILE JOE.", &["x"], WU).await.unwrap();
    joe.set_filewait(true);
    let mut waiting = joe.request(|joe| async move { put(&joe, "A FILE .", &["joe"], WU).await });
    tokio::task::yield_now().await;
    let conflicts = imap.filepool_conflicts(pool_id("MAIL")).await.unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!((conflicts[0].waiter, conflicts[0].holder), (user("JOE"), user("IMAP")));
    imap.dmsrollb(WU).await.unwrap();
    let done = joe.dmscheck(&mut waiting, CheckWait::Wait).await.unwrap();
    assert_eq!(done, Checked::Done(Ok(())));
    assert!(imap.filepool_conflicts(pool_id("MAIL")).await.unwrap().is_empty());
}

#[tokio::test]
async fn changes_of_a_norecover_file_survive_a_lost_connection() {
    let system = System::new().await;
    let (joe, imap) = (system.csl("JOE"), system.csl("IMAP"));
    make(&joe, "LOG FILE .", "old").await;
    make(&joe, "SAFE FILE .", "old").await;
    let changes = FileChanges { recover: Some(false), ..FileChanges::default() };
    joe.dmscattr(&joe.fileid("LOG FILE .").unwrap(), changes, COMMIT, WU).await.unwrap();
    for purge in [true, false] {
        let line = if purge { "purged" } else { "severed" };
        let log = joe.fileid("LOG FILE .").unwrap();
        let open = joe.dmsopen(&log, Intent::Write, &OpenOptions::variable(), WU).await.unwrap();
        joe.dmswrite(open.token, 1, bytes::Bytes::from_static(line.as_bytes()), CommitOption::NoCommit)
            .await
            .unwrap();
        put(&joe, "SAFE FILE .", &["lost"], WU).await.unwrap();
        if purge {
            joe.dmspurwu(true).await.unwrap();
        } else {
            assert_eq!(system.servers[0].force(Some(user("JOE"))), 1);
        }
        // The file is locked until what is kept is there: who waits for the lock sees it.
        imap.set_filewait(true);
        put(&imap, "OTHER FILE JOE.", &["x"], WU).await.unwrap();
        let log = imap.fileid("LOG FILE JOE.").unwrap();
        let open = imap.dmsopen(&log, Intent::Write, &OpenOptions::variable(), WU).await.unwrap();
        imap.dmsclose(open.token, CommitOption::NoCommit).await.unwrap();
        imap.dmsrollb(WU).await.unwrap();
        let kept = get(&imap, "LOG FILE JOE.", WU).await.unwrap();
        assert!(kept.ends_with(line.as_bytes()), "{kept:?}");
        assert_eq!(get(&imap, "SAFE FILE JOE.", WU).await.unwrap(), &b"\0\x03old"[..]);
    }
    // The machine learns that its connection was lost, and goes on.
    assert_eq!(reason(put(&joe, "SAFE FILE .", &["half"], WU).await), ReasonCode::ConnectionLost);
    joe.dmsrollb(WU).await.unwrap();
    make(&joe, "SAFE FILE .", "again").await;
}

#[tokio::test]
async fn a_wait_for_an_explicit_lock_is_shown() {
    let system = System::new().await;
    let (joe, imap) = (system.csl("JOE"), system.csl("IMAP"));
    make(&joe, "A FILE .", "a").await;
    let file: SfsObject = joe.fileid("A FILE .").unwrap().into();
    imap.dmscrloc(&file, LockType::Update, LockDuration::Lasting, WU).await.unwrap();
    joe.set_filewait(true);
    let mut waiting = joe.request(|joe| async move { put(&joe, "A FILE .", &["joe"], WU).await });
    tokio::task::yield_now().await;
    let conflicts = imap.filepool_conflicts(pool_id("MAIL")).await.unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!((conflicts[0].waiter, conflicts[0].holder), (user("JOE"), user("IMAP")));
    let wanted = WantedLock { resource: LockResource::File, kind: LockType::Exclusive };
    assert_eq!((conflicts[0].holder_unit, conflicts[0].wanted), (0, wanted));
    imap.dmsdeloc(&file, None, WU).await.unwrap();
    let done = joe.dmscheck(&mut waiting, CheckWait::Wait).await.unwrap();
    assert_eq!(done, Checked::Done(Ok(())));
    assert!(imap.filepool_conflicts(pool_id("MAIL")).await.unwrap().is_empty());
}

#[tokio::test]
async fn records_rewritten_in_place_are_seen_at_once() {
    let system = System::new().await;
    let (joe, imap) = (system.csl("JOE"), system.csl("IMAP"));
    let attributes = |lrecl| Attributes { recover: false, in_place: true, ..Attributes::fixed(lrecl) };
    // Kept in pages of records, and as an image.
    for (name, lrecl) in [("SMALL LOG", 4u32), ("LARGE LOG", 3000)] {
        let (file, theirs) = (format!("{name} ."), format!("{name} JOE."));
        let record = |letter: u8| vec![letter; lrecl as usize];
        let id = joe.fileid(&file).unwrap();
        let options = OpenOptions { attributes: attributes(lrecl), ..OpenOptions::default() };
        let open = joe.dmsopen(&id, Intent::New, &options, WU).await.unwrap();
        joe.dmswrite(open.token, 2, [record(b'a'), record(b'b')].concat().into(), CommitOption::NoCommit)
            .await
            .unwrap();
        assert_eq!(
            reason(get(&imap, &theirs, WU).await),
            ReasonCode::FileNotFound,
            "{name} is not there yet"
        );
        joe.dmsclose(open.token, COMMIT).await.unwrap();
        let reading = imap.dmsopdbk(&imap.fileid(&theirs).unwrap(), &BlockOpen::read(), WU).await.unwrap();

        put(&joe, "OTHER FILE .", &["pending"], WU).await.unwrap();
        let open = joe.dmsopen(&id, Intent::Write, &options, WU).await.unwrap();
        joe.dmspoint(open.token, None, Some(1)).await.unwrap();
        joe.dmswrite(open.token, 1, record(b'x').into(), CommitOption::NoCommit).await.unwrap();
        assert_eq!(get(&imap, &theirs, WU).await.unwrap(), [record(b'x'), record(b'b')].concat());
        // Only that: the rest of the unit is pending, the file is locked, an open reader keeps what it has.
        assert_eq!(reason(get(&imap, "OTHER FILE JOE.", WU).await), ReasonCode::FileNotFound);
        let busy = imap.dmsopen(&imap.fileid(&theirs).unwrap(), Intent::Write, &options, WU).await;
        assert_eq!(reason(busy), ReasonCode::Locked);
        let held = imap.dmsrddbk(reading.token, 0, 2 * lrecl as usize).await.unwrap();
        assert_eq!(held, [record(b'a'), record(b'b')].concat());
        imap.dmscldbk(reading.token, CommitOption::NoCommit).await.unwrap();
        imap.dmsrollb(WU).await.unwrap();
        // A record more is seen with the commit, and so is what is rewritten after it.
        joe.dmspoint(open.token, None, Some(3)).await.unwrap();
        joe.dmswrite(open.token, 1, record(b'c').into(), CommitOption::NoCommit).await.unwrap();
        assert_eq!(get(&imap, &theirs, WU).await.unwrap().len(), 2 * lrecl as usize);
        joe.dmsclose(open.token, CommitOption::NoCommit).await.unwrap();
        joe.dmsrollb(WU).await.unwrap();
        // NORECOVER: the record that was added is kept too.
        let all = [record(b'x'), record(b'b'), record(b'c')].concat();
        assert_eq!(get(&imap, &theirs, WU).await.unwrap(), all);
        assert_eq!(reason(get(&imap, "OTHER FILE JOE.", WU).await), ReasonCode::FileNotFound);
    }
    assert_eq!(system.servers[0].pool().check(true).unwrap().problems, Vec::<String>::new());
    assert_eq!(system.servers[0].pool().lock_count(), 0);
    // Durable when the write returned.
    let file = joe.fileid("SMALL LOG .").unwrap();
    let open = joe.dmsopen(&file, Intent::Write, &OpenOptions::fixed(4), WU).await.unwrap();
    joe.dmspoint(open.token, None, Some(2)).await.unwrap();
    joe.dmswrite(open.token, 1, bytes::Bytes::from_static(b"zzzz"), CommitOption::NoCommit).await.unwrap();
    let system = system.restart(|| u32::MAX).await;
    assert_eq!(get(&system.csl("JOE"), "SMALL LOG .", WU).await.unwrap(), &b"xxxxzzzzcccc"[..]);
}

#[tokio::test]
async fn what_a_program_says_of_its_work_unit_is_shown_until_that_ends() {
    let system = System::new().await;
    let (joe, imap) = (system.csl("JOE"), system.csl("IMAP"));
    make(&joe, "A FILE .", "a").await;
    let most = [b'x'; MAX_USER_DATA];
    assert_eq!(reason(imap.dmsudata(&[b'x'; MAX_USER_DATA + 1], WU)), ReasonCode::LimitExceeded);
    assert_eq!(reason(imap.dmsudata(&most, WorkUnitId(77))), ReasonCode::WorkUnitUnknown);
    let other = imap.dmsgetwu().unwrap();
    imap.dmsudata(b"another work unit", other).unwrap();
    let round = async |holder: &[u8], waiter: &[u8]| {
        put(&imap, "A FILE JOE.", &["imap"], WU).await.unwrap();
        joe.set_filewait(true);
        let mut waiting = joe.request(|joe| async move { put(&joe, "A FILE .", &["joe"], WU).await });
        tokio::task::yield_now().await;
        let conflicts = joe.filepool_conflicts(pool_id("MAIL")).await.unwrap();
        assert_eq!(conflicts.len(), 1);
        assert_eq!(conflicts[0].holder_data.as_slice(), holder);
        assert_eq!(conflicts[0].waiter_data.as_slice(), waiter);
        imap.dmscomm(WU).await.unwrap();
        assert_eq!(joe.dmscheck(&mut waiting, CheckWait::Wait).await.unwrap(), Checked::Done(Ok(())));
        joe.dmsrollb(WU).await.unwrap();
    };
    imap.dmsudata(b"at first", WU).unwrap();
    imap.dmsudata(&most, WU).unwrap();
    joe.dmsudata(b"from joe", WU).unwrap();
    round(&most, b"from joe").await;
    // Both work units have ended; what is said before a rollback does not outlive it either.
    imap.dmsudata(b"never seen", WU).unwrap();
    put(&imap, "A FILE JOE.", &["undone"], WU).await.unwrap();
    imap.dmsrollb(WU).await.unwrap();
    round(b"", b"").await;
}

#[tokio::test]
async fn searchauth_finds_what_one_has_authority_to() {
    let system = System::new().await;
    let (joe, ann_csl) = (system.csl("JOE"), system.csl("ANN"));
    let (shared, closed) = (joe.dirname(".SHARED").unwrap(), joe.dirname(".CLOSED").unwrap());
    let deep = joe.dirname(".SHARED.DEEP").unwrap();
    for dir in [&shared, &closed, &deep] {
        joe.dmscrdir(dir, COMMIT, WU).await.unwrap();
    }
    for file in [
        "A NOTE .",
        "A NOTE .SHARED",
        "B NOTE .SHARED",
        "C TEXT .SHARED",
        "A NOTE .CLOSED",
        "D NOTE .SHARED.DEEP",
    ] {
        make(&joe, file, "x").await;
    }
    let top = joe.dirname(".").unwrap();
    for dir in [&top, &shared, &deep] {
        joe.dmsgrant(&dir.clone().into(), &ann(), Rights::READ, COMMIT, WU).await.unwrap();
    }
    let grants = [
        ("A NOTE .SHARED", Rights::READ),
        ("C TEXT .SHARED", Rights::READ),
        ("A NOTE .CLOSED", Rights::READ),
        ("D NOTE .SHARED.DEEP", Rights::WRITE),
    ];
    for (file, rights) in grants {
        let object: SfsObject = joe.fileid(file).unwrap().into();
        joe.dmsgrant(&object, &ann(), rights, COMMIT, WU).await.unwrap();
    }
    let found = async |csl: &Csl, pattern| -> Vec<String> {
        let all = csl.dmsgetds(&top, pattern, WU).await.unwrap();
        all.iter().map(|(dir, status)| format!("{} {}", status.id, dir.levels().join("."))).collect()
    };
    let notes = FilePattern { kind: Some("NOTE".parse().unwrap()), ..FilePattern::ALL };
    assert_eq!(found(&ann_csl, notes).await, ["A NOTE SHARED", "D NOTE SHARED.DEEP"]);
    assert_eq!(
        found(&ann_csl, FilePattern::ALL).await,
        ["A NOTE SHARED", "C TEXT SHARED", "D NOTE SHARED.DEEP"]
    );
    assert_eq!(found(&joe, FilePattern::ALL).await.len(), 6);
    let missing = joe.dirname(".NOWHERE").unwrap();
    assert_eq!(reason(joe.dmsgetds(&missing, FilePattern::ALL, WU).await), ReasonCode::DirectoryNotFound);
}

#[tokio::test]
async fn a_file_whose_authorities_are_being_changed_is_not_erased() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    put(&joe, "A FILE .", &["a"], WU).await.unwrap();
    let file = joe.fileid("A FILE .").unwrap();
    let object: SfsObject = file.clone().into();
    let ann = [Grantee::User(user("ANN"))];
    joe.dmsgrant(&object, &ann, Rights::READ, CommitOption::Commit, WU).await.unwrap();
    let granting = joe.dmsgetwu().unwrap();
    joe.dmsgrant(&object, &ann, Rights::WRITE, CommitOption::NoCommit, granting).await.unwrap();
    // Refused, it is as if it had not been asked for, also when it is committed.
    let (entire, no) = (EraseScope::Entire, CommitOption::NoCommit);
    assert_eq!(reason(joe.dmserase(&object, entire, no, WU).await), ReasonCode::Locked);
    joe.dmscomm(WU).await.unwrap();
    assert_eq!(get(&joe, "A FILE .", WU).await.unwrap(), &b"\0\x01a"[..]);
    // The same for a file that would go when it is closed without a record.
    let options = OpenOptions::variable();
    let open = joe.dmsopen(&file, Intent::Replace, &options, WU).await.unwrap();
    assert_eq!(reason(joe.dmsclose(open.token, no).await), ReasonCode::Locked);
    joe.dmswrite(open.token, 1, bytes::Bytes::from_static(b"b"), no).await.unwrap();
    joe.dmsclose(open.token, CommitOption::Commit).await.unwrap();
    // Who waits erases it when the authorities are settled.
    joe.set_filewait(true);
    let mut erasing = {
        let object = object.clone();
        joe.request(move |joe| async move { joe.dmserase(&object, entire, CommitOption::Commit, WU).await })
    };
    tokio::task::yield_now().await;
    joe.dmscomm(granting).await.unwrap();
    let Checked::Done(done) = joe.dmscheck(&mut erasing, CheckWait::Wait).await.unwrap() else {
        panic!("WAIT returned early");
    };
    done.unwrap();
    assert_eq!(reason(get(&joe, "A FILE .", WU).await), ReasonCode::FileNotFound);
}

/// A copy shares what its source stores; what is rewritten in place afterwards, in the same unit, leaves that alone.
#[tokio::test]
async fn a_copy_stays_what_it_was_when_its_source_is_rewritten_in_place() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let attributes = Attributes { recover: false, in_place: true, ..Attributes::fixed(3000) };
    let options = OpenOptions { attributes, ..OpenOptions::default() };
    let (file, copy) = (joe.fileid("LARGE LOG .").unwrap(), joe.fileid("COPY LOG .").unwrap());
    let record = |letter: u8| bytes::Bytes::from(vec![letter; 3000]);
    let open = joe.dmsopen(&file, Intent::New, &options, WU).await.unwrap();
    joe.dmswrite(open.token, 1, record(b'a'), CommitOption::NoCommit).await.unwrap();
    joe.dmsclose(open.token, COMMIT).await.unwrap();
    joe.dmsfilec(&file, &copy, false, CommitOption::NoCommit, WU).await.unwrap();
    let open = joe.dmsopen(&file, Intent::Write, &options, WU).await.unwrap();
    joe.dmspoint(open.token, None, Some(1)).await.unwrap();
    joe.dmswrite(open.token, 1, record(b'x'), CommitOption::NoCommit).await.unwrap();
    joe.dmsclose(open.token, CommitOption::NoCommit).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    assert_eq!(get(&joe, "COPY LOG .", WU).await.unwrap(), record(b'a'));
    assert_eq!(get(&joe, "LARGE LOG .", WU).await.unwrap(), record(b'x'));
    assert_eq!(system.servers[0].pool().check(true).unwrap().problems, Vec::<String>::new());
}
