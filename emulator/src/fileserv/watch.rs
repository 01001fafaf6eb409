//! What the console of a file pool server tells unasked: that the pool has gone offline, and that a storage group fills.
//!
//! Source: GROUPTHRESH of DMSPARMS, above which a storage group is nearly full; texts and numbers of the messages are ours.

use std::collections::BTreeSet;
use std::time::Duration;

use cms::message::dms;
use sfs::server::FilePoolServer;
use sfs::types::{GroupStatus, StorageGroup};

use super::MODULE;

/// How often it is looked: soon enough for an operator, and seldom enough to cost nothing.
const INTERVAL: Duration = Duration::from_secs(2);

/// What has been told.
#[derive(Debug, Default)]
pub(super) struct Watch {
    offline: bool,
    nearly_full: BTreeSet<StorageGroup>,
}

impl Watch {
    /// The next lines that there are to tell.
    pub(super) async fn next(&mut self, server: &FilePoolServer) -> Vec<String> {
        loop {
            let mut lines = Vec::new();
            match server.pool().offline() {
                Some(why) if !self.offline => {
                    self.offline = true;
                    lines.push(dms(MODULE, 3115, 104, &[&server.id().to_string(), &why]).to_string());
                }
                Some(_) => {}
                // Whatever keeps the figures from being read is told where somebody asks for them.
                None => lines.extend(
                    server
                        .pool()
                        .storage_groups()
                        .await
                        .map(|groups| self.filling(&groups, server.group_threshold()))
                        .unwrap_or_default(),
                ),
            }
            if !lines.is_empty() {
                return lines;
            }
            tokio::time::sleep(INTERVAL).await;
        }
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
    use super::*;

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
