//! DMSQWUID - Query Work Unit ID: the default one.

use super::{Csl, WorkUnitId};

impl Csl {
    /// DMSQWUID: the id that calls without a work unit id use now. Needs no server.
    pub fn dmsqwuid(&self) -> WorkUnitId {
        self.inner.units.lock().default_unit()
    }
}
