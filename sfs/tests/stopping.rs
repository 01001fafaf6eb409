//! STOP: what is under way may end, nothing else begins.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::system::*;
use sfs::csl::*;

/// Far more than any of these tests needs.
const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn what_is_under_way_may_commit_and_nothing_else_begins() {
    let system = System::new().await;
    let (joe, ann) = (system.csl("JOE"), system.csl("ANN"));
    let server = &system.servers[0];
    put(&ann, "HER FILE .", &["x"], WU).await.unwrap();
    ann.dmscomm(WU).await.unwrap();
    put(&joe, "A FILE .", &["a"], WU).await.unwrap();
    let other = joe.dmsgetwu().unwrap();
    let open =
        joe.dmsopen(&joe.fileid("B FILE .").unwrap(), Intent::Replace, &OpenOptions::variable(), other).await;
    let open = open.unwrap();
    assert_eq!(server.begin_stop(), 2);
    // Those who have nothing under way, and other work units of one who has.
    assert_eq!(reason(put(&ann, "A FILE .", &["x"], WU).await), ReasonCode::PoolDisabled);
    assert_eq!(reason(get(&ann, "HER FILE .", WU).await), ReasonCode::PoolDisabled);
    let third = joe.dmsgetwu().unwrap();
    assert_eq!(reason(get(&joe, "A FILE .", third).await), ReasonCode::PoolDisabled);
    let late = system.csl("IMAP");
    assert!(get(&late, "A FILE JOE.", WU).await.is_err());
    // How things are can be asked.
    assert!(ann.filepool_connections(pool_id("MAIL")).await.is_ok());
    // What is under way goes on, to its end, and not further.
    put(&joe, "C FILE .", &["c"], WU).await.unwrap();
    assert_eq!(server.quiet(Duration::ZERO).await, 2);
    let (stopped, ()) = tokio::join!(server.quiet(LONG), async {
        joe.dmscomm(WU).await.unwrap();
        assert_eq!(reason(put(&joe, "D FILE .", &["d"], WU).await), ReasonCode::PoolDisabled);
        joe.dmswrite(open.token, 1, Bytes::from_static(b"b"), CommitOption::NoCommit).await.unwrap();
        joe.dmsclose(open.token, CommitOption::Commit).await.unwrap();
    });
    assert_eq!(stopped, 0);
    server.stop().await;
    // It is all there when the pool is served again.
    let system = system.restart(|| 0).await;
    let joe = system.csl("JOE");
    for file in ["A FILE .", "B FILE .", "C FILE ."] {
        get(&joe, file, WU).await.unwrap();
    }
    assert_eq!(reason(get(&joe, "D FILE .", WU).await), ReasonCode::FileNotFound);
}

#[tokio::test]
async fn a_connection_that_ends_is_not_waited_for() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    let server = &system.servers[0];
    put(&joe, "A FILE .", &["a"], WU).await.unwrap();
    assert_eq!(server.begin_stop(), 1);
    let (left, ()) = tokio::join!(server.quiet(LONG), async {
        assert_eq!(server.force(Some(user("JOE"))), 1);
    });
    assert_eq!(left, 0);
}

#[tokio::test]
async fn who_waits_for_a_lock_does_not_outlast_his_connection() {
    let system = System::new().await;
    let (joe, ann) = (system.csl("JOE"), system.csl("IMAP"));
    for stop in [false, true] {
        put(&ann, "A FILE JOE.", &["x"], WU).await.unwrap();
        joe.set_filewait(true);
        let mut waiting = joe.request(|joe| async move { put(&joe, "A FILE .", &["joe"], WU).await });
        tokio::task::yield_now().await;
        let server = &system.servers[0];
        match stop {
            false => assert_eq!(server.force(Some(user("JOE"))), 1),
            true => server.stop().await,
        }
        let Checked::Done(done) = joe.dmscheck(&mut waiting, CheckWait::Wait).await.unwrap() else {
            panic!()
        };
        assert_eq!(reason(done), ReasonCode::ConnectionLost);
        if !stop {
            ann.dmsrollb(WU).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_commit_over_two_pools_is_settled_first() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    put(&joe, "A FILE .", &["a"], WU).await.unwrap();
    put(&joe, "A FILE USERS:JOE.", &["b"], WU).await.unwrap();
    assert_eq!(system.servers[0].begin_stop(), 1);
    assert_eq!(system.servers[1].begin_stop(), 1);
    joe.dmscomm(WU).await.unwrap();
    for server in &system.servers {
        assert_eq!(server.quiet(LONG).await, 0);
    }
}

#[tokio::test]
async fn a_directory_that_is_being_read_is_read_to_its_end() {
    let system = System::new().await;
    let joe = system.csl("JOE");
    put(&joe, "A FILE .", &["a"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    let dir = joe.fileid("A FILE .").unwrap().dir;
    let token = joe.dmsopdir(&dir, DirIntent::File(FilePattern::ALL), WU).await.unwrap();
    assert_eq!(system.servers[0].begin_stop(), 1);
    assert_eq!(joe.dmsgetdi_all(token).await.unwrap().len(), 1);
    joe.dmscldir(token).await.unwrap();
    assert_eq!(system.servers[0].quiet(LONG).await, 0);
}
