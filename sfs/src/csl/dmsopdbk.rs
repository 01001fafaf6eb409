//! DMSOPDBK - Open Data Block: a file's stored image, to be read by octet offset.

use super::{Csl, CslError, DateReference, FileRef, Intent, OpenOptions, OpenedFile, WorkUnitId};

impl Csl {
    /// DMSOPDBK with intent READ: the file's image for DMSRDDBK. `status.bytes` is its length.
    ///
    /// # Errors
    /// As DMSOPEN.
    pub async fn dmsopdbk(&self, fileid: &FileRef, workunitid: WorkUnitId) -> Result<OpenedFile, CslError> {
        self.dmsopdbk_as(fileid, DateReference::New, workunitid).await
    }

    /// [`Self::dmsopdbk`] with NEWDATEREF or OLDDATEREF.
    ///
    /// # Errors
    /// As DMSOPEN.
    pub async fn dmsopdbk_as(
        &self,
        fileid: &FileRef,
        dates: DateReference,
        workunitid: WorkUnitId,
    ) -> Result<OpenedFile, CslError> {
        let options = OpenOptions { dates, ..OpenOptions::default() };
        self.dmsopen(fileid, Intent::Read, &options, workunitid).await
    }
}
