//! DMSREVOK - Revoke Authority.

use super::{CommitInfo, CommitOption, Csl, CslError, Grantee, SfsObject, WorkUnitId};
use crate::server::protocol::Call;

impl Csl {
    /// DMSREVOK: takes all authority on the object away, or with `keep_read` (KEEPREAD) only what goes beyond reading. Aliases of
    /// users who can read the base no more become REVOKED.
    ///
    /// # Errors
    /// `NoAuthority` for a grantee who has none, and those of DMSGRANT; WUERROR's index names the grantee.
    pub async fn dmsrevok(
        &self,
        object: &SfsObject,
        grantees: &[Grantee],
        keep_read: bool,
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        let call = Call::Revoke { object: object.clone(), from: grantees.to_vec(), keep_read };
        self.do_call(object.pool(), workunitid, commit, call).await
    }
}
