//! Octets of a pool's log that the disk gives back changed, where recovery needs them.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::sync::Arc;

use common::{Bed, fid, lines, put, roomy, top};
use cp::clock::ManualClock;
use dasd::{Dasd, FaultyDasd};
use jiff::Timestamp;
use proptest::prelude::*;
use sfs::pool::{Pool, PoolError, PoolOpenError};
use sfs::tools::{Selection, ToolError, check, restore, salvage, verify};

const FILES: [(&str, char); 3] = [("A NOTE", 'a'), ("B NOTE", 'b'), ("C NOTE", 'c')];
/// Octets of a file: too long to stand among the changes, short enough for the log.
const LENGTH: usize = 6000;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH))
}

fn text(letter: char) -> String {
    letter.to_string().repeat(LENGTH)
}

/// Three commits that a crash leaves to be redone.
async fn crashed() -> FaultyDasd {
    let bed = Bed::with(roomy()).await;
    for (name, letter) in FILES {
        let unit = bed.pool.begin();
        put(&unit, top("JOE"), name, &[&text(letter)]).unwrap();
        unit.commit().await.unwrap();
    }
    bed.dasd.restart(|| 0)
}

fn log_of(dasd: &FaultyDasd) -> (String, Vec<u8>) {
    let logs = dasd.list().unwrap().into_iter().filter(|n| n.starts_with("LOG"));
    let used = logs.map(|name| (name.clone(), dasd.contents(&name).unwrap()));
    used.max_by_key(|(_, octets)| octets.iter().filter(|b| **b != 0).count()).unwrap()
}

fn find(octets: &[u8], what: &[u8]) -> usize {
    octets.windows(what.len()).position(|w| w == what).unwrap()
}

fn open(dasd: &FaultyDasd) -> Result<Pool, PoolOpenError> {
    let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
    Pool::open(&disks, &roomy(), clock())
}

fn all_contents(dasd: &FaultyDasd) -> Vec<Option<Vec<u8>>> {
    dasd.list().unwrap().iter().map(|name| dasd.contents(name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_octets_of_a_file_cost_that_file_only() {
    let dasd = crashed().await;
    let (log, octets) = log_of(&dasd);
    dasd.flip_bit(&log, find(&octets, &[b'b'; 1000]) + 2000, 0);
    let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
    let before = all_contents(&dasd);
    let found = check(&disks, &roomy(), clock(), true, &mut |_| {}).unwrap();
    assert!(found.problems[0].starts_with("the log is damaged from 0x"), "{:?}", found.problems);
    assert!(found.problems.len() >= 2, "the file is named: {:?}", found.problems);
    assert_eq!(all_contents(&dasd), before, "a check changes nothing");
    let pool = open(&dasd).unwrap();
    let unit = pool.begin();
    assert_eq!(lines(&unit, top("JOE"), "A NOTE").unwrap(), [text('a')]);
    assert_eq!(lines(&unit, top("JOE"), "C NOTE").unwrap(), [text('c')]);
    assert!(matches!(lines(&unit, top("JOE"), "B NOTE"), Err(PoolError::Damaged(_))));
    // It can be got rid of.
    let unit = pool.begin();
    unit.erase_file(top("JOE"), fid("B NOTE")).unwrap();
    unit.commit().await.unwrap();
    assert_eq!(pool.check(true).unwrap().problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_changes_close_the_pool_and_a_salvage_brings_the_rest() {
    let dasd = crashed().await;
    let (log, octets) = log_of(&dasd);
    // In the table of the batch that brings the second file.
    let batch = find(&octets, &[b'b'; 1000]) / 4096 * 4096;
    assert_eq!(&octets[batch..batch + 4], b"LBAT");
    dasd.flip_bit(&log, batch + 60, 5);
    let error = open(&dasd).unwrap_err();
    assert!(matches!(error, PoolOpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("endicott salvage"), "{error}");
    let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
    let refused = check(&disks, &roomy(), clock(), true, &mut |_| {});
    assert!(matches!(refused, Err(ToolError::Open(PoolOpenError::Damaged { .. }))));
    let before = all_contents(&dasd);
    let (mut out, mut said) = (Vec::new(), Vec::new());
    salvage(&disks, &roomy(), clock(), &mut out, &mut |l| said.push(l.to_owned())).unwrap();
    assert!(said[0].starts_with("the log is damaged from 0x") && said[0].ends_with(": changes"), "{said:?}");
    assert_eq!(all_contents(&dasd), before, "a salvage changes nothing");
    verify(&mut out.as_slice()).unwrap();
    let fresh = FaultyDasd::new();
    let disks: Arc<dyn Dasd> = Arc::new(fresh.clone());
    Pool::generate(&disks, &roomy(), 5).unwrap();
    let pool = open(&fresh).unwrap();
    restore(&pool, &mut out.as_slice(), &Selection::Pool, &mut |_| {}).await.unwrap();
    for (name, letter) in [FILES[0], FILES[2]] {
        assert_eq!(lines(&pool.begin(), top("JOE"), name).unwrap(), [text(letter)]);
    }
}

/// A changed file name in the log is none that gets into the catalog.
#[tokio::test(flavor = "multi_thread")]
async fn a_salvage_leaves_out_names_that_are_none() {
    let (log, octets) = log_of(&crashed().await);
    let name = find(&octets, b"B       NOTE    ");
    for at in name..name + 16 {
        let dasd = crashed().await;
        dasd.flip_bit(&log, at, 5);
        let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
        let (mut out, mut said) = (Vec::new(), Vec::new());
        salvage(&disks, &roomy(), clock(), &mut out, &mut |l| said.push(l.to_owned())).unwrap();
        assert!(said.iter().any(|l| l.contains("left out")), "octet {at}: {said:?}");
        verify(&mut out.as_slice()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Wherever a bit changes: what can be read is what was written, and a salvage always ends.
    #[test]
    fn no_changed_bit_is_read(at in 0usize..12 * 4096, bit in 0u8..8) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let dasd = runtime.block_on(crashed());
        dasd.flip_bit(&log_of(&dasd).0, at, bit);
        let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
        let mut out = Vec::new();
        salvage(&disks, &roomy(), clock(), &mut out, &mut |_| {}).unwrap();
        prop_assert!(verify(&mut out.as_slice()).is_ok());
        let _in_runtime = runtime.enter();
        let Ok(pool) = open(&dasd) else { return Ok(()) };
        let unit = pool.begin();
        let readable = FILES.iter().filter(|(name, letter)| match lines(&unit, top("JOE"), name) {
            Ok(found) => {
                assert_eq!(found, [text(*letter)]);
                true
            }
            Err(_) => false,
        });
        prop_assert!(readable.count() >= 2);
    }
}

/// What comes out of a pool without a catalog: the files that can be read, and what was said.
async fn salvaged_without_catalog(dasd: &FaultyDasd) -> (Vec<&'static str>, Vec<String>) {
    let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
    disks.remove("CATALOG").unwrap();
    let (mut out, mut said) = (Vec::new(), Vec::new());
    salvage(&disks, &roomy(), clock(), &mut out, &mut |line| said.push(line.to_owned())).unwrap();
    verify(&mut out.as_slice()).unwrap();
    let fresh = FaultyDasd::new();
    let disks: Arc<dyn Dasd> = Arc::new(fresh.clone());
    Pool::generate(&disks, &roomy(), 3).unwrap();
    let pool = open(&fresh).unwrap();
    restore(&pool, &mut out.as_slice(), &Selection::Pool, &mut |_| {}).await.unwrap();
    let unit = pool.begin();
    let whole = |(name, letter): &(&str, char)| {
        lines(&unit, top("JOE"), name).is_ok_and(|lines| lines == [text(*letter)])
    };
    let found = FILES.iter().filter(|file| whole(file)).map(|(name, _)| *name).collect();
    (found, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_catalog_damaged_octets_of_a_file_cost_that_file_only() {
    let dasd = crashed().await;
    let (log, octets) = log_of(&dasd);
    dasd.flip_bit(&log, find(&octets, &[b'b'; 1000]) + 2000, 0);
    let (found, said) = salvaged_without_catalog(&dasd).await;
    assert_eq!(found, ["A NOTE", "C NOTE"]);
    assert!(
        said.iter().any(|line| line.ends_with("octets of files; what its 1 commits changed is known")),
        "{said:?}"
    );
    assert!(said.iter().any(|line| line.contains("B NOTE")), "the file is named: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_catalog_damaged_changes_are_left_out() {
    let dasd = crashed().await;
    let (log, octets) = log_of(&dasd);
    let batch = find(&octets, &[b'b'; 1000]) / 4096 * 4096;
    dasd.flip_bit(&log, batch + 60, 5);
    let (found, said) = salvaged_without_catalog(&dasd).await;
    assert_eq!(found, ["A NOTE", "C NOTE"]);
    assert!(said.iter().any(|line| line.ends_with("1 commits are left out")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_catalog_what_a_crash_cut_off_is_not_brought_back() {
    let dasd = crashed().await;
    let (log, octets) = log_of(&dasd);
    // The last batch: nothing proves that it was ever durable.
    dasd.flip_bit(&log, find(&octets, &[b'c'; 1000]) + 2000, 0);
    let (found, said) = salvaged_without_catalog(&dasd).await;
    assert_eq!(found, ["A NOTE", "B NOTE"]);
    assert!(!said.iter().any(|line| line.contains("is damaged at")), "{said:?}");
}
