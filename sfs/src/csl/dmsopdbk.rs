//! DMSOPDBK - Open Data Block: a file's stored image, to be read by octet offset.

use super::{Csl, CslError, FileRef, Intent, OpenOptions, OpenedFile, WorkUnitId};

impl Csl {
    /// DMSOPDBK with intent READ: the file's image for DMSRDDBK. `status.bytes` is its length.
    ///
    /// # Errors
    /// As DMSOPEN.
    pub async fn dmsopdbk(&self, fileid: &FileRef, workunitid: WorkUnitId) -> Result<OpenedFile, CslError> {
        self.dmsopen(fileid, Intent::Read, &OpenOptions::default(), workunitid).await
    }
}
