//! Random CSL calls by work units of two users in two file pools against a model in memory, with the power failing at any write of
//! either pool, several times on the same disks.
//!
//! Each unit sees what is committed and its own changes. After each recovery both pools hold what was committed and nothing else; the
//! one commit that was under way is there in both pools whole, or in neither. Every invariant of both pools holds.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use common::system::{System, get};
use dasd::Faults;
use proptest::prelude::*;
use sfs::csl::*;

/// Recoveries, and those from a crash in the middle of a write.
static RECOVERIES: AtomicUsize = AtomicUsize::new(0);
static AT_A_WRITE: AtomicUsize = AtomicUsize::new(0);

const POOLS: [&str; 2] = ["MAIL", "USERS"];
const DIRS: [&str; 2] = ["JOE.", "JOE.SUB"];
const UNITS: usize = 3;
const FILES: usize = 4;

/// Pool, directory and file. Files of even number are RECFM V, the others RECFM F of 8.
type Place = (usize, usize, usize);
/// Place to image.
type Files = BTreeMap<Place, Vec<u8>>;
/// Place to image, or nothing.
type Changes = BTreeMap<Place, Option<Vec<u8>>>;

#[derive(Debug, Clone)]
enum Call {
    /// DMSOPEN REPLACE, DMSWRITE of each line, DMSCLOSE, with COMMIT or without.
    Put {
        place: Place,
        sizes: Vec<usize>,
        commit: bool,
    },
    /// DMSOPEN WRITE, DMSWRITE at the end, DMSCLOSE.
    Append {
        place: Place,
        size: usize,
    },
    /// DMSOPEN WRITE, DMSPOINT, DMSWRITE, DMSCLOSE.
    Update {
        place: Place,
        record: usize,
    },
    Erase {
        place: Place,
    },
    Rename {
        from: Place,
        to: Place,
    },
    Copy {
        from: Place,
        to: Place,
    },
    Commit,
    Rollback,
}

fn place() -> impl Strategy<Value = Place> {
    (0..POOLS.len(), 0..DIRS.len(), 0..FILES)
}

/// At which write the power fails. A commit is a write or two in each pool, and a round has a handful.
fn crash_point() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0u64..4, 1 => 0u64..12]
}

fn call() -> impl Strategy<Value = Call> {
    let size = prop_oneof![4 => 0..60usize, 1 => 0..20_000usize];
    prop_oneof![
        3 => (place(), prop::collection::vec(size, 1..4), prop::bool::weighted(0.2))
            .prop_map(|(place, sizes, commit)| Call::Put { place, sizes, commit }),
        2 => (place(), 1..4000usize).prop_map(|(place, size)| Call::Append { place, size }),
        3 => (place(), 0..20usize).prop_map(|(place, record)| Call::Update { place, record }),
        1 => place().prop_map(|place| Call::Erase { place }),
        1 => (place(), place()).prop_map(|(from, to)| Call::Rename { from, to }),
        1 => (place(), place()).prop_map(|(from, to)| Call::Copy { from, to }),
        6 => Just(Call::Commit),
        1 => Just(Call::Rollback),
    ]
}

fn of_kind((pool, dir, file): Place, fixed: bool) -> Place {
    (pool, dir, file / 2 * 2 + usize::from(fixed))
}

fn named((pool, dir, file): Place) -> String {
    let kind = if file.is_multiple_of(2) { "TEXT" } else { "INDEX" };
    format!("F{file} {kind} {}:{}", POOLS[pool], DIRS[dir])
}

/// A RECFM V record as it stands in an image.
fn record(text: &[u8]) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text].concat()
}

struct Unit {
    csl: Csl,
    id: WorkUnitId,
    changes: Changes,
}

struct World {
    system: System,
    units: Vec<Unit>,
    committed: Files,
    serial: usize,
}

/// How a call ended.
enum Ended {
    Done,
    /// A commit whose end is not known.
    InDoubt,
}

impl World {
    fn new(system: System, committed: Files, serial: usize) -> Self {
        let imap = system.csl("IMAP");
        let joe = system.csl("JOE");
        let units = [imap.clone(), imap, joe].map(|csl| Unit {
            id: csl.dmsgetwu().unwrap(),
            csl,
            changes: Changes::new(),
        });
        Self { system, units: units.into(), committed, serial }
    }

    fn seen(&self, unit: usize, place: Place) -> Option<Vec<u8>> {
        match self.units[unit].changes.get(&place) {
            Some(own) => own.clone(),
            None => self.committed.get(&place).cloned(),
        }
    }

    fn text(&mut self, size: usize) -> Vec<u8> {
        self.serial += 1;
        format!("{:08}", self.serial).into_bytes().into_iter().cycle().take(size).collect()
    }

    fn settle_changes(&mut self, unit: usize) {
        let changes = std::mem::take(&mut self.units[unit].changes);
        apply(&mut self.committed, &changes);
    }

    /// Writes one record, where `point` says or at the end.
    async fn write(
        &self,
        unit: usize,
        place: Place,
        text: &[u8],
        point: Option<u32>,
    ) -> Result<(), CslError> {
        let Unit { csl, id, .. } = &self.units[unit];
        let fixed = OpenOptions::fixed(8);
        let options = if place.2.is_multiple_of(2) { OpenOptions::variable() } else { fixed };
        let open = csl.dmsopen(&csl.fileid(&named(place))?, Intent::Write, &options, *id).await?;
        if point.is_some() {
            csl.dmspoint(open.token, None, point).await?;
        }
        csl.dmswrite(open.token, 1, Bytes::copy_from_slice(text), CommitOption::NoCommit).await?;
        csl.dmsclose(open.token, CommitOption::NoCommit).await.map(drop)
    }

    async fn put(
        &self,
        unit: usize,
        place: Place,
        lines: &[Vec<u8>],
        commit: CommitOption,
    ) -> Result<(), CslError> {
        let Unit { csl, id, .. } = &self.units[unit];
        let options = OpenOptions::variable();
        let open = csl.dmsopen(&csl.fileid(&named(place))?, Intent::Replace, &options, *id).await?;
        for line in lines {
            csl.dmswrite(open.token, 1, Bytes::copy_from_slice(line), CommitOption::NoCommit).await?;
        }
        csl.dmsclose(open.token, commit).await.map(drop)
    }

    /// Does one call; the model follows when it was done.
    async fn act(&mut self, unit: usize, call: &Call) -> Result<Ended, CslError> {
        let (csl, id) = (self.units[unit].csl.clone(), self.units[unit].id);
        let file = |place| csl.fileid(&named(place));
        match call {
            Call::Put { place, sizes, commit } => {
                let place = of_kind(*place, false);
                let lines: Vec<_> = sizes.iter().map(|size| self.text(*size)).collect();
                let image = lines.iter().flat_map(|line| record(line)).collect();
                self.put(unit, place, &lines, CommitOption::NoCommit).await?;
                self.units[unit].changes.insert(place, Some(image));
                if *commit {
                    // The same once more, now with COMMIT.
                    return match self.put(unit, place, &lines, CommitOption::Commit).await {
                        Ok(()) => {
                            self.settle_changes(unit);
                            Ok(Ended::Done)
                        }
                        Err(_) => Ok(Ended::InDoubt),
                    };
                }
            }
            Call::Append { place, size } => {
                let place = of_kind(*place, false);
                let text = self.text(*size);
                let mut image = self.seen(unit, place).unwrap_or_default();
                self.write(unit, place, &text, None).await?;
                image.extend(record(&text));
                self.units[unit].changes.insert(place, Some(image));
            }
            Call::Update { place, record } => {
                let place = of_kind(*place, true);
                let text = self.text(8);
                let mut image = self.seen(unit, place).unwrap_or_default();
                let n = record % (image.len() / 8 + 1);
                self.write(unit, place, &text, Some(n as u32 + 1)).await?;
                let upto = image.len().min((n + 1) * 8);
                image.splice(n * 8..upto, text);
                self.units[unit].changes.insert(place, Some(image));
            }
            Call::Erase { place } => {
                let object = SfsObject::File(file(*place)?);
                csl.dmserase(&object, EraseScope::Entire, CommitOption::NoCommit, id).await?;
                self.units[unit].changes.insert(*place, None);
            }
            Call::Rename { from, to } | Call::Copy { from, to } => {
                let to = of_kind((from.0, to.1, to.2), from.2 % 2 == 1);
                if *from == to {
                    return Ok(Ended::Done);
                }
                let (source, target) = (file(*from)?, file(to)?);
                let image = self.seen(unit, *from);
                if matches!(call, Call::Copy { .. }) {
                    csl.dmsfilec(&source, &target, true, CommitOption::NoCommit, id).await?;
                } else {
                    let (old, new) = (SfsObject::File(source), SfsObject::File(target));
                    csl.dmsrenam(&old, &new, CommitOption::NoCommit, id).await?;
                    self.units[unit].changes.insert(*from, None);
                }
                self.units[unit].changes.insert(to, image);
            }
            Call::Commit => match csl.dmscomm(id).await {
                Ok(_) => self.settle_changes(unit),
                Err(_) => return Ok(Ended::InDoubt),
            },
            Call::Rollback => {
                csl.dmsrollb(id).await?;
                self.units[unit].changes.clear();
            }
        }
        Ok(Ended::Done)
    }

    /// Makes calls until the power fails or they end. Returns the changes of a commit in doubt.
    async fn run(&mut self, calls: &[(usize, Call)]) -> Changes {
        for (unit, call) in calls {
            match self.act(*unit, call).await {
                Ok(Ended::Done) => {}
                Ok(Ended::InDoubt) => {
                    assert!(self.has_failed(), "{call:?} was refused");
                    return self.units[*unit].changes.clone();
                }
                Err(error) => match error.reason {
                    ReasonCode::Locked | ReasonCode::FileNotFound | ReasonCode::FileExists => {}
                    _ => {
                        assert!(self.has_failed(), "{call:?}: {error:?}");
                        return Changes::new();
                    }
                },
            }
        }
        if !self.has_failed() {
            self.compare().await;
        }
        Changes::new()
    }

    fn has_failed(&self) -> bool {
        self.system.dasd.iter().any(dasd::FaultyDasd::crashed)
    }

    async fn compare(&self) {
        for unit in 0..UNITS {
            let Unit { csl, id, .. } = &self.units[unit];
            for place in all_places() {
                let found = get(csl, &named(place), *id).await;
                match self.seen(unit, place) {
                    Some(image) => assert_eq!(found.unwrap(), image, "{}", named(place)),
                    None => assert_eq!(found.unwrap_err().reason, ReasonCode::FileNotFound),
                }
            }
        }
    }
}

fn all_places() -> impl Iterator<Item = Place> {
    let of_pool = |pool| (0..DIRS.len()).flat_map(move |dir| (0..FILES).map(move |file| (pool, dir, file)));
    (0..POOLS.len()).flat_map(of_pool)
}

fn apply(committed: &mut Files, changes: &Changes) {
    for (place, image) in changes {
        match image {
            Some(image) => committed.insert(*place, image.clone()),
            None => committed.remove(place),
        };
    }
}

/// What both pools hold when all that was in doubt between them is settled.
async fn contents(system: &System) -> Files {
    for _ in 0..2 {
        for server in &system.servers {
            server.resync().await.unwrap();
        }
    }
    for server in &system.servers {
        assert_eq!((server.resync().await.unwrap(), server.pool().lock_count()), (0, 0));
        assert_eq!(server.pool().check(true).unwrap().problems, Vec::<String>::new());
    }
    let csl = system.csl("IMAP");
    let mut all = Files::new();
    for place in all_places() {
        match get(&csl, &named(place), WorkUnitId::DEFAULT).await {
            Ok(image) => drop(all.insert(place, image.to_vec())),
            Err(error) => assert_eq!(error.reason, ReasonCode::FileNotFound, "{}", named(place)),
        }
    }
    all
}

/// The calls of a round, and at which write of which pool the power fails in it.
type Round = (Vec<(usize, Call)>, (usize, u64));

async fn play(rounds: Vec<Round>, seed: u32) {
    let mut state = seed;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let mut system = System::new().await;
    let admin = system.csl("IMAP");
    for pool in POOLS {
        let dir = admin.dirname(&format!("{pool}:JOE.SUB")).unwrap();
        admin.dmscrdir(&dir, CommitOption::Commit, WorkUnitId::DEFAULT).await.unwrap();
    }
    drop(admin);
    let (mut committed, mut serial) = (Files::new(), 0);
    for (calls, (which, at)) in rounds {
        let mut world = World::new(system, committed.clone(), serial);
        world.system.dasd[which].set_faults(Faults { crash_at_write: Some(at), ..Faults::default() });
        let in_doubt = world.run(&calls).await;
        RECOVERIES.fetch_add(1, Ordering::Relaxed);
        AT_A_WRITE.fetch_add(usize::from(world.has_failed()), Ordering::Relaxed);
        (committed, serial) = (world.committed, world.serial);
        drop(world.units);
        system = world.system.restart(&mut random).await;
        let found = contents(&system).await;
        if found != committed {
            apply(&mut committed, &in_doubt);
        }
        assert_eq!(found, committed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 200, ..ProptestConfig::default() })]

    // Called below.
    fn random_calls_and_crashes(
        rounds in prop::collection::vec(
            (prop::collection::vec((0..UNITS, call()), 1..40), (0..POOLS.len(), crash_point())),
            1..4,
        ),
        seed: u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(rounds, seed));
    }
}

#[test]
fn what_units_see_and_what_crashes_leave_is_what_the_model_says() {
    random_calls_and_crashes();
    let (all, at_a_write) = (RECOVERIES.load(Ordering::Relaxed), AT_A_WRITE.load(Ordering::Relaxed));
    println!("{all} recoveries, {at_a_write} of them from a crash at a write");
    assert!(at_a_write > 200, "only {at_a_write} of {all}");
}
