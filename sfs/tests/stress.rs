//! Many units at once on host disks, with the mover, the cleaner and checkpoints running beneath them.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::{fid, top};
use cp::clock::ManualClock;
use dasd::{BLOCK, Dasd, HostDasd, LogConfig, VolumeConfig};
use jiff::Timestamp;
use sfs::pool::{Pool, PoolConfig, PoolError};
use sfs::types::StorageGroup;

const TASKS: usize = 8;
const COMMITS: usize = 120;
const FILES: usize = 12;

fn config() -> PoolConfig {
    PoolConfig {
        log: LogConfig {
            segment_bytes: 64 * BLOCK,
            ahead: 2,
            tick: Duration::from_millis(5),
            ..LogConfig::default()
        },
        volume: VolumeConfig { segment_bytes: 128 * BLOCK, ..VolumeConfig::default() },
        checkpoint_bytes: 300 << 10,
        checkpoint_interval: Duration::from_millis(20),
        log_segments: 1,
        fold_rows: 64,
        background: true,
        ..PoolConfig::default()
    }
}

/// One user's work: a sequence of commits that depends on nothing but `task`; readers check every file each time.
async fn work(pool: Pool, task: usize) -> BTreeMap<String, String> {
    let space = format!("U{task}");
    let unit = pool.begin();
    unit.enroll(&space, 1_000_000, "").unwrap();
    unit.commit().await.unwrap();
    let mut model: BTreeMap<String, String> = BTreeMap::new();
    let mut state = task as u64 + 1;
    let mut random = move |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for commit in 0..COMMITS {
        for _ in 0..=random(3) {
            let name = format!("F{} FILE", random(FILES));
            match random(5) {
                0 if model.contains_key(&name) => {
                    unit.erase_file(top(&space), fid(&name)).unwrap();
                    model.remove(&name);
                }
                1 if model.contains_key(&name) => {
                    let to = format!("C{} FILE", random(FILES));
                    unit.copy_file(top(&space), fid(&name), top(&space), fid(&to), true).unwrap();
                    let text: String = model[&name].clone();
                    model.insert(to, text);
                }
                _ => {
                    let text = format!("{task}.{commit}.").repeat(1 + random(6000));
                    let text = text[..text.len().min(60_000)].to_owned();
                    common::put(&unit, top(&space), &name, &[&text]).unwrap();
                    model.insert(name, text);
                }
            }
        }
        unit.commit().await.unwrap();
        let name = model.keys().nth(random(model.len().max(1))).cloned();
        if let Some(name) = name {
            let found = common::lines(&unit, top(&space), &name).unwrap();
            assert_eq!(found, [model[&name].as_str()]);
        }
    }
    model
}

#[test]
fn nobody_sees_the_mover() {
    let folder = tempfile::tempdir().unwrap();
    let dasd: Arc<dyn Dasd> = Arc::new(HostDasd::new(folder.path()).unwrap());
    let clock = || Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    Pool::generate(&dasd, &config(), 3).unwrap();
    let pool = Pool::open(&dasd, &config(), clock()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let mover = {
        let pool = pool.clone();
        // As the background thread does, without its pauses.
        std::thread::spawn(move || {
            let mut moved = 0;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                moved += pool.tidy().unwrap();
            }
            moved
        })
    };
    let models: Vec<_> = runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS).map(|t| tokio::spawn(work(pool.clone(), t))).collect();
        let mut models = Vec::new();
        for task in tasks {
            models.push(task.await.unwrap());
        }
        models
    });
    drop(stop);
    assert!(mover.join().unwrap() > 0, "the mover had nothing to do: the test tests nothing");
    assert_eq!(pool.check(true).unwrap().problems, Vec::<String>::new());
    runtime.block_on(pool.close());
    drop(pool);
    let pool = Pool::open(&dasd, &config(), clock()).unwrap();
    assert_eq!(pool.check(true).unwrap().problems, Vec::<String>::new());
    let unit = pool.begin();
    for (task, model) in models.iter().enumerate() {
        let space = format!("U{task}");
        assert_eq!(unit.list_files(top(&space)).unwrap().len(), model.len());
        for (name, text) in model {
            assert_eq!(common::lines(&unit, top(&space), name).unwrap(), [text.as_str()]);
        }
    }
}

#[test]
fn a_catalog_that_is_full_refuses_and_stays_sound_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let dasd: Arc<dyn Dasd> = Arc::new(HostDasd::new(folder.path()).unwrap());
    let clock = || Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    Pool::generate(&dasd, &config(), 3).unwrap();
    let pool = Pool::open(&dasd, &config(), clock()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
    // Commits, and erases whenever the catalog is full; how many commits there were.
    async fn fill(pool: Pool, task: usize) -> usize {
        let unit = pool.begin();
        let space = format!("U{task}");
        let (mut made, mut erased, mut refused) = (0, 0, 0);
        while refused < 25 {
            common::put(&unit, top(&space), &format!("F{made} FILE"), &["text"]).unwrap();
            match unit.commit().await {
                Ok(_) => made += 1,
                Err(PoolError::GroupFull(StorageGroup::CATALOG)) => {
                    refused += 1;
                    for _ in 0..4.min(made - erased) {
                        unit.erase_file(top(&space), fid(&format!("F{erased} FILE"))).unwrap();
                        erased += 1;
                    }
                    unit.commit().await.unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
        made
    }
    let counts = runtime.block_on(async {
        let unit = pool.begin();
        (0..6).for_each(|task| unit.enroll(&format!("U{task}"), 1_000_000, "").unwrap());
        unit.commit().await.unwrap();
        let used = pool
            .storage_groups()
            .await
            .unwrap()
            .iter()
            .find(|g| g.group == StorageGroup::CATALOG)
            .unwrap()
            .used;
        pool.add_minidisk(StorageGroup::CATALOG, 0x399, Some(used + 60)).await.unwrap();
        let tasks: Vec<_> = (0..6).map(|task| tokio::spawn(fill(pool.clone(), task))).collect();
        let mut counts = Vec::new();
        for task in tasks {
            counts.push(task.await.unwrap());
        }
        counts
    });
    assert!(counts.iter().sum::<usize>() > 20, "{counts:?}");
    assert_eq!(pool.offline(), None);
    runtime.block_on(pool.close());
    drop(pool);
    let pool = Pool::open(&dasd, &config(), clock()).unwrap();
    assert_eq!(pool.check(true).unwrap().problems, Vec::<String>::new());
}
