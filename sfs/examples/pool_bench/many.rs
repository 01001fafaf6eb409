//! Many files: 100,000 in one directory, and a pool of 1,000,000 that is opened after a sudden end.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cp::clock::ManualClock;
use dasd::{Dasd, HostDasd};
use jiff::Timestamp;
use sfs::pool::{Pool, PoolConfig};
use sfs::types::{Attributes, FileId, Intent};

use super::{dir, open};

/// Files in one file space of the pool of many.
const PER_SPACE: u32 = 10_000;

async fn fill(pool: &Pool, space: &str, files: u32) {
    let unit = pool.begin();
    unit.enroll(space, u64::MAX / 4, "").unwrap();
    let note = Bytes::from(vec![b'n'; 500]);
    for n in 0..files {
        let token = open(&unit, space, &format!("{n}"), "NOTE", Intent::New, Attributes::variable());
        unit.write(token, &note, 1).unwrap();
        unit.close(token).unwrap();
        if n % 1000 == 999 {
            unit.commit().await.unwrap();
        }
    }
    unit.commit().await.unwrap();
}

/// Files a second made in one directory, the time of its list, and of one look-up.
pub async fn big_directory(pool: &Pool, files: u32) -> (f64, Duration, Duration) {
    let start = Instant::now();
    fill(pool, "BIG", files).await;
    let rate = f64::from(files) / start.elapsed().as_secs_f64();
    let unit = pool.begin();
    let start = Instant::now();
    assert_eq!(unit.list_files(dir("BIG")).unwrap().len(), files as usize);
    let list = start.elapsed();
    let start = Instant::now();
    for n in 0..files {
        let id = FileId::new(format!("{}", n * 7919 % files).parse().unwrap(), "NOTE".parse().unwrap());
        unit.status(dir("BIG"), id).unwrap();
    }
    (rate, list, start.elapsed() / files)
}

/// Makes a pool of `files` files and ends the process without a word to it. Run as a process of its own.
pub async fn make_and_die(folder: &Path, files: u32) -> ! {
    let dasd: Arc<dyn Dasd> = Arc::new(HostDasd::new(folder).unwrap());
    Pool::generate(&dasd, &PoolConfig::default(), 1).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let pool = Pool::open(&dasd, &PoolConfig::default(), clock).unwrap();
    for n in 0..files / PER_SPACE {
        fill(&pool, &format!("M{n}"), PER_SPACE).await;
    }
    std::process::abort();
}

/// Opens what [`make_and_die`] left: time, and private memory afterwards in MiB.
pub fn open_many(folder: &Path, files: u32) -> (Duration, u64) {
    let dasd: Arc<dyn Dasd> = Arc::new(HostDasd::new(folder).unwrap());
    let before = private_memory();
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let start = Instant::now();
    let pool = Pool::open(&dasd, &PoolConfig::default(), clock).unwrap();
    let opened = start.elapsed();
    assert_eq!(pool.file_count().unwrap(), u64::from(files));
    // Every file is looked at once, so that the cache is as full as it gets.
    let unit = pool.begin();
    for n in 0..files / PER_SPACE {
        assert_eq!(unit.list_files(dir(&format!("M{n}"))).unwrap().len(), PER_SPACE as usize);
    }
    (opened, private_memory().saturating_sub(before) >> 20)
}

fn private_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
