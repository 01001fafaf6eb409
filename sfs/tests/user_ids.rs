//! Work for another user id (DMSPUSHA, DMSPOPA), and what work units tell of themselves (DMSQWUID, DMSGETER).
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::system::{System, WU, get, pool_id, put, reason, user};
use sfs::csl::*;

const NO: CommitOption = CommitOption::NoCommit;

fn unit_for(csl: &Csl, name: &str) -> WorkUnitId {
    csl.dmspusha(user(name)).unwrap();
    let unit = csl.dmsgetwu().unwrap();
    assert_eq!(csl.dmspopa().unwrap(), user(name));
    unit
}

#[tokio::test]
async fn an_administrator_works_with_the_authority_of_another_and_no_more() {
    let system = System::new().await;
    let (imap, joe, ann) = (system.csl("IMAP"), system.csl("JOE"), system.csl("ANN"));
    put(&joe, "MINE FILE .", &["joe"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    put(&ann, "HERS FILE .", &["ann"], WU).await.unwrap();
    ann.dmscomm(WU).await.unwrap();
    let as_joe = unit_for(&imap, "JOE");
    get(&imap, "MINE FILE JOE.", as_joe).await.unwrap();
    assert_eq!(reason(get(&imap, "HERS FILE ANN.", as_joe).await), ReasonCode::FileNotFound);
    get(&imap, "HERS FILE ANN.", WU).await.unwrap();
    // Locks are the user's own, and so is what he is told.
    let object = SfsObject::File(imap.fileid("MINE FILE JOE.").unwrap());
    imap.dmscrloc(&object, LockType::Exclusive, LockDuration::Session, as_joe).await.unwrap();
    get(&joe, "MINE FILE .", WU).await.unwrap();
    assert_eq!(reason(get(&imap, "MINE FILE JOE.", WU).await), ReasonCode::ExplicitLock);
    let connected = imap.filepool_connections(pool_id("MAIL")).await.unwrap();
    let users: Vec<_> = connected.iter().map(|c| c.user.to_string()).collect();
    assert_eq!(users, ["ANN", "IMAP", "JOE", "JOE"]);
    assert_eq!(imap.dmsqconn().await, [pool_id("MAIL")]);
    // Two users in one machine are in each other's way as anybody.
    put(&imap, "NEW FILE JOE.", &["by joe"], as_joe).await.unwrap();
    assert_eq!(reason(put(&imap, "NEW FILE JOE.", &["by imap"], WU).await), ReasonCode::Locked);
    imap.dmsretwu(as_joe).await.unwrap();
    assert_eq!(get(&joe, "NEW FILE .", WU).await.unwrap(), &b"\0\x06by joe"[..]);
    // The connection goes with the last work unit that needed it.
    let connected = imap.filepool_connections(pool_id("MAIL")).await.unwrap();
    assert_eq!(connected.len(), users.len() - 1);
    get(&imap, "NEW FILE JOE.", WU).await.unwrap();
    // Purging ends this connection as the others.
    let unit = unit_for(&imap, "JOE");
    put(&imap, "GONE FILE JOE.", &["x"], unit).await.unwrap();
    assert_eq!(reason(imap.dmspurwu(false).await), ReasonCode::WorkUnitActive);
    imap.dmspurwu(true).await.unwrap();
    assert_eq!(reason(get(&joe, "GONE FILE .", WU).await), ReasonCode::FileNotFound);
    assert_eq!(reason(imap.dmscomm(unit).await), ReasonCode::WorkUnitUnknown);
}

#[tokio::test]
async fn nobody_else_works_for_another() {
    let system = System::new().await;
    let (imap, ann) = (system.csl("IMAP"), system.csl("ANN"));
    put(&imap, "A FILE JOE.", &["x"], WU).await.unwrap();
    imap.dmscomm(WU).await.unwrap();
    let as_joe = unit_for(&ann, "JOE");
    let refused = get(&ann, "A FILE JOE.", as_joe).await.unwrap_err();
    assert_eq!((refused.rc, refused.reason), (ReturnCode::Error, ReasonCode::NotAdministrator));
    assert_eq!(refused.pool, Some(pool_id("MAIL")));
    assert_eq!(ann.dmsgeter(as_joe).unwrap().error_reascode, ReasonCode::NotAdministrator.number());
    assert_eq!(reason(get(&ann, "A FILE JOE.", WU).await), ReasonCode::FileNotFound);
    // Who ceases to be an administrator ceases to work for others.
    system.servers[0].grant_admin(user("ANN"));
    get(&ann, "A FILE JOE.", as_joe).await.unwrap();
    put(&ann, "B FILE JOE.", &["x"], as_joe).await.unwrap();
    assert!(system.servers[0].revoke_admin(user("ANN")));
    assert_eq!(reason(ann.dmscomm(as_joe).await), ReasonCode::NotAdministrator);
    assert_eq!(reason(get(&ann, "A FILE JOE.", as_joe).await), ReasonCode::NotAdministrator);
    assert_eq!(reason(get(&imap, "B FILE JOE.", WU).await), ReasonCode::FileNotFound);
    // Forcing a machine off takes what it does for others with it.
    let as_joe = unit_for(&imap, "JOE");
    put(&imap, "C FILE JOE.", &["x"], as_joe).await.unwrap();
    assert_eq!(system.servers[0].force(Some(user("IMAP"))), 2);
    assert_eq!(reason(imap.dmscomm(as_joe).await), ReasonCode::ConnectionLost);
}

#[tokio::test]
async fn user_ids_are_stacked() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    assert_eq!(reason(joe.dmspopa()), ReasonCode::UserStackEmpty);
    for _ in 0..64 {
        joe.dmspusha(user("ANN")).unwrap();
    }
    assert_eq!(reason(joe.dmspusha(user("ANN"))), ReasonCode::LimitExceeded);
    // The default work unit goes on as it is.
    put(&joe, "A FILE JOE.", &["x"], WU).await.unwrap();
    for _ in 0..64 {
        assert_eq!(joe.dmspopa().unwrap(), user("ANN"));
    }
    assert_eq!(reason(joe.dmspopa()), ReasonCode::UserStackEmpty);
}

#[tokio::test]
async fn the_default_work_unit_can_be_asked_for() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let first = joe.dmsqwuid();
    let unit = joe.dmsgetwu().unwrap();
    joe.dmspuswu(unit).unwrap();
    assert_eq!(joe.dmsqwuid(), unit);
    put(&joe, "A FILE .", &["x"], joe.dmsqwuid()).await.unwrap();
    joe.dmspopwu().unwrap();
    assert_eq!(joe.dmsqwuid(), first);
    assert_eq!(reason(get(&joe, "A FILE .", first).await), ReasonCode::FileNotFound);
}

#[tokio::test]
async fn errors_of_a_commit_are_told_one_after_the_other() {
    let system = System::new().await;
    let imap = system.csl("IMAP");
    assert_eq!(reason(imap.dmsgeter(WU)), ReasonCode::NoFurtherError);
    for pool in ["MAIL", "USERS"] {
        imap.modify_user(user("JOE"), pool_id(pool), 10).await.unwrap();
    }
    // Warnings of both pools.
    let nine = "x".repeat(4000);
    let lines = vec![nine.as_str(); 9];
    for pool in ["MAIL", "USERS"] {
        put(&imap, &format!("A FILE {pool}:JOE."), &lines, WU).await.unwrap();
    }
    let committed = imap.dmscomm(WU).await.unwrap();
    assert_eq!(committed.warnings.len(), 2);
    let mut told = Vec::new();
    while let Ok(group) = imap.dmsgeter(WU) {
        assert_eq!((group.prev_retcode, group.error_reascode), (4, 0));
        assert_eq!(group.warnings, [ReasonCode::SpaceThreshold.number()]);
        told.push(group.filepoolid.unwrap().to_string());
    }
    told.sort();
    assert_eq!(told, ["MAIL", "USERS"]);
    // An error in one; what the layout of WUERROR has of it.
    put(&imap, "B FILE USERS:JOE.", &lines, WU).await.unwrap();
    put(&imap, "B FILE MAIL:JOE.", &[], WU).await.unwrap();
    let error = imap.dmscomm(WU).await.unwrap_err();
    assert_eq!((error.rc, error.reason), (ReturnCode::Severe, ReasonCode::SpaceLimit));
    let group = imap.dmsgeter(WU).unwrap();
    assert_eq!(group, FpError::from(&error));
    assert_eq!(group.failing_filepoolid, Some(pool_id("USERS")));
    assert_eq!(reason(imap.dmsgeter(WU)), ReasonCode::NoFurtherError);
    // The next call has its own.
    assert_eq!(reason(get(&imap, "NO FILE JOE.", WU).await), ReasonCode::FileNotFound);
    get(&imap, "A FILE JOE.", WU).await.unwrap();
    assert_eq!(reason(imap.dmsgeter(WU)), ReasonCode::NoFurtherError);
    assert_eq!(reason(imap.dmsgeter(WorkUnitId(77))), ReasonCode::WorkUnitUnknown);
    imap.dmscrdir(&imap.dirname("JOE.NEW").unwrap(), NO, WU).await.unwrap();
}

#[tokio::test]
async fn limits_come_as_a_buffer_too() {
    let system = System::new().await;
    let imap = system.csl("IMAP");
    let all = imap.dmsqlima(pool_id("MAIL")).await.unwrap();
    let buffer = encode_limits(&all);
    assert_eq!(buffer.len(), all.len() * LIMITS_LENGTH);
    for (number, (userid, space)) in (1..).zip(all) {
        assert_eq!(dmsqlimd(&buffer, number), Ok(LimitsEntry { userid, space }));
    }
    assert_eq!(dmsqlimd(&buffer, 0), Err(ReasonCode::NoSuchEntry));
    assert_eq!(dmsqlimd(&buffer, 3), Err(ReasonCode::NoSuchEntry));
}
