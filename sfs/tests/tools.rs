//! Check, backup, restore and salvage.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{Bed, fid, image, lines, open, open_pool, put, put_fixed, roomy, top};
use cp::clock::ManualClock;
use dasd::{Dasd, FaultyDasd};
use jiff::Timestamp;
use sfs::pool::{DirPath, Pool, PoolError};
use sfs::tools::{Selection, ToolError, backup, check, restore, salvage, verify};
use sfs::types::{
    Attributes, DirControl, DisableMode, EntryType, Grantee, Intent, LockDuration, LockInfo, LockType,
    PoolPart, Rights, Stamp, StorageGroup,
};

fn quiet(_: &str) {}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH))
}

fn empty_pool() -> Pool {
    let dasd = FaultyDasd::new();
    let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
    Pool::generate(&disks, &roomy(), 3).unwrap();
    open_pool(&dasd, &roomy())
}

fn ann() -> Grantee {
    Grantee::User("ANN".parse().unwrap())
}

/// File spaces JOE and ANN with something of everything.
async fn furnished() -> Bed {
    let bed = Bed::with(roomy()).await;
    let unit = bed.pool.begin();
    unit.enroll("ANN", 500, "").unwrap();
    put(&unit, top("JOE"), "A NOTE", &["Hello", "", "world"]).unwrap();
    put(&unit, top("JOE"), "ONE RECORD", &["alone"]).unwrap();
    put_fixed(&unit, top("JOE"), "NOTE INDEX", 4, &["aaaa", "bbbb"]).unwrap();
    let levels = ["MAIL".to_owned(), "DEEP".to_owned()];
    unit.create_dir(DirPath { space: "JOE", levels: &levels[..1] }).unwrap();
    let deep = DirPath { space: "JOE", levels: &levels };
    unit.create_dir_as(deep, DirControl::Directory).unwrap();
    put(&unit, deep, "B NOTE", &["deep"]).unwrap();
    let token = open(&unit, top("JOE"), "BIG FILE", Intent::Replace, Attributes::variable()).unwrap();
    for n in 0..120u8 {
        unit.write(token, &Bytes::from(vec![n; 20_000]), 1).unwrap();
    }
    unit.close(token).unwrap();
    let token = open(&unit, top("JOE"), "BIG FIXED", Intent::Replace, Attributes::fixed(3000)).unwrap();
    unit.write(token, &Bytes::from(vec![b'f'; 3_000_000]), 1000).unwrap();
    unit.close(token).unwrap();
    unit.grant(top("JOE"), Some(fid("A NOTE")), ann(), Rights::READ).unwrap();
    unit.grant(deep, None, Grantee::Public, Rights::DIRREAD).unwrap();
    unit.create_external(top("ANN"), fid("AN OBJECT"), b"elsewhere").unwrap();
    unit.create_alias(top("JOE"), fid("A NOTE"), top("ANN"), fid("MY ALIAS")).unwrap();
    unit.commit().await.unwrap();
    bed
}

fn same(from: &Pool, to: &Pool) {
    let (a, b) = (from.begin(), to.begin());
    for name in ["A NOTE", "ONE RECORD"] {
        assert_eq!(lines(&a, top("JOE"), name).unwrap(), lines(&b, top("JOE"), name).unwrap());
    }
    for name in ["BIG FILE", "BIG FIXED", "NOTE INDEX"] {
        assert_eq!(image(&a, top("JOE"), name).unwrap(), image(&b, top("JOE"), name).unwrap(), "{name}");
        let (old, new) = (a.status(top("JOE"), fid(name)).unwrap(), b.status(top("JOE"), fid(name)).unwrap());
        assert_eq!((old.created, old.updated, old.records), (new.created, new.updated, new.records));
    }
    let levels = ["MAIL".to_owned(), "DEEP".to_owned()];
    let deep = DirPath { space: "JOE", levels: &levels };
    assert_eq!(b.dir_status(deep).unwrap().control, DirControl::Directory);
    assert_eq!(b.grants(deep, None).unwrap(), a.grants(deep, None).unwrap());
    let note = Some(fid("A NOTE"));
    assert_eq!(b.grants(top("JOE"), note).unwrap(), [(ann(), Rights::READ)]);
    assert_eq!(to.space_status("JOE").unwrap(), from.space_status("JOE").unwrap());
    assert_eq!(to.check(true).unwrap().problems, Vec::<String>::new());
}

/// Each file space is told with what it has itself, and then all of them together.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_tells_what_is_in_each_file_space() {
    let bed = furnished().await;
    let unit = bed.pool.begin();
    put(&unit, top("ANN"), "A FILE", &["of ann"]).unwrap();
    unit.enroll("ZOE", 500, "").unwrap();
    put(&unit, top("ZOE"), "A FILE", &["zoes"]).unwrap();
    unit.commit().await.unwrap();
    let (mut out, mut told) = (Vec::new(), Vec::new());
    let written = backup(&bed.pool, &mut out, &mut |line: &str| told.push(line.to_owned())).unwrap();
    assert_eq!(told[0], "ANN: 0 directories, 1 files, 8 bytes, 0 damaged");
    assert!(told[1].starts_with("JOE: 2 directories, 6 files, "), "{told:?}");
    assert_eq!(told[2], "ZOE: 0 directories, 1 files, 6 bytes, 0 damaged");
    assert_eq!(told[3..], [format!("Done: {written}")]);
    assert_eq!((written.spaces, written.directories, written.files), (3, 2, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_comes_back_whole_from_its_backup() {
    let bed = furnished().await;
    let mut out = Vec::new();
    let written = backup(&bed.pool, &mut out, &mut quiet).unwrap();
    assert_eq!((written.spaces, written.directories, written.files, written.damaged), (2, 2, 6, 0));
    assert_eq!(verify(&mut out.as_slice()).unwrap(), written);
    let pool = empty_pool();
    restore(&pool, &mut out.as_slice(), &Selection::Pool, &mut quiet).await.unwrap();
    same(&bed.pool, &pool);
    let unit = pool.begin();
    assert_eq!(unit.external(top("ANN"), fid("AN OBJECT")).unwrap(), b"elsewhere");
    assert_eq!(unit.status(top("ANN"), fid("MY ALIAS")).unwrap().entry, EntryType::Alias);
    let again = restore(&pool, &mut out.as_slice(), &Selection::Pool, &mut quiet).await;
    assert!(matches!(again, Err(ToolError::Pool(PoolError::SpaceExists))));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_space_or_one_file_is_restored_into_the_running_pool() {
    let bed = furnished().await;
    let mut out = Vec::new();
    backup(&bed.pool, &mut out, &mut quiet).unwrap();
    let unit = bed.pool.begin();
    put(&unit, top("JOE"), "A NOTE", &["spoilt"]).unwrap();
    put(&unit, top("JOE"), "ONE RECORD", &["spoilt"]).unwrap();
    unit.commit().await.unwrap();
    let file = Selection::File("JOE".into(), Vec::new(), fid("A NOTE"));
    restore(&bed.pool, &mut out.as_slice(), &file, &mut quiet).await.unwrap();
    assert_eq!(lines(&unit, top("JOE"), "A NOTE").unwrap(), ["Hello", "", "world"]);
    assert_eq!(lines(&unit, top("JOE"), "ONE RECORD").unwrap(), ["spoilt"]);
    let none = Selection::File("JOE".into(), Vec::new(), fid("NO FILE"));
    let missing = restore(&bed.pool, &mut out.as_slice(), &none, &mut quiet).await;
    assert!(matches!(missing, Err(ToolError::NotThere)));
    let space = Selection::Space("JOE".into());
    restore(&bed.pool, &mut out.as_slice(), &space, &mut quiet).await.unwrap();
    assert_eq!(lines(&unit, top("JOE"), "ONE RECORD").unwrap(), ["alone"]);
    bed.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_shows_one_state_while_the_pool_changes() {
    let bed = furnished().await;
    let mut out = Vec::new();
    let (pool, mut lines_seen) = (bed.pool.clone(), 0);
    let mut disturb = |_: &str| {
        lines_seen += 1;
        let unit = pool.begin();
        // Erases what is not written yet, and gives the storage of what is gone back.
        for name in ["A NOTE", "BIG FILE", "BIG FIXED", "NOTE INDEX"] {
            let _ = unit.erase_file(top("JOE"), fid(name));
        }
        let handle = tokio::runtime::Handle::current();
        let task = pool.clone();
        std::thread::spawn(move || {
            handle.block_on(async { unit.commit().await.unwrap() });
            task.tidy().unwrap();
            handle.block_on(task.checkpoint()).unwrap();
            task.tidy().unwrap();
        })
        .join()
        .unwrap();
    };
    backup(&bed.pool, &mut out, &mut disturb).unwrap();
    assert!(lines_seen > 1);
    let restored = empty_pool();
    restore(&restored, &mut out.as_slice(), &Selection::Pool, &mut quiet).await.unwrap();
    same(&furnished().await.pool, &restored);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_and_the_rest_salvaged() {
    let bed = furnished().await;
    bed.pool.close().await;
    let dasd = bed.dasd.restart(|| 0);
    let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
    let mut said = Vec::new();
    let sound = check(&disks, &roomy(), clock(), true, &mut |l| said.push(l.to_owned())).unwrap();
    assert_eq!((sound.problem_count, sound.files), (0, 6));
    assert_eq!(said.last().unwrap(), "0 problems");
    // The large files are on the volume, 4096 octets and more from its beginning.
    let volume = disks.list().unwrap().into_iter().find(|n| n.starts_with("VOL")).unwrap();
    assert!(dasd.flip_bit(&volume, 1_500_000, 3));
    let found = check(&disks, &roomy(), clock(), true, &mut quiet).unwrap();
    assert_eq!(found.problem_count, 1);
    assert!(found.problems[0].contains(" of "), "the file is named: {:?}", found.problems);
    let (mut out, mut said) = (Vec::new(), Vec::new());
    let saved = salvage(&disks, &roomy(), clock(), &mut out, &mut |l| said.push(l.to_owned())).unwrap();
    assert_eq!(saved.damaged, 1);
    assert!(said.iter().any(|l| l.contains("cut there")), "{said:?}");
    let pool = empty_pool();
    restore(&pool, &mut out.as_slice(), &Selection::Pool, &mut quiet).await.unwrap();
    assert_eq!(lines(&pool.begin(), top("JOE"), "A NOTE").unwrap(), ["Hello", "", "world"]);
}

/// A segment file of log or volume that is gone is found, whether the octets are read or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_segment_is_found_and_its_files_are_named() {
    for prefix in ["VOL", "LOG"] {
        let bed = furnished().await;
        // What comes behind the other segments of the log is not needed to open the pool.
        for n in 0..40 {
            let unit = bed.pool.begin();
            put(&unit, top("JOE"), &format!("F{n} FILE"), &[&"x".repeat(60_000)]).unwrap();
            unit.commit().await.unwrap();
        }
        bed.pool.close().await;
        let dasd = bed.dasd.restart(|| 0);
        let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
        let sound = check(&disks, &roomy(), clock(), true, &mut quiet).unwrap();
        assert_eq!(sound.problems, Vec::<String>::new());
        let holds = |name: &String| {
            let octets = dasd.contents(name).unwrap();
            name.starts_with(prefix) && (prefix == "VOL" || octets.windows(1000).any(|w| w == [b'x'; 1000]))
        };
        let first = disks.list().unwrap().into_iter().find(holds).unwrap();
        disks.remove(&first).unwrap();
        for bodies in [false, true] {
            let found = check(&disks, &roomy(), clock(), bodies, &mut quiet).unwrap();
            assert!(found.problems[0].contains(" is missing, with "), "{:?}", found.problems);
            assert!(
                found.problems[1].contains(" of ") && found.problems[1].contains("JOE"),
                "{:?}",
                found.problems
            );
        }
        // The pool serves what is left, and puts nothing where it would seem to be what was there.
        let (pool, told) = Pool::open_telling(&disks, &roomy(), clock()).unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        let unit = pool.begin();
        put(&unit, top("JOE"), "BIG FILE", &vec!["y".repeat(60_000).as_str(); 40]).unwrap();
        unit.commit().await.unwrap();
        assert!(!disks.list().unwrap().contains(&first), "{first} came back");
        assert_eq!(lines(&pool.begin(), top("JOE"), "BIG FILE").unwrap().len(), 40);
        pool.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_damaged_backup_passes_and_none_panics() {
    let bed = Bed::with(roomy()).await;
    let unit = bed.pool.begin();
    put(&unit, top("JOE"), "A NOTE", &["Hello"]).unwrap();
    unit.commit().await.unwrap();
    let mut out = Vec::new();
    backup(&bed.pool, &mut out, &mut quiet).unwrap();
    for cut in 0..out.len() {
        assert!(verify(&mut &out[..cut]).is_err(), "a backup cut at {cut} passed");
    }
    for at in 0..out.len() {
        let mut bad = out.clone();
        bad[at] ^= 4;
        assert!(verify(&mut bad.as_slice()).is_err(), "octet {at} changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_dates_groups_and_erased_aliases_come_back() {
    let bed = furnished().await;
    let group = StorageGroup::new(3).unwrap();
    bed.pool.add_minidisk(group, 0x312, Some(100)).await.unwrap();
    let unit = bed.pool.begin();
    unit.enroll_in(group, "BOB", 50, "").unwrap();
    put(&unit, top("BOB"), "GONE FILE", &["x"]).unwrap();
    unit.commit().await.unwrap();
    unit.create_alias(top("BOB"), fid("GONE FILE"), top("ANN"), fid("OLD ALIAS")).unwrap();
    unit.erase_file(top("BOB"), fid("GONE FILE")).unwrap();
    unit.commit().await.unwrap();
    let (joe, ann) = ("JOE".parse().unwrap(), "ANN".parse().unwrap());
    let note = (top("JOE"), Some(fid("A NOTE")));
    let (lasting, session) = (LockDuration::Lasting, LockDuration::Session);
    bed.pool.create_lock(&unit, note, joe, LockType::Share, lasting).await.unwrap();
    bed.pool.create_lock(&unit, note, ann, LockType::Share, session).await.unwrap();
    let levels = ["MAIL".to_owned()];
    let mail = DirPath { space: "JOE", levels: &levels };
    bed.pool.create_lock(&unit, (mail, None), joe, LockType::Update, lasting).await.unwrap();
    let mut out = Vec::new();
    backup(&bed.pool, &mut out, &mut quiet).unwrap();

    let later = Arc::new(ManualClock::new(Timestamp::from_second(10 * 24 * 3600).unwrap()));
    let dasd = FaultyDasd::new();
    let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
    Pool::generate(&disks, &roomy(), 3).unwrap();
    let pool = Pool::open(&disks, &roomy(), later).unwrap();
    restore(&pool, &mut out.as_slice(), &Selection::Pool, &mut quiet).await.unwrap();
    let locks = pool.locks_on(note.0, note.1).unwrap();
    assert_eq!(locks, [LockInfo { user: joe, kind: LockType::Share, duration: lasting, created: Stamp(0) }]);
    assert_eq!(pool.locks_on(mail, None).unwrap()[0].kind, LockType::Update);
    let unit = pool.begin_for(ann);
    let refused = open(&unit, top("JOE"), "A NOTE", Intent::Write, Attributes::variable());
    assert!(matches!(refused, Err(PoolError::ExplicitLock { .. })));
    assert_eq!(unit.status(top("JOE"), fid("A NOTE")).unwrap().referenced, Stamp(0));
    assert_eq!(unit.status(top("ANN"), fid("OLD ALIAS")).unwrap().entry, EntryType::Erased);
    assert_eq!(pool.space_status("BOB").unwrap().group, group);
    assert_eq!(pool.storage_groups().await.unwrap()[2].blocks, Some(100));
    assert_eq!(pool.check(true).unwrap().problems, Vec::<String>::new());
    // Into a pool without the group: the first one takes it.
    let other = empty_pool();
    let space = Selection::Space("BOB".into());
    restore(&other, &mut out.as_slice(), &space, &mut quiet).await.unwrap();
    assert_eq!(other.space_status("BOB").unwrap().group, StorageGroup::FIRST);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_disabled_comes_back_with_the_whole_pool() {
    let bed = furnished().await;
    let unit = bed.pool.begin();
    let (joe, ann) = ("JOE".parse().unwrap(), "ANN".parse().unwrap());
    let (space, group) = (PoolPart::Space("ANN".into()), PoolPart::Group(StorageGroup::FIRST));
    bed.pool.disable(&unit, &space, DisableMode::Exclusive, joe).await.unwrap();
    bed.pool.disable(&unit, &group, DisableMode::Share, ann).await.unwrap();
    let mut out = Vec::new();
    backup(&bed.pool, &mut out, &mut quiet).unwrap();
    let later = Arc::new(ManualClock::new(Timestamp::from_second(1000).unwrap()));
    let dasd = FaultyDasd::new();
    let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
    Pool::generate(&disks, &roomy(), 3).unwrap();
    let pool = Pool::open(&disks, &roomy(), later).unwrap();
    restore(&pool, &mut out.as_slice(), &Selection::Pool, &mut quiet).await.unwrap();
    // By whom, and since when.
    assert_eq!(pool.disabled(), bed.pool.disabled());
    same(&bed.pool, &pool);
    let hers = pool.begin_for(ann);
    let refused = hers.create_external(top("ANN"), fid("NEW OBJECT"), b"x");
    assert!(matches!(refused, Err(PoolError::Disabled)));
    // One file space alone comes back enabled.
    let other = empty_pool();
    let one = Selection::Space("ANN".into());
    restore(&other, &mut out.as_slice(), &one, &mut quiet).await.unwrap();
    assert_eq!(other.disabled(), []);
}

/// A backup without the frames of that kind, as programs before them wrote it.
fn without(kind: u8, backup: &[u8]) -> Vec<u8> {
    let (magic, mut rest) = backup.split_at(8);
    let mut out = magic.to_vec();
    while !rest.is_empty() {
        let len = 9 + u32::from_le_bytes(rest[1..5].try_into().unwrap()) as usize;
        let (frame, more) = rest.split_at(len);
        if frame[0] != kind {
            out.extend_from_slice(frame);
        }
        rest = more;
    }
    out
}

async fn set_public(pool: &Pool, enroll: bool) {
    let unit = pool.begin();
    unit.set_public(enroll).unwrap();
    unit.commit().await.unwrap();
}

/// Whether PUBLIC is enrolled comes back with a whole pool and with nothing less; what does not say it is of a time when everybody
/// could connect.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_connect_is_restored() {
    let bed = furnished().await;
    let mut closed = Vec::new();
    backup(&bed.pool, &mut closed, &mut quiet).unwrap();
    set_public(&bed.pool, true).await;
    let mut open = Vec::new();
    backup(&bed.pool, &mut open, &mut quiet).unwrap();
    let old = without(14, &closed);
    assert!(old.len() < closed.len());
    for (image, enrolled) in [(&open, true), (&closed, false), (&old, true)] {
        for before in [false, true] {
            let pool = empty_pool();
            if before {
                set_public(&pool, true).await;
            }
            restore(&pool, &mut image.as_slice(), &Selection::Pool, &mut quiet).await.unwrap();
            assert_eq!(pool.public_enrolled().unwrap(), enrolled);
            same(&bed.pool, &pool);
        }
    }
    let one = Selection::Space("ANN".into());
    restore(&bed.pool, &mut closed.as_slice(), &one, &mut quiet).await.unwrap();
    assert!(bed.pool.public_enrolled().unwrap());
}
