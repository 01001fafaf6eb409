//! Measures a file pool on a real folder against the raw disk, in ratios of the same run.
//!
//! `cargo run --release -p sfs --example pool_bench -- FOLDER [SECONDS]`: durable commits of a 10 KB note and a 200-byte index
//! record with 1 and 64 committers, against a bare write and sync; then open, read and close of a cached note; then lists and
//! look-ups in a directory of many files.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cp::clock::ManualClock;
use dasd::{BLOCK, Dasd, HostDasd};
use jiff::Timestamp;
use sfs::pool::{DirPath, OpenRequest, Pool, PoolConfig, Token, WorkUnit};
use sfs::types::{Attributes, FileId, Intent};

const NOTE: usize = 10 << 10;
const INDEX: u32 = 200;

fn dir(space: &str) -> DirPath<'_> {
    DirPath { space, levels: &[] }
}

fn open(
    unit: &WorkUnit,
    space: &str,
    name: &str,
    kind: &str,
    intent: Intent,
    attributes: Attributes,
) -> Token {
    let id = FileId::new(name.parse().unwrap(), kind.parse().unwrap());
    unit.open(&OpenRequest { dir: dir(space), id, intent, attributes, allow_empty: false }).unwrap().token
}

async fn deliver(unit: &WorkUnit, space: &str, n: u64, note: &Bytes, index: &Bytes) {
    let token = open(unit, space, &format!("{n}"), "NOTE", Intent::New, Attributes::variable());
    unit.write(token, note, 1).unwrap();
    unit.close(token).unwrap();
    let token = open(unit, space, "NOTE", "INDEX", Intent::Write, Attributes::fixed(INDEX));
    unit.write(token, index, 1).unwrap();
    unit.close(token).unwrap();
    unit.commit().await.unwrap();
}

async fn commits(pool: &Pool, committers: u64, time: Duration, counter: &AtomicU64) -> f64 {
    let setup = pool.begin();
    for i in 0..committers {
        setup.enroll(&format!("U{committers}{i}"), u64::MAX / 4, "").unwrap();
    }
    setup.commit().await.unwrap();
    let done = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for i in 0..committers {
        let (unit, done) = (pool.begin(), done.clone());
        tasks.push(tokio::spawn(async move {
            let space = format!("U{committers}{i}");
            let (note, index) = (Bytes::from(vec![b'n'; NOTE]), Bytes::from(vec![b'i'; INDEX as usize]));
            let mut n = 0;
            while start.elapsed() < time {
                deliver(&unit, &space, n, &note, &index).await;
                n += 1;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let n = done.load(Ordering::Relaxed);
    counter.fetch_add(n, Ordering::Relaxed);
    n as f64 / start.elapsed().as_secs_f64()
}

fn raw(dasd: &Arc<dyn Dasd>, time: Duration) -> f64 {
    let disk = dasd.create("RAW").unwrap();
    disk.zero(64 << 20).unwrap();
    disk.sync().unwrap();
    let block = vec![7; 3 * BLOCK as usize];
    let start = Instant::now();
    let mut n = 0u64;
    while start.elapsed() < time {
        disk.write_at(&block, (n % 4000) * 3 * BLOCK).unwrap();
        disk.sync().unwrap();
        n += 1;
    }
    let rate = n as f64 / start.elapsed().as_secs_f64();
    dasd.remove("RAW").unwrap();
    rate
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().unwrap_or_else(|| "pool_bench.tmp".into()));
    let time = Duration::from_secs(args.next().and_then(|s| s.parse().ok()).unwrap_or(5));
    let dasd: Arc<dyn Dasd> = Arc::new(HostDasd::new(&folder).unwrap());
    let raw_rate = raw(&dasd, time);
    println!("raw write and sync of 12 KB: {raw_rate:.0}/s");
    let config = PoolConfig::default();
    let clock = || Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let start = Instant::now();
    Pool::generate(&dasd, &config, 1).unwrap();
    let pool = Pool::open(&dasd, &config, clock()).unwrap();
    println!("generated and opened in {:?}", start.elapsed());
    let counter = AtomicU64::new(0);
    let one = commits(&pool, 1, time, &counter).await;
    println!("1 committer: {one:.0} commits/s, {:.2} times the cost of a raw sync", raw_rate / one);
    let many = commits(&pool, 64, time, &counter).await;
    println!("64 committers: {many:.0} commits/s, {:.1} times one", many / one);
    let unit = pool.begin();
    let rounds = 20_000u32;
    let start = Instant::now();
    for _ in 0..rounds {
        let token = open(&unit, "U10", "5", "NOTE", Intent::Read, Attributes::variable());
        assert_eq!(unit.read(token, 1, 1 << 20).unwrap().data.len(), NOTE);
        unit.close(token).unwrap();
    }
    println!("open, read, close of a cached note (engine): {:?}", start.elapsed() / rounds);
    let start = Instant::now();
    let listed = unit.list_files(dir("U10")).unwrap().len();
    println!("list of {listed} files: {:?}", start.elapsed());
    let figures = pool.storage().await.unwrap();
    println!("storage: {figures:?}");
    let start = Instant::now();
    pool.close().await;
    println!("closed in {:?}", start.elapsed());
    drop(unit);
    drop(pool);
    let start = Instant::now();
    let pool = Pool::open(&dasd, &config, clock()).unwrap();
    println!("reopened with {} files in {:?}", pool.file_count().unwrap(), start.elapsed());
    let start = Instant::now();
    let findings = pool.check(true).unwrap();
    println!(
        "checked {} files, {} problems, in {:?}",
        findings.files,
        findings.problem_count,
        start.elapsed()
    );
}
