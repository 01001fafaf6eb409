//! The engine through its public edge: record files, work units, limits, sharing, recovery.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use bytes::Bytes;
use common::{Bed, fid, top};
use sfs::pool::{DirPath, MAX_INLINE_BODY, OpenRequest, PoolError};
use sfs::types::{Attributes, Intent};

fn levels(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[tokio::test]
async fn a_note_is_its_image() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    let file = common::open(&unit, top("JOE"), "NOTE1 NOTE", Intent::New, Attributes::variable()).unwrap();
    for line in [&b"first"[..], b"", b"third line"] {
        unit.write(file, &Bytes::copy_from_slice(line), 1).unwrap();
    }
    unit.close(file).unwrap();
    unit.commit().await.unwrap();
    let file = common::open(&unit, top("JOE"), "NOTE1 NOTE", Intent::Read, Attributes::variable()).unwrap();
    let image = b"\0\x05first\0\0\0\x0athird line";
    assert_eq!(unit.read_image(file, 0, 1000).unwrap(), &image[..]);
    assert_eq!(unit.read_image(file, 7, 2).unwrap(), &image[7..9]);
    assert_eq!(unit.read(file, 1, 100).unwrap().data, &b"first"[..]);
    let rest = unit.read(file, 100, 100).unwrap();
    assert_eq!((rest.records, rest.data.as_ref()), (2, &image[7..]));
    assert!(matches!(unit.read(file, 1, 100), Err(PoolError::EndOfFile)));
    unit.point(file, Some(3), None).unwrap();
    assert!(matches!(unit.read(file, 1, 9), Err(PoolError::BufferTooShort)));
    assert_eq!(unit.read(file, 1, 10).unwrap().data, &b"third line"[..]);
    let status = unit.status(top("JOE"), fid("NOTE1 NOTE")).unwrap();
    assert_eq!((status.records, status.lrecl, status.bytes, status.blocks), (3, 10, 21, 1));
    bed.sound();
}

#[tokio::test]
async fn uncommitted_work_is_seen_by_its_unit_alone() {
    let bed = Bed::new().await;
    let (a, b) = (bed.pool.begin(), bed.pool.begin());
    common::put(&a, top("JOE"), "A FILE", &["one"]).unwrap();
    assert!(a.status(top("JOE"), fid("A FILE")).is_ok());
    assert!(matches!(b.status(top("JOE"), fid("A FILE")), Err(PoolError::NoFile)));
    assert!(matches!(common::put(&b, top("JOE"), "A FILE", &["x"]), Err(PoolError::Locked { .. })));
    common::put(&b, top("JOE"), "B FILE", &["two"]).unwrap();
    a.rollback();
    assert!(matches!(a.status(top("JOE"), fid("A FILE")), Err(PoolError::NoFile)));
    common::put(&b, top("JOE"), "A FILE", &["three"]).unwrap();
    b.commit().await.unwrap();
    assert_eq!(common::lines(&a, top("JOE"), "A FILE").unwrap(), ["three"]);
    assert_eq!(a.list_files(top("JOE")).unwrap().len(), 2);
    assert_eq!(bed.pool.lock_count(), 0);
    bed.sound();
}

#[tokio::test]
async fn a_reader_keeps_its_version() {
    let bed = Bed::new().await;
    let (reader, writer) = (bed.pool.begin(), bed.pool.begin());
    let big = "x".repeat(60_000);
    common::put(&writer, top("JOE"), "A FILE", &["old", &big]).unwrap();
    common::put_fixed(&writer, top("JOE"), "I INDEX", 8, &["aaaaaaaa", "bbbbbbbb"]).unwrap();
    writer.commit().await.unwrap();
    let v = common::open(&reader, top("JOE"), "A FILE", Intent::Read, Attributes::variable()).unwrap();
    let f = common::open(&reader, top("JOE"), "I INDEX", Intent::Read, Attributes::fixed(8)).unwrap();
    common::put(&writer, top("JOE"), "A FILE", &["new"]).unwrap();
    let w = common::open(&writer, top("JOE"), "I INDEX", Intent::Write, Attributes::fixed(8)).unwrap();
    writer.point(w, None, Some(1)).unwrap();
    writer.write(w, &Bytes::from_static(b"cccccccc"), 1).unwrap();
    writer.commit().await.unwrap();
    writer.erase_file(top("JOE"), fid("A FILE")).unwrap();
    writer.commit().await.unwrap();
    let pool = bed.pool.clone();
    tokio::task::spawn_blocking(move || pool.tidy()).await.unwrap().unwrap();
    assert_eq!(reader.read(v, 1, 100).unwrap().data, &b"old"[..]);
    assert_eq!(reader.read(v, 1, 100_000).unwrap().data, big.as_bytes());
    assert_eq!(reader.read(f, 2, 100).unwrap().data, &b"aaaaaaaabbbbbbbb"[..]);
    assert_eq!(common::image(&writer, top("JOE"), "I INDEX").unwrap(), "ccccccccbbbbbbbb");
    bed.sound();
}

#[tokio::test]
async fn records_of_an_index_are_updated_in_place() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    let recs: Vec<String> = (0..1000).map(|i| format!("{i:08}")).collect();
    let refs: Vec<&str> = recs.iter().map(String::as_str).collect();
    common::put_fixed(&unit, top("JOE"), "NOTE INDEX", 8, &refs).unwrap();
    unit.commit().await.unwrap();
    let w = common::open(&unit, top("JOE"), "NOTE INDEX", Intent::Write, Attributes::fixed(80)).unwrap();
    unit.point(w, Some(500), Some(500)).unwrap();
    unit.write(w, &Bytes::from_static(b"XXXXXXXXYYYYYYYY"), 2).unwrap();
    assert_eq!(unit.read(w, 3, 100).unwrap().data, &b"XXXXXXXXYYYYYYYY00000501"[..]);
    unit.point(w, None, Some(1003)).unwrap();
    unit.write(w, &Bytes::from_static(b"ZZZZZZZZ"), 1).unwrap();
    assert!(matches!(unit.write(w, &Bytes::from_static(b"short"), 1), Err(PoolError::RecordLength)));
    unit.commit().await.unwrap();
    let bed = bed.reopen().await;
    let unit = bed.pool.begin();
    let image = common::image(&unit, top("JOE"), "NOTE INDEX").unwrap();
    assert_eq!(image.len(), 8 * 1003);
    assert_eq!(&image[499 * 8..501 * 8], "XXXXXXXXYYYYYYYY");
    assert_eq!(&image[1000 * 8..], "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0ZZZZZZZZ");
    let w = common::open(&unit, top("JOE"), "NOTE INDEX", Intent::Write, Attributes::fixed(8)).unwrap();
    unit.truncate(w, 2).unwrap();
    unit.write(w, &Bytes::from_static(b"tailtail"), 1).unwrap();
    unit.commit().await.unwrap();
    assert_eq!(common::image(&unit, top("JOE"), "NOTE INDEX").unwrap(), "0000000000000001tailtail");
    bed.sound();
}

#[tokio::test]
async fn large_fixed_records_are_replaced_inside_an_image() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    let rec = |c: char| c.to_string().repeat(3000);
    let (a, b, c, d) = (rec('a'), rec('b'), rec('c'), rec('d'));
    common::put_fixed(&unit, top("JOE"), "BIG DATA", 3000, &[&a, &b, &c]).unwrap();
    unit.commit().await.unwrap();
    let w = common::open(&unit, top("JOE"), "BIG DATA", Intent::Write, Attributes::fixed(1)).unwrap();
    unit.point(w, None, Some(2)).unwrap();
    unit.write(w, &Bytes::from(d.clone()), 1).unwrap();
    unit.commit().await.unwrap();
    assert_eq!(common::image(&unit, top("JOE"), "BIG DATA").unwrap(), format!("{a}{d}{c}"));
    let w = common::open(&unit, top("JOE"), "BIG DATA", Intent::Write, Attributes::fixed(1)).unwrap();
    unit.truncate(w, 1).unwrap();
    unit.write(w, &Bytes::from(c.clone()), 1).unwrap();
    unit.point(w, None, Some(4)).unwrap();
    unit.write(w, &Bytes::from(b.clone()), 1).unwrap();
    unit.commit().await.unwrap();
    let gap = "\0".repeat(3000);
    assert_eq!(common::image(&unit, top("JOE"), "BIG DATA").unwrap(), format!("{a}{c}{gap}{b}"));
    bed.sound();
}

#[tokio::test]
async fn a_replaced_variable_record_of_another_length_cuts_the_file() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    common::put(&unit, top("JOE"), "A FILE", &["one", "two", "three"]).unwrap();
    unit.commit().await.unwrap();
    for (text, expect) in [("TWO", vec!["one", "TWO", "three"]), ("longer", vec!["one", "longer"])] {
        let w = common::open(&unit, top("JOE"), "A FILE", Intent::Write, Attributes::variable()).unwrap();
        unit.point(w, None, Some(2)).unwrap();
        unit.write(w, &Bytes::from(text), 1).unwrap();
        unit.commit().await.unwrap();
        assert_eq!(common::lines(&unit, top("JOE"), "A FILE").unwrap(), expect);
    }
    bed.sound();
}

#[tokio::test]
async fn bodies_at_the_inline_limit_and_past_it() {
    let bed = Bed::with(common::roomy()).await;
    let unit = bed.pool.begin();
    for (name, len) in
        [("AT DATA", MAX_INLINE_BODY), ("PAST DATA", MAX_INLINE_BODY + 1), ("HUGE DATA", 9 << 20)]
    {
        let data: Vec<u8> = (0..len).map(|i| (i * 7 % 251) as u8).collect();
        let w = common::open(&unit, top("JOE"), name, Intent::New, Attributes::fixed(len as u32)).unwrap();
        unit.write(w, &Bytes::from(data.clone()), 1).unwrap();
        unit.commit().await.unwrap();
        let r = common::open(&unit, top("JOE"), name, Intent::Read, Attributes::variable()).unwrap();
        assert_eq!(unit.read(r, 1, len).unwrap().data, data);
        assert_eq!(unit.read_image(r, 70_000, 10).unwrap(), &data[70_000..70_010]);
        unit.close(r).unwrap();
    }
    let bed = bed.reopen().await;
    let unit = bed.pool.begin();
    assert_eq!(unit.status(top("JOE"), fid("HUGE DATA")).unwrap().bytes, 9 << 20);
    bed.sound();
}

#[tokio::test]
async fn a_commit_too_large_for_a_log_segment() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    let w = common::open(&unit, top("JOE"), "WIDE INDEX", Intent::New, Attributes::fixed(200)).unwrap();
    let block = Bytes::from(vec![b'r'; 200 * 1000]);
    for _ in 0..20 {
        unit.write(w, &block, 1000).unwrap();
    }
    common::put(&unit, top("JOE"), "SMALL FILE", &["beside it"]).unwrap();
    unit.commit().await.unwrap();
    let bed = bed.reopen().await;
    let unit = bed.pool.begin();
    assert_eq!(unit.status(top("JOE"), fid("WIDE INDEX")).unwrap().records, 20_000);
    assert_eq!(common::lines(&unit, top("JOE"), "SMALL FILE").unwrap(), ["beside it"]);
    bed.sound();
}

#[tokio::test]
async fn a_copy_shares_its_octets() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    let text = "t".repeat(50_000);
    common::put(&unit, top("JOE"), "A FILE", &[&text]).unwrap();
    common::put_fixed(&unit, top("JOE"), "A INDEX", 4, &["1111", "2222"]).unwrap();
    unit.commit().await.unwrap();
    let before = bed.pool.storage().await.unwrap().log_live;
    unit.copy_file(top("JOE"), fid("A FILE"), top("JOE"), fid("B FILE"), false).unwrap();
    unit.copy_file(top("JOE"), fid("A INDEX"), top("JOE"), fid("B INDEX"), false).unwrap();
    let again = unit.copy_file(top("JOE"), fid("A FILE"), top("JOE"), fid("B FILE"), false);
    assert!(matches!(again, Err(PoolError::FileExists)));
    let other = bed.pool.begin();
    assert!(matches!(other.erase_file(top("JOE"), fid("A FILE")), Err(PoolError::Locked { .. })));
    unit.commit().await.unwrap();
    assert_eq!(bed.pool.storage().await.unwrap().log_live, before, "the copy took space");
    assert_eq!(bed.pool.space_status("JOE").unwrap().used, 13 + 13 + 1 + 1);
    other.erase_file(top("JOE"), fid("A FILE")).unwrap();
    other.commit().await.unwrap();
    assert_eq!(common::lines(&unit, top("JOE"), "B FILE").unwrap(), [text]);
    assert_eq!(common::image(&unit, top("JOE"), "B INDEX").unwrap(), "11112222");
    unit.erase_file(top("JOE"), fid("B FILE")).unwrap();
    unit.commit().await.unwrap();
    assert_eq!(bed.pool.storage().await.unwrap().log_live, 0, "the last reference frees the octets");
    bed.sound();
}

#[tokio::test]
async fn directories_go_eight_levels_deep_and_no_further() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    let names = levels(&["A", "B", "C", "D", "E", "F", "G", "H", "I"]);
    for depth in 1..=8 {
        unit.create_dir(DirPath { space: "JOE", levels: &names[..depth] }).unwrap();
    }
    let ninth = unit.create_dir(DirPath { space: "JOE", levels: &names });
    assert!(matches!(ninth, Err(PoolError::BadDirectory)));
    let deepest = DirPath { space: "JOE", levels: &names[..8] };
    common::put(&unit, deepest, "A FILE", &["deep"]).unwrap();
    unit.commit().await.unwrap();
    let root = DirPath { space: "JOE", levels: &names[..1] };
    assert!(matches!(unit.erase_dir(root), Err(PoolError::NotEmpty)));
    let inside = levels(&["A", "B", "X"]);
    let into_itself = unit.rename_dir(root, DirPath { space: "JOE", levels: &inside });
    assert!(matches!(into_itself, Err(PoolError::BadDirectory)));
    let moved = levels(&["Z"]);
    unit.rename_dir(root, DirPath { space: "JOE", levels: &moved }).unwrap();
    unit.commit().await.unwrap();
    let mut there = names[..8].to_vec();
    there[0] = "Z".into();
    let there = DirPath { space: "JOE", levels: &there };
    assert_eq!(common::lines(&unit, there, "A FILE").unwrap(), ["deep"]);
    assert!(matches!(unit.find_dir(root), Err(PoolError::NoDirectory)));
    assert_eq!(unit.list_dirs(top("JOE")).unwrap().len(), 1);
    bed.sound();
}

#[tokio::test]
async fn a_directory_in_use_by_another_unit_stays() {
    let bed = Bed::new().await;
    let (a, b) = (bed.pool.begin(), bed.pool.begin());
    let inbox = levels(&["INBOX"]);
    let dir = DirPath { space: "JOE", levels: &inbox };
    a.create_dir(dir).unwrap();
    assert!(matches!(b.find_dir(dir), Err(PoolError::NoDirectory)));
    a.commit().await.unwrap();
    common::put(&a, dir, "A FILE", &["x"]).unwrap();
    assert!(matches!(b.erase_dir(dir), Err(PoolError::Locked { .. })));
    a.rollback();
    b.erase_dir(dir).unwrap();
    assert!(matches!(common::put(&a, dir, "A FILE", &["x"]), Err(PoolError::Locked { .. })));
    b.commit().await.unwrap();
    assert!(matches!(common::put(&a, dir, "A FILE", &["x"]), Err(PoolError::NoDirectory)));
    bed.sound();
}

#[tokio::test]
async fn rename_keeps_the_file_and_frees_the_name() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    common::put(&unit, top("JOE"), "A FILE", &["1"]).unwrap();
    common::put(&unit, top("JOE"), "B FILE", &["2"]).unwrap();
    common::put_fixed(&unit, top("JOE"), "A INDEX", 2, &["xy"]).unwrap();
    unit.commit().await.unwrap();
    let old = unit.status(top("JOE"), fid("A FILE")).unwrap();
    let taken = unit.rename_file(top("JOE"), fid("A FILE"), top("JOE"), fid("B FILE"));
    assert!(matches!(taken, Err(PoolError::FileExists)));
    unit.rename_file(top("JOE"), fid("A FILE"), top("JOE"), fid("C FILE")).unwrap();
    unit.rename_file(top("JOE"), fid("B FILE"), top("JOE"), fid("A FILE")).unwrap();
    unit.rename_file(top("JOE"), fid("A INDEX"), top("JOE"), fid("C INDEX")).unwrap();
    unit.commit().await.unwrap();
    assert_eq!(unit.status(top("JOE"), fid("C FILE")).unwrap().unique, old.unique);
    assert_eq!(common::lines(&unit, top("JOE"), "A FILE").unwrap(), ["2"]);
    assert_eq!(common::image(&unit, top("JOE"), "C INDEX").unwrap(), "xy");
    assert!(matches!(unit.status(top("JOE"), fid("B FILE")), Err(PoolError::NoFile)));
    bed.sound();
}

#[tokio::test]
async fn the_limit_of_a_file_space_is_kept_at_commit() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    unit.enroll("SMALL", 3, "").unwrap();
    unit.commit().await.unwrap();
    let block = "b".repeat(4094);
    common::put(&unit, top("SMALL"), "A FILE", &[&block]).unwrap();
    assert!(unit.commit().await.unwrap().over_threshold.is_empty());
    common::put(&unit, top("SMALL"), "B FILE", &[&block, &block]).unwrap();
    assert_eq!(unit.commit().await.unwrap().over_threshold, ["SMALL"]);
    common::put(&unit, top("SMALL"), "C FILE", &["one octet more"]).unwrap();
    assert!(matches!(unit.commit().await, Err(PoolError::SpaceLimit)));
    assert!(matches!(unit.status(top("SMALL"), fid("C FILE")), Err(PoolError::NoFile)));
    assert_eq!(bed.pool.space_status("SMALL").unwrap().used, 3);
    unit.erase_file(top("SMALL"), fid("A FILE")).unwrap();
    common::put(&unit, top("SMALL"), "C FILE", &["fits now"]).unwrap();
    unit.commit().await.unwrap();
    unit.set_limit("SMALL", 4).unwrap();
    unit.commit().await.unwrap();
    assert_eq!(bed.pool.space_status("SMALL").unwrap().limit, 4);
    assert_eq!(bed.pool.space_status("SMALL").unwrap().used, 3);
    bed.sound();
}

#[tokio::test]
async fn a_file_space_goes_with_all_it_holds() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    let inbox = levels(&["INBOX"]);
    unit.create_dir(DirPath { space: "JOE", levels: &inbox }).unwrap();
    common::put(&unit, DirPath { space: "JOE", levels: &inbox }, "1 NOTE", &["x"]).unwrap();
    common::put_fixed(&unit, top("JOE"), "M INDEX", 2, &["xy"]).unwrap();
    unit.commit().await.unwrap();
    assert!(matches!(unit.enroll("JOE", 1, ""), Err(PoolError::SpaceExists)));
    unit.rollback();
    let other = bed.pool.begin();
    common::put(&other, top("JOE"), "P FILE", &["pending"]).unwrap();
    assert!(matches!(unit.remove_space("JOE"), Err(PoolError::Locked { .. })));
    other.rollback();
    unit.remove_space("JOE").unwrap();
    unit.commit().await.unwrap();
    assert!(matches!(unit.find_dir(top("JOE")), Err(PoolError::NoSpace)));
    assert_eq!(bed.pool.file_count().unwrap(), 0);
    assert_eq!(bed.pool.storage().await.unwrap().log_live, 0);
    unit.enroll("JOE", 10, "").unwrap();
    unit.commit().await.unwrap();
    assert!(unit.list_files(top("JOE")).unwrap().is_empty());
    bed.sound();
}

#[tokio::test]
async fn an_empty_file_is_kept_only_on_request() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    for (name, allow_empty) in [("GONE FILE", false), ("KEPT FILE", true)] {
        let request = OpenRequest {
            dir: top("JOE"),
            id: fid(name),
            intent: Intent::New,
            attributes: Attributes::variable(),
            allow_empty,
        };
        let opened = unit.open(&request).unwrap();
        unit.close(opened.token).unwrap();
    }
    unit.commit().await.unwrap();
    assert!(unit.status(top("JOE"), fid("GONE FILE")).is_err());
    assert_eq!(unit.status(top("JOE"), fid("KEPT FILE")).unwrap().records, 0);
}

#[tokio::test]
async fn the_mover_empties_the_log_and_readers_follow() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    let mut expect = Vec::new();
    for i in 0..60 {
        let text = format!("{i}-").repeat(3000);
        let name = format!("F{i} NOTE");
        common::put(&unit, top("JOE"), &name, &[&text]).unwrap();
        unit.commit().await.unwrap();
        if i % 3 == 0 {
            expect.push((name, text));
        } else {
            unit.erase_file(top("JOE"), fid(&name)).unwrap();
            unit.commit().await.unwrap();
        }
    }
    let before = bed.pool.storage().await.unwrap();
    let pool = bed.pool.clone();
    let moved = tokio::task::spawn_blocking(move || pool.tidy()).await.unwrap().unwrap();
    let after = bed.pool.storage().await.unwrap();
    assert!(moved > 5, "{moved} moved");
    assert!(after.log_total < before.log_total / 2, "{before:?} {after:?}");
    let bed = bed.reopen().await;
    let unit = bed.pool.begin();
    for (name, text) in &expect {
        assert_eq!(common::lines(&unit, top("JOE"), name).unwrap(), [text.as_str()]);
    }
    bed.sound();
    // Most of what the volume holds dies: the cleaner gives its segments back.
    for (name, _) in &expect[1..] {
        unit.erase_file(top("JOE"), fid(name)).unwrap();
    }
    unit.commit().await.unwrap();
    for _ in 0..3 {
        let pool = bed.pool.clone();
        tokio::task::spawn_blocking(move || pool.tidy()).await.unwrap().unwrap();
    }
    let last = bed.pool.storage().await.unwrap();
    assert!(last.volume_total <= 2 * (256 << 10), "{last:?}");
    assert_eq!(common::lines(&unit, top("JOE"), &expect[0].0).unwrap(), [expect[0].1.as_str()]);
    bed.sound();
}

#[tokio::test]
async fn damage_is_reported_and_never_returned() {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    let text = "DAMAGEME".repeat(1000);
    common::put(&unit, top("JOE"), "A FILE", &[&text]).unwrap();
    unit.commit().await.unwrap();
    let holds = |log: &&str| bed.dasd.contents(log).unwrap().windows(8).position(|w| w == b"DAMAGEME");
    let log = ["LOG000001", "LOG000002"].into_iter().find(|log| holds(log).is_some()).unwrap();
    assert!(bed.dasd.flip_bit(log, holds(&log).unwrap() + 4000, 3));
    assert!(matches!(common::lines(&unit, top("JOE"), "A FILE"), Err(PoolError::Damaged(_))));
    let findings = bed.pool.check(true).unwrap();
    assert_eq!(findings.problem_count, 1, "{findings:?}");
}

#[tokio::test]
async fn a_unit_is_bounded_in_what_it_keeps() {
    use sfs::pool::{MAX_OPEN, MAX_PENDING};
    use sfs::types::MAX_LRECL_V;
    let bed = Bed::with(common::roomy()).await;
    let unit = bed.pool.begin();
    common::put(&unit, top("JOE"), "A FILE", &["x"]).unwrap();
    unit.commit().await.unwrap();
    for _ in 0..MAX_OPEN {
        common::open(&unit, top("JOE"), "A FILE", Intent::Read, Attributes::variable()).unwrap();
    }
    let more = common::open(&unit, top("JOE"), "A FILE", Intent::Read, Attributes::variable());
    assert!(matches!(more, Err(PoolError::Limit(_))));
    unit.rollback();

    let token = common::open(&unit, top("JOE"), "V FILE", Intent::New, Attributes::variable()).unwrap();
    unit.write(token, &Bytes::from(vec![1; MAX_LRECL_V as usize]), 1).unwrap();
    let past = unit.write(token, &Bytes::from(vec![1; MAX_LRECL_V as usize + 1]), 1);
    assert!(matches!(past, Err(PoolError::RecordLength)));
    unit.rollback();

    // Overwritten again and again, so that the limit is met without that much memory.
    let size = 16 << 20;
    let token = common::open(&unit, top("JOE"), "F FILE", Intent::New, Attributes::fixed(size)).unwrap();
    let record = Bytes::from(vec![2; size as usize]);
    for _ in 0..MAX_PENDING / u64::from(size) {
        unit.point(token, None, Some(1)).unwrap();
        unit.write(token, &record, 1).unwrap();
    }
    unit.point(token, None, Some(1)).unwrap();
    assert!(matches!(unit.write(token, &record, 1), Err(PoolError::Limit(_))));
    unit.rollback();
    bed.sound();
}

#[tokio::test]
async fn a_full_disk_refuses_commits_and_loses_nothing() {
    use dasd::Faults;
    for extra in (0..40u64).map(|n| n * 37_000) {
        let bed = Bed::new().await;
        let used: u64 = ["CATALOG", "RESERVE", "LOG000001", "LOG000002"]
            .iter()
            .map(|n| bed.dasd.contents(n).unwrap().len() as u64)
            .sum();
        bed.dasd.set_faults(Faults { capacity: Some(used + extra), ..Faults::default() });
        let unit = bed.pool.begin();
        let text = "f".repeat(20_000);
        let mut kept = 0;
        let error = loop {
            let name = format!("F{kept} FILE");
            let index = format!("F{kept} INDEX");
            common::put(&unit, top("JOE"), &name, &[&text]).unwrap();
            common::put_fixed(&unit, top("JOE"), &index, 1000, &["i".repeat(1000).as_str(); 20]).unwrap();
            match unit.commit().await {
                Ok(_) => kept += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, PoolError::StorageFull), "{extra}: {error}");
        assert!(bed.pool.offline().is_none());
        // Giving something back is possible on a full disk.
        if kept > 0 {
            unit.erase_file(top("JOE"), fid("F0 FILE")).unwrap();
            unit.commit().await.unwrap_or_else(|e| panic!("{extra}: {e}"));
        }
        bed.sound();
        bed.dasd.set_faults(Faults::default());
        let bed = bed.reopen().await;
        bed.sound();
        let unit = bed.pool.begin();
        for n in 1..kept {
            assert_eq!(common::lines(&unit, top("JOE"), &format!("F{n} FILE")).unwrap(), [text.as_str()]);
        }
        common::put(&unit, top("JOE"), "AGAIN FILE", &[&text]).unwrap();
        unit.commit().await.unwrap();
        bed.sound();
    }
}

#[tokio::test]
async fn a_catalog_that_cannot_grow_takes_removals_until_it_can() {
    use dasd::Faults;
    // The catalog grows by doubling, and these disks count what a host would leave as a hole.
    let config = sfs::pool::PoolConfig { reserve_bytes: 16 << 20, ..common::roomy() };
    let bed = Bed::with(config).await;
    let unit = bed.pool.begin();
    let rows = vec!["r".repeat(500); 2000];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let mut kept = 0;
    // The log is given free segments to go on with, so that the catalog is what meets the limit.
    for n in 0..4 {
        common::put_fixed(&unit, top("JOE"), &format!("L{n} INDEX"), 500, &rows[..1800]).unwrap();
        unit.commit().await.unwrap();
        unit.erase_file(top("JOE"), fid(&format!("L{n} INDEX"))).unwrap();
        unit.commit().await.unwrap();
    }
    bed.pool.checkpoint().await.unwrap();
    let disks = dasd::Dasd::list(&bed.dasd).unwrap();
    let used = disks.iter().map(|n| bed.dasd.contents(n).unwrap().len() as u64).sum();
    bed.dasd.set_faults(Faults { capacity: Some(used), ..Faults::default() });
    let error = loop {
        common::put_fixed(&unit, top("JOE"), &format!("I{kept} INDEX"), 500, &rows[..100]).unwrap();
        match unit.commit().await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        bed.pool.checkpoint().await.unwrap();
    };
    assert!(matches!(error, PoolError::StorageFull), "{kept}: {error}");
    assert!(bed.pool.offline().is_none());
    let left = dasd::Dasd::list(&bed.dasd).unwrap();
    assert!(kept > 0 && !left.contains(&"RESERVE".to_owned()), "{kept} {left:?}");
    for n in 0..kept {
        unit.erase_file(top("JOE"), fid(&format!("I{n} INDEX"))).unwrap();
        unit.commit().await.unwrap();
    }
    bed.sound();
    bed.dasd.set_faults(Faults::default());
    common::put_fixed(&unit, top("JOE"), "AGAIN INDEX", 500, &rows[..100]).unwrap();
    unit.commit().await.unwrap();
    let bed = bed.reopen().await;
    assert_eq!(bed.pool.file_count().unwrap(), 1);
    bed.sound();
}
