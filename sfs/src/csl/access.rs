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
        self.access(dirname, false).await
    }

    /// Accesses a directory to write in it. True for a DIRCONTROL directory: until [`Self::release_directory`] QUERY ACCESSORS shows
    /// it; nothing else changes by it.
    ///
    /// # Errors
    /// `DirectoryNotFound`, `LimitExceeded` for too many directories.
    pub async fn access_directory_to_write(&self, dirname: &DirName) -> Result<bool, CslError> {
        self.access(dirname, true).await
    }

    async fn access(&self, dirname: &DirName, write: bool) -> Result<bool, CslError> {
        let call = Call::Access { dir: dirname.clone(), write };
        match self.ask(dirname.pool, WorkUnitId::DEFAULT, call).await? {
            Answer::Active(held) => Ok(held),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }

    /// Undoes one access that answered true, read-only or to `write`.
    ///
    /// # Errors
    /// `NotOpen`, also when the connection was lost since.
    pub async fn release_directory(&self, dirname: &DirName, write: bool) -> Result<(), CslError> {
        let call = Call::Release { dir: dirname.clone(), write };
        self.ask(dirname.pool, WorkUnitId::DEFAULT, call).await.map(|_| ())
    }
}
