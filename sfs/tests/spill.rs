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
async fn a_unit_that_stays_uncommitted_keeps_only_what_it_spilled() {
    let bed = Bed::with(roomy()).await;
    let count = (3 * SPILL_AT as usize) / RECORD;
    let (unit, other) = (bed.pool.begin(), bed.pool.begin());
    let token = open(&other, top("JOE"), "OLD FILE", Intent::New, Attributes::variable()).unwrap();
    write(&other, token, 0, 2 * count);
    other.commit().await.unwrap();
    let token = open(&unit, top("JOE"), "BIG FILE", Intent::New, Attributes::variable()).unwrap();
    write(&unit, token, 0, count);
    other.erase_file(top("JOE"), fid("OLD FILE")).unwrap();
    other.commit().await.unwrap();
    let before = bed.pool.storage().await.unwrap().volume_total;
    for _ in 0..3 {
        let pool = bed.pool.clone();
        tokio::task::spawn_blocking(move || pool.tidy()).await.unwrap().unwrap();
        bed.pool.checkpoint().await.unwrap();
    }
    let after = bed.pool.storage().await.unwrap().volume_total;
    assert!(after + SPILL_AT < before, "{before} octets before, {after} after");
    unit.commit().await.unwrap();
    assert_eq!(read(&bed.pool.begin(), "BIG FILE"), image(0..count));
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

const SHORT: usize = 100;

fn shorts(from: usize, count: usize, mark: u8) -> Bytes {
    let records = (from..from + count).flat_map(|n| {
        let mut data = [mark; SHORT];
        data[..8].copy_from_slice(&n.to_be_bytes());
        data
    });
    records.collect::<Vec<u8>>().into()
}

/// Writes short records, spilling when it is due; the most that was in memory.
fn write_shorts(
    unit: &WorkUnit,
    token: Token,
    numbers: std::ops::Range<usize>,
    at_once: usize,
    mark: u8,
) -> u64 {
    let mut most = 0;
    for n in numbers.step_by(at_once) {
        unit.point(token, None, Some(u32::try_from(n + 1).unwrap())).unwrap();
        unit.write(token, &shorts(n, at_once, mark), u32::try_from(at_once).unwrap()).unwrap();
        most = most.max(unit.memory());
        if unit.wants_spill() {
            unit.spill().unwrap();
        }
    }
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn short_records_spill_too() {
    let bed = Bed::with(roomy()).await;
    let unit = bed.pool.begin();
    let fixed = Attributes::fixed(SHORT as u32);
    let (all, base) = (4 * SPILL_AT as usize / SHORT / 1000 * 1000, 30_000);
    // A file that is committed as records of the catalog.
    let token = open(&unit, top("JOE"), "OLD INDEX", Intent::New, fixed).unwrap();
    write_shorts(&unit, token, 0..base, 1000, b'o');
    unit.close(token).unwrap();
    unit.commit().await.unwrap();
    assert_eq!(bed.pool.storage().await.unwrap().volume_live, 0, "it is in the catalog");
    // One that is new, and records of the old one between them: single ones take more memory than their octets.
    let old = open(&unit, top("JOE"), "OLD INDEX", Intent::Write, fixed).unwrap();
    let new = open(&unit, top("JOE"), "NEW INDEX", Intent::New, fixed).unwrap();
    let mut most = write_shorts(&unit, new, 0..all / 2, 1000, b'n');
    most = most.max(write_shorts(&unit, old, 0..base, 1, b'p'));
    most = most.max(write_shorts(&unit, new, all / 2..all, 1000, b'n'));
    most = most.max(write_shorts(&unit, old, base..2 * base + 30_000, 1, b'q'));
    let chunk = 2 * 1000 * SHORT as u64;
    assert!(most <= SPILL_AT + SPILL_AT / 2 + chunk, "{most} octets in memory");
    unit.truncate(new, all as u32 - 5).unwrap();
    unit.close(new).unwrap();
    unit.close(old).unwrap();
    let wanted_new = shorts(0, all - 5, b'n');
    let wanted_old = [shorts(0, base, b'p'), shorts(base, base + 30_000, b'q')].concat();
    assert!(read(&unit, "NEW INDEX") == wanted_new && read(&unit, "OLD INDEX") == wanted_old);
    // Others see what is committed, a rollback leaves that.
    assert!(read(&bed.pool.begin(), "OLD INDEX") == shorts(0, base, b'o'));
    unit.commit().await.unwrap();
    bed.sound();
    let bed = {
        drop(unit);
        bed.reopen().await
    };
    bed.sound();
    let unit = bed.pool.begin();
    assert!(read(&unit, "NEW INDEX") == wanted_new && read(&unit, "OLD INDEX") == wanted_old);
    // It is used as before, and replaced it is of short records again.
    let token = open(&unit, top("JOE"), "OLD INDEX", Intent::Write, fixed).unwrap();
    unit.point(token, None, Some(8)).unwrap();
    unit.write(token, &shorts(7, 1, b'z'), 1).unwrap();
    unit.close(token).unwrap();
    common::put_fixed(&unit, top("JOE"), "NEW INDEX", SHORT as u32, &[&"r".repeat(SHORT)]).unwrap();
    unit.commit().await.unwrap();
    assert_eq!(read(&unit, "OLD INDEX")[700..800], shorts(7, 1, b'z'));
    assert_eq!(read(&unit, "NEW INDEX"), vec![b'r'; SHORT]);
    bed.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn short_records_stay_where_they_are_up_to_the_limit() {
    let bed = Bed::with(roomy()).await;
    let unit = bed.pool.begin();
    let fixed = Attributes::fixed(1024);
    let record = |n: usize| Bytes::from(vec![n as u8; 1024]);
    let token = open(&unit, top("JOE"), "AN INDEX", Intent::New, fixed).unwrap();
    let mut count = 0;
    while !unit.wants_spill() {
        unit.write(token, &record(count), 1).unwrap();
        count += 1;
    }
    assert!(unit.memory() >= SPILL_AT && unit.memory() < SPILL_AT + 2048);
    // One record before it was due nothing has gone to the volume, with the spill all of it does.
    assert_eq!(bed.pool.storage().await.unwrap().volume_total, 0);
    unit.spill().unwrap();
    assert!(bed.pool.storage().await.unwrap().volume_total > SPILL_AT / 2);
    assert_eq!(unit.memory(), 0);
    unit.rollback();
    let token = open(&unit, top("JOE"), "AN INDEX", Intent::New, fixed).unwrap();
    for n in 0..100 {
        unit.write(token, &record(n), 1).unwrap();
    }
    // Far below the limit a spill leaves records alone.
    unit.spill().unwrap();
    assert!(unit.memory() >= 100 * 1024);
    unit.close(token).unwrap();
    unit.commit().await.unwrap();
    assert_eq!(bed.pool.storage().await.unwrap().volume_live, 0);
    bed.sound();
}
