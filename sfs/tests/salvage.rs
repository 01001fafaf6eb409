//! Salvage of pools whose catalog is lost: what log and volume tell comes out, and is said to be what it is.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{Bed, config, fid, image, lines, open, open_pool, put, put_fixed, roomy, top};
use cp::clock::ManualClock;
use dasd::{Dasd, FaultyDasd};
use jiff::Timestamp;
use sfs::pool::{DirPath, Pool, PoolConfig};
use sfs::tools::{Selection, salvage, verify};
use sfs::types::{Attributes, EntryType, Grantee, Intent, Rights};

const CATALOG: &str = "CATALOG";

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH))
}

/// The salvaged pool restored, and what was said.
async fn salvaged(dasd: &FaultyDasd, config: &PoolConfig) -> (Pool, Vec<String>) {
    let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
    let before: Vec<_> = disks.list().unwrap().into_iter().map(|n| (dasd.contents(&n), n)).collect();
    let (mut out, mut said) = (Vec::new(), Vec::new());
    salvage(&disks, config, clock(), &mut out, &mut |line| said.push(line.to_owned())).unwrap();
    let after: Vec<_> = disks.list().unwrap().into_iter().map(|n| (dasd.contents(&n), n)).collect();
    assert_eq!(before, after, "a salvage changes nothing");
    verify(&mut out.as_slice()).unwrap();
    let fresh = FaultyDasd::new();
    let disks: Arc<dyn Dasd> = Arc::new(fresh.clone());
    Pool::generate(&disks, &roomy(), 3).unwrap();
    let pool = open_pool(&fresh, &roomy());
    sfs::tools::restore(&pool, &mut out.as_slice(), &Selection::Pool, &mut |line| said.push(line.to_owned()))
        .await
        .unwrap();
    assert_eq!(pool.check(true).unwrap().problems, Vec::<String>::new());
    (pool, said)
}

fn level(name: &str) -> Vec<String> {
    name.split('.').map(str::to_owned).collect()
}

/// A pool whose whole history is in the log.
async fn young() -> FaultyDasd {
    let bed = Bed::with(roomy()).await;
    let unit = bed.pool.begin();
    unit.enroll("ANN", 500, "").unwrap();
    let levels = level("MAIL.DEEP");
    unit.create_dir(DirPath { space: "JOE", levels: &levels[..1] }).unwrap();
    let deep = DirPath { space: "JOE", levels: &levels };
    unit.create_dir(deep).unwrap();
    put(&unit, deep, "A NOTE", &["Hello", "", "world"]).unwrap();
    put_fixed(&unit, top("JOE"), "NOTE INDEX", 4, &["aaaa", "bbbb"]).unwrap();
    let token = open(&unit, top("JOE"), "BIG FILE", Intent::Replace, Attributes::fixed(3000)).unwrap();
    unit.write(token, &Bytes::from(vec![b'f'; 3_000_000]), 1000).unwrap();
    unit.close(token).unwrap();
    put(&unit, top("JOE"), "GONE FILE", &["gone"]).unwrap();
    unit.commit().await.unwrap();
    unit.erase_file(top("JOE"), fid("GONE FILE")).unwrap();
    unit.grant(deep, Some(fid("A NOTE")), Grantee::Public, Rights::READ).unwrap();
    unit.create_external(top("ANN"), fid("AN OBJECT"), b"elsewhere").unwrap();
    unit.create_alias(deep, fid("A NOTE"), top("ANN"), fid("MY ALIAS")).unwrap();
    unit.commit().await.unwrap();
    drop(unit);
    bed.pool.close().await;
    bed.dasd.restart(|| u32::MAX)
}

fn all_of_young(pool: &Pool) {
    let unit = pool.begin();
    let levels = level("MAIL.DEEP");
    let deep = DirPath { space: "JOE", levels: &levels };
    assert_eq!(lines(&unit, deep, "A NOTE").unwrap(), ["Hello", "", "world"]);
    assert_eq!(lines(&unit, top("JOE"), "NOTE INDEX").unwrap(), ["aaaa", "bbbb"]);
    assert_eq!(image(&unit, top("JOE"), "BIG FILE").unwrap(), "f".repeat(3_000_000));
    assert!(unit.status(top("JOE"), fid("GONE FILE")).is_err());
    let note = Some(fid("A NOTE"));
    assert_eq!(unit.grants(deep, note).unwrap(), [(Grantee::Public, Rights::READ)]);
    assert_eq!(unit.external(top("ANN"), fid("AN OBJECT")).unwrap(), b"elsewhere");
    assert_eq!(unit.status(top("ANN"), fid("MY ALIAS")).unwrap().entry, EntryType::Alias);
    assert_eq!(pool.space_status("ANN").unwrap().limit, 500);
    assert_eq!(pool.spaces().unwrap().len(), 2, "nothing is nameless");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_young_pool_comes_out_whole_without_its_catalog() {
    let len = young().await.contents(CATALOG).unwrap().len() as u64;
    type Harm = Box<dyn Fn(&FaultyDasd)>;
    let cut = |to: u64| -> Harm { Box::new(move |d| d.open(CATALOG).unwrap().set_len(to).unwrap()) };
    let spoil = |from: u64, upto: u64, octet: u8| -> Harm {
        Box::new(move |d| {
            let count = usize::try_from(upto - from).unwrap();
            d.open(CATALOG).unwrap().write_at(&vec![octet; count], from).unwrap();
        })
    };
    let harms: Vec<Harm> = vec![
        Box::new(|dasd| dasd.remove(CATALOG).unwrap()),
        cut(0),
        cut(100),
        cut(4096),
        cut(len / 2),
        cut(len - 1),
        spoil(0, 4096, 0),
        spoil(0, 64, 0xff),
        spoil(4096, len, 0),
        spoil(0, len, 0xa5),
        spoil(8192, len.min(200_000), 0x5a),
    ];
    for harm in harms {
        let dasd = young().await;
        harm(&dasd);
        let (pool, said) = salvaged(&dasd, &roomy()).await;
        all_of_young(&pool);
        assert!(said[0].contains("catalog"), "{said:?}");
        assert!(!said.iter().any(|l| l.contains("without a name") || l.contains("since")), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_block_of_the_catalog_is_one_too_many() {
    let len = young().await.contents(CATALOG).unwrap().len();
    for block in 0..len / 4096 {
        let dasd = young().await;
        let at = (block * 4096 + 9 * (block % 300)) as u64;
        dasd.open(CATALOG).unwrap().write_at(&[0xe7; 40], at).unwrap();
        let (pool, _) = salvaged(&dasd, &roomy()).await;
        all_of_young(&pool);
    }
}

/// A pool that has recycled the log segments of its beginning.
async fn old() -> FaultyDasd {
    let bed = Bed::with(config()).await;
    let unit = bed.pool.begin();
    let levels = level("OLD");
    let dir = DirPath { space: "JOE", levels: &levels };
    unit.create_dir(dir).unwrap();
    put(&unit, dir, "FIRST NOTE", &["an old note", "of two lines"]).unwrap();
    let records = vec!["rrrr"; 50];
    put_fixed(&unit, top("JOE"), "OLD INDEX", 4, &records).unwrap();
    put_fixed(&unit, top("JOE"), "LONG RECORD", 2000, &[&"l".repeat(2000)]).unwrap();
    unit.commit().await.unwrap();
    for n in 0..60 {
        put(&unit, top("JOE"), "BUSY FILE", &[&n.to_string().repeat(10_000)]).unwrap();
        unit.commit().await.unwrap();
        for _ in 0..2 {
            let pool = bed.pool.clone();
            tokio::task::spawn_blocking(move || pool.tidy().unwrap()).await.unwrap();
            bed.pool.checkpoint().await.unwrap();
        }
    }
    put(&unit, dir, "LAST NOTE", &["a new note"]).unwrap();
    let token = open(&unit, top("JOE"), "OLD INDEX", Intent::Write, Attributes::fixed(4)).unwrap();
    unit.point(token, None, Some(51)).unwrap();
    unit.write(token, &Bytes::from_static(b"nnnn"), 1).unwrap();
    unit.close(token).unwrap();
    unit.commit().await.unwrap();
    drop(unit);
    bed.pool.close().await;
    bed.dasd.restart(|| u32::MAX)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_pool_gives_names_where_they_are_known_and_octets_where_not() {
    let dasd = old().await;
    dasd.remove(CATALOG).unwrap();
    let (pool, said) = salvaged(&dasd, &config()).await;
    let unit = pool.begin();
    // The directories are known by their numbers alone, the file space by what was charged.
    let dirs = unit.list_dirs(top("JOE")).unwrap();
    let of = |name: &str| {
        let found = dirs.iter().find(|d| {
            let levels = level(&d.level);
            unit.status(DirPath { space: "JOE", levels: &levels }, fid(name)).is_ok()
        });
        level(&found.unwrap_or_else(|| panic!("{name} is nowhere: {said:?}")).level)
    };
    let old = of("LAST NOTE");
    assert_eq!(lines(&unit, DirPath { space: "JOE", levels: &old }, "LAST NOTE").unwrap(), ["a new note"]);
    let busy = of("BUSY FILE");
    let busy = DirPath { space: "JOE", levels: &busy };
    assert_eq!(lines(&unit, busy, "BUSY FILE").unwrap(), ["59".repeat(10_000)]);
    let index = lines(&unit, busy, "OLD INDEX").unwrap();
    assert_eq!((index.len(), &*index[50], &*index[3]), (51, "nnnn", "\0\0\0\0"));
    assert!(said.iter().any(|l| l.contains("OLD INDEX") && l.contains("1 of 51 records")), "{said:?}");
    // The first note is on the volume, without its name; so is the long record.
    let bodies = level("BODIES");
    let bodies = DirPath { space: "SALVAGED", levels: &bodies };
    let mut found = Vec::new();
    for status in unit.list_files(bodies).unwrap() {
        let name = status.id.to_string();
        assert!(said.iter().any(|l| l.contains(&name) && l.contains("without a name")), "{said:?}");
        found.push(lines(&unit, bodies, &name).unwrap());
    }
    assert!(found.contains(&vec!["an old note".to_owned(), "of two lines".to_owned()]), "{said:?}");
    assert!(found.contains(&vec!["l".repeat(2000)]), "{said:?}");
}

/// Nothing is left but the volume, or not even that.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_alone_gives_its_octets_and_nothing_gives_nothing() {
    let dasd = old().await;
    for name in dasd.list().unwrap().iter().filter(|n| !n.starts_with("VOL")) {
        dasd.remove(name).unwrap();
    }
    let (pool, _) = salvaged(&dasd, &config()).await;
    let bodies = level("BODIES");
    let unit = pool.begin();
    assert!(unit.list_files(DirPath { space: "SALVAGED", levels: &bodies }).unwrap().len() >= 2);
    let disks: Arc<dyn Dasd> = Arc::new(FaultyDasd::new());
    let (mut out, mut said) = (Vec::new(), Vec::new());
    let sum = salvage(&disks, &config(), clock(), &mut out, &mut |l| said.push(l.to_owned())).unwrap();
    assert_eq!((sum.spaces, sum.files), (0, 0));
    assert!(said[0].contains("cannot be used"), "{said:?}");
}

/// Whether everybody may connect is taken from the log as far as that says it; else not everybody may.
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_is_closed_when_it_is_not_known_who_may_connect() {
    for last in [None, Some(true), Some(false)] {
        let dasd = young().await;
        let pool = open_pool(&dasd, &roomy());
        let unit = pool.begin();
        for enroll in [true, false].into_iter().take(match last {
            None => 0,
            Some(true) => 1,
            Some(false) => 2,
        }) {
            unit.set_public(enroll).unwrap();
            unit.commit().await.unwrap();
        }
        drop(unit);
        pool.close().await;
        let dasd = dasd.restart(|| u32::MAX);
        dasd.remove(CATALOG).unwrap();
        let (pool, said) = salvaged(&dasd, &roomy()).await;
        all_of_young(&pool);
        assert_eq!(pool.public_enrolled().unwrap(), last == Some(true), "{last:?}");
        assert_eq!(said.iter().any(|l| l.starts_with("whether PUBLIC")), last.is_none(), "{said:?}");
    }
}

/// What stands in front of a gap of the log may have been changed in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_is_closed_when_a_later_change_of_it_may_be_lost() {
    for gap in [false, true] {
        let bed = Bed::with(config()).await;
        let unit = bed.pool.begin();
        unit.set_public(true).unwrap();
        unit.commit().await.unwrap();
        for n in 0..20 {
            put(&unit, top("JOE"), &format!("F{n} FILE"), &[&n.to_string().repeat(10_000)]).unwrap();
            unit.commit().await.unwrap();
        }
        drop(unit);
        bed.pool.close().await;
        let dasd = bed.dasd.restart(|| u32::MAX);
        dasd.remove(CATALOG).unwrap();
        let mut segments: Vec<_> =
            dasd.list().unwrap().into_iter().filter(|n| n.starts_with("LOG")).collect();
        segments.sort();
        assert!(segments.len() > 2, "{segments:?}");
        if gap {
            dasd.remove(&segments[1]).unwrap();
        }
        let (pool, said) = salvaged(&dasd, &config()).await;
        assert_eq!(pool.public_enrolled().unwrap(), !gap, "{said:?}");
        assert_eq!(said.iter().any(|l| l.starts_with("whether PUBLIC")), gap, "{said:?}");
    }
}
