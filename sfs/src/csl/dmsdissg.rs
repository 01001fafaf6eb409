//! DMSDISSG - Disable Storage Group.

use super::{CommitOption, Csl, CslError, DisableMode, PoolPart, StorageGroup, WorkUnitId};
use crate::server::protocol::Call;
use cp::name::FilePoolId;

impl Csl {
    /// DMSDISSG: nobody changes files of its users (SHARE), or nobody but the caller uses them (EXCLUSIVE), until DMSENASG, a
    /// restart of the server included. For administrators.
    ///
    /// # Errors
    /// `NotAdministrator`, `GroupUnknown`, `Disabled` when it is so already, `Locked` while another work unit changes something in
    /// the group.
    pub async fn dmsdissg(
        &self,
        group: StorageGroup,
        filepoolid: FilePoolId,
        mode: DisableMode,
    ) -> Result<(), CslError> {
        let call = Call::Disable { part: PoolPart::Group(group), mode };
        self.do_call(filepoolid, WorkUnitId::DEFAULT, CommitOption::NoCommit, call).await.map(|_| ())
    }
}
