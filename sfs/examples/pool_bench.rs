//! Measures a file pool on a real folder against the raw disk, in ratios of the same run.
//!
//! `cargo run --release -p sfs --example pool_bench -- FOLDER [SECONDS]`: durable commits of a 10 KB note and a 200-byte index
//! record with 1 and 64 committers, against a bare write and sync; then open, read and close of a cached note; then lists and
//! look-ups in a directory of 100,000 files.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cp::Guest;
use cp::clock::ManualClock;
use cp::directory::{
    DirectoryEntry, DirectoryImage, IdentResource, IdentScope, IucvStatement, IucvTarget as Statement,
    Password,
};
use cp::name::UserId;
use cp::system::{Cp, CpConfig, LogonKind};
use dasd::{BLOCK, Dasd, HostDasd};
use jiff::Timestamp;
use sfs::csl::{CommitOption, Csl, OpenOptions, WorkUnitId};
use sfs::pool::{DirPath, OpenRequest, Pool, PoolConfig, Token, WorkUnit};
use sfs::server::FilePoolServer;
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

/// Commits a second, and the times of the slowest of a hundred, of a thousand, and of all.
async fn commits(pool: &Pool, committers: u64, time: Duration) -> (f64, [Duration; 3]) {
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
            let mut times = Vec::new();
            while start.elapsed() < time {
                let began = Instant::now();
                deliver(&unit, &space, times.len() as u64, &note, &index).await;
                times.push(began.elapsed());
                done.fetch_add(1, Ordering::Relaxed);
            }
            times
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let rate = done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    times.sort();
    let slow = |part: usize| times[times.len() - 1 - times.len() / part];
    (rate, [slow(100), slow(1000), times[times.len() - 1]])
}

/// Open, read and close through CSL, IUCV and the server.
async fn through_csl(pool: &Pool) -> Duration {
    let entry = |name: &str, target| {
        let mut entry = DirectoryEntry::new(UserId::new(name).unwrap(), Password::NoPass);
        entry.iucv = vec![IucvStatement { target, priority: false, msglimit: None }];
        entry
    };
    let ident =
        Statement::Ident { resource: IdentResource::AnyResource, scope: IdentScope::Global, revoke: false };
    let mut server = entry("SERVER", Statement::Allow);
    server.iucv.push(IucvStatement { target: ident, priority: false, msglimit: None });
    let users = [server, entry("U10", Statement::Any)];
    let config = CpConfig { system_id: "BENCH".into(), operator: UserId::new("OPERATOR").unwrap() };
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let cp = Cp::new(config, clock, DirectoryImage::new(users));
    let guest = |name: &str| {
        Guest::new(cp.clone(), cp.logon(UserId::new(name).unwrap(), &LogonKind::Autolog).unwrap())
    };
    let _server =
        FilePoolServer::start(&guest("SERVER"), "MAIL".parse().unwrap(), pool.clone(), &[]).unwrap();
    let csl = Csl::for_guest(&guest("U10"));
    let file = csl.fileid("5 NOTE MAIL:U10.").unwrap();
    let rounds = 20_000u32;
    let start = Instant::now();
    for _ in 0..rounds {
        let open =
            csl.dmsopen(&file, Intent::Read, &OpenOptions::variable(), WorkUnitId::DEFAULT).await.unwrap();
        let read = csl.dmsread(open.token, 1, 1 << 20).await.unwrap();
        assert_eq!(read.data.len(), NOTE);
        csl.dmsclose(open.token, CommitOption::NoCommit).await.unwrap();
    }
    start.elapsed() / rounds
}

/// Many files in one directory: created by one unit, then listed and looked up.
async fn big_directory(pool: &Pool, files: u32) {
    let unit = pool.begin();
    unit.enroll("BIG", u64::MAX / 4, "").unwrap();
    unit.commit().await.unwrap();
    let start = Instant::now();
    let note = Bytes::from(vec![b'n'; 500]);
    for n in 0..files {
        let token = open(&unit, "BIG", &format!("{n}"), "NOTE", Intent::New, Attributes::variable());
        unit.write(token, &note, 1).unwrap();
        unit.close(token).unwrap();
        if n % 1000 == 999 {
            unit.commit().await.unwrap();
        }
    }
    unit.commit().await.unwrap();
    println!("{files} files created in one directory in {:?}", start.elapsed());
    let start = Instant::now();
    let listed = unit.list_files(dir("BIG")).unwrap().len();
    println!("list of {listed} files: {:?}", start.elapsed());
    let start = Instant::now();
    for n in 0..files {
        let id = FileId::new(format!("{}", n * 7919 % files).parse().unwrap(), "NOTE".parse().unwrap());
        unit.status(dir("BIG"), id).unwrap();
    }
    println!("look-up: {:?}", start.elapsed() / files);
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
    let (one, slow) = commits(&pool, 1, time).await;
    println!(
        "1 committer: {one:.0} commits/s, {:.2} times the cost of a raw sync; slow: {slow:?}",
        raw_rate / one
    );
    let (many, slow) = commits(&pool, 64, time).await;
    println!("64 committers: {many:.0} commits/s, {:.1} times one; slow: {slow:?}", many / one);
    let unit = pool.begin();
    let rounds = 20_000u32;
    let start = Instant::now();
    for _ in 0..rounds {
        let token = open(&unit, "U10", "5", "NOTE", Intent::Read, Attributes::variable());
        assert_eq!(unit.read(token, 1, 1 << 20).unwrap().data.len(), NOTE);
        unit.close(token).unwrap();
    }
    println!("open, read, close of a cached note (engine): {:?}", start.elapsed() / rounds);
    println!("the same through CSL and IUCV: {:?}", through_csl(&pool).await);
    big_directory(&pool, 100_000).await;
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
