//! What goes with a file or directory that goes, while others are at its authorities and locks: a request that has to wait has
//! changed nothing, and nothing is left of what is gone.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use common::{Bed, fid, lines, open, put, top};
use cp::name::UserId;
use sfs::pool::{DirPath, PoolError, WorkUnit};
use sfs::types::{Attributes, Grantee, Intent, LockDuration, LockType, Rights};

fn ann() -> UserId {
    "ANN".parse().unwrap()
}

async fn with_file(names: &[&str]) -> Bed {
    let bed = Bed::new().await;
    let unit = bed.pool.begin();
    for name in names {
        put(&unit, top("JOE"), name, &["text"]).unwrap();
    }
    unit.commit().await.unwrap();
    bed
}

fn grant(unit: &WorkUnit, name: &str) -> Result<(), PoolError> {
    unit.grant(top("JOE"), Some(fid(name)), Grantee::User(ann()), Rights::READ)
}

#[tokio::test]
async fn an_erase_that_waits_for_a_grant_has_changed_nothing() {
    let bed = with_file(&["A FILE", "B FILE"]).await;
    let (granting, erasing) = (bed.pool.begin(), bed.pool.begin());
    grant(&granting, "A FILE").unwrap();
    granting.commit().await.unwrap();
    granting.revoke(top("JOE"), Some(fid("A FILE")), Grantee::User(ann()), false).unwrap();
    let [one, several] = [
        erasing.erase_file(top("JOE"), fid("A FILE")),
        erasing.erase_files(top("JOE"), &[fid("B FILE"), fid("A FILE")]),
    ];
    assert!(matches!(one, Err(PoolError::Locked { .. })), "{one:?}");
    assert!(matches!(several, Err(PoolError::Locked { .. })), "{several:?}");
    // What the unit does else is not touched by that.
    put(&erasing, top("JOE"), "C FILE", &["more"]).unwrap();
    erasing.commit().await.unwrap();
    for name in ["A FILE", "B FILE", "C FILE"] {
        assert_eq!(lines(&erasing, top("JOE"), name).unwrap().len(), 1, "{name}");
    }
    granting.rollback();
    assert_eq!(erasing.grants(top("JOE"), Some(fid("A FILE"))).unwrap().len(), 1);
    erasing.erase_file(top("JOE"), fid("A FILE")).unwrap();
    erasing.commit().await.unwrap();
    bed.sound();
}

#[tokio::test]
async fn a_first_grant_keeps_a_file_from_going_and_finds_none_behind() {
    let bed = with_file(&["A FILE", "B FILE"]).await;
    let (granting, erasing) = (bed.pool.begin(), bed.pool.begin());
    grant(&granting, "A FILE").unwrap();
    let refused = erasing.erase_file(top("JOE"), fid("A FILE"));
    assert!(matches!(refused, Err(PoolError::Locked { .. })), "{refused:?}");
    granting.commit().await.unwrap();
    erasing.erase_file(top("JOE"), fid("A FILE")).unwrap();
    let refused = grant(&granting, "A FILE");
    assert!(matches!(refused, Err(PoolError::Locked { .. })), "{refused:?}");
    erasing.erase_files(top("JOE"), &[fid("B FILE")]).unwrap();
    let refused = grant(&granting, "B FILE");
    assert!(matches!(refused, Err(PoolError::Locked { .. })), "{refused:?}");
    erasing.commit().await.unwrap();
    assert!(matches!(grant(&granting, "A FILE"), Err(PoolError::NoFile)));
    bed.sound();
}

#[tokio::test]
async fn a_file_left_empty_goes_when_its_authorities_are_free() {
    let bed = with_file(&["A FILE"]).await;
    let (granting, writing) = (bed.pool.begin(), bed.pool.begin());
    let file = open(&writing, top("JOE"), "A FILE", Intent::Replace, Attributes::variable()).unwrap();
    grant(&granting, "A FILE").unwrap();
    let refused = writing.close(file);
    assert!(matches!(refused, Err(PoolError::Locked { .. })), "{refused:?}");
    assert!(writing.is_open(file), "it may be closed later");
    // A commit has to close it, and is rolled back as a whole.
    put(&writing, top("JOE"), "B FILE", &["text"]).unwrap();
    assert!(matches!(writing.commit().await, Err(PoolError::Locked { .. })));
    for (name, there) in [("A FILE", true), ("B FILE", false)] {
        assert_eq!(writing.status(top("JOE"), fid(name)).is_ok(), there, "{name}");
    }
    granting.commit().await.unwrap();
    let file = open(&writing, top("JOE"), "A FILE", Intent::Replace, Attributes::variable()).unwrap();
    writing.close(file).unwrap();
    writing.commit().await.unwrap();
    assert!(matches!(writing.status(top("JOE"), fid("A FILE")), Err(PoolError::NoFile)));
    bed.sound();
}

#[tokio::test]
async fn a_lasting_lock_is_put_on_nothing_that_goes() {
    let bed = with_file(&["A FILE"]).await;
    let levels = ["SUB".to_owned()];
    let sub = DirPath { space: "JOE", levels: &levels };
    let erasing = bed.pool.begin_for(ann());
    erasing.create_dir(sub).unwrap();
    erasing.commit().await.unwrap();
    erasing.erase_file(top("JOE"), fid("A FILE")).unwrap();
    erasing.erase_dir(sub).unwrap();
    let other = bed.pool.begin_for(ann());
    for object in [(top("JOE"), Some(fid("A FILE"))), (sub, None)] {
        let lock = bed.pool.create_lock(&other, object, ann(), LockType::Share, LockDuration::Lasting).await;
        assert!(matches!(lock, Err(PoolError::Locked { .. })), "{lock:?}");
    }
    erasing.commit().await.unwrap();
    erasing.remove_space("JOE").unwrap();
    for duration in [LockDuration::Session, LockDuration::Lasting] {
        let lock = bed.pool.create_lock(&other, (top("JOE"), None), ann(), LockType::Share, duration).await;
        assert!(matches!(lock, Err(PoolError::Locked { .. })), "{lock:?}");
    }
    erasing.commit().await.unwrap();
    assert_eq!(bed.pool.explicit_lock_count(), 0);
    bed.sound();
}
