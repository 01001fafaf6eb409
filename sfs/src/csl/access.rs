//! ACCESS and RELEASE of a directory: a DIRCONTROL directory accessed read-only is seen as it was at the ACCESS.

use super::{Csl, CslError, ReasonCode, WorkUnitId};
use crate::server::protocol::{Answer, Call};
use cp::name::DirName;

impl Csl {
    /// Accesses a directory read-only. True for a DIRCONTROL directory: until [`Self::release_directory`] this machine reads its
    /// state of now and changes nothing in it. A FILECONTROL directory is read as it is. Accessing again what is accessed keeps the
    /// state.
    ///
    /// # Errors
    /// `DirectoryNotFound`, `ExplicitLock`, `LimitExceeded` for too many directories or files.
    pub async fn access_directory(&self, dirname: &DirName) -> Result<bool, CslError> {
        let call = Call::Access { dir: dirname.clone() };
        match self.ask(dirname.pool, WorkUnitId::DEFAULT, call).await? {
            Answer::Active(held) => Ok(held),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }

    /// Undoes one [`Self::access_directory`] that answered true.
    ///
    /// # Errors
    /// `NotOpen`, also when the connection was lost since.
    pub async fn release_directory(&self, dirname: &DirName) -> Result<(), CslError> {
        let call = Call::Release { dir: dirname.clone() };
        self.ask(dirname.pool, WorkUnitId::DEFAULT, call).await.map(|_| ())
    }
}
