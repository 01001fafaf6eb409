//! Limits of what a client can make the server keep, at the limit and one past it; and locks that outlast the server.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::system::{System, WU, pool_id, put, reason, user};
use common::{Bed, fid, lines, top};
use cp::name::UserId;
use sfs::csl::*;
use sfs::pool::{MAX_LOCKS_PER_OBJECT, MAX_REFERENCES_WAITING, PoolError};
use sfs::server::MAX_OPEN_DIRS;

#[tokio::test]
async fn one_object_has_a_bounded_number_of_locks() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    common::put(&unit, top("JOE"), "A FILE", &["a"]).unwrap();
    common::put(&unit, top("JOE"), "B FILE", &["b"]).unwrap();
    unit.commit().await.unwrap();
    let lock = |n: usize, name: &'static str| {
        let user = UserId::new(&format!("U{n}")).unwrap();
        let (pool, unit) = (bed.pool.clone(), &unit);
        async move {
            let place = (top("JOE"), Some(fid(name)));
            pool.create_lock(unit, place, user, LockType::Share, LockDuration::Session).await
        }
    };
    for n in 0..MAX_LOCKS_PER_OBJECT {
        lock(n, "A FILE").await.unwrap();
    }
    assert!(matches!(lock(MAX_LOCKS_PER_OBJECT, "A FILE").await, Err(PoolError::Limit(_))));
    lock(MAX_LOCKS_PER_OBJECT, "B FILE").await.unwrap();
    assert_eq!(bed.pool.explicit_lock_count(), MAX_LOCKS_PER_OBJECT + 1);
    // One that goes makes room for another.
    let place = (top("JOE"), Some(fid("A FILE")));
    bed.pool.delete_lock(place, "U0".parse().unwrap()).await.unwrap();
    lock(MAX_LOCKS_PER_OBJECT, "A FILE").await.unwrap();
}

#[tokio::test]
async fn one_session_has_a_bounded_number_of_open_directories() {
    let system = System::new().await;
    let (joe, ann) = (system.csl("JOE"), system.csl("ANN"));
    let top = joe.dirname(".").unwrap();
    let open = |csl: Csl, dir: cp::name::DirName| async move {
        csl.dmsopdir(&dir, DirIntent::File(FilePattern::ALL), WU).await
    };
    let mut tokens = Vec::new();
    for _ in 0..MAX_OPEN_DIRS {
        tokens.push(open(joe.clone(), top.clone()).await.unwrap());
    }
    assert_eq!(reason(open(joe.clone(), top.clone()).await), ReasonCode::LimitExceeded);
    open(ann.clone(), ann.dirname(".").unwrap()).await.unwrap();
    joe.dmscldir(tokens[0]).await.unwrap();
    open(joe.clone(), top.clone()).await.unwrap();
}

#[tokio::test]
async fn dates_of_reference_wait_in_bounded_memory() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    let files = MAX_REFERENCES_WAITING + 1;
    for n in 0..files {
        common::put(&unit, top("JOE"), &format!("F{n} FILE"), &["x"]).unwrap();
    }
    unit.commit().await.unwrap();
    // The next day.
    let dasd = bed.dasd.restart(|| u32::MAX);
    drop(unit);
    drop(bed.pool);
    let disks: std::sync::Arc<dyn dasd::Dasd> = std::sync::Arc::new(dasd);
    let tomorrow = jiff::Timestamp::from_second(24 * 3600).unwrap();
    let clock = std::sync::Arc::new(cp::clock::ManualClock::new(tomorrow));
    let pool = sfs::pool::Pool::open(&disks, &bed.config, clock).unwrap();
    let unit = pool.begin();
    for n in 0..files {
        lines(&unit, top("JOE"), &format!("F{n} FILE")).unwrap();
    }
    let tidy = |pool: sfs::pool::Pool| async move {
        tokio::task::spawn_blocking(move || pool.tidy()).await.unwrap().unwrap();
    };
    tidy(pool.clone()).await;
    let noted = |n: usize| {
        unit.status(top("JOE"), fid(&format!("F{n} FILE"))).unwrap().referenced
            == Stamp(24 * 3600 * 1_000_000)
    };
    assert_eq!((0..files).filter(|n| noted(*n)).count(), MAX_REFERENCES_WAITING);
    assert!(!noted(files - 1));
    // There is room again, and reading is what counts.
    lines(&unit, top("JOE"), &format!("F{} FILE", files - 1)).unwrap();
    tidy(pool.clone()).await;
    assert!(noted(files - 1));
}

#[tokio::test]
async fn a_lasting_lock_outlasts_the_server_and_a_session_lock_does_not() {
    let system = System::new().await;
    let (joe, imap) = (system.csl("JOE"), system.csl("IMAP"));
    put(&joe, "A FILE .", &["a"], WU).await.unwrap();
    put(&joe, "B FILE .", &["b"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    let a: SfsObject = joe.fileid("A FILE .").unwrap().into();
    let b: SfsObject = joe.fileid("B FILE .").unwrap().into();
    joe.dmscrloc(&a, LockType::Update, LockDuration::Lasting, WU).await.unwrap();
    joe.dmscrloc(&b, LockType::Update, LockDuration::Session, WU).await.unwrap();
    assert_eq!(reason(put(&imap, "A FILE JOE.", &["x"], WU).await), ReasonCode::ExplicitLock);
    assert_eq!(reason(put(&imap, "B FILE JOE.", &["x"], WU).await), ReasonCode::ExplicitLock);
    let system = system.restart(|| u32::MAX).await;
    let (joe, imap) = (system.csl("JOE"), system.csl("IMAP"));
    let locks = joe.dmsgetdk(&a, WU).await.unwrap();
    assert_eq!((locks.len(), locks[0].user, locks[0].kind), (1, user("JOE"), LockType::Update));
    assert_eq!(joe.dmsgetdk(&b, WU).await.unwrap(), []);
    assert_eq!(reason(put(&imap, "A FILE JOE.", &["x"], WU).await), ReasonCode::ExplicitLock);
    put(&imap, "B FILE JOE.", &["x"], WU).await.unwrap();
    imap.dmscomm(WU).await.unwrap();
    put(&joe, "A FILE .", &["by the holder"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    joe.dmsdeloc(&a, None, WU).await.unwrap();
    // Deleted for good.
    let system = system.restart(|| u32::MAX).await;
    let imap = system.csl("IMAP");
    assert_eq!(imap.dmsgetdk(&a, WU).await.unwrap(), []);
    put(&imap, "A FILE JOE.", &["x"], WU).await.unwrap();
    imap.dmscomm(WU).await.unwrap();
    assert_eq!(imap.dmsqlimu(user("JOE"), pool_id("MAIL")).await.unwrap().used, 2);
}
