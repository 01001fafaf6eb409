//! Writes a small pool of the present format as one file, for `sfs/tests/fixtures`: made once when a format is released. What says it
//! is of a version is in the fixtures from that version on; `pool-v3-records` is a second one of version 3, with what is of version 4.
//!
//! `cargo run -p sfs --example pool_fixture -- FILE`. Of each disk only the 512-octet sectors that are not all zero are kept:
//! name length (1), name, disk length (8), number of sectors (4), then sector number (4) and octets; numbers little-endian.
#![allow(clippy::unwrap_used, reason = "a program for developers")]

use std::sync::Arc;

use bytes::Bytes;
use cp::clock::ManualClock;
use dasd::{BLOCK, Dasd, FaultyDasd, LogConfig, VolumeConfig};
use jiff::Timestamp;
use sfs::pool::{DirPath, OpenRequest, Pool, PoolConfig, WorkUnit};
use sfs::types::{Attributes, FileId, Intent};

fn config() -> PoolConfig {
    PoolConfig {
        log: LogConfig {
            segment_bytes: 32 * BLOCK,
            ahead: 0,
            reserve: 1,
            keep_free: 2,
            ..LogConfig::default()
        },
        volume: VolumeConfig { segment_bytes: 64 * BLOCK, ..VolumeConfig::default() },
        reserve_bytes: BLOCK,
        background: false,
        ..PoolConfig::default()
    }
}

fn put(unit: &WorkUnit, dir: DirPath<'_>, id: (&str, &str), attributes: Attributes, data: &[u8]) {
    let id = FileId::new(id.0.parse().unwrap(), id.1.parse().unwrap());
    let request = OpenRequest { dir, id, intent: Intent::Replace, attributes, allow_empty: true };
    let token = unit.open(&request).unwrap().token;
    unit.write(token, &Bytes::copy_from_slice(data), 1).unwrap();
    unit.close(token).unwrap();
}

fn furnish(unit: &WorkUnit) {
    let top = DirPath { space: "JOE", levels: &[] };
    unit.enroll("JOE", 1000, "").unwrap();
    unit.create_dir(DirPath { space: "JOE", levels: &["INBOX".to_owned()] }).unwrap();
    let inbox = ["INBOX".to_owned()];
    let inbox = DirPath { space: "JOE", levels: &inbox };
    put(unit, inbox, ("1", "NOTE"), Attributes::variable(), b"Hello");
    put(unit, inbox, ("NOTE", "INDEX"), Attributes::fixed(8), b"uid00001");
    put(unit, top, ("BIG", "FILE"), Attributes::variable(), &[b'x'; 60_000]);
    later(unit);
}

// --- of version 2 ---
fn later(unit: &WorkUnit) {
    use sfs::types::{DirControl, Grantee, Rights};
    let top = DirPath { space: "JOE", levels: &[] };
    let (big, alias) = ("BIG FILE", "AN ALIAS");
    let id = |text: &str| {
        let (name, kind) = text.split_once(' ').unwrap();
        FileId::new(name.parse().unwrap(), kind.parse().unwrap())
    };
    let group = ["GROUP".to_owned()];
    unit.create_dir_as(DirPath { space: "JOE", levels: &group }, DirControl::Directory).unwrap();
    unit.create_alias(top, id(big), top, id(alias)).unwrap();
    unit.create_external(top, id("AN OBJECT"), b"elsewhere").unwrap();
    unit.grant(top, Some(id(big)), Grantee::Public, Rights::READ).unwrap();
}

// --- of version 3 ---
async fn storage_groups(pool: &Pool) {
    use sfs::types::{DisableMode, PoolPart, StorageGroup};
    let group = StorageGroup::new(3).unwrap();
    pool.add_minidisk(group, 0x312, Some(50)).await.unwrap();
    let unit = pool.begin();
    unit.enroll_in(group, "ANN", 10, "").unwrap();
    unit.commit().await.unwrap();
    let operator = "OPERATOR".parse().unwrap();
    pool.disable(&unit, &PoolPart::Space("ANN".into()), DisableMode::Share, operator).await.unwrap();
}

// --- of version 4 ---
/// Writes records of a file of short records, each from a number on; the file keeps its first `keep` records before that.
fn put_records(unit: &WorkUnit, keep: Option<u32>, runs: &[(u32, u32, u8)]) {
    let top = DirPath { space: "JOE", levels: &[] };
    let id = FileId::new("SHORT".parse().unwrap(), "RECORDS".parse().unwrap());
    let attributes = Attributes::fixed(RECORD);
    let request = OpenRequest { dir: top, id, intent: Intent::Write, attributes, allow_empty: false };
    let token = unit.open(&request).unwrap().token;
    if let Some(keep) = keep {
        unit.truncate(token, keep).unwrap();
    }
    for (first, count, octet) in runs {
        unit.point(token, None, Some(*first)).unwrap();
        let data = vec![*octet; (RECORD * count) as usize];
        unit.write(token, &Bytes::from(data), *count).unwrap();
    }
    unit.close(token).unwrap();
}

/// Record length of `SHORT RECORDS`.
const RECORD: u32 = 128;

// --- of version 5 ---
async fn enroll_public(pool: &Pool) {
    let unit = pool.begin();
    unit.set_public(true).unwrap();
    unit.commit().await.unwrap();
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let target = std::env::args().nth(1).unwrap();
    let dasd: Arc<dyn Dasd> = Arc::new(FaultyDasd::new());
    Pool::generate(&dasd, &config(), 1).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let pool = Pool::open(&dasd, &config(), clock).unwrap();
    let unit = pool.begin();
    furnish(&unit);
    put_records(&unit, None, &[(1, 100, b'a')]);
    unit.commit().await.unwrap();
    storage_groups(&pool).await;
    enroll_public(&pool).await;
    pool.checkpoint().await.unwrap();
    // Stays in the log, to be redone.
    let top = DirPath { space: "JOE", levels: &[] };
    put(&unit, top, ("LAST", "FILE"), Attributes::variable(), b"from the log");
    put_records(&unit, None, &[(10, 3, b'b'), (40, 1, b'c'), (100, 4, b'd')]);
    unit.commit().await.unwrap();
    put_records(&unit, Some(90), &[(1, 1, b'e'), (95, 2, b'f')]);
    unit.commit().await.unwrap();
    let mut out = Vec::new();
    for name in dasd.list().unwrap() {
        let disk = dasd.open(&name).unwrap();
        let len = disk.len().unwrap();
        let mut image = vec![0; usize::try_from(len).unwrap()];
        disk.read_at(&mut image, 0).unwrap();
        let sectors: Vec<_> =
            image.chunks(512).enumerate().filter(|(_, s)| s.iter().any(|b| *b != 0)).collect();
        out.push(u8::try_from(name.len()).unwrap());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&u32::try_from(sectors.len()).unwrap().to_le_bytes());
        for (n, sector) in sectors {
            out.extend_from_slice(&u32::try_from(n).unwrap().to_le_bytes());
            out.extend_from_slice(sector);
            out.resize(out.len() + 512 - sector.len(), 0);
        }
    }
    std::fs::write(target, out).unwrap();
}
