//! ENROLL ADMINISTRATOR and DELETE ADMINISTRATOR: for administrators of a file pool.
//!
//! The authority lasts until the server stops, DELETE ADMINISTRATOR, or REVOKE ADMIN at its console. Source: "ENROLL ADMINISTRATOR".

use super::{CommitOption, Csl, CslError, WorkUnitId};
use crate::server::protocol::Call;
use cp::name::{FilePoolId, UserId};

impl Csl {
    /// Makes a user an administrator; of no effect when he is one.
    ///
    /// # Errors
    /// `NotAdministrator`, and those of the connection.
    pub async fn enroll_administrator(&self, userid: UserId, filepoolid: FilePoolId) -> Result<(), CslError> {
        self.administrator(userid, filepoolid, true).await
    }

    /// Makes a user an administrator no longer. Connections on which he works for others are severed.
    ///
    /// # Errors
    /// `NotAdministrator`, `NoAdministrator` when he is none, and those of the connection.
    pub async fn delete_administrator(&self, userid: UserId, filepoolid: FilePoolId) -> Result<(), CslError> {
        self.administrator(userid, filepoolid, false).await
    }

    async fn administrator(&self, user: UserId, pool: FilePoolId, enroll: bool) -> Result<(), CslError> {
        let call = Call::Administrator { user, enroll };
        self.do_call(pool, WorkUnitId::DEFAULT, CommitOption::NoCommit, call).await.map(|_| ())
    }
}
