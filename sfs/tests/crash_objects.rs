//! Random work on everything but the octets of files, by several work units against a model in memory, with the power failing at any
//! write: directories, aliases, external objects, authorities, attributes, LASTING locks, file spaces, minidisks, disabling.
//!
//! After each recovery the pool shows what the model shows, and every invariant holds. The one commit that was under way is there
//! whole or not at all. (Octets of files are the business of `crash.rs`.)
//!
//! The model is one map from [`Key`] to [`Value`]; what a work unit has changed is a map over it. Objects and directories have numbers
//! of the model's own, so that an alias knows its base by whatever name, and a renamed directory keeps what is in it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{config, fid, lines, open_pool, put};
use cp::name::UserId;
use dasd::{Dasd, Faults, FaultyDasd, LogConfig};
use proptest::prelude::*;
use sfs::pool::{DirPath, FileChanges, Pool, PoolConfig, PoolError, WorkUnit};
use sfs::types::{
    DirControl, DisableMode, EntryType, Grantee, LockDuration, LockType, PoolPart, Rights, StorageGroup,
};

const UNITS: usize = 3;
const SPACES: [&str; 2] = ["JOE", "ANN"];
const LEVELS: [&str; 2] = ["ONE", "TWO"];
const FILES: [&str; 3] = ["F0 FILE", "F1 FILE", "F2 FILE"];
const ALIASES: [&str; 2] = ["A0 ALIAS", "A1 ALIAS"];
const EXTERNALS: [&str; 2] = ["E0 OBJECT", "E1 OBJECT"];

/// What there can be, by what it is and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Space(String),
    /// Parent, level.
    Dir(u64, String),
    /// Directory, name.
    Entry(u64, String),
    /// Object or directory, user id.
    Grant(u64, String),
    Lock(u64, String),
    Minidisk(u16),
    Disabled(String),
    Public,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Space { top: u64, limit: u64, group: u16 },
    Dir { number: u64, control: DirControl },
    File { object: u64, text: String, recover: bool, in_place: bool },
    Alias(u64),
    External(String),
    Grant(Rights),
    Lock(LockType),
    Minidisk(u16, Option<u64>),
    Disabled(DisableMode),
    Public,
}

type Model = BTreeMap<Key, Value>;
type Changes = BTreeMap<Key, Option<Value>>;

/// A directory: file space and levels, none or up to two.
type Dir = (usize, Vec<usize>);

#[derive(Debug, Clone)]
enum Action {
    CreateDir(Dir, bool),
    EraseDir(Dir),
    EraseDirWithFiles(Dir),
    RenameDir(Dir, Dir),
    Put(Dir, usize),
    Erase(Dir, usize),
    Alias(Dir, usize, Dir, usize),
    External(Dir, usize),
    Grant(Dir, Option<usize>, usize, bool),
    Revoke(Dir, Option<usize>, usize),
    Attributes(Dir, usize, Option<bool>, Option<bool>),
    Enroll(usize),
    Limit(usize, u64),
    Move(usize, u16),
    RemoveSpace(usize),
    Public(bool),
    Commit,
    Rollback,
    RollbackRecoverable,
    // These commit by themselves.
    Lock(Dir, Option<usize>, usize),
    Unlock(Dir, Option<usize>),
    Minidisk(u16, u16, Option<u64>),
    Disable(usize, bool),
    Enable(usize),
    Tidy,
    Checkpoint,
}

fn dir() -> impl Strategy<Value = Dir> {
    // What is often named is often there.
    let levels = prop_oneof![
        6 => Just(Vec::new()),
        4 => (0..LEVELS.len()).prop_map(|l| vec![l]),
        1 => prop::collection::vec(0..LEVELS.len(), 2),
    ];
    (prop_oneof![4 => Just(0usize), 1 => Just(1usize)], levels)
}

fn action() -> impl Strategy<Value = Action> {
    let file = || 0..FILES.len();
    let some = || prop::option::of(0..FILES.len());
    let flag = || prop::option::of(any::<bool>());
    prop_oneof![
        4 => (dir(), prop::bool::weighted(0.2)).prop_map(|(d, c)| Action::CreateDir(d, c)),
        1 => dir().prop_map(Action::EraseDir),
        2 => dir().prop_map(Action::EraseDirWithFiles),
        3 => (dir(), dir()).prop_map(|(a, b)| Action::RenameDir(a, b)),
        6 => (dir(), file()).prop_map(|(d, f)| Action::Put(d, f)),
        3 => (dir(), 0..FILES.len() + ALIASES.len() + EXTERNALS.len()).prop_map(|(d, f)| Action::Erase(d, f)),
        8 => (dir(), file(), dir(), 0..ALIASES.len()).prop_map(|(b, f, d, a)| Action::Alias(b, f, d, a)),
        2 => (dir(), 0..EXTERNALS.len()).prop_map(|(d, e)| Action::External(d, e)),
        3 => (dir(), some(), 0..3usize, any::<bool>()).prop_map(|(d, f, u, w)| Action::Grant(d, f, u, w)),
        1 => (dir(), some(), 0..3usize).prop_map(|(d, f, u)| Action::Revoke(d, f, u)),
        3 => (dir(), file(), flag(), flag()).prop_map(|(d, f, r, i)| Action::Attributes(d, f, r, i)),
        2 => (0..SPACES.len()).prop_map(Action::Enroll),
        1 => (0..SPACES.len(), 10u64..1000).prop_map(|(s, l)| Action::Limit(s, l)),
        4 => (0..SPACES.len(), 2u16..5).prop_map(|(s, g)| Action::Move(s, g)),
        1 => (0..SPACES.len()).prop_map(Action::RemoveSpace),
        2 => any::<bool>().prop_map(Action::Public),
        16 => Just(Action::Commit),
        1 => Just(Action::Rollback),
        1 => Just(Action::RollbackRecoverable),
        2 => (dir(), some(), 0..2usize).prop_map(|(d, f, k)| Action::Lock(d, f, k)),
        4 => (dir(), some()).prop_map(|(d, f)| Action::Unlock(d, f)),
        1 => (2u16..5, 0x400u16..0x406, prop::option::of(100u64..5000))
            .prop_map(|(g, d, b)| Action::Minidisk(g, d, b)),
        1 => (0..SPACES.len() + 1, prop::bool::weighted(0.3)).prop_map(|(p, e)| Action::Disable(p, e)),
        8 => (0..SPACES.len() + 1).prop_map(Action::Enable),
        1 => Just(Action::Tidy),
        1 => Just(Action::Checkpoint),
    ]
}

/// One action; or an alias that is made and whose base then goes, or a directory that goes with what is in it, which chance seldom comes
/// upon.
fn step() -> impl Strategy<Value = Vec<(usize, Action)>> {
    let erased = (0..UNITS, dir(), 0..FILES.len(), dir(), 0..ALIASES.len()).prop_map(|(unit, b, f, d, a)| {
        let all = [
            Action::Put(b.clone(), f),
            Action::Alias(b.clone(), f, d, a),
            Action::Commit,
            Action::Erase(b, f),
            Action::Commit,
        ];
        all.map(|action| (unit, action)).to_vec()
    });
    let emptied = (0..UNITS, 0..SPACES.len(), 0..LEVELS.len(), 0..FILES.len()).prop_map(|(unit, s, l, f)| {
        let d = || (s, vec![l]);
        let all = [
            Action::CreateDir(d(), false),
            Action::Put(d(), f),
            Action::Commit,
            Action::EraseDirWithFiles(d()),
            Action::Commit,
        ];
        all.map(|action| (unit, action)).to_vec()
    });
    prop_oneof![40 => (0..UNITS, action()).prop_map(|one| vec![one]), 1 => erased, 1 => emptied]
}

fn levels(dir: &Dir) -> Vec<String> {
    dir.1.iter().map(|l| LEVELS[*l].to_owned()).collect()
}

fn path<'a>(dir: &Dir, levels: &'a [String]) -> DirPath<'a> {
    DirPath { space: SPACES[dir.0], levels }
}

fn user(n: usize) -> UserId {
    format!("USER{n}").parse().unwrap()
}

fn grantee(n: usize) -> Grantee {
    if n == 0 { Grantee::Public } else { Grantee::User(user(n)) }
}

fn part(n: usize) -> PoolPart {
    match SPACES.get(n) {
        Some(name) => PoolPart::Space((*name).to_owned()),
        None => PoolPart::Group(StorageGroup::FIRST),
    }
}

fn entry_name(n: usize) -> &'static str {
    let all = || FILES.into_iter().chain(ALIASES).chain(EXTERNALS);
    all().nth(n).unwrap()
}

fn apply(model: &mut Model, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(model.insert(key.clone(), value.clone())),
            None => drop(model.remove(key)),
        }
    }
    // Locks are made at once; they go with what they are on.
    let there: BTreeSet<u64> = model.values().filter_map(number).collect();
    model.retain(|key, _| !matches!(key, Key::Lock(n, _) | Key::Grant(n, _) if !there.contains(n)));
}

/// The number that authorities and locks name.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Space { top, .. } => Some(*top),
        Value::Dir { number, .. } => Some(*number),
        Value::File { object, .. } => Some(*object),
        _ => None,
    }
}

fn find(model: &Model, dir: &Dir) -> Option<u64> {
    let mut at = number(model.get(&Key::Space(SPACES[dir.0].into()))?)?;
    for level in levels(dir) {
        at = number(model.get(&Key::Dir(at, level))?)?;
    }
    Some(at)
}

/// Everything that is in `dir`.
fn below(model: &Model, dir: u64, found: &mut Vec<Key>) {
    for (key, value) in model {
        match (key, value) {
            (Key::Dir(parent, _), Value::Dir { number, .. }) if *parent == dir => {
                found.push(key.clone());
                below(model, *number, found);
            }
            (Key::Entry(parent, _), _) if *parent == dir => found.push(key.clone()),
            _ => {}
        }
    }
}

/// Lines compared after recoveries, by their first word; erased aliases apart.
static COMPARED: parking_lot::Mutex<BTreeMap<String, usize>> = parking_lot::Mutex::new(BTreeMap::new());
/// Directories that went with something in them.
static EMPTIED: AtomicUsize = AtomicUsize::new(0);
/// Crashes that the pool has recovered from, and those that came in the middle of a write of its work.
static RECOVERIES: AtomicUsize = AtomicUsize::new(0);
static AT_A_WRITE: AtomicUsize = AtomicUsize::new(0);
static DONE: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

struct World {
    pool: Pool,
    units: Vec<(WorkUnit, Changes)>,
    committed: Model,
    serial: u64,
}

impl World {
    fn new(pool: Pool, committed: Model, serial: u64) -> Self {
        let units = (0..UNITS).map(|n| (pool.begin_for(user(n)), Changes::new())).collect();
        Self { pool, units, committed, serial }
    }

    fn seen(&self, unit: usize) -> Model {
        let mut model = self.committed.clone();
        apply(&mut model, &self.units[unit].1);
        model
    }

    fn number(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Does one action on a work unit; the model follows when the engine did it.
    fn act(&mut self, unit: usize, action: &Action) -> Result<(), PoolError> {
        let model = self.seen(unit);
        let fresh = self.number();
        let (engine, changes) = &mut self.units[unit];
        let mut set = |key, value| drop(changes.insert(key, value));
        let at = |dir: &Dir| find(&model, dir).expect("the engine found it");
        match action {
            Action::CreateDir(d, by_dir) => {
                let control = if *by_dir { DirControl::Directory } else { DirControl::File };
                engine.create_dir_as(path(d, &levels(d)), control)?;
                let above = (d.0, d.1[..d.1.len() - 1].to_vec());
                let level = levels(d).pop().unwrap();
                set(Key::Dir(at(&above), level), Some(Value::Dir { number: fresh, control }));
            }
            Action::EraseDir(d) => {
                engine.erase_dir(path(d, &levels(d)))?;
                let above = (d.0, d.1[..d.1.len() - 1].to_vec());
                set(Key::Dir(at(&above), levels(d).pop().unwrap()), None);
            }
            Action::EraseDirWithFiles(d) => {
                engine.erase_dir_with_files(path(d, &levels(d)))?;
                let above = (d.0, d.1[..d.1.len() - 1].to_vec());
                let mut gone = vec![Key::Dir(at(&above), levels(d).pop().unwrap())];
                below(&model, at(d), &mut gone);
                assert!(!gone[1..].iter().any(|key| matches!(key, Key::Dir(..))), "a directory went with it");
                EMPTIED.fetch_add(usize::from(gone.len() > 1), Ordering::Relaxed);
                gone.into_iter().for_each(|key| set(key, None));
            }
            Action::RenameDir(from, to) => {
                engine.rename_dir(path(from, &levels(from)), path(to, &levels(to)))?;
                let above = |d: &Dir| at(&(d.0, d.1[..d.1.len() - 1].to_vec()));
                let old = Key::Dir(above(from), levels(from).pop().unwrap());
                let new = Key::Dir(above(to), levels(to).pop().unwrap());
                let value = model.get(&old).cloned();
                set(old, None);
                set(new, value);
            }
            Action::Put(d, f) => {
                let text = format!("text {fresh}");
                put(engine, path(d, &levels(d)), FILES[*f], &[&text])?;
                let key = Key::Entry(at(d), FILES[*f].into());
                let object = model.get(&key).and_then(number).unwrap_or(fresh);
                let status = engine.status(path(d, &levels(d)), fid(FILES[*f]))?;
                let (recover, in_place) = (status.recover, status.in_place);
                set(key, Some(Value::File { object, text, recover, in_place }));
            }
            Action::Erase(d, n) => {
                engine.erase_file(path(d, &levels(d)), fid(entry_name(*n)))?;
                set(Key::Entry(at(d), entry_name(*n).into()), None);
            }
            Action::Alias(b, f, d, a) => {
                let (from, to) = (levels(b), levels(d));
                engine.create_alias(path(b, &from), fid(FILES[*f]), path(d, &to), fid(ALIASES[*a]))?;
                let object = number(&model[&Key::Entry(at(b), FILES[*f].into())]).unwrap();
                set(Key::Entry(at(d), ALIASES[*a].into()), Some(Value::Alias(object)));
            }
            Action::External(d, e) => {
                let data = format!("data {fresh}");
                engine.create_external(path(d, &levels(d)), fid(EXTERNALS[*e]), data.as_bytes())?;
                set(Key::Entry(at(d), EXTERNALS[*e].into()), Some(Value::External(data)));
            }
            Action::Grant(d, f, to, write) => {
                let rights = if *write { Rights::WRITE } else { Rights::READ };
                engine.grant(path(d, &levels(d)), f.map(|f| fid(FILES[f])), grantee(*to), rights)?;
                let key = Key::Grant(self::object(&model, d, *f), grantee_name(*to));
                let old = model.get(&key).map_or(Rights::NONE, |v| match v {
                    Value::Grant(old) => *old,
                    other => panic!("{other:?}"),
                });
                set(key, Some(Value::Grant(old.and(rights))));
            }
            Action::Revoke(d, f, from) => {
                engine.revoke(path(d, &levels(d)), f.map(|f| fid(FILES[f])), grantee(*from), false)?;
                set(Key::Grant(self::object(&model, d, *f), grantee_name(*from)), None);
            }
            Action::Attributes(d, f, recover, in_place) => {
                let wanted = FileChanges { recover: *recover, in_place: *in_place, ..FileChanges::default() };
                engine.change_attributes(path(d, &levels(d)), fid(FILES[*f]), &wanted)?;
                let key = Key::Entry(at(d), FILES[*f].into());
                let Value::File { object, text, recover: r, in_place: i } = model[&key].clone() else {
                    panic!("attributes of something else")
                };
                let recover = recover.unwrap_or(r);
                // A file that becomes RECOVER is not INPLACE any more.
                let in_place = in_place.unwrap_or(i && !recover);
                set(key, Some(Value::File { object, text, recover, in_place }));
            }
            Action::Enroll(s) => {
                engine.enroll(SPACES[*s], 500, "")?;
                set(Key::Space(SPACES[*s].into()), Some(Value::Space { top: fresh, limit: 500, group: 2 }));
            }
            Action::Limit(s, limit) => {
                engine.set_limit(SPACES[*s], *limit)?;
                let key = Key::Space(SPACES[*s].into());
                let Value::Space { top, group, .. } = model[&key] else { panic!("no file space") };
                set(key, Some(Value::Space { top, limit: *limit, group }));
            }
            Action::Move(s, group) => {
                engine.move_space(SPACES[*s], StorageGroup::new(*group).unwrap())?;
                let key = Key::Space(SPACES[*s].into());
                let Value::Space { top, limit, .. } = model[&key] else { panic!("no file space") };
                set(key, Some(Value::Space { top, limit, group: *group }));
            }
            Action::RemoveSpace(s) => {
                engine.remove_space(SPACES[*s])?;
                let key = Key::Space(SPACES[*s].into());
                let mut gone = Vec::new();
                below(&model, number(&model[&key]).unwrap(), &mut gone);
                gone.push(key);
                gone.into_iter().for_each(|key| set(key, None));
            }
            Action::Public(enroll) => {
                engine.set_public(*enroll)?;
                set(Key::Public, enroll.then_some(Value::Public));
            }
            Action::Rollback => {
                engine.rollback();
                changes.clear();
            }
            other => panic!("{other:?} is no work unit's"),
        }
        Ok(())
    }

    /// What commits by itself: what it changes, once it is tried.
    async fn alone(&self, unit: usize, action: &Action) -> (Changes, Result<(), PoolError>) {
        let one = |key, value| Changes::from([(key, value)]);
        let there = |d: &Dir, f: &Option<usize>| object_if(&self.committed, d, *f);
        let (pool, engine) = (&self.pool, &self.units[unit].0);
        match action {
            Action::Lock(d, f, kind) => {
                // Only what is committed; what the work unit has pending may be gone again.
                let Some(number) = there(d, f).filter(|_| self.units[unit].1.is_empty()) else {
                    return (Changes::new(), Ok(()));
                };
                // An EXCLUSIVE one would keep the comparison from reading.
                let kind = [LockType::Share, LockType::Update][*kind];
                let lasting = LockDuration::Lasting;
                let (levels, id) = (levels(d), f.map(|f| fid(FILES[f])));
                let done = pool.create_lock(engine, (path(d, &levels), id), user(unit), kind, lasting).await;
                (one(Key::Lock(number, user(unit).to_string()), Some(Value::Lock(kind))), done)
            }
            Action::Unlock(d, f) => {
                let Some(number) = there(d, f) else { return (Changes::new(), Ok(())) };
                let (levels, id) = (levels(d), f.map(|f| fid(FILES[f])));
                let done = pool.delete_lock((path(d, &levels), id), user(unit)).await;
                (one(Key::Lock(number, user(unit).to_string()), None), done)
            }
            Action::Minidisk(group, device, blocks) => {
                let done = pool.add_minidisk(StorageGroup::new(*group).unwrap(), *device, *blocks).await;
                (one(Key::Minidisk(*device), Some(Value::Minidisk(*group, *blocks))), done.map(|_| ()))
            }
            Action::Disable(n, exclusive) => {
                let mode = if *exclusive { DisableMode::Exclusive } else { DisableMode::Share };
                let done = pool.disable(engine, &part(*n), mode, user(unit)).await;
                (one(Key::Disabled(format!("{:?}", part(*n))), Some(Value::Disabled(mode))), done)
            }
            Action::Enable(n) => {
                let done = pool.enable(&part(*n)).await;
                (one(Key::Disabled(format!("{:?}", part(*n))), None), done)
            }
            other => panic!("{other:?} does not commit by itself"),
        }
    }

    /// What of a work unit's changes a rollback keeps: new contents of files that were NORECOVER and are.
    fn outliving(&self, unit: usize) -> Changes {
        let recoverable = |value: Option<&Value>| matches!(value, Some(Value::File { recover: true, .. }));
        let file = |value: Option<&Value>| matches!(value, Some(Value::File { .. }));
        let kept = self.units[unit].1.iter().filter(|(key, value)| {
            let (old, new) = (self.committed.get(key), value.as_ref());
            file(old) && file(new) && !recoverable(old) && !recoverable(new)
        });
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Runs actions until the power fails or they end; the changes of a commit in doubt.
    async fn run(&mut self, actions: &[(usize, Action)]) -> Option<Changes> {
        for (unit, action) in actions {
            let unit = *unit;
            let (changes, done) = match action {
                Action::Commit => {
                    let done = self.units[unit].0.commit().await.map(|_| ());
                    let changes = self.units[unit].1.clone();
                    if done.is_err() && self.pool.offline().is_none() {
                        // Refused (a limit, say): everything is as before.
                        self.units[unit].0.rollback();
                        self.units[unit].1.clear();
                    }
                    (changes, done)
                }
                Action::RollbackRecoverable => {
                    let changes = self.outliving(unit);
                    self.units[unit].0.rollback_recoverable().await;
                    match self.pool.offline() {
                        Some(_) => return Some(changes),
                        None => (changes, Ok(())),
                    }
                }
                Action::Tidy => {
                    let pool = self.pool.clone();
                    let done = tokio::task::spawn_blocking(move || pool.tidy()).await.unwrap();
                    (Changes::new(), done.map(|_| ()))
                }
                Action::Checkpoint => (Changes::new(), self.pool.checkpoint().await),
                Action::Lock(..)
                | Action::Unlock(..)
                | Action::Minidisk(..)
                | Action::Disable(..)
                | Action::Enable(..) => self.alone(unit, action).await,
                _ => {
                    let done = self.act(unit, action);
                    DONE[usize::from(done.is_err())].fetch_add(1, Ordering::Relaxed);
                    if let Err(error @ (PoolError::Damaged(_) | PoolError::Offline(_))) = done {
                        assert!(self.pool.offline().is_some(), "{action:?}: {error}");
                        return Some(Changes::new());
                    }
                    continue;
                }
            };
            match done {
                Ok(()) => {
                    apply(&mut self.committed, &changes);
                    if matches!(action, Action::Commit | Action::RollbackRecoverable) {
                        self.units[unit].1.clear();
                    }
                }
                Err(error) if self.pool.offline().is_some() => {
                    assert!(!matches!(error, PoolError::Damaged(_)), "{action:?}: {error}");
                    return Some(changes);
                }
                Err(error) => assert!(!matches!(error, PoolError::Damaged(_)), "{action:?}: {error}"),
            }
        }
        None
    }
}

fn grantee_name(n: usize) -> String {
    if n == 0 { "PUBLIC".into() } else { user(n).to_string() }
}

fn object_if(model: &Model, dir: &Dir, file: Option<usize>) -> Option<u64> {
    let at = find(model, dir)?;
    match file {
        Some(f) => model.get(&Key::Entry(at, FILES[f].into())).and_then(number),
        None => Some(at),
    }
}

fn object(model: &Model, dir: &Dir, file: Option<usize>) -> u64 {
    object_if(model, dir, file).expect("the engine found it")
}

/// What the model holds, a line each.
fn told(model: &Model) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let places = places(model);
    let on = |n: &u64| places.get(n).cloned().unwrap_or_else(|| "nothing".into());
    for (key, value) in model {
        all.insert(match (key, value) {
            (Key::Space(name), Value::Space { limit, group, .. }) => format!("space {name} {limit} {group}"),
            (Key::Dir(parent, level), Value::Dir { control, .. }) => {
                format!("dir {}.{level} {control:?}", on(parent))
            }
            (Key::Entry(dir, name), Value::File { text, recover, in_place, .. }) => {
                format!("file {name} {} {text} {recover} {in_place}", on(dir))
            }
            (Key::Entry(dir, name), Value::Alias(object)) => match places.get(object) {
                Some(base) => format!("alias {name} {} of {base}", on(dir)),
                None => format!("alias {name} {} erased", on(dir)),
            },
            (Key::Entry(dir, name), Value::External(data)) => format!("object {name} {} {data}", on(dir)),
            (Key::Grant(n, user), Value::Grant(rights)) => format!("grant {} {user} {rights:?}", on(n)),
            (Key::Lock(n, user), Value::Lock(kind)) => format!("lock {} {user} {kind:?}", on(n)),
            (Key::Minidisk(device), Value::Minidisk(group, blocks)) => {
                format!("minidisk {device:x} {group} {blocks:?}")
            }
            (Key::Public, Value::Public) => "public".into(),
            (Key::Disabled(part), Value::Disabled(mode)) => format!("disabled {part} {mode:?}"),
            other => panic!("{other:?}"),
        });
    }
    all
}

/// Names of everything that has a number.
fn places(model: &Model) -> BTreeMap<u64, String> {
    let mut places: BTreeMap<u64, String> = BTreeMap::new();
    for (key, value) in model {
        if let (Key::Space(name), Value::Space { top, .. }) = (key, value) {
            places.insert(*top, name.clone());
        }
    }
    // Two levels at most, and one to see that there are no more.
    for _ in 0..3 {
        for (key, value) in model {
            if let (Key::Dir(parent, level), Value::Dir { number, .. }) = (key, value)
                && let Some(above) = places.get(parent).cloned()
            {
                places.insert(*number, format!("{above}.{level}"));
            }
        }
    }
    for (key, value) in model {
        if let (Key::Entry(dir, name), Value::File { object, .. }) = (key, value)
            && let Some(dir) = places.get(dir).cloned()
        {
            places.insert(*object, format!("{name} {dir}"));
        }
    }
    places
}

/// What the pool holds, a line each.
async fn shown(pool: &Pool) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut used: BTreeMap<StorageGroup, u64> = BTreeMap::new();
    let unit = pool.begin();
    for (space, status) in pool.spaces().unwrap() {
        all.insert(format!("space {space} {} {}", status.limit, status.group.get()));
        *used.entry(status.group).or_default() += status.used;
        let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
        while let Some(levels) = waiting.pop() {
            let path = DirPath { space: &space, levels: &levels };
            let name = std::iter::once(&space).chain(&levels).cloned().collect::<Vec<_>>().join(".");
            show_object(pool, &unit, path, None, &name, &mut all);
            for below in unit.list_dirs(path).unwrap() {
                all.insert(format!("dir {name}.{} {:?}", below.level, below.control));
                waiting.push(levels.iter().cloned().chain([below.level]).collect());
            }
            for n in 0..FILES.len() + ALIASES.len() + EXTERNALS.len() {
                show_entry(pool, &unit, path, &name, entry_name(n), &mut all);
            }
        }
    }
    for group in pool.storage_groups().await.unwrap() {
        if group.group != StorageGroup::CATALOG {
            assert_eq!(group.used, used.remove(&group.group).unwrap_or(0), "group {}", group.group);
        }
        for disk in group.minidisks.iter().filter(|m| m.device >= 0x400) {
            all.insert(format!("minidisk {:x} {} {:?}", disk.device, disk.group.get(), disk.blocks));
        }
    }
    assert_eq!(used, BTreeMap::new(), "file spaces in groups that are not there");
    if pool.public_enrolled().unwrap() {
        all.insert("public".into());
    }
    for (part, info) in pool.disabled() {
        all.insert(format!("disabled {part:?} {:?}", info.mode));
    }
    all
}

fn show_object(
    pool: &Pool,
    unit: &WorkUnit,
    path: DirPath<'_>,
    file: Option<&str>,
    name: &str,
    all: &mut BTreeSet<String>,
) {
    for (to, rights) in unit.grants(path, file.map(fid)).unwrap() {
        let to = match to {
            Grantee::Public => "PUBLIC".into(),
            Grantee::User(user) => user.to_string(),
        };
        all.insert(format!("grant {name} {to} {rights:?}"));
    }
    for lock in pool.locks_on(path, file.map(fid)).unwrap() {
        all.insert(format!("lock {name} {} {:?}", lock.user, lock.kind));
    }
}

fn show_entry(
    pool: &Pool,
    unit: &WorkUnit,
    path: DirPath<'_>,
    dir: &str,
    entry: &str,
    all: &mut BTreeSet<String>,
) {
    let status = match unit.status(path, fid(entry)) {
        Err(PoolError::NoFile) => return,
        status => status.unwrap(),
    };
    let line = match status.entry {
        EntryType::Base => {
            show_object(pool, unit, path, Some(entry), &format!("{entry} {dir}"), all);
            let text = lines(unit, path, entry).unwrap().concat();
            format!("file {entry} {dir} {text} {} {}", status.recover, status.in_place)
        }
        EntryType::External => {
            let data = unit.external(path, fid(entry)).unwrap();
            format!("object {entry} {dir} {}", String::from_utf8(data).unwrap())
        }
        EntryType::Erased => format!("alias {entry} {dir} erased"),
        _ => {
            let base = unit.base_of(path, fid(entry)).unwrap();
            format!("alias {entry} {dir} of {}", base_name(&base))
        }
    };
    all.insert(line);
}

fn base_name(base: &Option<(String, Vec<String>, sfs::types::FileId)>) -> String {
    let (space, levels, id) = base.clone().expect("the alias is not erased");
    let dir = std::iter::once(space).chain(levels).collect::<Vec<_>>().join(".");
    format!("{id} {dir}")
}

fn threaded() -> PoolConfig {
    let config = config();
    PoolConfig { log: LogConfig { ahead: 1, ..config.log }, background: true, ..config }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 900, max_shrink_iters: 400, ..ProptestConfig::default() })]

    // Called below.
    fn random_work_and_crashes(
        rounds in prop::collection::vec(
            (prop::collection::vec(step(), 1..60), common::crash_point()), 1..6),
        seed: u32,
        threads in prop::bool::weighted(0.2),
    ) {
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
        let mut committed = Model::new();
        let mut serial = 0;
        // Most of what there is to do needs a file space.
        let start = [(0, Action::Enroll(0)), (0, Action::Commit)];
        for (steps, crash) in rounds {
            let actions = steps.concat();
            let mut world = World::new(open_pool(&dasd, &config), committed.clone(), serial);
            if serial == 0 {
                runtime.block_on(world.run(&start));
            }
            dasd.set_faults(Faults { crash_at_write: Some(crash), ..Faults::default() });
            let in_doubt = runtime.block_on(world.run(&actions));
            committed = world.committed.clone();
            serial = world.serial;
            RECOVERIES.fetch_add(1, Ordering::Relaxed);
            AT_A_WRITE.fetch_add(usize::from(dasd.crashed()), Ordering::Relaxed);
            // The pool's own threads write while it is looked at, too.
            dasd.set_faults(Faults::default());
            if in_doubt.is_none() && !dasd.crashed() {
                prop_assert_eq!(runtime.block_on(shown(&world.pool)), told(&committed));
            }
            dasd.crash();
            drop(world);
            dasd = dasd.restart(&mut random);
            let pool = open_pool(&dasd, &config);
            prop_assert_eq!(pool.check(true).unwrap().problems, Vec::<String>::new());
            let found = runtime.block_on(shown(&pool));
            for line in &found {
                let erased = line.starts_with("alias") && line.ends_with("erased");
                let moved = line.starts_with("space") && !line.ends_with(" 2");
                let first = || line.split(' ').next().unwrap();
                let what = if erased { "erased" } else if moved { "moved" } else { first() };
                *COMPARED.lock().entry(what.to_owned()).or_default() += 1;
            }
            if found != told(&committed)
                && let Some(changes) = &in_doubt
            {
                apply(&mut committed, changes);
            }
            prop_assert_eq!(found, told(&committed));
        }
    }
}

#[test]
fn no_crash_loses_or_mixes_anything_beside_files() {
    random_work_and_crashes();
    let [recoveries, at_a_write] = [&RECOVERIES, &AT_A_WRITE].map(|n| n.load(Ordering::Relaxed));
    println!("{recoveries} recoveries, {at_a_write} of them from a crash at a write");
    assert!(recoveries >= 900 && at_a_write > recoveries / 4, "{at_a_write} of {recoveries} at a write");
    // The random work is not all refused, and of everything there was some to compare.
    let [done, refused] = [&DONE[0], &DONE[1]].map(|n| n.load(Ordering::Relaxed));
    assert!(done > 5000 && done > refused / 6, "{done} done, {refused} refused");
    assert!(EMPTIED.load(Ordering::Relaxed) > 3);
    let compared = COMPARED.lock().clone();
    println!("{} emptied, {compared:?}", EMPTIED.load(Ordering::Relaxed));
    for what in [
        "alias", "dir", "disabled", "erased", "file", "grant", "lock", "minidisk", "moved", "object",
        "public", "space",
    ] {
        assert!(compared.get(what).is_some_and(|n| *n > 3), "{compared:?}");
    }
}
