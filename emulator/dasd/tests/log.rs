//! The log through its public edge: group commit, crashes at every write, limits, recycling.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use bytes::Bytes;
use dasd::{
    BLOCK, DamagedStretch, Dasd, Faults, FaultyDasd, Hole, Log, LogAddr, LogConfig, LogError, LogFound,
    LogOwner, OpenError, Recovered, format,
};
use parking_lot::Mutex;
use proptest::prelude::*;

/// An owner that remembers what was applied. `!no` is refused.
#[derive(Clone, Default)]
struct Memory {
    applied: Arc<Mutex<Found>>,
    batches: Arc<Mutex<Vec<usize>>>,
    withdrawn: Arc<Mutex<usize>>,
}

impl LogOwner for Memory {
    type Entry = Vec<u8>;
    type Outcome = Result<LogAddr, &'static str>;
    type Prepared = ();

    fn admit(&mut self, entry: &mut Vec<u8>) -> Result<Vec<Bytes>, Self::Outcome> {
        if entry == b"!no" {
            return Err(Err("refused"));
        }
        // In two pieces, to see that they are joined.
        let half = entry.len() / 2;
        Ok(vec![Bytes::copy_from_slice(&entry[..half]), Bytes::copy_from_slice(&entry[half..])])
    }

    fn prepare(&mut self, _end: LogAddr, _batch: &[(LogAddr, Vec<u8>)]) {}

    fn applied(&mut self, (): (), _end: LogAddr, batch: Vec<(LogAddr, Vec<u8>)>) -> Vec<Self::Outcome> {
        self.batches.lock().push(batch.len());
        let outcomes = batch.iter().map(|(addr, _)| Ok(*addr)).collect();
        self.applied.lock().extend(batch);
        outcomes
    }

    fn relieves(&self, entry: &Vec<u8>) -> bool {
        entry.starts_with(b"relief")
    }

    fn withdrawn(&mut self, entries: Vec<Vec<u8>>, _why: &LogError) {
        *self.withdrawn.lock() += entries.len();
    }
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 8 * BLOCK,
        ahead: 0,
        reserve: 0,
        keep_free: 2,
        batch_bytes: 3 * BLOCK,
        ..LogConfig::default()
    }
}

type Found = Vec<(LogAddr, Vec<u8>)>;

fn reopen(dasd: &FaultyDasd, from: LogAddr) -> (Log<Memory>, Memory, Found) {
    let mut found = Vec::new();
    let recovered = Recovered::open::<OpenError>(Arc::new(dasd.clone()), &config(), from, |found_now| {
        match found_now {
            LogFound::Entry(e) => found.push((e.addr, e.payload.to_vec())),
            LogFound::Damage(stretch) => panic!("{stretch:?}"),
        }
        Ok(())
    })
    .unwrap();
    let memory = Memory::default();
    (recovered.start(memory.clone()).unwrap(), memory, found)
}

fn fresh() -> FaultyDasd {
    let dasd = FaultyDasd::new();
    format(Arc::new(dasd.clone()), &config(), 42).unwrap();
    dasd
}

#[test]
fn entries_are_applied_in_order_and_found_again() {
    let dasd = fresh();
    let (log, memory, _) = reopen(&dasd, LogAddr::START);
    for i in 0..200u32 {
        let payload = vec![i as u8; (i * 37 % 6000) as usize];
        log.submit_blocking(payload).unwrap().unwrap();
    }
    log.close();
    let applied = memory.applied.lock().clone();
    assert_eq!(applied.len(), 200);
    for (addr, payload) in &applied {
        assert_eq!(log.space().read(*addr, payload.len()).unwrap(), payload);
    }
    drop(log);
    let (log, _, found) = reopen(&dasd, LogAddr::START);
    assert_eq!(found, applied);
    assert!(log.space().segments().len() > 10);
}

/// Opens a log that may be damaged; its entries, and the stretches that are damaged.
fn open_damaged(dasd: &FaultyDasd) -> (Recovered, Found, Vec<DamagedStretch>) {
    let (mut entries, mut damage) = (Vec::new(), Vec::new());
    let recovered =
        Recovered::open::<OpenError>(Arc::new(dasd.clone()), &config(), LogAddr::START, |found| {
            match found {
                LogFound::Entry(e) => entries.push((e.addr, e.payload.to_vec())),
                LogFound::Damage(stretch) => damage.push(stretch),
            }
            Ok(())
        });
    (recovered.unwrap(), entries, damage)
}

#[test]
fn what_a_crash_cut_off_is_named_and_a_clean_end_is_not() {
    let dasd = fresh();
    let (log, _, _) = reopen(&dasd, LogAddr::START);
    log.submit_blocking(b"sound".to_vec()).unwrap().unwrap();
    let last = log.submit_blocking(b"cut off".to_vec()).unwrap().unwrap();
    // The disks as a crash leaves them, so without the mark of a close.
    let dasd = dasd.restart(|| 0);
    let (recovered, found, _) = open_damaged(&dasd);
    assert_eq!((recovered.unsound(), found.len()), (None, 2));
    // All is in the first segment, so that the address is the offset in its file.
    dasd.flip_bit("LOG000001", usize::try_from(last.0).unwrap(), 0);
    let (recovered, found, damage) = open_damaged(&dasd);
    let batch = LogAddr(last.0 / BLOCK * BLOCK);
    assert_eq!((recovered.unsound(), found.len(), damage.len()), (Some(batch), 1, 0));
}

/// All octets of a disk.
fn octets_of(dasd: &FaultyDasd, name: &str) -> Vec<u8> {
    let disk = dasd.open(name).unwrap();
    let mut octets = vec![0; usize::try_from(disk.len().unwrap()).unwrap()];
    disk.read_at(&mut octets, 0).unwrap();
    octets
}

#[test]
fn a_copy_of_a_segment_beside_it_is_left_alone() {
    let dasd = fresh();
    let (log, _, _) = reopen(&dasd, LogAddr::START);
    log.submit_blocking(b"one".to_vec()).unwrap().unwrap();
    drop(log);
    let old = octets_of(&dasd, "LOG000001");
    // Behind the segment in the order of names, so that it would be found last.
    let copy = dasd.create("LOG000001.bak").unwrap();
    copy.write_at(&old, 0).unwrap();
    let (log, _, _) = reopen(&dasd, LogAddr::START);
    log.submit_blocking(b"two".to_vec()).unwrap().unwrap();
    drop(log);
    let (_, _, found) = reopen(&dasd, LogAddr::START);
    let found: Vec<_> = found.into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(found, [b"one", b"two"]);
    assert_eq!(octets_of(&dasd, "LOG000001.bak"), old);
}

#[test]
fn a_segment_whose_headers_are_damaged_is_never_written_over() {
    let dasd = fresh();
    let (log, _, _) = reopen(&dasd, LogAddr::START);
    while log.space().segments().len() < 3 {
        log.submit_blocking(vec![7; 3000]).unwrap().unwrap();
    }
    drop(log);
    // The header of the first segment, and that of the first batch in it.
    dasd.flip_bit("LOG000001", 3, 0);
    dasd.flip_bit("LOG000001", usize::try_from(BLOCK).unwrap() + 1, 0);
    let damaged = octets_of(&dasd, "LOG000001");
    let (recovered, _, damage) = open_damaged(&dasd);
    assert_eq!(damage.len(), 1);
    let log = recovered.start(Memory::default()).unwrap();
    for _ in 0..40 {
        log.submit_blocking(vec![8; 3000]).unwrap().unwrap();
    }
    drop(log);
    assert_eq!(octets_of(&dasd, "LOG000001"), damaged);
}

#[test]
fn a_log_that_is_opened_and_closed_does_not_grow() {
    let dasd = fresh();
    let (log, _, _) = reopen(&dasd, LogAddr::START);
    log.submit_blocking(b"one".to_vec()).unwrap().unwrap();
    drop(log);
    let ends: Vec<_> = (0..20)
        .map(|_| {
            let (recovered, _, _) = open_damaged(&dasd);
            let end = recovered.end();
            recovered.start(Memory::default()).unwrap().close();
            end
        })
        .collect();
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
}

#[test]
fn damage_can_be_narrowed_down_by_the_checksums_of_the_owner() {
    let dasd = fresh();
    let (log, memory, _) = reopen(&dasd, LogAddr::START);
    log.submit_blocking(b"before".to_vec()).unwrap().unwrap();
    let bad = log.submit_blocking(b"head and BODY and tail".to_vec()).unwrap().unwrap();
    log.submit_blocking(b"behind".to_vec()).unwrap().unwrap();
    log.close();
    let body = LogAddr(bad.0 + 9);
    dasd.flip_bit("LOG000001", usize::try_from(body.0).unwrap(), 3);
    let (recovered, found, damage) = open_damaged(&dasd);
    let applied = memory.applied.lock().clone();
    assert_eq!(found, [applied[0].clone(), applied[2].clone()]);
    let [stretch] = &damage[..] else { panic!("{damage:?}") };
    assert!(stretch.complete && stretch.from < bad && bad < stretch.to);
    let [batch] = &stretch.batches[..] else { panic!("{stretch:?}") };
    assert_eq!((batch.entries.len(), batch.entries[0].addr), (1, bad));
    let crc = crc_fast::crc32_iscsi(b"BODY");
    let hole = |addr, len, crc| Hole { addr: LogAddr(addr), len, crc };
    assert!(batch.sound_but_for(&[hole(body.0, 4, crc)]));
    assert!(batch.sound_but_for(&[hole(bad.0, 4, crc_fast::crc32_iscsi(b"head")), hole(body.0, 4, crc)]));
    for wrong in [
        vec![],
        vec![hole(body.0, 4, crc ^ 1)],
        vec![hole(body.0 + 1, 3, crc)],
        vec![hole(bad.0, 4, crc_fast::crc32_iscsi(b"head"))],
        vec![hole(body.0, 4, crc), hole(body.0, 4, crc)],
        vec![hole(body.0, u64::MAX, crc)],
        vec![hole(0, 4, crc)],
    ] {
        assert!(!batch.sound_but_for(&wrong), "{wrong:?}");
    }
    // What is logged from now on stands behind all of it.
    let end = recovered.end();
    let log = recovered.start(Memory::default()).unwrap();
    assert!(log.submit_blocking(b"new".to_vec()).unwrap().unwrap() > end);
    drop(log);
    assert_eq!(open_damaged(&dasd).1.len(), 3);
}

#[test]
fn a_refusal_reaches_its_submitter_and_nobody_else() {
    let dasd = fresh();
    let (log, memory, _) = reopen(&dasd, LogAddr::START);
    assert_eq!(log.submit_blocking(b"!no".to_vec()).unwrap(), Err("refused"));
    assert!(log.submit_blocking(b"yes".to_vec()).unwrap().is_ok());
    assert_eq!(memory.applied.lock().len(), 1);
}

#[test]
fn the_largest_entry_fits_and_one_more_octet_does_not() {
    let dasd = fresh();
    let (log, memory, _) = reopen(&dasd, LogAddr::START);
    let max = log.max_entry() as usize;
    log.submit_blocking(vec![1; max]).unwrap().unwrap();
    assert!(matches!(log.submit_blocking(vec![1; max + 1]), Err(LogError::TooLarge { .. })));
    log.submit_blocking(vec![2; max]).unwrap().unwrap();
    assert_eq!(*memory.withdrawn.lock(), 1);
    drop(log);
    assert_eq!(reopen(&dasd, LogAddr::START).2.len(), 2);
}

#[test]
fn concurrent_committers_share_syncs() {
    let dasd = fresh();
    let (log, memory, _) = reopen(&dasd, LogAddr::START);
    let before = dasd.syncs();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Hold the writer until all 64 wait, so that the outcome does not depend on the scheduler.
    let (hold, wait) = std::sync::mpsc::channel::<()>();
    runtime.block_on(async {
        let blocker = log.call(move |_| wait.recv().is_ok());
        let commits = futures_join((0..64u8).map(|i| log.submit(vec![i; 100])).collect());
        let release = async {
            tokio::task::yield_now().await;
            hold.send(()).unwrap();
        };
        let (_, all, ()) = tokio::join!(blocker, commits, release);
        assert!(all.into_iter().all(|r| r.unwrap().is_ok()));
    });
    assert_eq!(memory.batches.lock().iter().sum::<usize>(), 64);
    assert!(dasd.syncs() - before <= 3, "{} syncs for 64 commits", dasd.syncs() - before);
}

/// Polls all futures together; results in order.
async fn futures_join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(move |cx| {
        let mut open = false;
        for (f, out) in &mut futures {
            if out.is_none() {
                match f.as_mut().poll(cx) {
                    std::task::Poll::Ready(v) => *out = Some(v),
                    std::task::Poll::Pending => open = true,
                }
            }
        }
        if open {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(futures.iter_mut().filter_map(|(_, out)| out.take()).collect())
    })
    .await
}

#[test]
fn a_failed_sync_takes_the_log_offline_for_good() {
    let dasd = fresh();
    let (log, memory, _) = reopen(&dasd, LogAddr::START);
    log.submit_blocking(b"one".to_vec()).unwrap().unwrap();
    dasd.set_faults(Faults { fail_sync: Some(0), ..Faults::default() });
    assert!(matches!(log.submit_blocking(b"two".to_vec()), Err(LogError::Offline(_))));
    assert!(matches!(log.submit_blocking(b"three".to_vec()), Err(LogError::Offline(_))));
    assert!(log.offline().is_some());
    assert_eq!(memory.applied.lock().len(), 1);
    drop(log);
    let (log, _, found) = reopen(&dasd, LogAddr::START);
    assert_eq!(found[0].1, b"one");
    log.submit_blocking(b"four".to_vec()).unwrap().unwrap();
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let dasd = fresh();
    let (log, _, _) = reopen(&dasd, LogAddr::START);
    dasd.set_faults(Faults { capacity: Some(8 * BLOCK), ..Faults::default() });
    let mut ok = 0;
    let error = loop {
        match log.submit_blocking(vec![0; 100]) {
            Ok(_) => ok += 1,
            Err(e) => break e,
        }
    };
    assert!(matches!(error, LogError::Full), "{error}");
    assert_eq!(ok, 7, "all of the first segment is used");
    dasd.set_faults(Faults::default());
    log.submit_blocking(vec![0; 100]).unwrap().unwrap();
}

#[test]
fn the_reserve_is_for_entries_that_give_space_back() {
    let dasd = FaultyDasd::new();
    let config = LogConfig { reserve: 1, ..config() };
    format(Arc::new(dasd.clone()), &config, 42).unwrap();
    let open = |from| {
        Recovered::open::<OpenError>(Arc::new(dasd.clone()), &config, from, |_| Ok(()))
            .unwrap()
            .start(Memory::default())
            .unwrap()
    };
    let log = open(LogAddr::START);
    dasd.set_faults(Faults { capacity: Some(16 * BLOCK), ..Faults::default() });
    let mut ok = 0;
    while log.submit_blocking(vec![0; 100]).is_ok() {
        ok += 1;
    }
    assert_eq!(ok, 7, "the reserve is not for everybody");
    for _ in 0..3 {
        log.submit_blocking(b"relief".to_vec()).unwrap().unwrap();
        assert!(matches!(log.submit_blocking(vec![0; 100]), Err(LogError::Full)));
    }
    assert!(
        log.call_blocking({
            let space = log.space().clone();
            move |_| space.recycle(0)
        })
        .unwrap()
    );
    log.submit_blocking(vec![0; 100]).unwrap().unwrap();
    let end = log.space().segments().len();
    assert_eq!(end, 1);
}

#[test]
fn recycled_segments_are_used_again_and_pinned_ones_are_not() {
    let dasd = fresh();
    let (log, memory, _) = reopen(&dasd, LogAddr::START);
    let fill = |n: usize| {
        for _ in 0..n {
            log.submit_blocking(vec![5; 3000]).unwrap().unwrap();
        }
    };
    fill(15); // segments 0, 1 full, 2 current
    let first = memory.applied.lock()[0].0;
    let pin = log.space().pin(first).unwrap();
    assert!(log.space().recycle(0));
    assert!(log.space().recycle(1));
    assert!(!log.space().recycle(2), "the current segment stays");
    fill(12);
    assert!(log.space().read(first, 1).is_err());
    assert_eq!(log.space().read_pinned(&pin, first, 1).unwrap(), vec![5]);
    drop(pin);
    assert_eq!(dasd.list().unwrap().len(), 3, "one file was used again, one was pinned");
    // The end of segment 1, as the owner was told it.
    let recovery = LogAddr(2 * 8 * BLOCK);
    log.close();
    let (_, _, found) = reopen(&dasd, recovery);
    assert_eq!(found.len(), 27 - 14);
}

#[test]
fn a_segment_can_be_scanned_alone() {
    let dasd = fresh();
    let (log, memory, _) = reopen(&dasd, LogAddr::START);
    for i in 0..30u8 {
        log.submit_blocking(vec![i; 2000]).unwrap().unwrap();
    }
    let mut all = Vec::new();
    for segment in log.space().segments() {
        log.space().scan_segment(segment.seq, |addr, payload| all.push((addr, payload.to_vec()))).unwrap();
    }
    assert_eq!(all, *memory.applied.lock());
}

#[test]
fn background_zeroing_keeps_segments_ready() {
    let dir = tempfile::tempdir().unwrap();
    let dasd: Arc<dyn Dasd> = Arc::new(dasd::HostDasd::new(dir.path()).unwrap());
    let config = LogConfig { ahead: 2, ..config() };
    format(dasd.clone(), &config, 1).unwrap();
    let log = Recovered::open::<OpenError>(dasd.clone(), &config, LogAddr::START, |_| Ok(()))
        .unwrap()
        .start(Memory::default())
        .unwrap();
    for _ in 0..100 {
        log.submit_blocking(vec![1; 9000]).unwrap().unwrap();
    }
    log.close();
    let mut n = 0;
    Recovered::open::<OpenError>(dasd, &config, LogAddr::START, |_| {
        n += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(n, 100);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever write the power fails at, and whatever the disk makes of what was not synced: everything acknowledged is
    /// found, at most the entry under way is found beyond it, nothing is found twice or damaged; and so on over several
    /// crashes of the same disk.
    #[test]
    fn no_crash_loses_or_invents_an_entry(
        rounds in prop::collection::vec((prop::collection::vec(0usize..9000, 1..12), 0u64..14), 1..5),
        seed: u32,
    ) {
        let mut state = seed;
        let mut dasd = fresh();
        let mut model: Vec<Vec<u8>> = Vec::new();
        let mut serial = 0u8;
        for (sizes, crash) in rounds {
            let (log, _, found) = reopen(&dasd, LogAddr::START);
            prop_assert_eq!(found.into_iter().map(|(_, p)| p).collect::<Vec<_>>(), model.clone());
            dasd.set_faults(Faults { crash_at_write: Some(crash), ..Faults::default() });
            let mut in_doubt = None;
            for size in sizes {
                serial = serial.wrapping_add(1);
                let payload = vec![serial | 0x80; size];
                match log.submit_blocking(payload.clone()) {
                    Ok(_) => model.push(payload),
                    Err(_) => {
                        in_doubt = Some(payload);
                        break;
                    }
                }
            }
            drop(log);
            dasd = dasd.restart(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 16
            });
            let (_, _, found) = reopen(&dasd, LogAddr::START);
            if found.len() == model.len() + 1 {
                model.extend(in_doubt);
            }
            prop_assert_eq!(found.into_iter().map(|(_, p)| p).collect::<Vec<_>>(), model.clone());
        }
    }

    /// A damaged octet anywhere in a log that was closed costs the batch it is in and nothing else; it never yields a changed entry.
    #[test]
    fn damage_costs_one_batch(offset in 0usize..65536, bit in 0u8..8) {
        let dasd = fresh();
        let (log, memory, _) = reopen(&dasd, LogAddr::START);
        // One batch a block, over two segments.
        for i in 0..10u8 {
            log.submit_blocking(vec![i; 3000]).unwrap().unwrap();
        }
        log.close();
        let segment = offset / 32768;
        dasd.flip_bit(&format!("LOG00000{}", segment + 1), offset % 32768, bit);
        let applied = memory.applied.lock().clone();
        let hit = |addr: LogAddr| addr.0 as usize / 4096 == offset / 4096;
        // The checksum covers header, table and payload, not what fills up the block.
        let covered = offset % 4096 < 48 + 4 + 3000;
        let sound: Found = applied.iter().filter(|(addr, _)| !(hit(*addr) && covered)).cloned().collect();
        let (_, found, damage) = open_damaged(&dasd);
        prop_assert_eq!(found.len() + damage.len(), applied.len());
        prop_assert_eq!(found, sound);
        for stretch in damage {
            prop_assert!(stretch.from.0 as usize <= offset && offset < stretch.to.0 as usize);
        }
    }

    /// However much is overwritten: no panic, no changed entry.
    #[test]
    fn no_damage_is_returned(
        holes in prop::collection::vec((0usize..65536, 1usize..9000, any::<u8>()), 1..6),
    ) {
        let dasd = fresh();
        let (log, memory, _) = reopen(&dasd, LogAddr::START);
        for i in 0..10u8 {
            log.submit_blocking(vec![i; 3000]).unwrap().unwrap();
        }
        log.close();
        for (offset, len, fill) in holes {
            let file = dasd.open(&format!("LOG00000{}", offset / 32768 + 1)).unwrap();
            let len = len.min(32768 - offset % 32768);
            file.write_at(&vec![fill; len], offset as u64 % 32768).unwrap();
        }
        let applied = memory.applied.lock().clone();
        let mut found = Vec::new();
        let opened = Recovered::open::<OpenError>(Arc::new(dasd), &config(), LogAddr::START, |f| {
            if let LogFound::Entry(e) = f {
                found.push((e.addr, e.payload.to_vec()));
            }
            Ok(())
        });
        drop(opened);
        prop_assert!(found.iter().all(|entry| applied.contains(entry)));
        prop_assert!(found.windows(2).all(|two| two[0].0 < two[1].0));
    }
}
