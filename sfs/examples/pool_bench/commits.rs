//! Durable commits of a 10 KB note and a 200-byte index record, against the raw disk and the raw log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dasd::{BLOCK, Dasd, Log, LogAddr, LogConfig, LogError, LogOwner, OpenError, Recovered};
use sfs::pool::{Pool, WorkUnit};
use sfs::types::{Attributes, Intent};

use super::{INDEX, NOTE, open};

/// Octets of a line of a note.
const LINE: usize = 78;

/// A note as IMAP writes one: lines, in one call.
fn note() -> (Bytes, u32) {
    let line = [&(LINE as u16).to_be_bytes()[..], &[b'n'; LINE]].concat();
    let lines = NOTE / line.len();
    (Bytes::from(line.repeat(lines)), lines as u32)
}

async fn deliver(unit: &WorkUnit, space: &str, n: u64, (note, lines): &(Bytes, u32), index: &Bytes) {
    let token = open(unit, space, &format!("{n:08}"), "NOTE", Intent::New, Attributes::variable());
    unit.write(token, note, *lines).unwrap();
    unit.close(token).unwrap();
    let token = open(unit, space, "NOTE", "INDEX", Intent::Write, Attributes::fixed(INDEX));
    unit.write(token, index, 1).unwrap();
    unit.close(token).unwrap();
    unit.commit().await.unwrap();
}

/// Commits a second of users whose names begin with `users`, and the times of the slowest of a hundred, of a thousand, and of all.
pub async fn commits(pool: &Pool, users: &str, committers: u64, time: Duration) -> (f64, [Duration; 3]) {
    let setup = pool.begin();
    for i in 0..committers {
        setup.enroll(&format!("{users}{i}"), u64::MAX / 4, "").unwrap();
    }
    setup.commit().await.unwrap();
    let done = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for i in 0..committers {
        let (unit, done, space) = (pool.begin(), done.clone(), format!("{users}{i}"));
        tasks.push(tokio::spawn(async move {
            let (note, index) = (note(), Bytes::from(vec![b'i'; INDEX as usize]));
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

/// Bare writes and syncs a second.
pub fn raw_sync(dasd: &Arc<dyn Dasd>, time: Duration) -> f64 {
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

/// An owner that keeps nothing.
struct Nothing;

impl LogOwner for Nothing {
    type Entry = Bytes;
    type Outcome = ();
    type Prepared = ();

    fn admit(&mut self, entry: &mut Bytes) -> Result<Vec<Bytes>, ()> {
        Ok(vec![entry.clone()])
    }

    fn prepare(&mut self, _: LogAddr, _: &[(LogAddr, Bytes)]) {}

    fn applied(&mut self, (): (), _: LogAddr, batch: Vec<(LogAddr, Bytes)>) -> Vec<()> {
        vec![(); batch.len()]
    }

    fn withdrawn(&mut self, _: Vec<Bytes>, _: &LogError) {}
}

/// Entries a second of the log alone, with as many octets in each as a commit has.
pub async fn raw_log(dasd: &Arc<dyn Dasd>, submitters: u64, time: Duration) -> f64 {
    let config = LogConfig { prefix: "RAWLOG".into(), ..LogConfig::default() };
    dasd::format(dasd.clone(), &config, 9).unwrap();
    let opened = Recovered::open::<OpenError>(dasd.clone(), &config, LogAddr::START, |_| Ok(())).unwrap();
    let log = Arc::new(opened.start(Nothing).unwrap());
    let payload = Bytes::from(vec![7; NOTE + 2 * INDEX as usize]);
    let done = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..submitters)
        .map(|_| {
            let (log, payload, done): (Arc<Log<Nothing>>, _, _) =
                (log.clone(), payload.clone(), done.clone());
            tokio::spawn(async move {
                while start.elapsed() < time {
                    log.submit(payload.clone()).await.unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let rate = done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    log.close();
    for name in dasd.list().unwrap().into_iter().filter(|n| n.starts_with("RAWLOG")) {
        dasd.remove(&name).unwrap();
    }
    rate
}
