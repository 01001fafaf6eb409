//! Measures a file pool on a real folder against the raw disk, in ratios of the same run.
//!
//! `cargo run --release -p sfs --example pool_bench -- FOLDER [SECONDS [FILES [PART]]]`, PART `commits`, `reads`, `churn`, `many` or `upgrade`, all
//! of them at first: durable commits with 1 and 64 committers, against a
//! bare write and sync and against the log alone; reads through CSL and IUCV; a directory of 100,000 files; space and stalls
//! under churn; a pool of FILES (1,000,000) files that is opened after a sudden end; one of catalog version 3 with as many short
//! records that is upgraded. Each line ends with the budget.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

mod churn;
mod commits;
mod many;
mod reads;
mod slow;
mod upgrade;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cp::clock::ManualClock;
use dasd::{Dasd, HostDasd};
use jiff::Timestamp;
use sfs::pool::{DirPath, OpenRequest, Pool, PoolConfig, Token, WorkUnit};
use sfs::types::{Attributes, FileId, Intent};

/// The memory of the program whose pools these are.
#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Octets of a note.
const NOTE: usize = 10 << 10;
/// Octets of an index record.
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

/// First argument of the processes that make a pool of version 3 and open it.
const VERSION_3: &str = "version-3";
const OPEN_VERSION_3: &str = "open-version-3";
/// First argument of the process that makes the pool of many files.
const MAKE_AND_DIE: &str = "make-and-die";

fn pool_in(dasd: &Arc<dyn Dasd>) -> Pool {
    Pool::generate(dasd, &PoolConfig::default(), 1).unwrap();
    Pool::open(dasd, &PoolConfig::default(), Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH))).unwrap()
}

fn folder(path: &Path, name: &str) -> Arc<dyn Dasd> {
    let path = path.join(name);
    std::fs::create_dir_all(&path).unwrap();
    Arc::new(HostDasd::new(path).unwrap())
}

/// What commits cost and reach in one pass.
#[derive(Default)]
struct Pass {
    /// What a commit of one committer takes, in bare writes and syncs.
    one_in_syncs: Vec<f64>,
    against_log: Vec<f64>,
    against_one: Vec<f64>,
}

/// Bare syncs and commits of one committer in turns, since what a sync takes changes from second to second; the middle of the ratios.
/// Returns the commits a second, and the ratio.
async fn measure_one(dasd: &Arc<dyn Dasd>, pool: &Pool, time: Duration) -> (f64, f64) {
    const ROUNDS: u32 = 7;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let raw = commits::raw_sync(dasd, time / ROUNDS);
        let (one, slow) = commits::commits(pool, &format!("ONE{round}X"), 1, time / ROUNDS).await;
        rounds.push((raw / one, raw, one, slow));
    }
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (best, worst) = (rounds[0].0, rounds[rounds.len() - 1].0);
    let (cost, raw, one, slow) = rounds[rounds.len() / 2];
    println!("raw write and sync of 12 KB: {raw:.0}/s");
    println!("1 committer: {one:.0}/s; slow: {slow:?}; cost against a raw sync from {best:.2} to {worst:.2}");
    (one, cost)
}

/// The log alone and committers are in turns as well.
async fn measure_commits(dasd: &Arc<dyn Dasd>, pool: &Pool, time: Duration) -> Pass {
    const ROUNDS: u32 = 3;
    let (one, one_in_syncs) = measure_one(dasd, pool, time).await;
    let mut pass = Pass { one_in_syncs: vec![one_in_syncs], ..Pass::default() };
    for round in 0..ROUNDS {
        let log = commits::raw_log(dasd, 64, time / ROUNDS).await;
        let (many, slow) = commits::commits(pool, &format!("MANY{round}X"), 64, time / ROUNDS).await;
        println!("the log alone, 64 submitters: {log:.0}/s; 64 committers: {many:.0}/s; slow: {slow:?}");
        pass.against_log.push(many / log);
        pass.against_one.push(many / one);
    }
    pass
}

/// Shows the middle of a ratio of all rounds of all passes, and all of them.
fn show_ratio(what: &str, passes: &[Pass], ratio: impl Fn(&Pass) -> &[f64], budget: &str) {
    let mut all: Vec<f64> = passes.iter().flat_map(ratio).copied().collect();
    all.sort_by(f64::total_cmp);
    println!("  {what}: {:.2} of {all:.2?} ({budget})", all[all.len() / 2]);
}

/// Passes with a fresh pool each, one minute of the machine being unlike the next; the middle of each ratio counts.
async fn measure_passes(path: &Path, time: Duration) {
    const PASSES: usize = 3;
    let mut passes = Vec::new();
    for pass in 0..PASSES {
        let name = format!("pass{pass}");
        let dasd = folder(path, &name);
        let pool = pool_in(&dasd);
        passes.push(measure_commits(&dasd, &pool, time).await);
        pool.close().await;
        std::fs::remove_dir_all(path.join(name)).unwrap();
    }
    show_ratio("cost of a commit of one, in raw syncs", &passes, |p| &p.one_in_syncs, "at most 2");
    show_ratio("64 committers against the log alone", &passes, |p| &p.against_log, "at least 0.6");
    show_ratio("64 committers against one", &passes, |p| &p.against_one, "at least 8");
}

/// The same on a disk whose sync takes a millisecond longer. On one that syncs in less time than 64 commits take of the processors, one
/// committer alone comes near to what all of them reach.
async fn measure_slow(path: &Path, time: Duration) {
    let dasd: Arc<dyn Dasd> = Arc::new(slow::Slow(folder(path, "slow"), Duration::from_millis(1)));
    let pool = pool_in(&dasd);
    let (one, _) = commits::commits(&pool, "ONE", 1, time).await;
    let (many, _) = commits::commits(&pool, "MANY", 64, time).await;
    println!(
        "with a sync that takes 1 ms longer: 1 committer {one:.0}/s, 64 {many:.0}/s; {:.1} times",
        many / one
    );
    pool.close().await;
}

async fn measure_reads(dasd: &Arc<dyn Dasd>, pool: &Pool) {
    let note = reads::through_csl(pool);
    println!(
        "open, read, close of a cached note through CSL and IUCV: {:?}, from {:?} to {:?} (at most 15 us)",
        note[note.len() / 2],
        note[0],
        note[note.len() - 1]
    );
    let (host, ours) = reads::sequential(dasd, pool).await;
    println!(
        "sequential read: {:.2} GB/s, host {:.2} GB/s; ratio {:.2} (at least 0.5)",
        ours / 1e9,
        host / 1e9,
        ours / host
    );
    let (rate, list, look_up) = many::big_directory(pool, 100_000).await;
    println!("100,000 files in one directory: {rate:.0} made a second");
    println!("  list: {list:?} (at most 100 ms); look-up: {look_up:?} (at most 10 us)");
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [word, path, files] = &args[..]
        && word == MAKE_AND_DIE
    {
        many::make_and_die(Path::new(path), files.parse().unwrap()).await;
    }
    match &args[..] {
        [word, path, records] if word == VERSION_3 => {
            return upgrade::make_version_3(Path::new(path), records.parse().unwrap()).await;
        }
        [word, path] if word == OPEN_VERSION_3 => {
            let (opened, memory) = upgrade::open_version_3(Path::new(path));
            return println!(
                "upgraded from version 3 in {opened:?} (at most 10 s), with at most {memory} MiB (300)"
            );
        }
        _ => {}
    }
    let path = args.first().map_or_else(|| PathBuf::from("pool_bench.tmp"), PathBuf::from);
    let time = Duration::from_secs(args.get(1).and_then(|s| s.parse().ok()).unwrap_or(5));
    let files = args.get(2).and_then(|s| s.parse().ok()).unwrap_or(1_000_000u32);

    let wants = |part: &str| args.get(3).is_none_or(|wanted| wanted == part);

    if wants("commits") {
        measure_passes(&path, time).await;
        measure_slow(&path, time).await;
    }
    let dasd = folder(&path, "pool");
    let pool = pool_in(&dasd);
    // What is read and checked.
    commits::commits(&pool, "ONE", 1, Duration::from_millis(100)).await;
    commits::commits(&pool, "MANY", 64, Duration::from_secs(1)).await;
    if wants("reads") {
        measure_reads(&dasd, &pool).await;
    }
    let start = Instant::now();
    let findings = pool.check(true).unwrap();
    println!("check of {} files: {} problems, {:?}", findings.files, findings.problem_count, start.elapsed());
    pool.close().await;
    if wants("churn") {
        measure_churn(&path, time).await;
    }
    if wants("many") {
        measure_many(&path, files);
    }
    if wants("upgrade") {
        measure_upgrade(&path, files);
    }
}

async fn measure_churn(path: &Path, time: Duration) {
    let pool = pool_in(&folder(path, "churn"));
    let churned = churn::churn(&pool, time).await;
    println!(
        "churn of {} commits: {:.2} times the live data on disk (at most 1.3)",
        churned.commits, churned.ratio
    );
    println!("  slowest commit: {:?} (the cleaner at most 50 ms)", churned.slowest);
    pool.close().await;
}

/// In processes of their own, so that the memory is that of the upgrade.
fn measure_upgrade(path: &Path, records: u32) {
    let path = path.join("upgrade");
    std::fs::create_dir_all(&path).unwrap();
    let run = |args: &[&std::ffi::OsStr]| {
        let child = std::process::Command::new(std::env::current_exe().unwrap()).args(args).status();
        assert!(child.unwrap().success());
    };
    println!("a pool with {records} records in rows of their own:");
    run(&[VERSION_3.as_ref(), path.as_os_str(), records.to_string().as_ref()]);
    run(&[OPEN_VERSION_3.as_ref(), path.as_os_str()]);
}

fn measure_many(path: &Path, files: u32) {
    let many = path.join("many");
    std::fs::create_dir_all(&many).unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([MAKE_AND_DIE.into(), many.clone().into_os_string(), files.to_string().into()])
        .status();
    assert!(!child.unwrap().success(), "it ends suddenly");
    let (opened, memory) = many::open_many(&many, files);
    println!("{files} files after a sudden end: opened in {opened:?} (at most 1 s)");
    println!("  private memory when each was looked at: {memory} MiB (at most 300)");
}
