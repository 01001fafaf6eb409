//! DMSGETER - Get Next Error: of a call on a work unit, one after the other.
//!
//! A commit over several file pools can go wrong in more than one of them, and warn in others; its return and reason code are those of
//! the first. All are kept, as WUERROR would hold them, until the next call on the work unit.

use super::{Csl, CslError, FpError, WorkUnitId};

impl Csl {
    /// DMSGETER: the next error or warning of the last call on the work unit that had any. Needs no server.
    ///
    /// # Errors
    /// `NoFurtherError` when all have been told; `WorkUnitUnknown`.
    pub fn dmsgeter(&self, workunitid: WorkUnitId) -> Result<FpError, CslError> {
        let mut units = self.inner.units.lock();
        let unit = units.resolve(workunitid)?;
        Ok(units.next_error(unit)?)
    }
}
