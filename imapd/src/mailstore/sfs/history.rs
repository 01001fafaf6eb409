//! UIDVALID HISTORY, in the file space of the IMAP machine itself: the greatest UIDVALIDITY that a user had who is gone.
//!
//! Whoever is enrolled anew gets greater ones, so that none ever stands for two mailboxes of a name (RFC 3501 section 2.3.1.1),
//! however many mailboxes a second were made, and whatever the clock says by then. RECFM V, one record: decimal digits.
//!
//! Where the IMAP machine is a mail user and is removed, what it keeps of the store stays: its file space is emptied of all else.

use bytes::Bytes;
use cms::cp::codepage;
use cms::csl::{
    CommitOption, CslError, DirIntent, DirRecord, EraseScope, FilePattern, FileRef, Intent, OpenOptions,
    ReasonCode, SfsObject, WorkUnitId,
};

use super::{SfsBackend, file, store_error};
use crate::mailstore::error::StoreError;
use crate::vm::UserId;

/// Blocks of the IMAP machine's own file space: it holds that one file, and perhaps the translate table.
const BLOCKS: u64 = 16;

impl SfsBackend {
    fn history_file(&self) -> Result<FileRef, StoreError> {
        file(&self.top(self.csl.userid()), "UIDVALID", "HISTORY")
    }

    /// The number that is kept; 0 when none is.
    pub(super) async fn read_history(&self) -> Result<u32, StoreError> {
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let none = |e: &CslError| {
            matches!(
                e.reason,
                ReasonCode::FileNotFound | ReasonCode::SpaceNotFound | ReasonCode::DirectoryNotFound
            )
        };
        let read = match self.variable_records(&self.history_file()?, unit).await {
            Err(e) if none(&e) => Ok(Vec::new()),
            other => other,
        };
        let records = self.end(unit, read).await?;
        let Some(record) = records.first() else { return Ok(0) };
        codepage::to_text(record).trim().parse().map_err(|_| {
            StoreError::Damaged("UIDVALID HISTORY holds no number; erase it to go on without".into())
        })
    }

    /// Keeps `last` when it is greater than what is kept.
    pub(super) async fn raise_history(&self, last: u32) -> Result<(), StoreError> {
        let _alone = self.history.lock().await;
        if self.read_history().await? >= last {
            return Ok(());
        }
        self.make_own_space().await?;
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let put = self.put_history(&self.history_file()?, last, unit).await;
        self.end(unit, put).await
    }

    /// Makes the file space of the IMAP machine, where there is none.
    pub(super) async fn make_own_space(&self) -> Result<(), StoreError> {
        match self.csl.dmsenusr(&[self.csl.userid()], self.pool, BLOCKS).await {
            Err(e) if e.reason != ReasonCode::SpaceExists => Err(store_error(&e)),
            _ => Ok(()),
        }
    }

    async fn put_history(&self, file: &FileRef, last: u32, unit: WorkUnitId) -> Result<(), CslError> {
        let opened = self.csl.dmsopen(file, Intent::Replace, &OpenOptions::variable(), unit).await?;
        let record = Bytes::from(codepage::from_text(&last.to_string()));
        self.csl.dmswrite(opened.token, 1, record, CommitOption::NoCommit).await?;
        self.csl.dmsclose(opened.token, CommitOption::NoCommit).await.map(drop)
    }

    /// Removes a file space, and keeps the greatest UIDVALIDITY of its user before it goes, or after that where there is no room.
    pub(super) async fn remove_space(&self, user: UserId, last: u32) -> Result<(), StoreError> {
        if user == self.csl.userid() {
            return self.empty_own_space(last).await;
        }
        let kept = self.raise_history(last).await;
        match &kept {
            Err(error) if !error.is_want_of_room() => return kept,
            _ => {}
        }
        self.csl.dmsdeusr(user, self.pool).await.map_err(|e| store_error(&e))?;
        if kept.is_err() {
            self.raise_history(last).await?;
        }
        Ok(())
    }

    /// Removes the mail of the IMAP machine itself, and nothing else of its file space.
    async fn empty_own_space(&self, last: u32) -> Result<(), StoreError> {
        let _alone = self.history.lock().await;
        let last = self.read_history().await?.max(last);
        let file = self.history_file()?;
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let emptied = async {
            self.erase_mail(&file, unit).await?;
            self.put_history(&file, last, unit).await
        };
        let emptied = emptied.await;
        self.end(unit, emptied).await?;
        self.csl.modify_user(self.csl.userid(), self.pool, BLOCKS).await.map_err(|e| store_error(&e))
    }

    async fn erase_mail(&self, history: &FileRef, unit: WorkUnitId) -> Result<(), CslError> {
        let mut found = Vec::new();
        for intent in [DirIntent::Dir, DirIntent::File(FilePattern::ALL)] {
            let token = self.csl.dmsopdir(&history.dir, intent, unit).await?;
            found.extend(self.csl.dmsgetdi_all(token).await?);
            self.csl.dmscldir(token).await?;
        }
        for record in found {
            let (object, scope) = match record {
                DirRecord::Directory(directory) => {
                    let dir = history.dir.child(&directory.level).map_err(|_| ReasonCode::ProtocolError)?;
                    (SfsObject::Directory(dir), EraseScope::WithFiles)
                }
                DirRecord::File(status) if status.id.name.as_str() == "MAILBOX" => {
                    (SfsObject::File(FileRef::new(status.id, history.dir.clone())), EraseScope::Entire)
                }
                _ => continue,
            };
            self.csl.dmserase(&object, scope, CommitOption::NoCommit, unit).await?;
        }
        Ok(())
    }
}
