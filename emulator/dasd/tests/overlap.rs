//! The log with its threads: batches are prepared while they are written, and shown while the next one is.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use bytes::Bytes;
use dasd::{
    BLOCK, Dasd, Faults, FaultyDasd, HostDasd, Log, LogAddr, LogConfig, LogError, LogFound, LogOwner,
    OpenError, Recovered, format,
};
use parking_lot::Mutex;
use proptest::prelude::*;

/// What an owner was asked to do.
#[derive(Debug, Default)]
struct Seen {
    /// Entries of a batch that is prepared and not yet shown.
    prepared: Option<Vec<Vec<u8>>>,
    shown: Vec<Vec<u8>>,
    abandoned: usize,
    withdrawn: usize,
    /// An entry was admitted while another that had to be seen before was not.
    too_early: bool,
    /// Entries of the prepared batch that have to be seen.
    unseen: usize,
}

/// Notes what it is asked, and objects to what must not be. `must` has to be seen before others are admitted; `die` is a panic.
#[derive(Clone, Default)]
struct Watchful(Arc<Mutex<Seen>>);

fn must_be_seen(entry: &[u8]) -> bool {
    entry.starts_with(b"must")
}

impl LogOwner for Watchful {
    type Entry = Vec<u8>;
    type Outcome = ();
    type Prepared = usize;

    fn admit(&mut self, entry: &mut Vec<u8>) -> Result<Vec<Bytes>, ()> {
        let mut seen = self.0.lock();
        seen.too_early |= seen.unseen > 0;
        Ok(vec![Bytes::copy_from_slice(entry)])
    }

    fn prepare(&mut self, _end: LogAddr, batch: &[(LogAddr, Vec<u8>)]) -> usize {
        assert!(!batch.iter().any(|(_, entry)| entry == b"die"), "as it was told");
        let mut seen = self.0.lock();
        assert!(seen.prepared.is_none(), "the batch before was not shown");
        // Those of its own batch were admitted with it.
        seen.unseen = batch.iter().filter(|(_, entry)| must_be_seen(entry)).count();
        seen.prepared = Some(batch.iter().map(|(_, entry)| entry.clone()).collect());
        batch.len()
    }

    fn applied(&mut self, prepared: usize, _end: LogAddr, batch: Vec<(LogAddr, Vec<u8>)>) -> Vec<()> {
        let mut seen = self.0.lock();
        let batch: Vec<_> = batch.into_iter().map(|(_, entry)| entry).collect();
        assert_eq!(seen.prepared.take().as_ref(), Some(&batch));
        assert_eq!(prepared, batch.len());
        seen.unseen = 0;
        seen.shown.extend(batch);
        vec![(); prepared]
    }

    fn abandoned(&mut self, _prepared: usize, _why: &LogError) {
        let mut seen = self.0.lock();
        assert!(seen.prepared.take().is_some());
        seen.abandoned += 1;
    }

    fn withdrawn(&mut self, entries: Vec<Vec<u8>>, _why: &LogError) {
        self.0.lock().withdrawn += entries.len();
    }

    fn must_be_seen(&self, entry: &Vec<u8>) -> bool {
        must_be_seen(entry)
    }
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 16 * BLOCK, ahead: 1, reserve: 0, keep_free: 2, ..LogConfig::default() }
}

fn open(dasd: &Arc<dyn Dasd>) -> (Log<Watchful>, Watchful, Vec<Vec<u8>>) {
    let mut found = Vec::new();
    let recovered = Recovered::open::<OpenError>(dasd.clone(), &config(), LogAddr::START, |one| {
        if let LogFound::Entry(entry) = one {
            found.push(entry.payload.to_vec());
        }
        Ok(())
    });
    let owner = Watchful::default();
    (recovered.unwrap().start(owner.clone()).unwrap(), owner, found)
}

/// `threads` submitters; what each got acknowledged, in order, until its first error.
fn submit_from(
    log: &Log<Watchful>,
    threads: usize,
    count: usize,
    entry: impl Fn(usize, usize) -> Vec<u8> + Sync,
) -> Vec<Vec<Vec<u8>>> {
    std::thread::scope(|scope| {
        let work = |thread: usize| {
            let entry = &entry;
            move || {
                let entries = (0..count).map(|n| entry(thread, n));
                entries.take_while(|entry| log.submit_blocking(entry.clone()).is_ok()).collect::<Vec<_>>()
            }
        };
        let all: Vec<_> = (0..threads).map(|thread| scope.spawn(work(thread))).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// The entries of one thread, which begin with its number.
fn of_thread(all: &[Vec<u8>], thread: usize) -> Vec<Vec<u8>> {
    let prefix = format!("{thread}:");
    all.iter().filter(|entry| entry.starts_with(prefix.as_bytes())).cloned().collect()
}

#[test]
fn every_batch_is_shown_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let dasd: Arc<dyn Dasd> = Arc::new(HostDasd::new(folder.path()).unwrap());
    format(dasd.clone(), &config(), 1).unwrap();
    let (log, owner, _) = open(&dasd);
    let acknowledged = submit_from(&log, 6, 150, |thread, n| format!("{thread}:{n}").into_bytes());
    log.close();
    let shown = owner.0.lock().shown.clone();
    assert_eq!(shown.len(), 6 * 150);
    for (thread, acknowledged) in acknowledged.iter().enumerate() {
        assert_eq!(&of_thread(&shown, thread), acknowledged);
    }
    drop(log);
    assert_eq!(open(&dasd).2, shown);
}

/// Submits from tasks of `runtime`, each until the log is closed or `count` entries are logged; how many they were told of.
fn submit_tasks(
    runtime: &tokio::runtime::Runtime,
    log: &Arc<Log<Watchful>>,
    tasks: usize,
    count: usize,
) -> Arc<std::sync::atomic::AtomicUsize> {
    let told = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    for _ in 0..tasks {
        let (log, told) = (log.clone(), told.clone());
        runtime.spawn(async move {
            for _ in 0..count {
                log.submit(b"task".to_vec()).await.unwrap();
                told.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        });
    }
    told
}

#[test]
fn tasks_of_several_runtimes_and_threads_are_told_of_the_same_batches() {
    let folder = tempfile::tempdir().unwrap();
    let dasd: Arc<dyn Dasd> = Arc::new(HostDasd::new(folder.path()).unwrap());
    format(dasd.clone(), &config(), 1).unwrap();
    let (log, owner, _) = open(&dasd);
    let log = Arc::new(log);
    let two = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let runtimes = [two(), two()];
    let told = runtimes.each_ref().map(|runtime| submit_tasks(runtime, &log, 8, 40));
    submit_from(&log, 3, 100, |thread, n| format!("{thread}:{n}").into_bytes());
    let all = || told.iter().map(|told| told.load(std::sync::atomic::Ordering::SeqCst)).sum::<usize>();
    while all() < 2 * 8 * 40 {
        std::thread::yield_now();
    }
    assert_eq!(owner.0.lock().shown.len(), 2 * 8 * 40 + 3 * 100);
}

#[test]
fn a_runtime_that_ends_while_its_tasks_wait_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let dasd: Arc<dyn Dasd> = Arc::new(HostDasd::new(folder.path()).unwrap());
    format(dasd.clone(), &config(), 1).unwrap();
    let (log, _, _) = open(&dasd);
    let log = Arc::new(log);
    for _ in 0..20 {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        submit_tasks(&runtime, &log, 8, usize::MAX);
        submit_from(&log, 2, 5, |_, _| b"thread".to_vec());
        runtime.shutdown_background();
        submit_from(&log, 2, 5, |_, _| b"thread".to_vec());
    }
}

#[test]
fn nothing_is_admitted_before_what_must_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let dasd: Arc<dyn Dasd> = Arc::new(HostDasd::new(folder.path()).unwrap());
    format(dasd.clone(), &config(), 1).unwrap();
    let (log, owner, _) = open(&dasd);
    let entry = |thread, n: usize| if n.is_multiple_of(3) { b"must".to_vec() } else { vec![thread as u8; 9] };
    submit_from(&log, 6, 150, entry);
    log.close();
    let seen = owner.0.lock();
    assert_eq!((seen.shown.len(), seen.unseen, seen.too_early), (6 * 150, 0, false));
}

#[test]
fn what_could_not_be_synced_is_never_shown() {
    let dasd = FaultyDasd::new();
    let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
    format(disks.clone(), &config(), 1).unwrap();
    let before = dasd.syncs();
    let (log, owner, _) = open(&disks);
    log.submit_blocking(b"one".to_vec()).unwrap();
    // The one of the batch, and that of the segment which is prepared meanwhile: the next one is that of the next batch.
    while dasd.syncs() < before + 2 {
        std::thread::yield_now();
    }
    dasd.set_faults(Faults { fail_sync: Some(0), ..Faults::default() });
    assert!(matches!(log.submit_blocking(b"two".to_vec()), Err(LogError::Offline(_))));
    assert!(matches!(log.submit_blocking(b"three".to_vec()), Err(LogError::Offline(_))));
    let seen = owner.0.lock();
    assert_eq!(seen.shown, [b"one"]);
    assert_eq!((seen.abandoned, seen.withdrawn), (1, 1));
}

#[test]
fn an_owner_that_panics_takes_the_log_offline() {
    let dasd: Arc<dyn Dasd> = Arc::new(FaultyDasd::new());
    format(dasd.clone(), &config(), 1).unwrap();
    let (log, _, _) = open(&dasd);
    log.submit_blocking(b"one".to_vec()).unwrap();
    assert!(matches!(log.submit_blocking(b"die".to_vec()), Err(LogError::Offline(_))));
    assert!(matches!(log.submit_blocking(b"two".to_vec()), Err(LogError::Offline(_))));
    assert!(log.call_blocking(|_| ()).is_err());
    log.close();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_crash_under_load_loses_nothing_that_was_acknowledged(at in 0u64..120, seed: u32) {
        let dasd = FaultyDasd::new();
        let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
        format(disks.clone(), &config(), 1).unwrap();
        let (log, _, _) = open(&disks);
        dasd.set_faults(Faults { crash_at_write: Some(at), ..Faults::default() });
        let acknowledged = submit_from(&log, 4, 40, |thread, n| {
            format!("{thread}:{n}:{}", "x".repeat(n * 97 % 5000)).into_bytes()
        });
        log.close();
        dasd.crash();
        let mut state = seed;
        let random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        let dasd: Arc<dyn Dasd> = Arc::new(dasd.restart(random));
        let (_, _, found) = open(&dasd);
        for (thread, acknowledged) in acknowledged.iter().enumerate() {
            let found = of_thread(&found, thread);
            // The one that was not answered may be there.
            prop_assert!(found.len() <= acknowledged.len() + 1);
            prop_assert_eq!(&found[..acknowledged.len().min(found.len())], &acknowledged[..]);
        }
    }
}
