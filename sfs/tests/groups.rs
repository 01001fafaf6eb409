//! Storage groups, minidisks, disabling and enabling, through CSL routines and over restarts.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::sync::Arc;

use common::system::{System, WU, get, pool_id, put, reason, user};
use common::{config, fid, open_pool, top};
use dasd::{Dasd, FaultyDasd};
use sfs::csl::*;
use sfs::pool::{MAX_MINIDISKS, Pool, PoolError};

fn group(number: u16) -> StorageGroup {
    StorageGroup::new(number).unwrap()
}

/// The figures of a group.
async fn figures(admin: &Csl, number: u16) -> GroupStatus {
    let mut found = admin.dmsqusg(pool_id("MAIL"), Some(group(number))).await.unwrap();
    assert_eq!(found.groups.len(), 1);
    found.groups.remove(0)
}

/// BOB in storage group 3 of five blocks.
async fn with_small_group(system: &System) -> Csl {
    let admin = system.csl("IMAP");
    let mail = pool_id("MAIL");
    let unknown = admin.dmsenusr_in(&[user("BOB")], mail, 1000, group(3)).await;
    assert_eq!(reason(unknown), ReasonCode::GroupUnknown);
    let minidisk = admin.filepool_minidisk(mail, group(3), 0x312, Some(5)).await.unwrap();
    assert_eq!((minidisk.number, minidisk.group, minidisk.blocks), (3, group(3), Some(5)));
    admin.dmsenusr_in(&[user("BOB")], mail, 1000, group(3)).await.unwrap();
    admin
}

const BLOCKS_3: usize = 3 * 4096 - 2;
const BLOCKS_2: usize = 2 * 4096 - 2;

#[tokio::test]
async fn a_full_group_refuses_its_users_and_leaves_the_others_working() {
    let system = System::new().await;
    let admin = with_small_group(&system).await;
    put(&admin, "A FILE BOB.", &["a".repeat(BLOCKS_3).as_str()], WU).await.unwrap();
    admin.dmscomm(WU).await.unwrap();
    assert_eq!(figures(&admin, 3).await.used, 3);
    // Exactly full is not over.
    put(&admin, "B FILE BOB.", &["b".repeat(BLOCKS_2).as_str()], WU).await.unwrap();
    admin.dmscomm(WU).await.unwrap();
    put(&admin, "C FILE BOB.", &["c"], WU).await.unwrap();
    put(&admin, "C FILE JOE.", &["c"], WU).await.unwrap();
    let full = admin.dmscomm(WU).await.unwrap_err();
    assert_eq!((full.rc, full.reason), (ReturnCode::Severe, ReasonCode::PoolFull));
    // Rolled back as a whole, and the others go on.
    assert_eq!(reason(get(&admin, "C FILE JOE.", WU).await), ReasonCode::FileNotFound);
    put(&admin, "C FILE JOE.", &["c"], WU).await.unwrap();
    admin.dmscomm(WU).await.unwrap();
    // What is erased and written in one unit is charged together; what was given back can be used.
    let file: SfsObject = admin.fileid("A FILE BOB.").unwrap().into();
    admin.dmserase(&file, EraseScope::Entire, CommitOption::NoCommit, WU).await.unwrap();
    put(&admin, "D FILE BOB.", &["d".repeat(BLOCKS_3).as_str()], WU).await.unwrap();
    admin.dmscomm(WU).await.unwrap();
    let three = figures(&admin, 3).await;
    assert_eq!((three.used, three.blocks, three.file_spaces), (5, Some(5), 1));
    let two = figures(&admin, 2).await;
    assert_eq!((two.used, two.blocks, two.file_spaces), (1, None, 2));
    assert!(figures(&admin, 1).await.used > 0);
    // A minidisk more, and there is room; over a restart too.
    let more = admin.filepool_minidisk(pool_id("MAIL"), group(3), 0x313, Some(1)).await.unwrap();
    assert_eq!(more.number, 4);
    let used = admin.filepool_minidisk(pool_id("MAIL"), group(3), 0x313, Some(1)).await;
    assert_eq!(reason(used), ReasonCode::MinidiskExists);
    let system = system.restart(|| u32::MAX).await;
    let admin = system.csl("IMAP");
    assert_eq!(figures(&admin, 3).await.used, 5);
    put(&admin, "C FILE BOB.", &["c"], WU).await.unwrap();
    admin.dmscomm(WU).await.unwrap();
    put(&admin, "E FILE BOB.", &["e"], WU).await.unwrap();
    assert_eq!(reason(admin.dmscomm(WU).await), ReasonCode::PoolFull);
    admin.dmsdeusr(user("BOB"), pool_id("MAIL")).await.unwrap();
    assert_eq!(figures(&admin, 3).await.used, 0);
    assert_eq!(system.servers[0].pool().check(true).unwrap().problems, Vec::<String>::new());
    assert_eq!(admin.dmsqlimu(user("JOE"), pool_id("MAIL")).await.unwrap().group, group(2));
}

#[tokio::test]
async fn blocks_of_a_prepared_unit_are_taken_until_it_is_settled() {
    let system = System::new().await;
    let admin = with_small_group(&system).await;
    let pool = system.servers[0].pool();
    let unit = pool.begin();
    let long = "x".repeat(BLOCKS_3);
    common::put(&unit, top("BOB"), "A FILE", &[&long]).unwrap();
    let global = sfs::pool::GlobalUnit { coordinator: pool_id("USERS"), number: 7 };
    unit.prepare(global).await.unwrap();
    put(&admin, "B FILE BOB.", &[&long], WU).await.unwrap();
    assert_eq!(reason(admin.dmscomm(WU).await), ReasonCode::PoolFull);
    pool.resolve(global, false).await.unwrap();
    put(&admin, "B FILE BOB.", &[&long], WU).await.unwrap();
    admin.dmscomm(WU).await.unwrap();
    assert_eq!(figures(&admin, 3).await.used, 3);
}

#[tokio::test]
async fn only_administrators_see_and_change_storage_groups() {
    let system = System::new().await;
    let (joe, admin, mail) = (system.csl("JOE"), system.csl("IMAP"), pool_id("MAIL"));
    let refused = [
        reason(joe.dmsqusg(mail, None).await),
        reason(joe.filepool_minidisk(mail, group(3), 0x320, Some(1)).await),
        reason(joe.dmsdissg(group(2), mail, DisableMode::Share).await),
        reason(joe.dmsenasg(group(2), mail).await),
        reason(joe.dmsdisfs(user("JOE"), mail, DisableMode::Share).await),
        reason(joe.dmsenafs(user("JOE"), mail).await),
        reason(joe.filepool_report(mail).await),
    ];
    assert_eq!(refused, [ReasonCode::NotAdministrator; 7]);
    let all = admin.dmsqusg(mail, None).await.unwrap();
    assert_eq!(all.groups.iter().map(|g| g.group.get()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(all.threshold, 90);
    assert_eq!(reason(admin.dmsqusg(mail, Some(group(9))).await), ReasonCode::GroupUnknown);
}

#[tokio::test]
async fn a_disabled_file_space_is_read_or_left_to_one() {
    let system = System::new().await;
    let (joe, ann, admin, mail) = (system.csl("JOE"), system.csl("ANN"), system.csl("IMAP"), pool_id("MAIL"));
    put(&joe, "A FILE .", &["a"], WU).await.unwrap();
    // Work under way is in the way.
    let busy = admin.dmsdisfs(user("JOE"), mail, DisableMode::Share).await;
    assert_eq!(reason(busy), ReasonCode::Locked);
    assert_eq!(admin.filepool_report(mail).await.unwrap().disabled, []);
    joe.dmscomm(WU).await.unwrap();
    admin.dmsdisfs(user("JOE"), mail, DisableMode::Share).await.unwrap();
    let twice = admin.dmsdisfs(user("JOE"), mail, DisableMode::Exclusive).await;
    assert_eq!(reason(twice), ReasonCode::Disabled);
    assert_eq!(get(&joe, "A FILE .", WU).await.unwrap(), &b"\0\x01a"[..]);
    assert_eq!(reason(put(&joe, "A FILE .", &["b"], WU).await), ReasonCode::Disabled);
    assert_eq!(reason(put(&admin, "A FILE JOE.", &["b"], WU).await), ReasonCode::Disabled);
    let object: SfsObject = joe.fileid("A FILE .").unwrap().into();
    let public = [Grantee::Public];
    let granted = joe.dmsgrant(&object, &public, Rights::READ, CommitOption::Commit, WU).await;
    assert_eq!(reason(granted), ReasonCode::Disabled);
    let made = joe.dmscrdir(&joe.dirname(".NEW").unwrap(), CommitOption::Commit, WU).await;
    assert_eq!(reason(made), ReasonCode::Disabled);
    put(&ann, "A FILE .", &["ann"], WU).await.unwrap();
    ann.dmscomm(WU).await.unwrap();
    assert_eq!(reason(admin.dmsdeusr(user("JOE"), mail).await), ReasonCode::Disabled);
    // It stays so over a restart.
    let system = system.restart(|| u32::MAX).await;
    let (joe, ann, admin) = (system.csl("JOE"), system.csl("ANN"), system.csl("IMAP"));
    assert_eq!(reason(put(&joe, "A FILE .", &["b"], WU).await), ReasonCode::Disabled);
    let all = admin.filepool_report(mail).await.unwrap().disabled;
    assert_eq!((all.len(), &all[0].0, all[0].1.by), (1, &PoolPart::Space("JOE".into()), user("IMAP")));
    admin.dmsenafs(user("JOE"), mail).await.unwrap();
    assert_eq!(reason(admin.dmsenafs(user("JOE"), mail).await), ReasonCode::NotDisabled);
    put(&joe, "A FILE .", &["b"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    admin.dmsdisfs(user("JOE"), mail, DisableMode::Exclusive).await.unwrap();
    assert_eq!(reason(get(&joe, "A FILE .", WU).await), ReasonCode::Disabled);
    let top = joe.dirname(".").unwrap();
    let listed = joe.dmsopdir(&top, DirIntent::File(FilePattern::ALL), WU).await;
    assert_eq!(reason(listed), ReasonCode::Disabled);
    // Others are told the same, whatever they may do otherwise.
    assert_eq!(reason(get(&ann, "A FILE JOE.", WU).await), ReasonCode::Disabled);
    assert_eq!(reason(ann.dmsexidi(&top, WU).await), ReasonCode::Disabled);
    assert_eq!(reason(ann.dmsgetdk(&object, WU).await), ReasonCode::Disabled);
    assert_eq!(reason(ann.dmsexifi(&ann.fileid("NO FILE JOE.").unwrap(), WU).await), ReasonCode::Disabled);
    let locked = joe.dmscrloc(&object, LockType::Share, LockDuration::Session, WU).await;
    assert_eq!(reason(locked), ReasonCode::Disabled);
    put(&admin, "A FILE JOE.", &["admin"], WU).await.unwrap();
    admin.dmscomm(WU).await.unwrap();
    admin.dmsenafs(user("JOE"), mail).await.unwrap();
    assert_eq!(get(&joe, "A FILE .", WU).await.unwrap(), &b"\0\x05admin"[..]);
    assert_eq!(
        reason(admin.dmsdisfs(user("NOBODY"), mail, DisableMode::Share).await),
        ReasonCode::SpaceNotFound
    );
}

#[tokio::test]
async fn a_disabled_group_keeps_out_its_users_and_no_others() {
    let system = System::new().await;
    let admin = with_small_group(&system).await;
    let (joe, mail) = (system.csl("JOE"), pool_id("MAIL"));
    put(&admin, "A FILE BOB.", &["bob"], WU).await.unwrap();
    admin.dmscomm(WU).await.unwrap();
    let object: SfsObject = admin.fileid("A FILE BOB.").unwrap().into();
    admin.dmsgrant(&object, &[Grantee::Public], Rights::READ, CommitOption::Commit, WU).await.unwrap();
    // An alias does not lead around it.
    admin
        .dmscrali(
            &admin.fileid("A FILE BOB.").unwrap(),
            &admin.fileid("BOBS FILE JOE.").unwrap(),
            CommitOption::Commit,
            WU,
        )
        .await
        .unwrap();
    assert_eq!(get(&joe, "BOBS FILE .", WU).await.unwrap(), &b"\0\x03bob"[..]);
    admin.dmsdissg(group(3), mail, DisableMode::Exclusive).await.unwrap();
    assert!(figures(&admin, 3).await.disabled.is_some());
    assert_eq!(reason(get(&joe, "BOBS FILE .", WU).await), ReasonCode::Disabled);
    put(&joe, "A FILE .", &["joe"], WU).await.unwrap();
    joe.dmscomm(WU).await.unwrap();
    let enrolled = admin.dmsenusr_in(&[user("EVE")], mail, 10, group(3)).await;
    assert_eq!(reason(enrolled), ReasonCode::Disabled);
    admin.dmsenasg(group(3), mail).await.unwrap();
    assert_eq!(get(&joe, "BOBS FILE .", WU).await.unwrap(), &b"\0\x03bob"[..]);
    assert_eq!(reason(admin.dmsdissg(group(1), mail, DisableMode::Share).await), ReasonCode::GroupUnknown);
}

#[tokio::test]
async fn a_pool_has_a_bounded_number_of_minidisks() {
    let dasd = FaultyDasd::new();
    let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
    let minidisks: Vec<_> = (1u16..)
        .take(MAX_MINIDISKS - 1)
        .map(|number| Minidisk { number, group: group(2), device: 0x300 + number, blocks: Some(1) })
        .collect();
    Pool::generate_with(&disks, &config(), 1, &minidisks).unwrap();
    let pool = open_pool(&dasd, &config());
    assert_eq!(usize::from(pool.add_minidisk(group(2), 0x100, None).await.unwrap().number), MAX_MINIDISKS);
    let more = pool.add_minidisk(group(2), 0x101, None).await;
    assert!(matches!(more, Err(PoolError::Limit(_))));
    let zero = pool.add_minidisk(group(3), 0x101, Some(0)).await;
    assert!(matches!(zero, Err(PoolError::Limit(_))));
}

/// Makes small files until the pool refuses; how many there are then.
async fn fill(pool: &Pool, from: usize) -> usize {
    let unit = pool.begin();
    for n in from.. {
        common::put(&unit, top("JOE"), &format!("F{n} NOTE"), &["x"]).unwrap();
        if n % 10 == 9
            && let Err(error) = unit.commit().await
        {
            assert!(matches!(error, PoolError::GroupFull(full) if full == group(1)), "{error}");
            return n - 9;
        }
    }
    unreachable!("a catalog of a size is never full")
}

#[tokio::test]
async fn a_catalog_of_a_size_is_full_until_something_goes_or_a_minidisk_comes() {
    let dasd = FaultyDasd::new();
    let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
    let minidisk = |number, in_group, blocks| Minidisk {
        number,
        group: group(in_group),
        device: 0x310 + number,
        blocks,
    };
    let minidisks = [minidisk(1, 1, Some(300)), minidisk(2, 2, None)];
    Pool::generate_with(&disks, &config(), 1, &minidisks).unwrap();
    let pool = open_pool(&dasd, &config());
    let unit = pool.begin();
    unit.enroll("JOE", 1_000_000, "").unwrap();
    unit.commit().await.unwrap();
    let made = fill(&pool, 0).await;
    let catalog = async |pool: &Pool| pool.storage_groups().await.unwrap()[0].clone();
    let full = catalog(&pool).await;
    assert_eq!(full.blocks, Some(300));
    assert!(made > 500 && full.used > 200 && full.used <= 300, "{made} files, {full:?}");
    // Nothing of what was refused is left, the pool goes on, over a restart too.
    assert_eq!(pool.file_count().unwrap(), made as u64);
    assert_eq!(fill(&pool, made).await, made);
    pool.close().await;
    drop((unit, pool));
    let dasd = dasd.restart(|| u32::MAX);
    let pool = open_pool(&dasd, &config());
    assert_eq!(fill(&pool, made).await, made);
    let unit = pool.begin();
    for n in 0..made / 2 {
        unit.erase_file(top("JOE"), fid(&format!("F{n} NOTE"))).unwrap();
    }
    unit.commit().await.unwrap();
    let again = fill(&pool, made).await;
    assert!(again > made + 100, "{again} after {made}");
    pool.add_minidisk(group(1), 0x400, Some(100)).await.unwrap();
    assert_eq!(catalog(&pool).await.blocks, Some(400));
    let more = fill(&pool, again).await;
    assert!(more > again + 50, "{more} after {again}");
    assert!(catalog(&pool).await.used <= 400);
    assert_eq!(pool.check(true).unwrap().problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_full_catalog_is_not_looked_at_for_every_file_that_goes() {
    // Octets of the rows of a small file, about, and those that must go before another look: a 256th of 200 blocks.
    const PER_FILE: usize = 127 + 54;
    const ENOUGH: usize = 200 * 4096 / 256;
    let bed = common::Bed::new().await;
    bed.pool.add_minidisk(group(1), 0x400, Some(200)).await.unwrap();
    fill(&bed.pool, 0).await;
    let unit = bed.pool.begin();
    let erase = async |files: std::ops::Range<usize>| {
        for n in files {
            unit.erase_file(top("JOE"), fid(&format!("F{n} NOTE"))).unwrap();
        }
        unit.commit().await.unwrap();
    };
    // Whether the catalog was folded for it, to be looked at.
    let looked = async || {
        let syncs = bed.dasd.syncs();
        for n in 0..10 {
            common::put(&unit, top("JOE"), &format!("G{n} NOTE"), &["x"]).unwrap();
        }
        assert!(matches!(unit.commit().await, Err(PoolError::GroupFull(_))));
        bed.dasd.syncs() > syncs
    };
    assert!(!looked().await);
    let most = ENOUGH / PER_FILE;
    erase(0..most).await;
    assert!(!looked().await);
    erase(most..most + 1).await;
    assert!(looked().await);
    erase(most + 1..most + 2).await;
    assert!(!looked().await);
}

#[tokio::test]
async fn a_pool_without_a_size_for_its_catalog_can_be_given_one() {
    let bed = common::Bed::new().await;
    assert_eq!(bed.pool.storage_groups().await.unwrap()[0].blocks, None);
    bed.pool.add_minidisk(group(1), 0x400, Some(200)).await.unwrap();
    assert_eq!(bed.pool.storage_groups().await.unwrap()[0].blocks, Some(200));
    fill(&bed.pool, 0).await;
    bed.pool.add_minidisk(group(1), 0x401, None).await.unwrap();
    assert_eq!(bed.pool.storage_groups().await.unwrap()[0].blocks, Some(200));
    bed.sound();
}

#[tokio::test]
async fn a_file_space_takes_what_it_holds_to_another_group() {
    let system = System::new().await;
    let admin = with_small_group(&system).await;
    let pool = system.servers[0].pool();
    put(&admin, "A FILE JOE.", &["a".repeat(BLOCKS_3).as_str()], WU).await.unwrap();
    admin.dmscomm(WU).await.unwrap();
    let used = |number| {
        let admin = &admin;
        async move { figures(admin, number).await.used }
    };
    let unit = pool.begin();
    assert!(matches!(unit.move_space("JOE", group(2)), Err(PoolError::SameGroup(g)) if g == group(2)));
    assert!(matches!(unit.move_space("JOE", group(1)), Err(PoolError::NoGroup)));
    assert!(matches!(unit.move_space("JOE", group(9)), Err(PoolError::NoGroup)));
    assert!(matches!(unit.move_space("NOBODY", group(3)), Err(PoolError::NoSpace)));
    // Who works in it is in the way.
    unit.rollback();
    put(&admin, "B FILE JOE.", &["b"], WU).await.unwrap();
    assert!(matches!(unit.move_space("JOE", group(3)), Err(PoolError::Locked { .. })));
    admin.dmsrollb(WU).await.unwrap();
    admin.dmsdissg(group(3), pool_id("MAIL"), DisableMode::Share).await.unwrap();
    assert!(matches!(unit.move_space("JOE", group(3)), Err(PoolError::Disabled)));
    admin.dmsenasg(group(3), pool_id("MAIL")).await.unwrap();
    // Three blocks and three more are one too many for five; two more are not.
    for (more, fits) in [(BLOCKS_3, false), (BLOCKS_2, true)] {
        unit.move_space("JOE", group(3)).unwrap();
        common::put(&unit, top("JOE"), "B FILE", &["b".repeat(more).as_str()]).unwrap();
        match unit.commit().await {
            Ok(_) => assert!(fits),
            Err(error) => assert!(!fits && matches!(error, PoolError::GroupFull(g) if g == group(3))),
        }
        let expected = if fits { (0, 5) } else { (3, 0) };
        assert_eq!((used(2).await, used(3).await), expected);
    }
    // The same file space enrolled anew elsewhere, in one work unit.
    unit.remove_space("JOE").unwrap();
    unit.enroll_in(group(2), "JOE", 100, "").unwrap();
    common::put(&unit, top("JOE"), "C FILE", &["c"]).unwrap();
    unit.commit().await.unwrap();
    assert_eq!((used(2).await, used(3).await), (1, 0));
    assert_eq!(pool.check(true).unwrap().problems, Vec::<String>::new());
}
