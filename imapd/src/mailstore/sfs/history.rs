//! UIDVALID HISTORY, in the file space of the IMAP machine itself: the greatest UIDVALIDITY that a user had who is gone.
//!
//! Whoever is enrolled anew gets greater ones, so that none ever stands for two mailboxes of a name (RFC 3501 section 2.3.1.1),
//! however many mailboxes a second were made, and whatever the clock says by then. RECFM V, one record: decimal digits.

use bytes::Bytes;
use cms::cp::codepage;
use cms::csl::{CommitOption, CslError, FileRef, Intent, OpenOptions, ReasonCode, WorkUnitId};

use super::{SfsBackend, file, store_error};
use crate::mailstore::error::StoreError;
use crate::vm::UserId;

/// Blocks of the IMAP machine's own file space: it holds that one file.
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
        match self.csl.dmsenusr(&[self.csl.userid()], self.pool, BLOCKS).await {
            Err(e) if e.reason != ReasonCode::SpaceExists => return Err(store_error(&e)),
            _ => {}
        }
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let put = self.put_history(&self.history_file()?, last, unit).await;
        self.end(unit, put).await
    }

    async fn put_history(&self, file: &FileRef, last: u32, unit: WorkUnitId) -> Result<(), CslError> {
        let opened = self.csl.dmsopen(file, Intent::Replace, &OpenOptions::variable(), unit).await?;
        let record = Bytes::from(codepage::from_text(&last.to_string()));
        self.csl.dmswrite(opened.token, 1, record, CommitOption::NoCommit).await?;
        self.csl.dmsclose(opened.token, CommitOption::NoCommit).await.map(drop)
    }

    /// Removes a file space, and keeps the greatest UIDVALIDITY of its user before it goes, or after that where there is no room.
    pub(super) async fn remove_space(&self, user: UserId, last: u32) -> Result<(), StoreError> {
        let kept = self.raise_history(last).await;
        match &kept {
            Err(error) if !error.is_want_of_room() => return kept,
            _ => {}
        }
        self.csl.dmsdeusr(user, self.pool).await.map_err(|e| store_error(&e))?;
        if kept.is_err() || user == self.csl.userid() {
            self.raise_history(last).await?;
        }
        Ok(())
    }
}
