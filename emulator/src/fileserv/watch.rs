//! What the console of a file pool server tells unasked: that the pool has gone offline, and that a storage group fills.
//!
//! It asks for the figures of storage groups only once something was committed since it last did: they come from the thread that
//! commits, and take a walk through all file spaces.
//!
//! Source: GROUPTHRESH of DMSPARMS, above which a storage group is nearly full; texts and numbers of the messages are ours.

use std::collections::BTreeSet;
use std::time::Duration;

use cms::message::dms;
use sfs::pool::Edition;
use sfs::server::FilePoolServer;
use sfs::types::{GroupStatus, StorageGroup};

use super::MODULE;

/// How often it is looked: soon enough for an operator, and seldom enough to cost nothing.
const INTERVAL: Duration = Duration::from_secs(2);

/// What has been told.
#[derive(Debug, Default)]
pub(super) struct Watch {
    offline: bool,
    /// What the pool was when its storage groups were looked at.
    looked_at: Option<Edition>,
    nearly_full: BTreeSet<StorageGroup>,
}

impl Watch {
    /// The next lines that there are to tell.
    pub(super) async fn next(&mut self, server: &FilePoolServer) -> Vec<String> {
        loop {
            let lines = self.look(server).await;
            if !lines.is_empty() {
                return lines;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn look(&mut self, server: &FilePoolServer) -> Vec<String> {
        let pool = server.pool();
        if let Some(why) = pool.offline() {
            let told = std::mem::replace(&mut self.offline, true);
            let line = || dms(MODULE, 3115, 104, &[&server.id().to_string(), &why]).to_string();
            return if told { Vec::new() } else { vec![line()] };
        }
        // Of before the question: what is committed while it is answered is looked at the next time.
        let edition = pool.edition();
        if self.looked_at.as_ref() == Some(&edition) {
            return Vec::new();
        }
        // Whatever keeps the figures from being read is told where somebody asks for them.
        let Ok(groups) = pool.storage_groups().await else { return Vec::new() };
        self.looked_at = Some(edition);
        self.filling(&groups, server.group_threshold())
    }

    /// A line for each group that has come above `threshold` percent of its size.
    fn filling(&mut self, groups: &[GroupStatus], threshold: u8) -> Vec<String> {
        let mut lines = Vec::new();
        for group in groups {
            let percent = group.blocks.and_then(|blocks| group.used.saturating_mul(100).checked_div(blocks));
            let Some(percent) = percent.filter(|p| threshold > 0 && *p >= u64::from(threshold)) else {
                self.nearly_full.remove(&group.group);
                continue;
            };
            if self.nearly_full.insert(group.group) {
                lines.push(
                    dms(MODULE, 3114, 0, &[&group.group.to_string(), &percent.to_string()]).to_string(),
                );
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use cp::clock::ManualClock;
    use cp::directory::{
        DirectoryEntry, DirectoryImage, IdentResource, IdentScope, IucvStatement, IucvTarget, Password,
    };
    use cp::name::{FileName, FilePoolId, FileType, UserId};
    use cp::system::{Cp, CpConfig, LogonKind};
    use dasd::{Dasd, Faults, FaultyDasd, LogConfig};
    use sfs::pool::{DirPath, OpenRequest, Pool, PoolConfig};
    use sfs::types::{Attributes, FileId, Intent};

    use super::*;

    /// The server of a pool on disks that a test can break.
    fn served() -> (FaultyDasd, FilePoolServer) {
        // Nothing but commits writes and syncs, so that a fault meets the next one.
        let config = PoolConfig {
            log: LogConfig { ahead: 0, ..LogConfig::default() },
            background: false,
            checkpoint_interval: Duration::from_secs(3600),
            ..PoolConfig::default()
        };
        let dasd = FaultyDasd::new();
        let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
        Pool::generate(&disks, &config, 1).unwrap();
        let machine = UserId::new("IMAPSF").unwrap();
        let mut entry = DirectoryEntry::new(machine, Password::NoPass);
        let target = IucvTarget::Ident {
            resource: IdentResource::AnyResource,
            scope: IdentScope::Global,
            revoke: false,
        };
        entry.iucv = vec![IucvStatement { target, priority: false, msglimit: None }];
        let named = CpConfig { system_id: "TESTVM".into(), operator: UserId::new("OPERATOR").unwrap() };
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
        let cp = Cp::new(named, clock.clone(), DirectoryImage::new(vec![entry]));
        let vm = cp.logon(machine, &LogonKind::Autolog).unwrap();
        let pool = Pool::open(&disks, &config, clock).unwrap();
        let id = FilePoolId::new("MAIL").unwrap();
        (dasd, FilePoolServer::start(&cp::Guest::new(cp, vm), id, pool, &[]).unwrap())
    }

    /// Writes a file of one block for JOE.
    async fn write(server: &FilePoolServer, name: &str) -> Result<(), sfs::pool::PoolError> {
        let unit = server.pool().begin();
        let id = FileId::new(FileName::new(name).unwrap(), FileType::new("FILE").unwrap());
        let request = OpenRequest {
            dir: DirPath { space: "JOE", levels: &[] },
            id,
            intent: Intent::New,
            attributes: Attributes::variable(),
            allow_empty: false,
        };
        let opened = unit.open(&request)?;
        unit.write(opened.token, &Bytes::from_static(b"x"), 1)?;
        unit.close(opened.token)?;
        unit.commit().await.map(drop)
    }

    #[tokio::test]
    async fn figures_are_asked_for_when_something_was_committed_and_an_offline_pool_is_told_once() {
        let (dasd, server) = served();
        let (mut watch, pool) = (Watch::default(), server.pool());
        let group = StorageGroup::new(3).unwrap();
        pool.add_minidisk(group, 0x312, Some(2)).await.unwrap();
        let unit = pool.begin();
        unit.enroll_in(group, "JOE", 10, "").unwrap();
        unit.commit().await.unwrap();
        assert!(watch.look(&server).await.is_empty());
        write(&server, "A").await.unwrap();
        write(&server, "B").await.unwrap();
        let full = ["DMSFSV3114W Storage group 3 is 100% full"];
        assert_eq!(watch.next(&server).await, full);
        // Nobody asks again: what is forgotten is not told a second time before something is committed.
        watch.nearly_full.clear();
        assert!(watch.look(&server).await.is_empty());
        let unit = pool.begin();
        unit.set_threshold("JOE", 50).unwrap();
        unit.commit().await.unwrap();
        assert_eq!(watch.next(&server).await, full);

        dasd.set_faults(Faults { fail_sync: Some(0), ..Faults::default() });
        let unit = pool.begin();
        unit.set_threshold("JOE", 60).unwrap();
        unit.commit().await.unwrap_err();
        let told = watch.next(&server).await;
        assert!(told.len() == 1 && told[0].starts_with("DMSFSV3115E"), "{told:?}");
        assert!(told[0].contains("MAIL"), "{told:?}");
        assert!(watch.look(&server).await.is_empty());
    }

    fn group(used: u64, blocks: Option<u64>) -> GroupStatus {
        let group = StorageGroup::FIRST;
        GroupStatus { group, blocks, used, file_spaces: 0, disabled: None, minidisks: Vec::new() }
    }

    #[test]
    fn a_group_is_told_of_when_it_comes_above_the_threshold_and_again_after_it_was_below() {
        let mut watch = Watch::default();
        assert!(watch.filling(&[group(89, Some(100))], 90).is_empty());
        let told = watch.filling(&[group(90, Some(100))], 90);
        assert_eq!(told, ["DMSFSV3114W Storage group 2 is 90% full"]);
        assert!(watch.filling(&[group(95, Some(100))], 90).is_empty());
        assert!(watch.filling(&[group(50, Some(100))], 90).is_empty());
        assert_eq!(watch.filling(&[group(100, Some(100))], 90).len(), 1);
        assert!(watch.filling(&[group(100, None)], 90).is_empty(), "it has no size");
        assert!(watch.filling(&[group(100, Some(100))], 0).is_empty(), "there is no threshold");
    }
}
