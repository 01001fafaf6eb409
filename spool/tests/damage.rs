//! Octets of the spool log that the disk gives back changed: what is damaged is named and held, the rest is there.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::*;
use dasd::{BLOCK, Dasd, FaultyDasd};
use proptest::prelude::*;
use spool::{Queue, Spool, SpoolError, SpoolFile, StartKind, StartReport, UnitRecord};
use std::sync::Arc;

/// Starts the spool, in a thread that may block.
fn start(disk: &FaultyDasd) -> (Arc<Spool>, StartReport) {
    let start = || Spool::start(Arc::new(disk.clone()), &config(), StartKind::Warm, clock()).unwrap();
    std::thread::scope(|scope| scope.spawn(start).join().unwrap())
}

/// A stopped spool with three files for IMAP, the second of 9,000 octets of X'99', and the log segment that holds them.
async fn three_files() -> (FaultyDasd, Vec<Arc<SpoolFile>>, String) {
    let disk = fresh();
    let (spool, _) = start(&disk);
    let smtp = guest(&cp_with(&spool), "SMTP");
    let mut sent = Vec::new();
    for data in [&[0x81u8; 2000][..], &[0x99; 9000], &[0x83; 300]] {
        sent.push(send(&smtp, "IMAP", &[data]).await.unwrap());
    }
    spool.stop();
    let log = disk.list().unwrap().into_iter().filter(|n| n.starts_with("SPLOG")).max_by_key(|name| {
        let file = disk.open(name).unwrap();
        let mut octets = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(&mut octets, 0).unwrap();
        octets.iter().filter(|b| **b != 0).count()
    });
    (disk, sent, log.unwrap())
}

fn find(disk: &FaultyDasd, log: &str, octets: &[u8]) -> usize {
    let file = disk.open(log).unwrap();
    let mut all = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_at(&mut all, 0).unwrap();
    all.windows(octets.len()).position(|w| w == octets).unwrap()
}

#[tokio::test]
async fn a_damaged_file_is_named_and_held_and_the_others_are_there() {
    let (disk, sent, log) = three_files().await;
    disk.flip_bit(&log, find(&disk, &log, &[0x99; 100]) + 4000, 2);
    let (spool, report) = start(&disk);
    let id = sent[1].id;
    assert_eq!(
        report.lost,
        [format!("HCPWRS435E Spool file {id} is damaged; RDR file of IMAP from SMTP, now in system hold")]
    );
    let imap = UnitRecord::of(&guest(&cp_with(&spool), "IMAP")).unwrap();
    let found = imap.reader_files();
    assert_eq!(
        found.iter().map(|f| (f.unique, f.hold.system)).collect::<Vec<_>>(),
        [(sent[0].unique, false), (sent[1].unique, true), (sent[2].unique, false)]
    );
    assert_eq!(read_all(&imap, sent[0].id).await[0].data, vec![0x81; 2000]);
    assert_eq!(read_all(&imap, sent[2].id).await[0].data, vec![0x83; 300]);
    // The operator lets it go; a reader is told, and a later start finds it so.
    spool.change(&[found[1].clone()], |file| file.hold.system = false).await.unwrap();
    let mut open = imap.open_file(id).await.unwrap();
    assert_eq!(open.next().await.unwrap_err(), SpoolError::Damaged(id));
    drop(open);
    spool.stop();
    let (spool, report) = start(&disk);
    assert_eq!((report.files, report.lost), (3, vec![]));
    let held = |spool: &Spool| spool.file(user("IMAP"), id).map(|f| f.hold.system);
    assert_eq!(held(&spool), Some(false));
    spool.purge(&spool.files(user("IMAP"), Queue::Reader)).await.unwrap();
    spool.stop();
    let (spool, report) = start(&disk);
    assert_eq!((report.files, report.lost, held(&spool)), (0, vec![], None));
}

#[tokio::test]
async fn what_is_uncertain_is_held_and_said() {
    let (disk, sent, log) = three_files().await;
    // The tag, form and names stand in the block, which has no checksum of its own: here the form of the second.
    let block = find(&disk, &log, &[0x99; 100]) / BLOCK as usize * BLOCK as usize;
    let form = find(&disk, &log, b"STANDARD");
    let second = (block..).find(|at| {
        let mut octets = [0; 8];
        disk.open(&log).unwrap().read_at(&mut octets, *at as u64).unwrap();
        &octets == b"STANDARD"
    });
    assert!(form < second.unwrap());
    disk.flip_bit(&log, second.unwrap(), 0);
    let (spool, report) = start(&disk);
    assert!(
        report.lost[0].starts_with("HCPWRS433W Spool file 0002 may not be as it was; RDR file of IMAP"),
        "{report:?}"
    );
    assert!(report.lost[1].starts_with("HCPWRS434E Spool log is damaged from 0x"), "{report:?}");
    let files = spool.files(user("IMAP"), Queue::Reader);
    assert_eq!(files.iter().map(|f| f.hold.system).collect::<Vec<_>>(), [false, true, false]);
    spool.change(&[files[1].clone()], |file| file.hold.system = false).await.unwrap();
    let imap = UnitRecord::of(&guest(&cp_with(&spool), "IMAP")).unwrap();
    assert_eq!(read_all(&imap, sent[1].id).await[0].data, vec![0x99; 9000], "its records are proved");
}

#[tokio::test]
async fn cleaning_moves_a_damaged_file_along() {
    let (disk, sent, log) = three_files().await;
    disk.flip_bit(&log, find(&disk, &log, &[0x99; 100]), 2);
    let (spool, _) = start(&disk);
    let cp = cp_with(&spool);
    let (smtp, few) = (guest(&cp, "SMTP"), user("FRED"));
    for _ in 0..40 {
        send(&smtp, "FRED", &[&[0x81; 5000]]).await.unwrap();
        spool.purge(&spool.files(few, Queue::Reader)).await.unwrap();
    }
    let segments = || disk.list().unwrap().iter().filter(|n| n.starts_with("SPLOG")).count();
    let before = segments();
    let work = spool.clone();
    tokio::task::spawn_blocking(move || work.clean().unwrap()).await.unwrap();
    assert!(segments() < before, "{before} segments");
    let imap = UnitRecord::of(&guest(&cp, "IMAP")).unwrap();
    let files = imap.reader_files();
    assert_eq!(files.len(), 3);
    spool.change(&files, |file| file.hold.system = false).await.unwrap();
    let mut open = imap.open_file(sent[1].id).await.unwrap();
    assert_eq!(open.next().await.unwrap_err(), SpoolError::Damaged(sent[1].id));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Wherever a bit changes: the other files are there as they were, and nothing is given out that was not sent.
    #[test]
    fn a_changed_bit_costs_one_file_at_most(at in 0usize..10 * 4096, bit in 0u8..8) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (disk, sent, log) = runtime.block_on(three_files());
        disk.flip_bit(&log, at, bit);
        let (spool, report) = start(&disk);
        let _in_runtime = runtime.enter();
        let imap = UnitRecord::of(&guest(&cp_with(&spool), "IMAP")).unwrap();
        let mut good = 0;
        let bodies = [vec![0x81; 2000], vec![0x99; 9000], vec![0x83; 300]];
        for (file, body) in sent.iter().zip(bodies) {
            let Some(now) = spool.file(user("IMAP"), file.id).filter(|f| f.unique == file.unique) else { continue };
            if !now.hold.system {
                prop_assert_eq!(&*now, &**file);
                prop_assert_eq!(&runtime.block_on(read_all(&imap, now.id))[0].data, &body);
                good += 1;
            }
        }
        prop_assert!(good >= 2);
        prop_assert_eq!(good < 3, !report.lost.is_empty(), "{:?}", report);
        let smtp = guest(&cp_with(&spool), "SMTP");
        runtime.block_on(send(&smtp, "IMAP", &[b"one more"])).unwrap();
        let files = spool.files(user("IMAP"), Queue::Reader).len();
        spool.stop();
        prop_assert_eq!(start(&disk).0.files(user("IMAP"), Queue::Reader).len(), files);
    }
}
