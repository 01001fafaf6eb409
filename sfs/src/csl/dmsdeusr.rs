//! DMSDEUSR - Delete User: removes a file space with all it holds. With the user id PUBLIC it ends that everybody may connect. For
//! administrators.

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

    /// DMSDEUSR of PUBLIC, and commits: from now on only who is enrolled, and administrators, may connect. Who is connected stays so.
    ///
    /// # Errors
    /// `NotAdministrator`, `SpaceNotFound` when it is not enrolled, `Locked`.
    pub async fn dmsdeusr_public(&self, filepoolid: FilePoolId) -> Result<(), CslError> {
        self.set_public(filepoolid, false).await
    }
}
