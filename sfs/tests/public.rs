//! PUBLIC: who may connect to a file pool, through CSL routines over IUCV.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::system::{System, WU, get, pool_id, put, reason, user};
use sfs::csl::*;

#[tokio::test]
async fn who_is_not_enrolled_connects_with_public_alone() {
    let system = System::new().await;
    let (imap, joe, mail) = (system.csl("IMAP"), system.csl("JOE"), pool_id("MAIL"));
    put(&joe, "A FILE .", &["joe"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    let file: SfsObject = joe.fileid("A FILE .").unwrap().into();
    joe.dmsgrant(&file, &[Grantee::Public], Rights::READ, CommitOption::Commit, WU).await.unwrap();
    let refused = get(&system.csl("BOB"), "A FILE JOE.", WU).await.unwrap_err();
    assert_eq!((refused.reason, refused.pool), (ReasonCode::NotEnrolled, Some(mail)));
    assert!(!joe.public_enrolled(mail).await.unwrap());
    assert_eq!(reason(joe.dmsenusr_public(mail).await), ReasonCode::NotAdministrator);
    imap.dmsenusr_public(mail).await.unwrap();
    assert!(joe.public_enrolled(mail).await.unwrap());
    assert_eq!(reason(imap.dmsenusr_public(mail).await), ReasonCode::SpaceExists);
    // He connects, and has no file space by it.
    let bob = system.csl("BOB");
    assert_eq!(get(&bob, "A FILE JOE.", WU).await.unwrap(), &b"\0\x03joe"[..]);
    assert_eq!(reason(bob.dmsqlimu(user("BOB"), mail).await), ReasonCode::SpaceNotFound);
    assert_eq!(reason(bob.dmsdeusr_public(mail).await), ReasonCode::NotAdministrator);
    // The other pool is another matter.
    assert_eq!(reason(bob.public_enrolled(pool_id("USERS")).await), ReasonCode::NotEnrolled);
    imap.dmsdeusr_public(mail).await.unwrap();
    assert_eq!(reason(imap.dmsdeusr_public(mail).await), ReasonCode::SpaceNotFound);
    // Who is connected stays so, until he connects anew.
    get(&bob, "A FILE JOE.", WU).await.unwrap();
    bob.dmspurwu(true).await.unwrap();
    assert_eq!(reason(get(&system.csl("BOB"), "A FILE JOE.", WU).await), ReasonCode::NotEnrolled);
    get(&system.csl("ANN"), "A FILE JOE.", WU).await.unwrap();
    imap.dmsenusr(&[user("BOB")], mail, 10).await.unwrap();
    get(&system.csl("BOB"), "A FILE JOE.", WU).await.unwrap();
    assert!(system.servers[0].pool().check(true).unwrap().problems.is_empty());
}

#[tokio::test]
async fn administrators_connect_and_work_for_whom_they_like() {
    let system = System::new().await;
    let (imap, mail) = (system.csl("IMAP"), pool_id("MAIL"));
    imap.enroll_administrator(user("BOB"), mail).await.unwrap();
    let bob = system.csl("BOB");
    put(&bob, "A FILE JOE.", &["by bob"], WU).await.unwrap();
    bob.dmscomm(WU).await.unwrap();
    // The connection is the administrator's, for whomever he works on it.
    imap.dmspusha(user("NOBODY")).unwrap();
    let unit = imap.dmsgetwu().unwrap();
    imap.dmspopa().unwrap();
    assert_eq!(reason(get(&imap, "A FILE JOE.", unit).await), ReasonCode::FileNotFound);
    imap.delete_administrator(user("BOB"), mail).await.unwrap();
    assert_eq!(reason(get(&system.csl("BOB"), "A FILE JOE.", WU).await), ReasonCode::NotEnrolled);
}

#[tokio::test]
async fn it_lasts_over_a_power_failure() {
    let system = System::new().await;
    system.csl("IMAP").dmsenusr_public(pool_id("MAIL")).await.unwrap();
    let system = system.restart(|| 0).await;
    let bob = system.csl("BOB");
    assert!(bob.public_enrolled(pool_id("MAIL")).await.unwrap());
    assert_eq!(reason(get(&bob, "A FILE JOE.", WU).await), ReasonCode::FileNotFound);
    system.csl("IMAP").dmsdeusr_public(pool_id("MAIL")).await.unwrap();
    let system = system.restart(|| 0).await;
    assert_eq!(reason(get(&system.csl("BOB"), "A FILE JOE.", WU).await), ReasonCode::NotEnrolled);
    assert!(!system.csl("JOE").public_enrolled(pool_id("MAIL")).await.unwrap());
}

/// PUBLIC is nobody's user id: no authority could be granted to who had it.
#[tokio::test]
async fn public_is_no_user() {
    let system = System::new().await;
    let (imap, mail) = (system.csl("IMAP"), pool_id("MAIL"));
    let refused = imap.dmsenusr(&[user("BOB"), user("PUBLIC")], mail, 10).await.unwrap_err();
    assert_eq!((refused.reason, refused.index), (ReasonCode::DirectoryInvalid, 2));
    let enrolled = imap.enrolled_users(mail).await.unwrap();
    assert!(enrolled.iter().all(|(user, _)| !["BOB", "PUBLIC"].contains(&user.as_str())));
}

#[tokio::test]
async fn what_is_pending_is_not_committed_with_it() {
    let system = System::new().await;
    let (imap, mail) = (system.csl("IMAP"), pool_id("MAIL"));
    put(&imap, "A FILE JOE.", &["pending"], WU).await.unwrap();
    imap.dmsenusr_public(mail).await.unwrap();
    imap.dmsrollb(WU).await.unwrap();
    assert_eq!(reason(get(&imap, "A FILE JOE.", WU).await), ReasonCode::FileNotFound);
}
