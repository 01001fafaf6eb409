//! `NOTE TEXT`: the searchable texts of a mailbox's messages (format 3), batches of them one behind the other
//! ([`crate::mailstore::text_batch`]).
//!
//! RECFM F, LRECL 4096: records too long to be kept in the file pool's catalog, so that the file is one run of octets there. It is
//! written at its end only, in work units of its own that nothing else is in: no other file says what it holds. A file of another
//! form is none of ours, and is written anew.

use std::ops::Range;

use bytes::Bytes;
use cms::cp::name::DirName;
use cms::csl::{CommitOption, CslError, FileRef, Intent, OpenOptions, ReasonCode, WorkUnitId};

use super::commit::StepError;
use super::{SfsBackend, store_error, text_file};
use crate::mailstore::columns::Columns;
use crate::mailstore::error::StoreError;
use crate::mailstore::text_batch::{Head, RECORD, Which};
use crate::mailstore::types::{MailboxRow, Uid};
use crate::vm::UserId;

impl SfsBackend {
    pub(super) async fn text_octets(
        &self,
        user: UserId,
        dir: &str,
        octets: Range<u64>,
    ) -> Result<Bytes, StoreError> {
        let file = text_file(&self.dir(user, dir)?)?;
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let read = self.image(&file, octets, unit).await;
        self.done_reading(unit).await;
        match read {
            Ok(image) => Ok(image),
            // The directory goes with its mailbox.
            Err(e)
                if matches!(
                    e.reason,
                    ReasonCode::FileNotFound | ReasonCode::DirectoryNotFound | ReasonCode::Damaged
                ) =>
            {
                Ok(Bytes::new())
            }
            Err(e) => Err(store_error(&e)),
        }
    }

    pub(super) async fn put_texts(
        &self,
        user: UserId,
        dir: &str,
        keep: u64,
        then: Bytes,
    ) -> Result<(), StoreError> {
        let file = text_file(&self.dir(user, dir)?)?;
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let written = if keep == 0 && then.is_empty() {
            match self.erase(file, unit).await {
                Err(e) if e.reason == ReasonCode::FileNotFound => Ok(()),
                other => other,
            }
        } else {
            self.put_behind(&file, keep, then, unit).await
        };
        self.end(unit, written).await
    }

    async fn put_behind(
        &self,
        file: &FileRef,
        keep: u64,
        then: Bytes,
        unit: WorkUnitId,
    ) -> Result<(), CslError> {
        let intent = if keep == 0 { Intent::Replace } else { Intent::Write };
        let opened = self.csl.dmsopen(file, intent, &OpenOptions::fixed(RECORD as u32), unit).await?;
        let keep =
            u32::try_from(keep / RECORD as u64).map_err(|_| CslError::from(ReasonCode::RecordNumber))?;
        if keep > 0 {
            if opened.status.lrecl as usize != RECORD || opened.status.records < keep {
                return Err(ReasonCode::RecordNumber.into());
            }
            if opened.status.records > keep {
                self.csl.dmstrunc(opened.token, keep).await?;
                self.csl.dmspoint(opened.token, None, Some(keep + 1)).await?;
            }
        }
        self.write_fixed(opened.token, then, RECORD).await?;
        self.csl.dmsclose(opened.token, CommitOption::NoCommit).await.map(drop)
    }

    /// The record from which on the file is damaged, or of other messages than `records`, for CHECK. One of another version is only
    /// not used.
    pub(super) async fn first_bad_text(
        &self,
        user: UserId,
        row: &MailboxRow,
        records: &Columns,
    ) -> Result<Option<u64>, StoreError> {
        let mut at = 0;
        let mut upto = Uid(0);
        loop {
            let first = self.text_octets(user, &row.dir, at..at + RECORD as u64).await?;
            if first.is_empty() || (at == 0 && Head::is_of_another_version(&first)) {
                return Ok(None);
            }
            let bad = Ok(Some(at / RECORD as u64 + 1));
            let is_next = |h: &Head| h.after == upto && h.uid_validity == row.uid_validity;
            let Some(head) = Head::read(&first).filter(is_next) else { return bad };
            let there = records.range(head.after, head.upto).map(|i| records.at(i));
            if head.upto >= row.uid_next || !head.is_about(&first, there) {
                return bad;
            }
            for which in Which::ALL.into_iter().filter(|_| !head.is_left_out()) {
                let range = head.range(which);
                let part = self.text_octets(user, &row.dir, at + range.start..at + range.end).await?;
                if head.texts(which, &part).is_none() {
                    return bad;
                }
            }
            upto = head.upto;
            at += head.span();
        }
    }

    /// Erases the file, when there is one.
    pub(super) async fn erase_texts(&self, dir: &DirName, unit: WorkUnitId) -> Result<(), StepError> {
        match self.erase(text_file(dir)?, unit).await {
            Err(e) if !matches!(e.reason, ReasonCode::FileNotFound | ReasonCode::DirectoryNotFound) => {
                Err(e.into())
            }
            _ => Ok(()),
        }
    }
}
