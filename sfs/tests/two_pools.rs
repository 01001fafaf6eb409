//! Commits over two pools, with crashes at every write of either.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::system::{System, WU, get, put, reason, user};
use dasd::Faults;
use sfs::csl::*;

/// Changes a note and an index in both pools on one work unit.
async fn change(csl: &Csl, text: &str) {
    for pool in ["MAIL", "USERS"] {
        put(csl, &format!("A NOTE {pool}:JOE."), &[text], WU).await.unwrap();
        let index = csl.fileid(&format!("NOTE INDEX {pool}:JOE.")).unwrap();
        let open = csl.dmsopen(&index, Intent::Write, &OpenOptions::fixed(4), WU).await.unwrap();
        csl.dmspoint(open.token, None, Some(1)).await.unwrap();
        let record = bytes::Bytes::copy_from_slice(text.as_bytes());
        csl.dmswrite(open.token, 1, record, CommitOption::NoCommit).await.unwrap();
        csl.dmsclose(open.token, CommitOption::NoCommit).await.unwrap();
    }
}

async fn contents(csl: &Csl, pool: &str) -> (Vec<u8>, Vec<u8>) {
    let note = get(csl, &format!("A NOTE {pool}:JOE."), WU).await.unwrap();
    let index = get(csl, &format!("NOTE INDEX {pool}:JOE."), WU).await.unwrap();
    (note[2..].to_vec(), index.to_vec())
}

async fn settle(system: &System) {
    for _ in 0..2 {
        for server in &system.servers {
            server.resync().await.unwrap();
        }
    }
    for server in &system.servers {
        assert_eq!(server.resync().await.unwrap(), 0);
        assert_eq!(server.pool().prepared().unwrap(), []);
        assert_eq!(server.pool().lock_count(), 0);
        let findings = server.pool().check(true).unwrap();
        assert_eq!(findings.problems, Vec::<String>::new());
    }
}

/// One crash at write `at` of pool `which`, while `new ` is committed over `old `, and with `second` another one at that write of
/// that pool while it is being settled. Returns whether it came to the first.
async fn crash_at(which: usize, at: u64, survive: u32, second: Option<(usize, u64)>) -> bool {
    let system = System::new().await;
    let imap = system.csl("IMAP");
    change(&imap, "old ").await;
    imap.dmscomm(WU).await.unwrap();
    settle(&system).await;
    change(&imap, "new ").await;
    system.dasd[which].set_faults(Faults { crash_at_write: Some(at), ..Faults::default() });
    let done = imap.dmscomm(WU).await;
    let crashed = system.dasd[which].crashed();
    drop(imap);
    let mut system = system.restart(|| survive).await;
    if let Some((which, at)) = second {
        system.dasd[which].set_faults(Faults { crash_at_write: Some(at), ..Faults::default() });
        for server in system.servers.iter().chain(&system.servers) {
            // It may be the one that fails.
            let _ = server.resync().await;
        }
        system = system.restart(|| survive).await;
    }
    settle(&system).await;
    let csl = system.csl("IMAP");
    let (mail, users) = (contents(&csl, "MAIL").await, contents(&csl, "USERS").await);
    assert_eq!(mail, users, "crash at write {at} of pool {which}: {done:?}");
    assert_eq!(mail.0, mail.1, "crash at write {at} of pool {which}");
    if done.is_ok() {
        assert_eq!(mail.0, b"new ", "an acknowledged commit is lost; crash at write {at} of pool {which}");
    }
    // Both pools go on.
    change(&csl, "next").await;
    let next = csl.dmscomm(WU).await;
    let offline: Vec<_> = system.servers.iter().map(|s| s.pool().offline()).collect();
    assert!(next.is_ok(), "crash at write {at} of pool {which}, {survive}: {next:?} {offline:?}");
    settle(&system).await;
    crashed
}

#[tokio::test]
async fn a_crash_at_any_write_leaves_both_or_neither() {
    let later = [0, 1].into_iter().flat_map(|which| (0..4).map(move |at| Some((which, at))));
    let mut crashes = 0;
    for second in std::iter::once(None).chain(later) {
        for (which, survive) in [(0, 0), (0, 1), (0, u32::MAX), (1, 0), (1, 1), (1, u32::MAX)] {
            let mut at = 0;
            while crash_at(which, at, survive, second).await {
                at += 1;
                crashes += 1;
            }
        }
    }
    println!("{crashes} crashes");
    assert!(crashes > 100, "only {crashes} crashes");
}

#[tokio::test]
async fn what_does_not_fit_in_one_pool_is_in_neither() {
    let system = System::new().await;
    let imap = system.csl("IMAP");
    let line = "x".repeat(60_000);
    for (big, small) in [("MAIL", "USERS"), ("USERS", "MAIL")] {
        put(&imap, "A FILE MAIL:JOE.", &["x"], WU).await.unwrap();
        put(&imap, "A FILE USERS:JOE.", &["x"], WU).await.unwrap();
        put(&imap, &format!("B FILE {big}:JOE."), &vec![line.as_str(); 70], WU).await.unwrap();
        let error = imap.dmscomm(WU).await.unwrap_err();
        assert_eq!((error.reason, error.rc), (ReasonCode::SpaceLimit, ReturnCode::Severe));
        for pool in [big, small] {
            let none = get(&imap, &format!("A FILE {pool}:JOE."), WU).await;
            assert_eq!(reason(none), ReasonCode::FileNotFound);
        }
        settle(&system).await;
    }
}

#[tokio::test]
async fn a_severed_coordinator_undoes_and_locks_are_released() {
    let system = System::new().await;
    let imap = system.csl("IMAP");
    change(&imap, "old ").await;
    imap.dmscomm(WU).await.unwrap();
    change(&imap, "new ").await;
    assert_eq!(system.servers[0].force(Some(user("IMAP"))), 1);
    assert_eq!(imap.dmscomm(WU).await.unwrap_err().reason, ReasonCode::ConnectionLost);
    settle(&system).await;
    assert_eq!(contents(&imap, "USERS").await.0, b"old ");
}

#[tokio::test]
async fn any_routine_with_commit_commits_both() {
    let system = System::new().await;
    let imap = system.csl("IMAP");
    change(&imap, "one ").await;
    let dir = imap.dirname("MAIL:JOE.D").unwrap();
    imap.dmscrdir(&dir, CommitOption::Commit, WU).await.unwrap();
    let other = system.csl("JOE");
    assert_eq!(contents(&other, "MAIL").await, contents(&other, "USERS").await);
}
