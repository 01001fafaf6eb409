//! The pool as a whole: its report, storage groups with their figures and minidisks, disabling and enabling of groups and file spaces.

use bytes::Bytes;

use crate::pool::PoolError;
use crate::reason::ReasonCode;
use crate::server::handler::{Session, failure, plain};
use crate::server::protocol::{Answer, Call, Failure, Reply};
use crate::types::{DisableMode, GroupStatus, PoolPart, StorageGroup};

impl Session {
    pub(in crate::server) async fn on_groups(
        &self,
        number: u32,
        wait: bool,
        call: &Call,
    ) -> Result<(Reply, Bytes), Failure> {
        let pool = &self.shared.pool;
        let done = match call {
            Call::Groups { group } => self.groups(*group).await,
            Call::AddMinidisk { group, device, blocks } => {
                pool.add_minidisk(*group, *device, *blocks).await.map(Answer::Minidisk)
            }
            Call::Disable { part, mode } => return self.disable(number, wait, part, *mode).await,
            Call::Enable { part } => pool.enable(part).await.map(|()| Answer::Done),
            Call::Report => self.shared.report().await.map(|report| Answer::Report(Box::new(report))),
            _ => return Err(Failure::error(ReasonCode::ProtocolError)),
        };
        done.map(plain).map_err(|e| failure(&e))
    }

    async fn groups(&self, group: Option<StorageGroup>) -> Result<Answer, PoolError> {
        let mut groups: Vec<GroupStatus> = self.shared.pool.storage_groups().await?;
        if let Some(group) = group {
            groups.retain(|g| g.group == group);
            if groups.is_empty() {
                return Err(PoolError::NoGroup);
            }
        }
        Ok(Answer::Groups { groups, threshold: self.shared.group_threshold() })
    }

    async fn disable(
        &self,
        number: u32,
        wait: bool,
        part: &PoolPart,
        mode: DisableMode,
    ) -> Result<(Reply, Bytes), Failure> {
        let unit = self.unit(number)?;
        let pool = &self.shared.pool;
        loop {
            match pool.disable(&unit, part, mode, self.user()).await {
                Ok(()) => return Ok(plain(Answer::Done)),
                Err(error) => match error.obstacle().filter(|_| wait) {
                    Some(obstacle) => self.wait_for_lock(&unit, obstacle).await?,
                    None => return Err(failure(&error)),
                },
            }
        }
    }
}
