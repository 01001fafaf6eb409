//! DMSFILEC - File Copy: within a file pool, without moving the data.

use cp::name::DirName;

use super::{CommitInfo, CommitOption, Csl, CslError, FileId, FileRef, ReasonCode, WorkUnitId};
use crate::server::protocol::Call;

impl Csl {
    /// DMSFILEC: the copy shares the stored blocks of the source until either is changed. The source cannot be changed by others
    /// until the work unit ends.
    ///
    /// # Errors
    /// `FileNotFound`, `FileExists` unless `replace`, `FileOpen`, `Locked`, `DifferentSpace` when the files are in different
    /// pools; with COMMIT those of DMSCOMM.
    pub async fn dmsfilec(
        &self,
        source: &FileRef,
        target: &FileRef,
        replace: bool,
        commit: CommitOption,
        workunitid: WorkUnitId,
    ) -> Result<CommitInfo, CslError> {
        if source.dir.pool != target.dir.pool {
            return Err(ReasonCode::DifferentSpace.into());
        }
        let call = Call::CopyFile { source: source.clone(), target: target.clone(), replace };
        self.do_call(source.dir.pool, workunitid, commit, call).await
    }

    /// DMSFILEC of many files of one directory to free names of another, in one call: pairs of source and target. Ours: the
    /// original has one pair a call.
    ///
    /// # Errors
    /// Those of DMSFILEC, and `FileNotFound` for an alias; nothing is copied then, unless more than [`super::MAX_NAMES`] were
    /// named.
    pub async fn dmsfilec_files(
        &self,
        from: &DirName,
        to: &DirName,
        pairs: &[(FileId, FileId)],
        workunitid: WorkUnitId,
    ) -> Result<(), CslError> {
        let call = |from, to, pairs| Call::CopyFiles { from, to, pairs };
        self.with_pairs(from, to, pairs, workunitid, call).await
    }

    /// Makes a call for as many pairs of names as one takes, until all are done.
    pub(super) async fn with_pairs(
        &self,
        from: &DirName,
        to: &DirName,
        pairs: &[(FileId, FileId)],
        workunitid: WorkUnitId,
        call: impl Fn(DirName, DirName, Vec<(FileId, FileId)>) -> Call,
    ) -> Result<(), CslError> {
        if from.pool != to.pool {
            return Err(ReasonCode::DifferentSpace.into());
        }
        for pairs in pairs.chunks(super::MAX_NAMES) {
            let call = call(from.clone(), to.clone(), pairs.to_vec());
            self.do_call(from.pool, workunitid, CommitOption::NoCommit, call).await?;
        }
        Ok(())
    }
}
