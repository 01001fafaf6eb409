//! DMSDISFS - Disable File Space.

use super::{CommitOption, Csl, CslError, DisableMode, PoolPart, WorkUnitId};
use crate::server::protocol::Call;
use cp::name::{FilePoolId, UserId};

impl Csl {
    /// DMSDISFS: as DMSDISSG, for one file space. For administrators.
    ///
    /// # Errors
    /// `NotAdministrator`, `SpaceNotFound`, `Disabled` when it is so already, `Locked` while another work unit changes something in
    /// it.
    pub async fn dmsdisfs(
        &self,
        userid: UserId,
        filepoolid: FilePoolId,
        mode: DisableMode,
    ) -> Result<(), CslError> {
        let call = Call::Disable { part: PoolPart::Space(userid.to_string()), mode };
        self.do_call(filepoolid, WorkUnitId::DEFAULT, CommitOption::NoCommit, call).await.map(|_| ())
    }
}
