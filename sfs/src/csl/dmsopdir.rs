//! DMSOPDIR - Open Directory: to read what it holds.

use super::{CommitOption, Csl, CslError, DirControl, FilePattern, ReasonCode, Token, WorkUnitId};
use crate::server::protocol::{Answer, Call, DirList};
use cp::name::DirName;

/// What is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirIntent {
    /// FILE: the files whose name and type match.
    File(FilePattern),
    /// FILEEXT, or FILE with EXT: also erased and revoked aliases and external objects.
    Entries(FilePattern),
    /// DIR: the directories right below.
    Dir,
}

/// An open directory, as the calls that follow need to know it.
#[derive(Debug, Clone)]
pub(super) struct OpenedDirectory {
    pub(super) name: DirName,
    pub(super) intent: DirIntent,
    pub(super) control: DirControl,
}

impl Csl {
    /// DMSOPDIR: what the directory holds at this moment, this work unit's changes included, for DMSGETDI to return.
    ///
    /// # Errors
    /// `DirectoryNotFound`, `SpaceNotFound`, `LimitExceeded`.
    pub async fn dmsopdir(
        &self,
        dirname: &DirName,
        intent: DirIntent,
        workunitid: WorkUnitId,
    ) -> Result<Token, CslError> {
        let list = match intent {
            DirIntent::File(pattern) => DirList::Files(pattern),
            DirIntent::Entries(pattern) => DirList::Entries(pattern),
            DirIntent::Dir => DirList::Directories,
        };
        let unit = self.inner.units.lock().resolve(workunitid)?;
        let call = Call::OpenDir { dir: dirname.clone(), list };
        let (reply, _) =
            self.call(dirname.pool, unit, CommitOption::NoCommit, call, bytes::Bytes::new()).await?;
        let Answer::OpenedDir { token: number, control } = reply.answer else {
            return Err(ReasonCode::ProtocolError.into());
        };
        let token = Token { pool: dirname.pool, number };
        self.inner.units.lock().opened(token, unit);
        let opened = OpenedDirectory { name: dirname.clone(), intent, control };
        self.inner.opened_directories.lock().insert(token, opened);
        Ok(token)
    }

    /// What was opened, if with an intent that `fits`.
    ///
    /// # Errors
    /// `NotOpen`, `WrongIntent`.
    pub(super) fn opened_for(
        &self,
        token: Token,
        fits: impl FnOnce(&DirIntent) -> bool,
    ) -> Result<OpenedDirectory, CslError> {
        let opened = self.inner.opened_directories.lock().get(&token).cloned();
        let opened = opened.ok_or(ReasonCode::NotOpen)?;
        if fits(&opened.intent) { Ok(opened) } else { Err(ReasonCode::WrongIntent.into()) }
    }
}
