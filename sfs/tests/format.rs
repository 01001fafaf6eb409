//! Every released format opens: `fixtures/pool-vN` was written by the program that brought version N.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::sync::Arc;

use common::{config, fid, lines, open_pool, put, top};
use cp::clock::ManualClock;
use dasd::{Dasd, Faults, FaultyDasd};
use jiff::Timestamp;
use sfs::pool::{DirPath, Pool};
use sfs::types::{DirControl, DisableMode, EntryType, Grantee, PoolPart, Rights};

/// The disks of a fixture; its layout is described in `examples/pool_fixture.rs`.
fn disks(fixture: &[u8]) -> FaultyDasd {
    let dasd = FaultyDasd::new();
    let mut rest = fixture;
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at(n);
        rest = tail;
        (head.to_vec(), tail.is_empty())
    };
    loop {
        let len = usize::from(take(1).0[0]);
        let name = String::from_utf8(take(len).0).unwrap();
        let disk = dasd.create(&name).unwrap();
        disk.set_len(u64::from_le_bytes(take(8).0.try_into().unwrap())).unwrap();
        let (count, mut done) = take(4);
        for _ in 0..u32::from_le_bytes(count.try_into().unwrap()) {
            let at = u64::from(u32::from_le_bytes(take(4).0.try_into().unwrap())) * 512;
            let (sector, end) = take(512);
            let len = usize::try_from((disk.len().unwrap() - at).min(512)).unwrap();
            disk.write_at(&sector[..len], at).unwrap();
            done = end;
        }
        disk.sync().unwrap();
        if done {
            break;
        }
    }
    dasd.sync_names().unwrap();
    dasd
}

/// What every fixture holds; and it can be written, closed and opened again.
async fn common_contents(fixture: &[u8]) -> Pool {
    let dasd = disks(fixture);
    let pool = open_pool(&dasd, &config());
    assert_eq!(pool.check(true).unwrap().problems, Vec::<String>::new());
    let unit = pool.begin();
    let inbox = ["INBOX".to_owned()];
    let inbox = DirPath { space: "JOE", levels: &inbox };
    assert_eq!(lines(&unit, inbox, "1 NOTE").unwrap(), ["Hello"]);
    assert_eq!(lines(&unit, inbox, "NOTE INDEX").unwrap(), ["uid00001"]);
    assert_eq!(lines(&unit, top("JOE"), "BIG FILE").unwrap(), ["x".repeat(60_000)]);
    assert_eq!(lines(&unit, top("JOE"), "LAST FILE").unwrap(), ["from the log"]);
    assert_eq!(unit.dir_status(inbox).unwrap().control, DirControl::File);
    let note = unit.status(inbox, fid("1 NOTE")).unwrap();
    assert!(note.recover && !note.in_place);
    assert!(pool.public_enrolled().unwrap());
    put(&unit, top("JOE"), "NEW FILE", &["new"]).unwrap();
    unit.grant(top("JOE"), Some(fid("LAST FILE")), Grantee::Public, Rights::WRITE).unwrap();
    unit.commit().await.unwrap();
    drop(unit);
    pool.close().await;
    drop(pool);
    let pool = open_pool(&dasd.restart(|| u32::MAX), &config());
    assert_eq!(lines(&pool.begin(), top("JOE"), "NEW FILE").unwrap(), ["new"]);
    assert_eq!(pool.check(true).unwrap().problems, Vec::<String>::new());
    pool
}

#[tokio::test]
async fn version_1_opens_and_is_upgraded() {
    first_groups(&common_contents(include_bytes!("fixtures/pool-v1")).await).await;
}

/// A pool from before storage groups has the first two, as large as the host's disk.
async fn first_groups(pool: &Pool) {
    let groups = pool.storage_groups().await.unwrap();
    let seen: Vec<_> = groups.iter().map(|g| (g.group.get(), g.blocks, g.file_spaces)).collect();
    assert_eq!(seen, [(1, None, 0), (2, None, 1)]);
    assert_eq!(groups[1].used, pool.space_status("JOE").unwrap().used);
}

#[tokio::test]
async fn version_2_opens_and_is_upgraded() {
    let pool = common_contents(include_bytes!("fixtures/pool-v2")).await;
    objects_of_version_2(&pool);
    first_groups(&pool).await;
}

#[tokio::test]
async fn version_3_opens_and_is_upgraded() {
    groups_of_version_3(&common_contents(include_bytes!("fixtures/pool-v3")).await).await;
}

/// Of version 3 too, with records that have a row each, in the catalog and in changes that wait in the log.
#[tokio::test]
async fn version_3_with_many_records_opens_and_is_upgraded() {
    let pool = common_contents(RECORDS).await;
    groups_of_version_3(&pool).await;
    short_records(&pool);
}

#[tokio::test]
async fn version_5_opens() {
    let pool = common_contents(include_bytes!("fixtures/pool-v5")).await;
    groups_of_version_3(&pool).await;
    short_records(&pool);
    // It was written as enrolled; an upgrade would have done the same.
    let unit = pool.begin();
    unit.set_public(false).unwrap();
    unit.commit().await.unwrap();
    assert!(!pool.public_enrolled().unwrap());
}

#[tokio::test]
async fn version_4_opens_and_is_upgraded() {
    let pool = common_contents(include_bytes!("fixtures/pool-v4")).await;
    groups_of_version_3(&pool).await;
    short_records(&pool);
}

const RECORDS: &[u8] = include_bytes!("fixtures/pool-v3-records");

/// The power fails at any write of an upgrade: the next start finds the old pool or the new one.
#[test]
fn an_upgrade_is_made_or_not() {
    let mut state = 1u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    for write in 0.. {
        let dasd = disks(RECORDS);
        dasd.set_faults(Faults { crash_at_write: Some(write), ..Faults::default() });
        let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
        let opened = Pool::open(&disks, &config(), Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)));
        let done = opened.is_ok() && !dasd.crashed();
        dasd.crash();
        drop(opened);
        let pool = open_pool(&dasd.restart(&mut random), &config());
        short_records(&pool);
        assert!(pool.public_enrolled().unwrap());
        assert_eq!(pool.check(true).unwrap().problems, Vec::<String>::new());
        if done {
            assert!(write > 10, "writes of an upgrade: {write}");
            break;
        }
    }
}

/// What `examples/pool_fixture.rs` leaves in its file of short records.
fn short_records(pool: &Pool) {
    let unit = pool.begin();
    let found = common::image(&unit, top("JOE"), "SHORT RECORDS").unwrap();
    let mut expect = vec!['a'; 90];
    (expect[0], expect[39]) = ('e', 'c');
    expect[9..12].fill('b');
    expect.extend(['\0', '\0', '\0', '\0', 'f', 'f']);
    let expect: String = expect.into_iter().flat_map(|octet| [octet; 128]).collect();
    assert_eq!(found, expect);
}

async fn groups_of_version_3(pool: &Pool) {
    objects_of_version_2(pool);
    let groups = pool.storage_groups().await.unwrap();
    assert_eq!((groups[2].group.get(), groups[2].blocks, groups[2].file_spaces), (3, Some(50), 1));
    let disabled = pool.disabled();
    assert_eq!(disabled[0].0, PoolPart::Space("ANN".into()));
    assert_eq!(disabled[0].1.mode, DisableMode::Share);
}

fn objects_of_version_2(pool: &Pool) {
    let unit = pool.begin();
    assert_eq!(unit.external(top("JOE"), fid("AN OBJECT")).unwrap(), b"elsewhere");
    assert_eq!(unit.status(top("JOE"), fid("AN ALIAS")).unwrap().entry, EntryType::Alias);
    let grants = unit.grants(top("JOE"), Some(fid("BIG FILE"))).unwrap();
    assert_eq!(grants, [(Grantee::Public, Rights::READ)]);
    let group = ["GROUP".to_owned()];
    let group = DirPath { space: "JOE", levels: &group };
    assert_eq!(unit.dir_status(group).unwrap().control, DirControl::Directory);
}
