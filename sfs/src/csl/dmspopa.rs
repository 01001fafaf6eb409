//! DMSPOPA - Pop User ID: the one before works again.

use cp::name::UserId;

use super::{Csl, CslError};

impl Csl {
    /// DMSPOPA: takes the last user id of DMSPUSHA from the stack and returns it. Work units that work for him go on doing so.
    ///
    /// # Errors
    /// `UserStackEmpty`.
    pub fn dmspopa(&self) -> Result<UserId, CslError> {
        Ok(self.inner.units.lock().pop_user()?)
    }
}
