//! DMSDEUSR - Delete User: removes a file space with all it holds. For administrators.

use super::{CommitOption, Csl, CslError};
use crate::server::protocol::Call;
use cp::name::{FilePoolId, UserId};

impl Csl {
    /// DMSDEUSR: removes the file space with everything in it, and commits.
    ///
    /// # Errors
    /// `NotAdministrator`, `SpaceNotFound`, `Locked` while a work unit changes anything in it.
    pub async fn dmsdeusr(&self, userid: UserId, filepoolid: FilePoolId) -> Result<(), CslError> {
        let unit = self.dmsgetwu()?;
        let done =
            self.do_call(filepoolid, unit, CommitOption::Commit, Call::DeleteUser { user: userid }).await;
        let returned = self.dmsretwu(unit).await;
        done?;
        returned.map(|_| ())
    }
}
