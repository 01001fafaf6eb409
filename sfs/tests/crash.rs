//! Random work by several units against a model in memory, with the power failing at any write, several times on the same disks.
//!
//! After each recovery every committed file is there with its content, nothing else is, and every invariant of the pool holds. The
//! one commit that was under way is there whole or not at all.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use common::{config, fid, open_pool, top};
use dasd::{Dasd, Faults, FaultyDasd, LogConfig};
use proptest::prelude::*;
use sfs::pool::{Pool, PoolConfig, PoolError, WorkUnit};
use sfs::types::{Attributes, Intent};

/// Crashes that the pool has recovered from, and those that came in the middle of a write of its work.
static RECOVERIES: AtomicUsize = AtomicUsize::new(0);
static AT_A_WRITE: AtomicUsize = AtomicUsize::new(0);

const UNITS: usize = 3;
const FILES: usize = 5;

/// Name to image.
type Files = BTreeMap<String, String>;
/// Name to image, or nothing.
type Changes = BTreeMap<String, Option<String>>;

#[derive(Debug, Clone)]
enum Action {
    Put { unit: usize, file: usize, sizes: Vec<usize>, blocks: bool },
    Append { unit: usize, file: usize, size: usize },
    Index { unit: usize, file: usize, records: usize, blocks: bool },
    Update { unit: usize, file: usize, record: usize },
    Erase { unit: usize, file: usize },
    Rename { unit: usize, from: usize, to: usize },
    Copy { unit: usize, from: usize, to: usize },
    Commit { unit: usize },
    Rollback { unit: usize },
    Tidy,
    Checkpoint,
}

fn action() -> impl Strategy<Value = Action> {
    let (u, f) = (0..UNITS, 0..FILES);
    prop_oneof![
        3 => (u.clone(), f.clone(), prop::collection::vec(prop_oneof![0..50usize, 0..30_000usize], 1..4), any::<bool>())
            .prop_map(|(unit, file, sizes, blocks)| Action::Put { unit, file, sizes, blocks }),
        2 => (u.clone(), f.clone(), 1..5000usize).prop_map(|(unit, file, size)| Action::Append { unit, file, size }),
        2 => (u.clone(), f.clone(), 1..40usize, any::<bool>())
            .prop_map(|(unit, file, records, blocks)| Action::Index { unit, file, records, blocks }),
        3 => (u.clone(), f.clone(), 0..40usize).prop_map(|(unit, file, record)| Action::Update { unit, file, record }),
        1 => (u.clone(), f.clone()).prop_map(|(unit, file)| Action::Erase { unit, file }),
        1 => (u.clone(), f.clone(), f.clone()).prop_map(|(unit, from, to)| Action::Rename { unit, from, to }),
        1 => (u.clone(), f.clone(), f).prop_map(|(unit, from, to)| Action::Copy { unit, from, to }),
        6 => u.clone().prop_map(|unit| Action::Commit { unit }),
        1 => u.prop_map(|unit| Action::Rollback { unit }),
        1 => Just(Action::Tidy),
        1 => Just(Action::Checkpoint),
    ]
}

/// Files of even number are RECFM V, the others RECFM F of 8.
fn name(file: usize) -> String {
    if file.is_multiple_of(2) { format!("F{file} TEXT") } else { format!("F{file} INDEX") }
}

struct World {
    pool: Pool,
    units: Vec<(WorkUnit, Changes)>,
    committed: Files,
    serial: usize,
}

impl World {
    fn new(pool: Pool, committed: Files, serial: usize) -> Self {
        let units = (0..UNITS).map(|_| (pool.begin(), Changes::new())).collect();
        Self { pool, units, committed, serial }
    }

    fn seen(&self, unit: usize, name: &str) -> Option<String> {
        match self.units[unit].1.get(name) {
            Some(own) => own.clone(),
            None => self.committed.get(name).cloned(),
        }
    }

    fn text(&mut self, size: usize) -> String {
        self.serial += 1;
        let word = format!("{:08}", self.serial);
        word.chars().cycle().take(size).collect()
    }

    /// Does one action; the model follows when the engine did it.
    fn act(&mut self, action: &Action) -> Result<(), PoolError> {
        let joe = top("JOE");
        match action {
            Action::Put { unit, file, sizes, blocks } => {
                let name = name(file / 2 * 2);
                let lines: Vec<String> = sizes.iter().map(|s| self.text(*s)).collect();
                let image: String = lines.iter().map(|l| record(l)).collect();
                let refs: Vec<&str> = lines.iter().map(String::as_str).collect();
                let engine = &self.units[*unit].0;
                match blocks {
                    true => common::put_image(engine, joe, &name, Attributes::variable(), &image)?,
                    false => common::put(engine, joe, &name, &refs)?,
                }
                self.units[*unit].1.insert(name, Some(image));
            }
            Action::Append { unit, file, size } => {
                let name = name(file / 2 * 2);
                let text = self.text(*size);
                let mut image = self.seen(*unit, &name).unwrap_or_default();
                let u = &self.units[*unit].0;
                let token = common::open(u, joe, &name, Intent::Write, Attributes::variable())?;
                u.write(token, &Bytes::from(text.clone()), 1)?;
                u.close(token)?;
                image.push_str(&record(&text));
                self.units[*unit].1.insert(name, Some(image));
            }
            Action::Index { unit, file, records, blocks } => {
                let name = name(file / 2 * 2 + 1);
                let recs: Vec<String> = (0..*records).map(|_| self.text(8)).collect();
                let refs: Vec<&str> = recs.iter().map(String::as_str).collect();
                let engine = &self.units[*unit].0;
                match blocks {
                    true => common::put_image(engine, joe, &name, Attributes::fixed(8), &recs.concat())?,
                    false => common::put_fixed(engine, joe, &name, 8, &refs)?,
                }
                self.units[*unit].1.insert(name, Some(recs.concat()));
            }
            Action::Update { unit, file, record } => {
                let name = name(file / 2 * 2 + 1);
                let Some(mut image) = self.seen(*unit, &name) else { return Ok(()) };
                let text = self.text(8);
                let n = record % (image.len() / 8 + 1);
                let u = &self.units[*unit].0;
                let token = common::open(u, joe, &name, Intent::Write, Attributes::fixed(8))?;
                u.point(token, None, Some(n as u32 + 1))?;
                u.write(token, &Bytes::from(text.clone()), 1)?;
                u.close(token)?;
                let upto = image.len().min((n + 1) * 8);
                image.replace_range(n * 8..upto, &text);
                self.units[*unit].1.insert(name, Some(image));
            }
            Action::Erase { unit, file } => {
                self.units[*unit].0.erase_file(joe, fid(&name(*file)))?;
                self.units[*unit].1.insert(name(*file), None);
            }
            Action::Rename { unit, from, to } | Action::Copy { unit, from, to } => {
                let (from, to) = (name(*from), name(from % 2 + to / 2 * 2));
                let image = self.seen(*unit, &from);
                let u = &self.units[*unit].0;
                if matches!(action, Action::Rename { .. }) {
                    u.rename_file(joe, fid(&from), joe, fid(&to))?;
                    self.units[*unit].1.insert(from, None);
                } else {
                    u.copy_file(joe, fid(&from), joe, fid(&to), true)?;
                }
                self.units[*unit].1.insert(to, image);
            }
            Action::Rollback { unit } => {
                self.units[*unit].0.rollback();
                self.units[*unit].1.clear();
            }
            Action::Commit { .. } | Action::Tidy | Action::Checkpoint => {}
        }
        Ok(())
    }

    fn compare(&self) {
        for (i, (unit, _)) in self.units.iter().enumerate() {
            for file in 0..FILES + 2 {
                let name = name(file);
                match self.seen(i, &name) {
                    Some(image) => {
                        assert_eq!(common::image(unit, top("JOE"), &name).unwrap(), image, "{name}")
                    }
                    None => assert!(matches!(unit.status(top("JOE"), fid(&name)), Err(PoolError::NoFile))),
                }
            }
        }
    }
}

/// A RECFM V record as it stands in an image. The lengths used here and their octets are all below 128.
fn record(text: &str) -> String {
    let len = u16::try_from(text.len()).unwrap().to_be_bytes();
    format!("{}{}{text}", char::from(len[0]), char::from(len[1]))
}

fn apply(committed: &mut Files, changes: &Changes) {
    for (name, image) in changes {
        match image {
            Some(image) => committed.insert(name.clone(), image.clone()),
            None => committed.remove(name),
        };
    }
}

/// What the pool holds.
fn contents(pool: &Pool) -> Files {
    let unit = pool.begin();
    let mut all = Files::new();
    for status in unit.list_files(top("JOE")).unwrap() {
        let name = status.id.to_string();
        let image = common::image(&unit, top("JOE"), &name).unwrap();
        all.insert(name, image);
    }
    all
}

/// Runs actions until the power fails or they end. Returns the committed files, and the changes of a commit in doubt.
async fn run(world: &mut World, actions: &[Action]) -> Option<Changes> {
    for action in actions {
        match action {
            Action::Commit { unit } => {
                let (engine, changes) = &mut world.units[*unit];
                match engine.commit().await {
                    Ok(_) => {
                        let changes = std::mem::take(changes);
                        apply(&mut world.committed, &changes);
                    }
                    Err(_) => return Some(changes.clone()),
                }
            }
            Action::Tidy => {
                let pool = world.pool.clone();
                if tokio::task::spawn_blocking(move || pool.tidy()).await.unwrap().is_err() {
                    return Some(Changes::new());
                }
            }
            Action::Checkpoint => {
                if world.pool.checkpoint().await.is_err() {
                    return Some(Changes::new());
                }
            }
            other => match world.act(other) {
                Ok(()) | Err(PoolError::Locked { .. } | PoolError::NoFile | PoolError::FileExists) => {}
                Err(error) => {
                    assert!(world.pool.offline().is_some(), "{other:?}: {error}");
                    return Some(Changes::new());
                }
            },
        }
    }
    None
}

/// With threads that prepare log segments, fold the catalog and move bodies.
fn threaded() -> PoolConfig {
    let config = config();
    PoolConfig { log: LogConfig { ahead: 1, ..config.log }, background: true, ..config }
}

fn exact(text: &str) -> bool {
    // Lengths of 128 and more would not be text in the model.
    text.is_ascii()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, max_shrink_iters: 200, ..ProptestConfig::default() })]

    // Called below.
    fn random_work_and_crashes(
        rounds in prop::collection::vec((prop::collection::vec(action(), 1..40), common::crash_point()), 1..4),
        seed: u32,
        threads: bool,
    ) {
        // With the pool's own threads the moment of a write is another each time; without them a failure can be shrunk.
        let config = if threads { threaded() } else { config() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut state = seed;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        let mut dasd = FaultyDasd::new();
        let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
        Pool::generate(&disks, &config, 5).unwrap();
        let mut committed = Files::new();
        let mut serial = 0;
        {
            let pool = open_pool(&dasd, &config);
            let unit = pool.begin();
            unit.enroll("JOE", 1_000_000, "").unwrap();
            runtime.block_on(unit.commit()).unwrap();
        }
        for (actions, crash) in rounds {
            let actions: Vec<_> = actions.into_iter().map(cap).collect();
            let mut world = World::new(open_pool(&dasd, &config), committed.clone(), serial);
            dasd.set_faults(Faults { crash_at_write: Some(crash), ..Faults::default() });
            let in_doubt = runtime.block_on(run(&mut world, &actions));
            // The pool's own threads write while it is looked at, too.
            dasd.set_faults(Faults::default());
            if in_doubt.is_none() && !dasd.crashed() {
                world.compare();
            }
            committed = world.committed.clone();
            serial = world.serial;
            RECOVERIES.fetch_add(1, Ordering::Relaxed);
            AT_A_WRITE.fetch_add(usize::from(dasd.crashed()), Ordering::Relaxed);
            dasd.crash();
            drop(world);
            dasd = dasd.restart(&mut random);
            let pool = open_pool(&dasd, &config);
            let findings = pool.check(true).unwrap();
            prop_assert_eq!(findings.problems, Vec::<String>::new());
            let found = contents(&pool);
            prop_assert!(found.values().all(|t| exact(t)));
            if found != committed
                && let Some(changes) = &in_doubt
            {
                apply(&mut committed, changes);
            }
            prop_assert_eq!(found, committed.clone());
        }
    }
}

#[test]
fn no_crash_loses_or_mixes_a_commit() {
    random_work_and_crashes();
    let [recoveries, at_a_write] = [&RECOVERIES, &AT_A_WRITE].map(|n| n.load(Ordering::Relaxed));
    println!("{recoveries} recoveries, {at_a_write} of them from a crash at a write");
    assert!(recoveries >= 250 && at_a_write > recoveries / 4, "{at_a_write} of {recoveries} at a write");
}

/// Keeps record lengths such that both octets of the halfword are ASCII, so that images are text.
fn cap(action: Action) -> Action {
    let ascii = |n: usize| (n & 0x7f7f).max(1);
    match action {
        Action::Put { unit, file, sizes, blocks } => {
            Action::Put { unit, file, sizes: sizes.into_iter().map(ascii).collect(), blocks }
        }
        Action::Append { unit, file, size } => Action::Append { unit, file, size: ascii(size) },
        other => other,
    }
}
