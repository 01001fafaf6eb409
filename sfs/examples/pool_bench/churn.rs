//! Space and stalls under churn: files are replaced again and again while the cleaner works.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sfs::pool::{Pool, StorageFigures};
use sfs::types::{Attributes, Intent};

use super::open;

/// Files that live at any time.
const FILES: u64 = 10_000;
/// Octets of each.
const LENGTH: usize = 40 << 10;

/// What churn came to.
pub struct Churned {
    /// Octets on the disks for one octet alive, when the cleaner has come to rest.
    pub ratio: f64,
    /// The slowest commit.
    pub slowest: Duration,
    /// Commits made.
    pub commits: u64,
}

fn on_disk(figures: &StorageFigures) -> u64 {
    figures.log_total + figures.volume_total
}

/// Replaces files in an order without pattern for `time`, then waits until the cleaner has nothing left to do.
pub async fn churn(pool: &Pool, time: Duration) -> Churned {
    let unit = pool.begin();
    unit.enroll("CHURN", u64::MAX / 4, "").unwrap();
    unit.commit().await.unwrap();
    let data = Bytes::from(vec![3u8; LENGTH]);
    let (mut at, mut commits, mut slowest) = (1u64, 0, Duration::ZERO);
    let start = Instant::now();
    while start.elapsed() < time || commits < 2 * FILES {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let n = if commits < FILES { commits } else { (at >> 33) % FILES };
        let token = open(&unit, "CHURN", &format!("{n}"), "FILE", Intent::Replace, Attributes::variable());
        unit.write(token, &data, 1).unwrap();
        unit.close(token).unwrap();
        let began = Instant::now();
        unit.commit().await.unwrap();
        slowest = slowest.max(began.elapsed());
        commits += 1;
    }
    // What is moved first takes room twice; a segment goes when nothing in it lives and nobody may still write to it.
    let mut figures = pool.storage().await.unwrap();
    let (mut least, mut idle) = (on_disk(&figures), 0);
    while idle < 3 {
        let work = pool.clone();
        tokio::task::spawn_blocking(move || work.tidy().unwrap()).await.unwrap();
        pool.checkpoint().await.unwrap();
        figures = pool.storage().await.unwrap();
        idle = if on_disk(&figures) < least { 0 } else { idle + 1 };
        least = least.min(on_disk(&figures));
    }
    let live = (figures.log_live + figures.volume_live) as f64;
    Churned { ratio: on_disk(&figures) as f64 / live, slowest, commits }
}
