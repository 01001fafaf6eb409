//! Copying, moving and erasing many files in one commit, with an index of short records beside them: what the commit says is what is
//! there, also when the power fails at any of its writes.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::collections::BTreeMap;

use bytes::Bytes;
use common::{Bed, config, fid, open_pool};
use cp::name::UserId;
use dasd::{Faults, FaultyDasd};
use sfs::pool::{DirPath, Pool, PoolError, WorkUnit};
use sfs::types::{Attributes, FileId, Intent, LockDuration, LockType};

const FILES: u32 = 120;
/// Record length of the index, and its octets of records for each file.
const LRECL: usize = 160;

/// Contents by directory and name.
type Files = BTreeMap<(&'static str, String), String>;

fn name(number: u32) -> String {
    format!("{number} NOTE")
}

fn text(number: u32) -> String {
    format!("note {number}")
}

fn ids(numbers: &[u32]) -> Vec<FileId> {
    numbers.iter().map(|n| fid(&name(*n))).collect()
}

fn within<R>(dir: &str, f: impl FnOnce(DirPath<'_>) -> R) -> R {
    f(DirPath { space: "JOE", levels: &[dir.to_owned()] })
}

/// Writes records of the index of a directory, from one on.
fn index(unit: &WorkUnit, files: &mut Files, dir: &'static str, first: u32, count: u32, octet: char) {
    within(dir, |path| {
        let attributes = Attributes::fixed(LRECL as u32);
        let token = common::open(unit, path, "NOTE INDEX", Intent::Write, attributes).unwrap();
        unit.point(token, None, Some(first)).unwrap();
        let data = octet.to_string().repeat(LRECL * count as usize);
        unit.write(token, &Bytes::from(data), count).unwrap();
        unit.close(token).unwrap();
    });
    let image = files.entry((dir, "NOTE INDEX".into())).or_default();
    let (from, to) = ((first as usize - 1) * LRECL, (first + count - 1) as usize * LRECL);
    let mut octets = std::mem::take(image).into_bytes();
    octets.resize(octets.len().max(to), 0);
    octets[from..to].fill(octet as u8);
    *image = String::from_utf8(octets).unwrap();
}

fn copy(unit: &WorkUnit, files: &mut Files, pairs: &[(u32, u32)]) {
    let names: Vec<_> = pairs.iter().map(|(a, b)| (fid(&name(*a)), fid(&name(*b)))).collect();
    within("A", |a| within("B", |b| unit.copy_files(a, b, &names))).unwrap();
    for (from, to) in pairs {
        let content = files[&("A", name(*from))].clone();
        files.insert(("B", name(*to)), content);
    }
}

fn erase(unit: &WorkUnit, files: &mut Files, dir: &'static str, numbers: &[u32]) {
    within(dir, |path| unit.erase_files(path, &ids(numbers))).unwrap();
    numbers.iter().for_each(|n| drop(files.remove(&(dir, name(*n))).unwrap()));
}

fn rename(unit: &WorkUnit, files: &mut Files, from: &'static str, to: &'static str, pairs: &[(u32, u32)]) {
    let names: Vec<_> = pairs.iter().map(|(a, b)| (fid(&name(*a)), fid(&name(*b)))).collect();
    within(from, |a| within(to, |b| unit.rename_files(a, b, &names))).unwrap();
    for (old, new) in pairs {
        let content = files.remove(&(from, name(*old))).unwrap();
        files.insert((to, name(*new)), content);
    }
}

/// One commit after the other; each says what is there after it.
fn steps() -> Vec<fn(&WorkUnit, &mut Files)> {
    vec![
        // To a directory without files.
        |unit, files| {
            let pairs: Vec<_> = (1..=FILES).map(|n| (n, n + 1000)).collect();
            copy(unit, files, &pairs);
            index(unit, files, "B", 1, FILES, 'b');
        },
        // Between the others, whose names sort as texts.
        |unit, files| {
            let pairs: Vec<_> = (1..=FILES).map(|n| (n, n)).collect();
            copy(unit, files, &pairs);
            index(unit, files, "B", FILES + 1, FILES, 'c');
        },
        // Half of them, close together, and of what is copied the originals.
        |unit, files| {
            let some: Vec<_> = (1..=FILES / 2).collect();
            erase(unit, files, "A", &some);
            index(unit, files, "A", 1, FILES / 2, 'd');
            index(unit, files, "B", 30, 40, 'e');
        },
        // To and fro, some of them twice, one of them changed on the way.
        |unit, files| {
            rename(unit, files, "B", "A", &(1..=FILES / 2).map(|n| (n, n + 3000)).collect::<Vec<_>>());
            rename(
                unit,
                files,
                "A",
                "B",
                &(FILES / 2 + 1..=FILES).map(|n| (n, n + 4000)).collect::<Vec<_>>(),
            );
            rename(unit, files, "A", "A", &[(3001, 1), (3002, 6001)]);
            copy(unit, files, &[(6001, 5001)]);
            rename(unit, files, "B", "A", &[(5001, 5002), (4001 + FILES / 2, 5003)]);
            let changed = name(5003);
            within("A", |a| common::put(unit, a, &changed, &["changed"])).unwrap();
            files.insert(("A", changed), "\0\x07changed".into());
        },
        // All, with which some bodies go and others stay.
        |unit, files| {
            let all =
                (FILES / 2 + 1..=FILES).chain(1001..=1000 + FILES).chain(4002 + FILES / 2..=4000 + FILES);
            erase(unit, files, "B", &all.collect::<Vec<_>>());
            within("B", |b| {
                let token =
                    common::open(unit, b, "NOTE INDEX", Intent::Write, Attributes::fixed(LRECL as u32));
                unit.truncate(token.unwrap(), 100).unwrap();
            });
            files.get_mut(&("B", "NOTE INDEX".to_owned())).unwrap().truncate(100 * LRECL);
        },
    ]
}

async fn furnish(pool: &Pool) -> Files {
    let unit = pool.begin();
    let mut files = Files::new();
    for dir in ["A", "B"] {
        within(dir, |path| unit.create_dir(path)).unwrap();
    }
    for n in 1..=FILES {
        within("A", |a| common::put(&unit, a, &name(n), &[&text(n)])).unwrap();
        let image = format!("\0{}{}", char::from(text(n).len() as u8), text(n));
        files.insert(("A", name(n)), image);
    }
    index(&unit, &mut files, "A", 1, FILES, 'a');
    unit.commit().await.unwrap();
    files
}

fn contents(pool: &Pool) -> Files {
    let unit = pool.begin();
    let mut all = Files::new();
    for dir in ["A", "B"] {
        within(dir, |path| {
            for status in unit.list_files(path).unwrap() {
                let name = status.id.to_string();
                all.insert((dir, name.clone()), common::image(&unit, path, &name).unwrap());
            }
        });
    }
    all
}

#[tokio::test]
async fn many_files_are_copied_and_erased_at_once() {
    let bed = Bed::new().await;
    let mut files = furnish(&bed.pool).await;
    for step in steps() {
        let unit = bed.pool.begin();
        step(&unit, &mut files);
        unit.commit().await.unwrap();
        assert_eq!(contents(&bed.pool), files);
        bed.sound();
    }
    let bed = bed.reopen().await;
    assert_eq!(contents(&bed.pool), files);
    bed.sound();
}

/// A file that is renamed with others stays the object it was, and what it takes of the file space is the same.
#[tokio::test]
async fn files_renamed_at_once_stay_what_they_are() {
    let bed = Bed::new().await;
    let mut files = furnish(&bed.pool).await;
    let unit = bed.pool.begin();
    let of = |unit: &WorkUnit, dir, n| within(dir, |path| unit.status(path, fid(&name(n)))).unwrap();
    let used = || bed.pool.space_status("JOE").unwrap().used;
    let (before, blocks) = (of(&unit, "A", 7), used());
    rename(&unit, &mut files, "A", "B", &(1..=FILES).map(|n| (n, FILES + 1 - n)).collect::<Vec<_>>());
    unit.commit().await.unwrap();
    let after = of(&unit, "B", FILES - 6);
    assert_eq!((after.unique, after.created, after.updated), (before.unique, before.created, before.updated));
    assert_eq!(used(), blocks);
    // A name that is taken, one that is not there, names given twice: nothing is renamed.
    let refused = |pairs: &[(u32, u32)]| {
        let names: Vec<_> = pairs.iter().map(|(a, b)| (fid(&name(*a)), fid(&name(*b)))).collect();
        within("B", |b| within("B", |to| unit.rename_files(b, to, &names))).unwrap_err()
    };
    assert!(matches!(refused(&[(1, 1000), (2, 3)]), PoolError::FileExists));
    assert!(matches!(refused(&[(1, 1000), (2, 1000)]), PoolError::FileExists));
    assert!(matches!(refused(&[(1, 1000), (1, 1001)]), PoolError::NoFile));
    assert!(matches!(refused(&[(1, 1000), (999, 1001)]), PoolError::NoFile));
    let path = |levels| DirPath { space: "ANN", levels };
    let other = within("B", |b| unit.rename_files(b, path(&[]), &[(fid(&name(1)), fid(&name(1)))]));
    assert!(matches!(other, Err(PoolError::OtherSpace)));
    let token =
        within("B", |b| common::open(&unit, b, &name(1), Intent::Read, Attributes::variable())).unwrap();
    assert!(matches!(refused(&[(2, 1000), (1, 1001)]), PoolError::FileOpen));
    unit.close(token).unwrap();
    unit.commit().await.unwrap();
    assert_eq!(contents(&bed.pool), files);
    bed.sound();
}

/// Few files among many others: those between them are not passed.
#[tokio::test]
async fn files_far_apart_are_erased_too() {
    let bed = Bed::new().await;
    let mut files = furnish(&bed.pool).await;
    let unit = bed.pool.begin();
    let more: Vec<(u32, u32)> = (0..5).flat_map(|t| (1..=FILES).map(move |n| (n, n + t * 1000))).collect();
    copy(&unit, &mut files, &more);
    unit.commit().await.unwrap();
    let apart: Vec<u32> = more.iter().map(|(_, to)| *to).filter(|n| n % 12 == 3).collect();
    assert!(apart.len() >= 32);
    erase(&unit, &mut files, "B", &apart);
    unit.commit().await.unwrap();
    assert_eq!(contents(&bed.pool), files);
    bed.sound();
}

/// Very many files: nobody else changes anything beside them until it is committed, and who does already is waited for no more than
/// for his own files.
#[tokio::test]
async fn very_many_files_and_others_in_the_same_directory() {
    let bed = Bed::new().await;
    let mut files = furnish(&bed.pool).await;
    let unit = bed.pool.begin();
    let more: Vec<(u32, u32)> = (0..4).flat_map(|t| (1..=FILES).map(move |n| (n, n + t * 1000))).collect();
    copy(&unit, &mut files, &more);
    unit.commit().await.unwrap();
    let many: Vec<u32> = more.iter().map(|(_, to)| *to).filter(|n| *n > FILES).collect();
    let joe = UserId::new("JOE").unwrap();
    let write = |unit: &WorkUnit, n: u32| within("B", |b| common::put(unit, b, &name(n), &["changed"]));
    let share = async |n: u32| {
        let (dir, mine) = (["B".to_owned()], bed.pool.begin_for(joe));
        let place = (DirPath { space: "JOE", levels: &dir }, Some(fid(&name(n))));
        bed.pool.create_lock(&mine, place, joe, LockType::Share, LockDuration::Session).await
    };
    for before in [false, true] {
        let (unit, other) = (bed.pool.begin(), bed.pool.begin());
        if before {
            write(&other, 1).unwrap();
        }
        within("B", |b| unit.erase_files(b, &ids(&many))).unwrap();
        for n in [2, many[7]] {
            let free = before && n == 2;
            let (written, shared) = (write(&other, n), share(n).await);
            assert_eq!(matches!(written, Err(PoolError::Locked { .. })), !free, "{n} {before}");
            // Where only files are locked, the other one's write of the free file is in the way of a lock on it.
            assert!(matches!(shared, Err(PoolError::Locked { .. })), "{n} {before}");
        }
        unit.rollback();
        other.rollback();
        write(&bed.pool.begin(), 2).unwrap();
    }
    assert_eq!(contents(&bed.pool), files);
    erase(&unit, &mut files, "B", &many);
    unit.commit().await.unwrap();
    assert_eq!(contents(&bed.pool), files);
    bed.sound();
}

async fn run(dasd: &FaultyDasd, pool: &Pool, files: &mut Files) -> Option<Files> {
    for step in steps() {
        let unit = pool.begin();
        let before = files.clone();
        step(&unit, files);
        let done: Result<_, PoolError> = unit.commit().await;
        let checkpoint = pool.checkpoint().await;
        if done.is_err() {
            return Some(before);
        }
        if checkpoint.is_err() || dasd.crashed() {
            return Some(files.clone());
        }
    }
    None
}

#[tokio::test]
async fn a_power_failure_at_any_write_leaves_all_or_nothing_of_a_commit() {
    let mut state = 1u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    for write in 0.. {
        let bed = Bed::new().await;
        let mut files = furnish(&bed.pool).await;
        bed.dasd.set_faults(Faults { crash_at_write: Some(write), ..Faults::default() });
        let before = run(&bed.dasd, &bed.pool, &mut files).await;
        bed.dasd.crash();
        let dasd = bed.dasd.restart(&mut random);
        drop(bed);
        let pool = open_pool(&dasd, &config());
        assert_eq!(pool.check(true).unwrap().problems, Vec::<String>::new());
        let found = contents(&pool);
        match before {
            Some(before) => assert!(found == before || found == files, "write {write}"),
            None => {
                assert_eq!(found, files);
                assert!(write > 20, "writes of four commits: {write}");
                break;
            }
        }
    }
}
