//! DMSGETDA - Get Directory - Searchall: a directory and all below it.

use super::{Csl, CslError, DirIntent, DirRecord, DirStatus, WorkUnitId};
use cp::name::DirName;

impl Csl {
    /// DMSGETDA: the directory and every directory below it that the caller may read, each with its full name, a directory
    /// before what is in it.
    ///
    /// # Errors
    /// `DirectoryNotFound`, `SpaceNotFound`.
    pub async fn dmsgetda(
        &self,
        dirname: &DirName,
        workunitid: WorkUnitId,
    ) -> Result<Vec<(DirName, DirStatus)>, CslError> {
        let mut waiting = vec![(dirname.clone(), self.dmsexidi(dirname, workunitid).await?)];
        let mut all = Vec::new();
        while let Some((dir, status)) = waiting.pop() {
            let token = self.dmsopdir(&dir, DirIntent::Dir, workunitid).await?;
            let records = self.dmsgetdi_all(token).await;
            self.dmscldir(token).await?;
            for record in records?.into_iter().rev() {
                let DirRecord::Directory(below) = record else { continue };
                let name = format!("{dir}.{}", below.level).replace("..", ".");
                waiting.push((DirName::parse(&name, None, dir.owner)?, below));
            }
            all.push((dir, status));
        }
        Ok(all)
    }
}
