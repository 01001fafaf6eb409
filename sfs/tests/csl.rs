//! CSL routines over IUCV paths to a file pool server machine.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use bytes::Bytes;
use common::system::{System, WU, get, pool_id, put, reason, user};
use dasd::Faults;
use sfs::csl::*;

#[tokio::test]
async fn a_note_and_its_index_are_committed_together() {
    let system = System::new().await;
    let imap = system.csl("IMAP");
    let (one, two) = (imap.dmsgetwu().unwrap(), imap.dmsgetwu().unwrap());
    imap.dmscrdir(&imap.dirname("JOE.INBOX").unwrap(), CommitOption::Commit, one).await.unwrap();
    put(&imap, "1 NOTE JOE.INBOX", &["From: ann", "", "Hello"], one).await.unwrap();
    let index = imap.fileid("NOTE INDEX JOE.INBOX").unwrap();
    let open = imap.dmsopen(&index, Intent::Write, &OpenOptions::fixed(16), one).await.unwrap();
    assert!(open.created);
    imap.dmswrite(open.token, 1, Bytes::from_static(b"uid 00000001 new"), CommitOption::NoCommit)
        .await
        .unwrap();
    assert_eq!(reason(get(&imap, "1 NOTE JOE.INBOX", two).await), ReasonCode::FileNotFound);
    imap.dmsclose(open.token, CommitOption::Commit).await.unwrap();
    let image = b"\0\x09From: ann\0\0\0\x05Hello";
    assert_eq!(get(&imap, "1 NOTE JOE.INBOX", two).await.unwrap(), &image[..]);
    let dir = imap.dirname("JOE.INBOX").unwrap();
    let token = imap.dmsopdir(&dir, DirIntent::File(FilePattern::ALL), two).await.unwrap();
    let mut names = Vec::new();
    loop {
        match imap.dmsgetdi(token).await {
            Ok(DirRecord::File(status)) => names.push((status.id.to_string(), status.records)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                assert_eq!(error.reason, ReasonCode::EndOfDirectory);
                break;
            }
        }
    }
    assert_eq!(names, [("1 NOTE".to_owned(), 3), ("NOTE INDEX".to_owned(), 1)]);
    imap.dmscldir(token).await.unwrap();
    assert_eq!(reason(imap.dmsgetdi(token).await), ReasonCode::NotOpen);
}

#[tokio::test]
async fn users_see_their_own_space_and_no_other() {
    let system = System::new().await;
    let (joe, ann) = (system.csl("JOE"), system.csl("ANN"));
    put(&joe, "SECRET FILE .", &["x"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    assert_eq!(get(&joe, "SECRET FILE JOE.", WU).await.unwrap(), &b"\0\x01x"[..]);
    assert_eq!(reason(get(&ann, "SECRET FILE JOE.", WU).await), ReasonCode::FileNotFound);
    assert_eq!(reason(ann.dmsexidi(&ann.dirname("JOE.").unwrap(), WU).await), ReasonCode::DirectoryNotFound);
    assert_eq!(reason(ann.dmsqlimu(user("JOE"), pool_id("MAIL")).await), ReasonCode::NotAuthorized);
    let enrol = ann.dmsenusr(&[user("BOB")], pool_id("MAIL"), 1).await;
    assert_eq!(reason(enrol), ReasonCode::NotAdministrator);
    assert_eq!(joe.dmsqlimu(user("JOE"), pool_id("MAIL")).await.unwrap().used, 1);
    system.servers[0].grant_admin(user("ANN"));
    assert!(get(&ann, "SECRET FILE JOE.", WU).await.is_ok());
    assert_eq!(reason(get(&ann, "X Y NOPOOL:JOE.", WU).await), ReasonCode::PoolUnknown);
}

#[tokio::test]
async fn enrolment_is_all_or_none_and_names_the_culprit() {
    let system = System::new().await;
    let imap = system.csl("IMAP");
    put(&imap, "PENDING FILE JOE.", &["x"], WU).await.unwrap();
    let error = imap.dmsenusr(&[user("BOB"), user("JOE")], pool_id("MAIL"), 1).await.unwrap_err();
    assert_eq!((error.reason, error.index), (ReasonCode::SpaceExists, 2));
    assert_eq!(imap.enrolled_users(pool_id("MAIL")).await.unwrap().len(), 2);
    imap.dmsenusr(&[user("BOB")], pool_id("MAIL"), 5).await.unwrap();
    imap.modify_user(user("BOB"), pool_id("MAIL"), 7).await.unwrap();
    assert_eq!(imap.dmsqlimu(user("BOB"), pool_id("MAIL")).await.unwrap().limit, 7);
    imap.dmsdeusr(user("BOB"), pool_id("MAIL")).await.unwrap();
    assert_eq!(reason(imap.dmsqlimu(user("BOB"), pool_id("MAIL")).await), ReasonCode::SpaceNotFound);
    imap.dmsrollb(WU).await.unwrap();
    assert_eq!(reason(get(&imap, "PENDING FILE JOE.", WU).await), ReasonCode::FileNotFound);
}

#[tokio::test]
async fn a_conflict_is_told_at_once_or_waited_for() {
    let system = System::new().await;
    let (imap, joe) = (system.csl("IMAP"), system.csl("JOE"));
    put(&imap, "A FILE JOE.", &["imap"], WU).await.unwrap();
    assert_eq!(reason(put(&joe, "A FILE .", &["joe"], WU).await), ReasonCode::Locked);
    joe.set_filewait(true);
    let mut waiting = joe.request(|joe| async move {
        put(&joe, "A FILE .", &["joe"], WU).await?;
        joe.dmscomm(WU).await
    });
    tokio::task::yield_now().await;
    assert_eq!(joe.dmscheck(&mut waiting, CheckWait::NoWait).await.unwrap(), Checked::InProgress);
    imap.dmscomm(WU).await.unwrap();
    let Checked::Done(result) = joe.dmscheck(&mut waiting, CheckWait::Wait).await.unwrap() else {
        panic!("WAIT returned early");
    };
    result.unwrap();
    assert_eq!(reason(joe.dmscheck(&mut waiting, CheckWait::Wait).await), ReasonCode::RequestUnknown);
    assert_eq!(get(&imap, "A FILE JOE.", WU).await.unwrap(), &b"\0\x03joe"[..]);
}

#[tokio::test]
async fn a_deadlock_has_one_victim() {
    let system = System::new().await;
    let imap = system.csl("IMAP");
    imap.set_filewait(true);
    let (a, b) = (imap.dmsgetwu().unwrap(), imap.dmsgetwu().unwrap());
    put(&imap, "A FILE JOE.", &["a"], a).await.unwrap();
    put(&imap, "B FILE JOE.", &["b"], b).await.unwrap();
    let mut first = imap.request(move |imap| async move { put(&imap, "B FILE JOE.", &["a"], a).await });
    tokio::task::yield_now().await;
    assert_eq!(reason(put(&imap, "A FILE JOE.", &["b"], b).await), ReasonCode::Deadlock);
    imap.dmsrollb(b).await.unwrap();
    let done = imap.dmscheck(&mut first, CheckWait::Wait).await.unwrap();
    assert_eq!(done, Checked::Done(Ok(())));
}

/// A circle of waits in which one is for an explicit lock: without a victim nobody would ever go on.
#[tokio::test]
async fn a_circle_through_an_explicit_lock_has_one_victim() {
    let system = System::new().await;
    let imap = system.csl("IMAP");
    let file = |name: &str| imap.fileid(&format!("{name} FILE JOE.")).unwrap();
    for name in ["A", "B"] {
        put(&imap, &format!("{name} FILE JOE."), &["old"], WU).await.unwrap();
    }
    imap.dmscomm(WU).await.unwrap();
    let (joe, ann) = (system.csl("JOE"), system.csl("ANN"));
    imap.dmsgrant(
        &SfsObject::Directory(imap.dirname("JOE.").unwrap()),
        &[Grantee::User(user("ANN"))],
        Rights::WRITE,
        CommitOption::NoCommit,
        WU,
    )
    .await
    .unwrap();
    for name in ["A", "B"] {
        let to = [Grantee::User(user("ANN"))];
        imap.dmsgrant(&SfsObject::File(file(name)), &to, Rights::WRITE, CommitOption::Commit, WU)
            .await
            .unwrap();
    }
    let locked = SfsObject::File(file("A"));
    joe.dmscrloc(&locked, LockType::Update, LockDuration::Session, WU).await.unwrap();
    put(&ann, "B FILE JOE.", &["ann"], WU).await.unwrap();
    joe.set_filewait(true);
    ann.set_filewait(true);
    for joe_first in [true, false] {
        let (waits, victim) = if joe_first { (&joe, &ann) } else { (&ann, &joe) };
        let wants = |csl: &Csl| if csl.userid() == user("JOE") { "B FILE JOE." } else { "A FILE JOE." };
        let wanted = wants(waits);
        let mut first = waits.request(move |csl| async move { put(&csl, wanted, &["x"], WU).await });
        while system.servers[0].pool().waits().is_empty() {
            tokio::task::yield_now().await;
        }
        let refused =
            tokio::time::timeout(std::time::Duration::from_secs(60), put(victim, wants(victim), &["y"], WU));
        assert_eq!(reason(refused.await.unwrap()), ReasonCode::Deadlock);
        if joe_first {
            // The one that was told gives way; then all is as before.
            ann.dmsrollb(WU).await.unwrap();
            assert_eq!(joe.dmscheck(&mut first, CheckWait::Wait).await.unwrap(), Checked::Done(Ok(())));
            joe.dmsrollb(WU).await.unwrap();
            put(&ann, "B FILE JOE.", &["ann"], WU).await.unwrap();
        } else {
            joe.dmsdeloc(&locked, None, WU).await.unwrap();
            assert_eq!(ann.dmscheck(&mut first, CheckWait::Wait).await.unwrap(), Checked::Done(Ok(())));
        }
    }
}

#[tokio::test]
async fn work_unit_ids_and_their_stack() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let unit = joe.dmsgetwu().unwrap();
    assert_eq!(reason(joe.dmspopwu()), ReasonCode::WorkUnitStackEmpty);
    joe.dmspuswu(unit).unwrap();
    put(&joe, "A FILE .", &["on the pushed unit"], WU).await.unwrap();
    assert_eq!(joe.dmspopwu().unwrap(), unit);
    assert_eq!(reason(get(&joe, "A FILE .", WU).await), ReasonCode::FileNotFound);
    assert_eq!(reason(joe.dmspurwu(false).await), ReasonCode::WorkUnitActive);
    joe.dmsretwu(unit).await.unwrap();
    assert!(get(&joe, "A FILE .", WU).await.is_ok(), "returning the unit committed it");
    assert_eq!(reason(joe.dmscomm(unit).await), ReasonCode::WorkUnitUnknown);
    put(&joe, "B FILE .", &["x"], WU).await.unwrap();
    joe.dmspurwu(true).await.unwrap();
    assert!(joe.connections().await.is_empty());
    assert_eq!(reason(get(&joe, "B FILE .", WU).await), ReasonCode::FileNotFound);
}

#[tokio::test]
async fn one_work_unit_over_two_pools() {
    let system = System::new().await;
    let imap = system.csl("IMAP");
    put(&imap, "A FILE MAIL:JOE.", &["mail"], WU).await.unwrap();
    let other = imap.fileid("A FILE USERS:JOE.").unwrap();
    let open = imap.dmsopen(&other, Intent::New, &OpenOptions::variable(), WU).await.unwrap();
    imap.dmswrite(open.token, 1, Bytes::from_static(b"users"), CommitOption::NoCommit).await.unwrap();
    imap.dmsclose(open.token, CommitOption::Commit).await.unwrap();
    let joe = system.csl("JOE");
    assert_eq!(get(&joe, "A FILE MAIL:JOE.", WU).await.unwrap(), &b"\0\x04mail"[..]);
    assert_eq!(get(&joe, "A FILE USERS:JOE.", WU).await.unwrap(), &b"\0\x05users"[..]);
    let (from, to) = (imap.fileid("A FILE MAIL:JOE.").unwrap(), imap.fileid("B FILE USERS:JOE.").unwrap());
    let across = imap.dmsfilec(&from, &to, false, CommitOption::Commit, WU);
    assert_eq!(reason(across.await), ReasonCode::DifferentSpace);
}

#[tokio::test]
async fn files_and_directories_are_renamed_copied_and_erased() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let commit = CommitOption::Commit;
    let (a, b) = (joe.dirname(".A").unwrap(), joe.dirname(".B").unwrap());
    joe.dmscrdir(&a, commit, WU).await.unwrap();
    assert_eq!(reason(joe.dmscrdir(&a, commit, WU).await), ReasonCode::DirectoryExists);
    put(&joe, "X FILE .A", &["text"], WU).await.unwrap();
    let (x, y) = (joe.fileid("X FILE .A").unwrap(), joe.fileid("Y FILE .").unwrap());
    joe.dmsfilec(&x, &y, false, commit, WU).await.unwrap();
    let not_empty = joe.dmserase(&a.clone().into(), EraseScope::Entire, commit, WU).await;
    assert_eq!(reason(not_empty), ReasonCode::DirectoryNotEmpty);
    joe.dmsrenam(&a.clone().into(), &b.clone().into(), commit, WU).await.unwrap();
    let z = joe.fileid("Z FILE .").unwrap();
    joe.dmsrenam(&joe.fileid("X FILE .B").unwrap().into(), &z.clone().into(), commit, WU).await.unwrap();
    joe.dmserase(&b.clone().into(), EraseScope::Entire, commit, WU).await.unwrap();
    assert_eq!(get(&joe, "Z FILE .", WU).await.unwrap(), &b"\0\x04text"[..]);
    joe.dmserase(&z.clone().into(), EraseScope::DataOnly, commit, WU).await.unwrap();
    assert_eq!(joe.dmsexifi(&z, WU).await.unwrap().records, 0);
    joe.dmserase(&z.clone().into(), EraseScope::Entire, commit, WU).await.unwrap();
    assert_eq!(reason(joe.dmsexist(&z.into(), WU).await), ReasonCode::FileNotFound);
    assert_eq!(get(&joe, "Y FILE .", WU).await.unwrap(), &b"\0\x04text"[..]);
    let left = joe.dmsopdir(&joe.dirname(".").unwrap(), DirIntent::Dir, WU).await.unwrap();
    assert!(joe.dmsgetdi_all(left).await.unwrap().is_empty());
}

/// Many files in one call: all or none of them, and nobody who may not.
#[tokio::test]
async fn many_files_are_copied_and_erased_at_once() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let commit = CommitOption::Commit;
    let (a, b) = (joe.dirname(".A").unwrap(), joe.dirname(".B").unwrap());
    joe.dmscrdir(&a, commit, WU).await.unwrap();
    joe.dmscrdir(&b, commit, WU).await.unwrap();
    let id = |name: &str| joe.fileid(name).unwrap().id;
    let ids: Vec<_> = (0..20).map(|n| id(&format!("N{n} FILE ."))).collect();
    for n in 0..20 {
        put(&joe, &format!("N{n} FILE .A"), &[&format!("text {n}")], WU).await.unwrap();
    }
    joe.dmscomm(WU).await.unwrap();
    let pairs: Vec<_> = (0..20).map(|n| (ids[n], ids[19 - n])).collect();
    joe.dmsfilec_files(&a, &b, &pairs, WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    assert_eq!(get(&joe, "N3 FILE .B", WU).await.unwrap(), &b"\0\x07text 16"[..]);
    // A name that is taken, one that is not there, one given twice.
    let refused = |pairs: Vec<_>| {
        let (joe, a, b) = (joe.clone(), a.clone(), b.clone());
        async move { reason(joe.dmsfilec_files(&a, &b, &pairs, WU).await) }
    };
    let (new, none) = (id("NEW FILE ."), id("NONE FILE ."));
    assert_eq!(refused(vec![(ids[0], new), (ids[1], ids[2])]).await, ReasonCode::FileExists);
    assert_eq!(refused(vec![(ids[0], new), (none, none)]).await, ReasonCode::FileNotFound);
    assert_eq!(refused(vec![(ids[0], new), (ids[1], new)]).await, ReasonCode::FileExists);
    assert_eq!(reason(joe.dmserase_files(&b, &[ids[0], none], WU).await), ReasonCode::FileNotFound);
    joe.dmscomm(WU).await.unwrap();
    let new = joe.fileid("NEW FILE .B").unwrap();
    assert_eq!(reason(joe.dmsexist(&new.into(), WU).await), ReasonCode::FileNotFound);
    assert!(get(&joe, "N0 FILE .B", WU).await.is_ok());
    // To other names and back.
    let back: Vec<_> = pairs.iter().map(|(old, new)| (*new, *old)).collect();
    joe.dmserase_files(&a, &ids, WU).await.unwrap();
    joe.dmsreloc_files(&b, &a, &back, WU).await.unwrap();
    assert_eq!(get(&joe, "N3 FILE .A", WU).await.unwrap(), &b"\0\x06text 3"[..]);
    joe.dmsreloc_files(&a, &b, &pairs, WU).await.unwrap();
    assert_eq!(get(&joe, "N3 FILE .B", WU).await.unwrap(), &b"\0\x07text 16"[..]);
    joe.dmsrollb(WU).await.unwrap();
    assert_eq!(reason(joe.dmsreloc_files(&b, &b, &[(ids[0], ids[1])], WU).await), ReasonCode::FileExists);
    // Who may not see the directory.
    let ann = system.csl("ANN");
    assert_eq!(reason(ann.dmserase_files(&b, &ids[..1], WU).await), ReasonCode::FileNotFound);
    assert_eq!(reason(ann.dmsfilec_files(&a, &b, &pairs[..1], WU).await), ReasonCode::FileNotFound);
    assert_eq!(reason(ann.dmsreloc_files(&a, &b, &pairs[..1], WU).await), ReasonCode::DirectoryNotFound);
    // A file that another unit changes is in the way of all.
    let unit = joe.dmsgetwu().unwrap();
    put(&joe, "N19 FILE .B", &["changed"], unit).await.unwrap();
    assert_eq!(reason(joe.dmserase_files(&b, &ids, WU).await), ReasonCode::Locked);
    joe.dmsrollb(WU).await.unwrap();
    joe.dmsrollb(unit).await.unwrap();
    // Erased and copied again in one unit; the blocks of the source stay.
    joe.dmserase_files(&b, &ids, WU).await.unwrap();
    joe.dmsfilec_files(&a, &b, &[(ids[5], ids[6])], WU).await.unwrap();
    joe.dmserase_files(&a, &ids, WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    assert_eq!(get(&joe, "N6 FILE .B", WU).await.unwrap(), &b"\0\x06text 5"[..]);
    joe.dmserase(&a.into(), EraseScope::Entire, commit, WU).await.unwrap();
}

#[tokio::test]
async fn running_out_of_space_rolls_back_and_says_so() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let line = "x".repeat(60_000);
    let lines = vec![line.as_str(); 70];
    put(&joe, "BIG FILE .", &lines, WU).await.unwrap();
    let error = joe.dmscomm(WU).await.unwrap_err();
    assert_eq!((error.reason, error.rc), (ReasonCode::SpaceLimit, ReturnCode::Severe));
    assert!(error.rolled_back());
    put(&joe, "BIG FILE .", &lines[..65], WU).await.unwrap();
    let info = joe.dmscomm(WU).await.unwrap();
    assert_eq!((info.rc(), info.warnings), (ReturnCode::Warning, vec![ReasonCode::SpaceThreshold]));
}

#[tokio::test]
async fn a_severed_connection_rolls_back() {
    let system = System::new().await;
    let guest = system.guest("JOE");
    let joe = Csl::for_guest(&guest);
    put(&joe, "A FILE MAIL:JOE.", &["x"], WU).await.unwrap();
    assert_eq!(system.servers[0].report().await.unwrap().locks, 3);
    drop(joe);
    let report = system.servers[0].report().await.unwrap();
    assert_eq!(report.locks, 0);
    assert_eq!((report.users, report.files), (2, 0));
}

#[tokio::test]
async fn half_of_a_work_unit_is_never_committed_after_a_new_connection() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    put(&joe, "A FILE .", &["first half"], WU).await.unwrap();
    assert_eq!(system.servers[0].force(Some(user("ANN"))), 0);
    assert_eq!(system.servers[0].force(Some(user("JOE"))), 1);
    let error = put(&joe, "B FILE .", &["second half"], WU).await.unwrap_err();
    assert_eq!((error.reason, error.rc), (ReasonCode::ConnectionLost, ReturnCode::Severe));
    joe.dmscomm(WU).await.unwrap();
    assert_eq!(reason(get(&joe, "A FILE .", WU).await), ReasonCode::FileNotFound);
    put(&joe, "B FILE .", &["anew"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    // Nothing is pending: a new connection goes unnoticed.
    system.servers[0].force(None);
    assert_eq!(get(&joe, "B FILE .", WU).await.unwrap(), &b"\0\x04anew"[..]);
}

#[tokio::test]
async fn a_failing_disk_takes_the_pool_offline() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    put(&joe, "A FILE .", &["kept"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    system.dasd[0].set_faults(Faults { fail_sync: Some(0), ..Faults::default() });
    put(&joe, "A FILE .", &["lost"], WU).await.unwrap();
    let error = joe.dmscomm(WU).await.unwrap_err();
    assert_eq!((error.reason, error.rc), (ReasonCode::PoolOffline, ReturnCode::Severe));
    put(&joe, "A FILE .", &["later"], WU).await.unwrap();
    assert_eq!(reason(joe.dmscomm(WU).await), ReasonCode::PoolOffline);
    assert!(system.servers[0].report().await.unwrap().offline.is_some());
    assert_eq!(get(&joe, "A FILE .", WU).await.unwrap(), &b"\0\x04kept"[..]);
}

#[tokio::test]
async fn a_stopped_server_is_gone_and_a_disabled_one_refuses() {
    let system = System::new().await;
    system.servers[0].set_disabled(true);
    let joe = system.csl("JOE");
    assert_eq!(reason(get(&joe, "A FILE .", WU).await), ReasonCode::ConnectionRefused);
    system.servers[0].set_disabled(false);
    assert_eq!(reason(get(&joe, "A FILE .", WU).await), ReasonCode::FileNotFound);
    system.servers[0].stop().await;
    let ann = system.csl("ANN");
    assert_eq!(reason(get(&ann, "A FILE .", WU).await), ReasonCode::PoolUnknown);
}

#[tokio::test]
async fn many_records_at_once_and_many_files_in_a_directory() {
    let system = System::new().await;
    let imap = system.csl("IMAP");
    let wu = imap.dmsgetwu().unwrap();
    imap.modify_user(user("JOE"), pool_id("MAIL"), 10_000).await.unwrap();
    for i in 0..2500 {
        put(&imap, &format!("{i} NOTE JOE."), &["x"], wu).await.unwrap();
    }
    imap.dmscomm(wu).await.unwrap();
    let dir = imap.dirname("JOE.").unwrap();
    let token = imap.dmsopdir(&dir, DirIntent::File(FilePattern::ALL), wu).await.unwrap();
    let all = imap.dmsgetdi_all(token).await.unwrap();
    assert_eq!(all.len(), 2500);
    imap.dmscldir(token).await.unwrap();
    let pattern = FilePattern { name: Some("77".parse().unwrap()), kind: None };
    let token = imap.dmsopdir(&dir, DirIntent::File(pattern), wu).await.unwrap();
    assert_eq!(imap.dmsgetdi_all(token).await.unwrap().len(), 1);
}
