//! DMSQLIMA - Query Limits, All: space of every enrolled user. For administrators.

use super::{Csl, CslError, Enrolled};
use cp::name::FilePoolId;

impl Csl {
    /// DMSQLIMA: all enrolled users with limit, committed blocks and warning threshold.
    ///
    /// # Errors
    /// `NotAdministrator`.
    pub async fn dmsqlima(&self, filepoolid: FilePoolId) -> Result<Vec<Enrolled>, CslError> {
        self.enrolled_users(filepoolid).await
    }
}
