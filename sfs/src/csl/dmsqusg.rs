//! DMSQUSG - Query User Storage Group: sizes and figures of storage groups; and the other calls on the layout of a pool.

use super::{Csl, CslError, GroupStatus, Minidisk, ReasonCode, StorageGroup, WorkUnitId};
use crate::server::protocol::{Answer, Call};
use cp::name::FilePoolId;

/// What DMSQUSG returns, as DMSQUSGD takes it apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageGroups {
    /// The groups asked for, by number.
    pub groups: Vec<GroupStatus>,
    /// GROUPTHRESH, the same for all groups, in percent.
    pub threshold: u8,
}

impl Csl {
    /// DMSQUSG: one storage group, or with `None` (0 in the original) all. For administrators.
    ///
    /// # Errors
    /// `NotAdministrator`, `GroupUnknown`.
    pub async fn dmsqusg(
        &self,
        filepoolid: FilePoolId,
        group: Option<StorageGroup>,
    ) -> Result<StorageGroups, CslError> {
        match self.ask(filepoolid, WorkUnitId::DEFAULT, Call::Groups { group }).await? {
            Answer::Groups { groups, threshold } => Ok(StorageGroups { groups, threshold }),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }

    /// Adds a minidisk to a running file pool. Source: FILEPOOL MINIDISK. For administrators.
    ///
    /// # Errors
    /// `NotAdministrator`, `MinidiskExists`, `LimitExceeded`.
    pub async fn filepool_minidisk(
        &self,
        filepoolid: FilePoolId,
        group: StorageGroup,
        device: u16,
        blocks: Option<u64>,
    ) -> Result<Minidisk, CslError> {
        let call = Call::AddMinidisk { group, device, blocks };
        match self.ask(filepoolid, WorkUnitId::DEFAULT, call).await? {
            Answer::Minidisk(minidisk) => Ok(minidisk),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
