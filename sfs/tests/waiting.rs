//! Rows that wait for a fold that takes long: commits go on up to the bound, and the one that reaches it waits.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cp::clock::ManualClock;
use dasd::{Dasd, Disk, FaultyDasd};
use jiff::Timestamp;
use parking_lot::{Condvar, Mutex};
use sfs::pool::{DirPath, MOST_WAITING, Pool, PoolConfig};

/// What stands between the catalog and its disk, and how often the log was synced.
#[derive(Debug, Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
    log_syncs: AtomicU64,
}

impl Gate {
    fn set(&self, closed: bool) {
        *self.closed.lock() = closed;
        self.opened.notify_all();
    }
}

#[derive(Debug)]
struct GatedDasd(FaultyDasd, Arc<Gate>);

#[derive(Debug)]
struct GatedDisk {
    disk: Arc<dyn Disk>,
    is_log: bool,
    gate: Arc<Gate>,
}

impl GatedDasd {
    fn gated(&self, name: &str, disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
        match name {
            "CATALOG" => Arc::new(GatedDisk { disk, is_log: false, gate: self.1.clone() }),
            log if log.starts_with("LOG") => Arc::new(GatedDisk { disk, is_log: true, gate: self.1.clone() }),
            _ => disk,
        }
    }
}

impl Dasd for GatedDasd {
    fn open(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        Ok(self.gated(name, self.0.open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        Ok(self.gated(name, self.0.create(name)?))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.0.sync_names()
    }
}

impl Disk for GatedDisk {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.disk.read_at(buf, offset)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.disk.write_at(data, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        if self.is_log {
            self.gate.log_syncs.fetch_add(1, Ordering::SeqCst);
        } else {
            let mut closed = self.gate.closed.lock();
            while *closed {
                self.gate.opened.wait(&mut closed);
            }
        }
        self.disk.sync()
    }
}

/// A commit that changes one row.
async fn change_one_row(pool: &Pool, n: usize) {
    let unit = pool.begin();
    let levels = [format!("D{n}")];
    unit.create_dir(DirPath { space: "JOE", levels: &levels }).unwrap();
    unit.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_above_the_catalog_have_a_bound() {
    const FOLD_ROWS: usize = 4;
    let gate = Arc::new(Gate::default());
    let disks: Arc<dyn Dasd> = Arc::new(GatedDasd(FaultyDasd::new(), gate.clone()));
    let config =
        PoolConfig { fold_rows: FOLD_ROWS, checkpoint_bytes: u64::MAX, background: true, ..common::config() };
    Pool::generate(&disks, &config, 77).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let pool = Pool::open(&disks, &config, clock).unwrap();
    let unit = pool.begin();
    unit.enroll("JOE", 1000, "").unwrap();
    unit.commit().await.unwrap();
    gate.set(true);
    // With the row of the enrolment as many as ask for a fold, which does not end.
    for n in 1..FOLD_ROWS {
        change_one_row(&pool, n).await;
    }
    let bound = MOST_WAITING * FOLD_ROWS;
    for n in FOLD_ROWS..FOLD_ROWS + bound - 1 {
        change_one_row(&pool, n).await;
    }
    let synced = gate.log_syncs.load(Ordering::SeqCst);
    let one_more = tokio::spawn({
        let pool = pool.clone();
        async move { change_one_row(&pool, FOLD_ROWS + bound).await }
    });
    while gate.log_syncs.load(Ordering::SeqCst) == synced {
        tokio::task::yield_now().await;
    }
    for _ in 0..10_000 {
        assert!(!one_more.is_finished(), "the fold holds {bound} rows back");
        tokio::task::yield_now().await;
    }
    gate.set(false);
    one_more.await.unwrap();
    pool.close().await;
}
