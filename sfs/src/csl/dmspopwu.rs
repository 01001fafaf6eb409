//! DMSPOPWU - Pop Work Unit ID: the default before becomes the default again.

use super::{Csl, CslError, WorkUnitId};

impl Csl {
    /// DMSPOPWU: returns the id that was the default. The first default of the machine is never popped.
    ///
    /// # Errors
    /// `WorkUnitStackEmpty`.
    pub fn dmspopwu(&self) -> Result<WorkUnitId, CslError> {
        Ok(self.inner.units.lock().pop()?)
    }
}
