//! A pool of catalog version 3 with many short records, upgraded.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cp::clock::ManualClock;
use dasd::{Dasd, HostDasd};
use jiff::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use sfs::pool::{Pool, PoolConfig};
use sfs::types::{Attributes, Intent};

use super::{INDEX, open};

/// Records of one file.
const PER_FILE: u32 = 10_000;
/// Octets in front of the records of a page: version and record length.
const PAGE_HEAD: usize = 3;

const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
const PAGE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("page");
const RECORD: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("record");

/// Makes a pool with `records` records and takes its catalog back to version 3, a row for each record.
pub async fn make_version_3(folder: &Path, records: u32) {
    let dasd: Arc<dyn Dasd> = Arc::new(HostDasd::new(folder).unwrap());
    Pool::generate(&dasd, &PoolConfig::default(), 1).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let pool = Pool::open(&dasd, &PoolConfig::default(), clock).unwrap();
    let unit = pool.begin();
    unit.enroll("JOE", u64::MAX / 4, "").unwrap();
    let data = Bytes::from(vec![b'r'; (PER_FILE * INDEX) as usize]);
    for n in 0..records / PER_FILE {
        let token = open(&unit, "JOE", &format!("I{n}"), "INDEX", Intent::New, Attributes::fixed(INDEX));
        unit.write(token, &data, PER_FILE).unwrap();
        unit.close(token).unwrap();
        unit.commit().await.unwrap();
    }
    drop(unit);
    pool.close().await;
    drop(pool);
    let catalog = Database::open(folder.join("CATALOG")).unwrap();
    let pages = catalog.begin_read().unwrap().open_table(PAGE).unwrap();
    let txn = catalog.begin_write().unwrap();
    {
        let mut rows = txn.open_table(RECORD).unwrap();
        for page in pages.iter().unwrap() {
            let (key, page) = page.unwrap();
            let (file, first) = key.value().split_at(8);
            let first = u32::from_be_bytes(first.try_into().unwrap());
            for (number, record) in (first..).zip(page.value()[PAGE_HEAD..].chunks(INDEX as usize)) {
                let key = [file, &number.to_be_bytes()].concat();
                rows.insert(key.as_slice(), record).unwrap();
            }
        }
        txn.open_table(META).unwrap().insert("version", 3).unwrap();
    }
    drop(pages);
    txn.delete_table(PAGE).unwrap();
    txn.commit().unwrap();
}

/// Opens what [`make_version_3`] left: time, and the most memory that the process had, in MiB.
pub fn open_version_3(folder: &Path) -> (Duration, u64) {
    let dasd: Arc<dyn Dasd> = Arc::new(HostDasd::new(folder).unwrap());
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let start = Instant::now();
    let pool = Pool::open(&dasd, &PoolConfig::default(), clock).unwrap();
    let opened = start.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let most = line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10;
    assert_eq!(pool.check(false).unwrap().problems, Vec::<String>::new());
    assert!(pool.file_count().unwrap() > 0);
    (opened, most)
}
