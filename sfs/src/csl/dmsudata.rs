//! DMSUDATA - User Data: what a program says of what it does on a work unit.

use super::{Csl, CslError, ReasonCode, WorkUnitData, WorkUnitId};

impl Csl {
    /// DMSUDATA: up to [`super::MAX_USER_DATA`] octets that go with the requests of the work unit to its file pool servers, which show
    /// them where they show who does what (QUERY FILEPOOL CONFLICT). They replace earlier ones, and are forgotten when the work unit
    /// ends by a commit or a rollback.
    ///
    /// # Errors
    /// `LimitExceeded` for more octets, `WorkUnitUnknown`.
    pub fn dmsudata(&self, userdata: &[u8], workunitid: WorkUnitId) -> Result<(), CslError> {
        let data = WorkUnitData::new(userdata).ok_or(ReasonCode::LimitExceeded)?;
        let mut units = self.inner.units.lock();
        let unit = units.resolve(workunitid)?;
        units.set_data(unit, data);
        Ok(())
    }
}
