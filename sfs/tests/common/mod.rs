//! What the engine's tests share: a pool on faulty disks, and short ways to write and read files.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

pub mod system;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cp::clock::ManualClock;
use dasd::{BLOCK, Dasd, FaultyDasd, LogConfig, VolumeConfig};
use jiff::Timestamp;
use proptest::prelude::*;
use sfs::pool::{DirPath, OpenRequest, Pool, PoolConfig, PoolError, Token, WorkUnit};
use sfs::types::{Attributes, DateReference, FileId, Intent};

pub fn config() -> PoolConfig {
    PoolConfig {
        log: LogConfig {
            segment_bytes: 32 * BLOCK,
            ahead: 0,
            reserve: 1,
            keep_free: 2,
            ..LogConfig::default()
        },
        volume: VolumeConfig { segment_bytes: 64 * BLOCK, ..VolumeConfig::default() },
        checkpoint_bytes: 200 << 10,
        checkpoint_interval: Duration::from_secs(3600),
        // Few, so that most tests see rows on the disk and above it.
        fold_rows: 24,
        reserve_bytes: 1 << 20,
        cache_bytes: 8 << 20,
        log_segments: 1,
        background: false,
    }
}

/// A larger volume segment, for tests with large files.
pub fn roomy() -> PoolConfig {
    PoolConfig {
        log: LogConfig { segment_bytes: 1 << 20, ahead: 0, reserve: 1, keep_free: 2, ..LogConfig::default() },
        volume: VolumeConfig { segment_bytes: 16 << 20, ..VolumeConfig::default() },
        ..config()
    }
}

pub fn open_pool(dasd: &FaultyDasd, config: &PoolConfig) -> Pool {
    let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    Pool::open(&disks, config, clock).unwrap()
}

/// At which write the power fails. A commit is a write or two, and a round has a handful of them: most crashes are to come there, and
/// some after a fold, the mover, or all there is to do.
pub fn crash_point() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0u64..6, 2 => 0u64..25, 1 => 0u64..300]
}

/// A pool on faulty disks with file space JOE of 1,000,000 blocks.
pub struct Bed {
    pub dasd: FaultyDasd,
    pub pool: Pool,
    pub config: PoolConfig,
}

impl Bed {
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: PoolConfig) -> Self {
        let dasd = FaultyDasd::new();
        let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
        Pool::generate(&disks, &config, 77).unwrap();
        let pool = open_pool(&dasd, &config);
        let unit = pool.begin();
        unit.enroll("JOE", 1_000_000, "").unwrap();
        unit.commit().await.unwrap();
        Self { dasd, pool, config }
    }

    /// Loses power with nothing unsynced surviving, and opens the pool again.
    pub async fn reopen(self) -> Self {
        let dasd = self.dasd.restart(|| u32::MAX);
        drop(self.pool);
        let pool = open_pool(&dasd, &self.config);
        Self { dasd, pool, config: self.config }
    }

    /// Every invariant holds.
    pub fn sound(&self) {
        let findings = self.pool.check(true).unwrap();
        assert_eq!(findings.problems, Vec::<String>::new());
    }
}

pub fn top(space: &str) -> DirPath<'_> {
    DirPath { space, levels: &[] }
}

pub fn fid(text: &str) -> FileId {
    let (name, kind) = text.split_once(' ').unwrap();
    FileId::new(name.parse().unwrap(), kind.parse().unwrap())
}

pub fn open(
    unit: &WorkUnit,
    dir: DirPath<'_>,
    name: &str,
    intent: Intent,
    attributes: Attributes,
) -> Result<Token, PoolError> {
    let request = OpenRequest { dir, id: fid(name), intent, attributes, allow_empty: false };
    unit.open(&request).map(|o| o.token)
}

/// Replaces a RECFM V file with these records.
pub fn put(unit: &WorkUnit, dir: DirPath<'_>, name: &str, lines: &[&str]) -> Result<(), PoolError> {
    let token = open(unit, dir, name, Intent::Replace, Attributes::variable())?;
    for line in lines {
        unit.write(token, &Bytes::copy_from_slice(line.as_bytes()), 1)?;
    }
    unit.close(token)
}

/// Replaces a RECFM F file with these records.
pub fn put_fixed(
    unit: &WorkUnit,
    dir: DirPath<'_>,
    name: &str,
    lrecl: u32,
    records: &[&str],
) -> Result<(), PoolError> {
    let token = open(unit, dir, name, Intent::Replace, Attributes::fixed(lrecl))?;
    let all: String = records.concat();
    unit.write(token, &Bytes::from(all), u32::try_from(records.len()).unwrap())?;
    unit.close(token)
}

/// Replaces a file with this image, block by block.
pub fn put_image(
    unit: &WorkUnit,
    dir: DirPath<'_>,
    name: &str,
    attributes: Attributes,
    image: &str,
) -> Result<(), PoolError> {
    let request = OpenRequest { dir, id: fid(name), intent: Intent::Replace, attributes, allow_empty: false };
    let token = unit.open_blocks(&request, DateReference::New, None)?.token;
    for (block, data) in (0..).zip(image.as_bytes().chunks(BLOCK as usize)) {
        unit.write_blocks(token, block, &Bytes::copy_from_slice(data))?;
    }
    unit.close(token)
}

/// The records of a file, one by one.
pub fn lines(unit: &WorkUnit, dir: DirPath<'_>, name: &str) -> Result<Vec<String>, PoolError> {
    let token = open(unit, dir, name, Intent::Read, Attributes::variable())?;
    let mut all = Vec::new();
    loop {
        match unit.read(token, 1, 1 << 20) {
            Ok(out) => all.push(String::from_utf8(out.data.to_vec()).unwrap()),
            Err(PoolError::EndOfFile) => break,
            Err(error) => return Err(error),
        }
    }
    unit.close(token)?;
    Ok(all)
}

/// The image of a file.
pub fn image(unit: &WorkUnit, dir: DirPath<'_>, name: &str) -> Result<String, PoolError> {
    let token = open(unit, dir, name, Intent::Read, Attributes::variable())?;
    let data = unit.read_image(token, 0, 1 << 30)?;
    unit.close(token)?;
    Ok(String::from_utf8(data.to_vec()).unwrap())
}
