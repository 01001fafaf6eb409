//! DMSPUSWU - Push Work Unit ID: makes a work unit the default.

use super::{Csl, CslError, ReasonCode, WorkUnitId};

/// Depth of the stack of default work units: a bound, far above what nesting programs need.
const MAX_STACK: usize = 1024;

impl Csl {
    /// DMSPUSWU: `workunitid` is the default until it is popped.
    ///
    /// # Errors
    /// `WorkUnitUnknown`, `TooManyWorkUnits` when the stack is full.
    pub fn dmspuswu(&self, workunitid: WorkUnitId) -> Result<(), CslError> {
        let mut units = self.inner.units.lock();
        let unit = units.resolve(workunitid)?;
        if units.stack_depth() >= MAX_STACK {
            return Err(ReasonCode::TooManyWorkUnits.into());
        }
        units.push(unit);
        Ok(())
    }
}
