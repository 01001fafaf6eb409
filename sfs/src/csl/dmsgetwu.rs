//! DMSGETWU - Get Work Unit ID.

use super::{Csl, CslError, WorkUnitId};

impl Csl {
    /// DMSGETWU: a fresh work unit id. Needs no server.
    ///
    /// # Errors
    /// `TooManyWorkUnits`.
    pub fn dmsgetwu(&self) -> Result<WorkUnitId, CslError> {
        Ok(self.inner.units.lock().get()?)
    }
}
