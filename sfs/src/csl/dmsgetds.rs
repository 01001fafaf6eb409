//! DMSGETDS - Get Directory - Searchauth: the files of a directory and all below it that the caller has authority to.

use super::{Csl, CslError, DirIntent, DirRecord, FilePattern, FileStatus, WorkUnitId};
use cp::name::DirName;

impl Csl {
    /// DMSGETDS: the files whose names match, in the directory and every directory below it that the caller may read, and that the
    /// caller may read or write, each with its directory; a directory's files before those of directories in it.
    ///
    /// # Errors
    /// `DirectoryNotFound`, `SpaceNotFound`.
    pub async fn dmsgetds(
        &self,
        dirname: &DirName,
        pattern: FilePattern,
        workunitid: WorkUnitId,
    ) -> Result<Vec<(DirName, FileStatus)>, CslError> {
        let mut found = Vec::new();
        for (dir, _) in self.dmsgetda(dirname, workunitid).await? {
            let token = self.dmsopdir(&dir, DirIntent::File(pattern), workunitid).await?;
            let records = self.dmsgetdi_all(token).await;
            self.dmscldir(token).await?;
            for record in records? {
                if let DirRecord::File(status) = record
                    && (status.readable || status.writable)
                {
                    found.push((dir.clone(), status));
                }
            }
        }
        Ok(found)
    }
}
