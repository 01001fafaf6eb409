//! DMSENASG - Enable Storage Group.

use super::{CommitOption, Csl, CslError, PoolPart, StorageGroup, WorkUnitId};
use crate::server::protocol::Call;
use cp::name::FilePoolId;

impl Csl {
    /// DMSENASG: undoes DMSDISSG. For administrators.
    ///
    /// # Errors
    /// `NotAdministrator`, `NotDisabled`.
    pub async fn dmsenasg(&self, group: StorageGroup, filepoolid: FilePoolId) -> Result<(), CslError> {
        let call = Call::Enable { part: PoolPart::Group(group) };
        self.do_call(filepoolid, WorkUnitId::DEFAULT, CommitOption::NoCommit, call).await.map(|_| ())
    }
}
