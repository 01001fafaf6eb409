//! DMSCRALI - Create Alias: another name of a base file.

use super::{CommitInfo, CommitOption, Csl, CslError, FileRef, ReasonCode, WorkUnitId};
use crate::server::protocol::Call;

impl Csl {
    /// DMSCRALI: `alias` becomes an entry that leads to `base`, or to the base of the alias `base`. Needs READ on the base and WRITE
    /// on the directory of the alias, which is a FILECONTROL one.
    ///
    /// # Errors
    /// `FileNotFound`, `FileExists`, `WrongControl`, `DifferentSpace` when the pools differ, `Locked`; with COMMIT those of DMSCOMM.
    pub async fn dmscrali(
        &self,
        base: &FileRef,
        alias: &FileRef,
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        if base.dir.pool != alias.dir.pool {
            return Err(ReasonCode::DifferentSpace.into());
        }
        let call = Call::CreateAlias { base: base.clone(), alias: alias.clone() };
        self.do_call(base.dir.pool, workunitid, commit, call).await
    }
}
