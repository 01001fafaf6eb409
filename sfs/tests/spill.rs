//! Uncommitted octets above a bound wait on the volume, and are as good as those in memory.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use bytes::Bytes;
use common::system::{System, WU, get};
use common::{Bed, fid, open, roomy, top};
use dasd::Faults;
use sfs::csl::*;
use sfs::pool::{GlobalUnit, SPILL_AT, Token, WorkUnit};

const RECORD: usize = 60_000;

fn record(n: usize) -> Bytes {
    let mut data = vec![(n % 251) as u8; RECORD];
    data[..8].copy_from_slice(&n.to_be_bytes());
    Bytes::from(data)
}

/// Writes records as the server does: spilling when it is due. Returns the most that was in memory.
fn write(unit: &WorkUnit, token: Token, from: usize, to: usize) -> u64 {
    let mut most = 0;
    for n in from..to {
        unit.write(token, &record(n), 1).unwrap();
        most = most.max(unit.memory());
        if unit.wants_spill() {
            unit.spill().unwrap();
        }
    }
    most
}

fn image(records: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut all = Vec::new();
    for n in records {
        all.extend_from_slice(&(RECORD as u16).to_be_bytes());
        all.extend_from_slice(&record(n));
    }
    all
}

fn read(unit: &WorkUnit, name: &str) -> Bytes {
    let token = open(unit, top("JOE"), name, Intent::Read, Attributes::variable()).unwrap();
    let mut all = Vec::new();
    loop {
        let data = unit.read_image(token, all.len() as u64, 16 << 20).unwrap();
        if data.is_empty() {
            break;
        }
        all.extend_from_slice(&data);
    }
    unit.close(token).unwrap();
    Bytes::from(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_bounded_and_nothing_is_lost() {
    let bed = Bed::with(roomy()).await;
    let unit = bed.pool.begin();
    let count = (5 * SPILL_AT as usize) / RECORD;
    let token = open(&unit, top("JOE"), "BIG FILE", Intent::New, Attributes::variable()).unwrap();
    let most = write(&unit, token, 0, count);
    assert!(most < SPILL_AT + RECORD as u64, "{most} octets in memory");
    assert!(unit.memory() < SPILL_AT);
    // The unit sees what it has written; records that lie on disk are replaced, the end is cut.
    assert_eq!(read(&unit, "BIG FILE"), image(0..count));
    unit.point(token, None, Some(11)).unwrap();
    unit.write(token, &record(999), 1).unwrap();
    unit.truncate(token, (count - 20) as u32).unwrap();
    let want = image((0..10).chain([999]).chain(11..count - 20));
    assert_eq!(read(&unit, "BIG FILE"), want);
    unit.close(token).unwrap();
    unit.copy_file(top("JOE"), fid("BIG FILE"), top("JOE"), fid("THE COPY"), false).unwrap();
    // While it is uncommitted the cleaner leaves it alone.
    let pool = bed.pool.clone();
    tokio::task::spawn_blocking(move || pool.tidy()).await.unwrap().unwrap();
    bed.pool.checkpoint().await.unwrap();
    let pool = bed.pool.clone();
    tokio::task::spawn_blocking(move || pool.tidy()).await.unwrap().unwrap();
    unit.commit().await.unwrap();
    drop(unit);
    bed.sound();
    let bed = bed.reopen().await;
    bed.sound();
    assert_eq!(read(&bed.pool.begin(), "BIG FILE"), want);
    assert_eq!(read(&bed.pool.begin(), "THE COPY"), want);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rolled_back_is_given_back() {
    let bed = Bed::with(roomy()).await;
    let unit = bed.pool.begin();
    let count = (4 * SPILL_AT as usize) / RECORD;
    for _ in 0..2 {
        let token = open(&unit, top("JOE"), "BIG FILE", Intent::New, Attributes::variable()).unwrap();
        write(&unit, token, 0, count);
        unit.rollback();
        assert_eq!(unit.memory(), 0);
    }
    common::put(&unit, top("JOE"), "A FILE", &["a"]).unwrap();
    unit.commit().await.unwrap();
    assert_eq!(bed.pool.storage().await.unwrap().volume_live, 0);
    assert!(bed.pool.storage().await.unwrap().volume_total > 0);
    for _ in 0..3 {
        let pool = bed.pool.clone();
        tokio::task::spawn_blocking(move || pool.tidy()).await.unwrap().unwrap();
        bed.pool.checkpoint().await.unwrap();
    }
    // All but the segment that is being written.
    assert!(bed.pool.storage().await.unwrap().volume_total <= bed.config.volume.segment_bytes);
    bed.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_unit_keeps_what_it_spilled_over_a_crash() {
    let bed = Bed::with(roomy()).await;
    let unit = bed.pool.begin();
    let count = (2 * SPILL_AT as usize) / RECORD;
    let token = open(&unit, top("JOE"), "BIG FILE", Intent::New, Attributes::variable()).unwrap();
    write(&unit, token, 0, count);
    let global = GlobalUnit { coordinator: "USERS".parse().unwrap(), number: 3 };
    unit.prepare(global).await.unwrap();
    drop(unit);
    let bed = bed.reopen().await;
    let pool = bed.pool.clone();
    tokio::task::spawn_blocking(move || pool.tidy()).await.unwrap().unwrap();
    bed.pool.resolve(global, true).await.unwrap();
    assert_eq!(read(&bed.pool.begin(), "BIG FILE"), image(0..count));
    bed.sound();
}

#[tokio::test]
async fn a_server_spills_and_a_full_disk_rolls_the_unit_back() {
    let system = System::with(roomy()).await;
    let joe = system.csl("JOE");
    system.csl("IMAP").modify_user(joe.userid(), "MAIL".parse().unwrap(), 100_000).await.unwrap();
    let file = joe.fileid("BIG FILE .").unwrap();
    let count = (2 * SPILL_AT as usize) / RECORD;
    let fill = || async {
        let open = joe.dmsopen(&file, Intent::Replace, &OpenOptions::variable(), WU).await.unwrap();
        for n in 0..count {
            joe.dmswrite(open.token, 1, record(n), CommitOption::NoCommit).await?;
        }
        joe.dmsclose(open.token, CommitOption::Commit).await.map(|_| ())
    };
    fill().await.unwrap();
    let all = get(&joe, "BIG FILE .", WU).await.unwrap();
    assert_eq!(all, image(0..count)[..all.len()]);
    system.dasd[0].set_faults(Faults { capacity: Some(1), ..Faults::default() });
    let error = fill().await.unwrap_err();
    assert_eq!((error.rc, error.reason), (ReturnCode::Severe, ReasonCode::PoolFull));
    system.dasd[0].set_faults(Faults::default());
    assert_eq!(get(&joe, "BIG FILE .", WU).await.unwrap(), all);
    fill().await.unwrap();
}
