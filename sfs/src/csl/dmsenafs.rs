//! DMSENAFS - Enable File Space.

use super::{CommitOption, Csl, CslError, PoolPart, WorkUnitId};
use crate::server::protocol::Call;
use cp::name::{FilePoolId, UserId};

impl Csl {
    /// DMSENAFS: undoes DMSDISFS. For administrators.
    ///
    /// # Errors
    /// `NotAdministrator`, `NotDisabled`.
    pub async fn dmsenafs(&self, userid: UserId, filepoolid: FilePoolId) -> Result<(), CslError> {
        let call = Call::Enable { part: PoolPart::Space(userid.to_string()) };
        self.do_call(filepoolid, WorkUnitId::DEFAULT, CommitOption::NoCommit, call).await.map(|_| ())
    }
}
