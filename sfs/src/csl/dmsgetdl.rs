//! DMSGETDL - Get Directory - Alias: the aliases of a directory and their base files.

use super::{
    Csl, CslError, DirIntent, DirRecord, EntryType, FilePattern, FileRef, FileStatus, ReasonCode, WorkUnitId,
};
use crate::server::protocol::{Answer, Call};
use cp::name::DirName;

/// An alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasRecord {
    /// The alias; `status.entry` is ALIAS, ERASED or REVOKED.
    pub status: FileStatus,
    /// Its base file; `None` when that is erased or the authority on it revoked.
    pub base: Option<FileRef>,
}

impl Csl {
    /// DMSGETDL: all aliases of a directory whose names match. Source: QUERY ALIAS.
    ///
    /// # Errors
    /// `DirectoryNotFound`, `SpaceNotFound`.
    pub async fn dmsgetdl(
        &self,
        dirname: &DirName,
        pattern: FilePattern,
        workunitid: WorkUnitId,
    ) -> Result<Vec<AliasRecord>, CslError> {
        let token = self.dmsopdir(dirname, DirIntent::Entries(pattern), workunitid).await?;
        let records = self.dmsgetdi_all(token).await;
        self.dmscldir(token).await?;
        let mut aliases = Vec::new();
        for record in records? {
            let DirRecord::File(status) = record else { continue };
            let base = match status.entry {
                EntryType::Alias => {
                    let alias = FileRef::new(status.id, dirname.clone());
                    match self.ask(dirname.pool, workunitid, Call::BaseOf { alias }).await? {
                        Answer::Base(base) => base,
                        _ => return Err(ReasonCode::ProtocolError.into()),
                    }
                }
                EntryType::Erased | EntryType::Revoked => None,
                EntryType::Base | EntryType::External => continue,
            };
            aliases.push(AliasRecord { status, base });
        }
        Ok(aliases)
    }
}
