//! Minidisks through their public edge.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use bytes::Bytes;
use common::{Bed, fid};
use cp::name::{UserId, Vdev};
use sfs::csl::OpenOptions;
use sfs::minidisk::{LinkMode, Minidisk, MinidiskError, MinidiskStore};
use sfs::pool::PoolError;
use sfs::types::Intent;

const A191: Vdev = Vdev(0x191);

fn maint() -> UserId {
    UserId::new("MAINT").unwrap()
}

async fn store(bed: &Bed) -> MinidiskStore {
    let store = MinidiskStore::new(bed.pool.clone());
    store.define(maint(), A191, "MNT191", 10).await.unwrap();
    store
}

async fn put(disk: &Minidisk, name: &str, lines: &[&str]) -> Result<(), MinidiskError> {
    let mut file = disk.open(fid(name), Intent::Replace, &OpenOptions::variable()).await?;
    for line in lines {
        file.write(&Bytes::copy_from_slice(line.as_bytes()), 1).await?;
    }
    file.close().await.map(|_| ())
}

async fn get(disk: &Minidisk, name: &str) -> Result<String, MinidiskError> {
    let mut file = disk.open(fid(name), Intent::Read, &OpenOptions::variable()).await?;
    Ok(String::from_utf8(file.read(1, 1 << 20).await?.data.to_vec()).unwrap())
}

#[tokio::test]
async fn files_survive_and_a_file_left_open_does_not_count() {
    let bed = Bed::new().await;
    let disk = store(&bed).await.link(maint(), A191, LinkMode::ReadWrite).unwrap();
    put(&disk, "PROFILE EXEC", &["old"]).await.unwrap();
    let mut open = disk.open(fid("PROFILE EXEC"), Intent::Replace, &OpenOptions::variable()).await.unwrap();
    open.write(&Bytes::from_static(b"half"), 1).await.unwrap();
    assert_eq!(get(&disk, "PROFILE EXEC").await.unwrap(), "old", "the old file stays until the close");
    assert!(matches!(
        put(&disk, "PROFILE EXEC", &["x"]).await,
        Err(MinidiskError::Pool(PoolError::Locked { .. }))
    ));
    drop(open);
    put(&disk, "PROFILE EXEC", &["new"]).await.unwrap();
    let bed = bed.reopen().await;
    let store = MinidiskStore::new(bed.pool.clone());
    let disk = store.link(maint(), A191, LinkMode::ReadOnly).unwrap();
    assert_eq!(get(&disk, "PROFILE EXEC").await.unwrap(), "new");
    assert_eq!(disk.label().unwrap(), "MNT191");
    assert_eq!(disk.list().unwrap().len(), 1);
    assert!(matches!(put(&disk, "A FILE", &["x"]).await, Err(MinidiskError::ReadOnly)));
    assert!(matches!(disk.erase(fid("PROFILE EXEC")).await, Err(MinidiskError::ReadOnly)));
    let listed = store.list().unwrap();
    assert_eq!((listed.len(), listed[0].owner, listed[0].vdev, listed[0].space.used), (1, maint(), A191, 1));
}

#[tokio::test]
async fn a_minidisk_fills_up_at_its_size() {
    let bed = Bed::new().await;
    let disk = store(&bed).await.link(maint(), A191, LinkMode::ReadWrite).unwrap();
    let block = "b".repeat(4094);
    put(&disk, "NINE FILE", &[block.as_str(); 9]).await.unwrap();
    put(&disk, "TEN FILE", &[&block]).await.unwrap();
    assert!(matches!(put(&disk, "ELEVEN FILE", &["x"]).await, Err(MinidiskError::Full)));
    assert_eq!(disk.state(fid("ELEVEN FILE")).unwrap(), None);
    disk.erase(fid("TEN FILE")).await.unwrap();
    put(&disk, "ELEVEN FILE", &["x"]).await.unwrap();
    disk.rename(fid("ELEVEN FILE"), fid("TEN FILE")).await.unwrap();
    assert_eq!(get(&disk, "TEN FILE").await.unwrap(), "x");
    assert_eq!(disk.space().unwrap().used, 10);
}

#[tokio::test]
async fn disks_are_formatted_and_removed() {
    let bed = Bed::new().await;
    let store = store(&bed).await;
    let disk = store.link(maint(), A191, LinkMode::ReadWrite).unwrap();
    put(&disk, "A FILE", &["x"]).await.unwrap();
    assert!(matches!(disk.format("toolong").await, Err(MinidiskError::BadLabel)));
    disk.format("NEW191").await.unwrap();
    assert_eq!((disk.label().unwrap().as_str(), disk.list().unwrap().len()), ("NEW191", 0));
    assert_eq!((disk.space().unwrap().limit, disk.space().unwrap().used), (10, 0));
    assert!(matches!(store.define(maint(), A191, "X", 1).await, Err(MinidiskError::Exists)));
    store.remove(maint(), A191).await.unwrap();
    assert!(matches!(disk.list(), Err(MinidiskError::NoMinidisk)));
    assert!(store.link(maint(), A191, LinkMode::ReadOnly).is_err());
    bed.sound();
}
