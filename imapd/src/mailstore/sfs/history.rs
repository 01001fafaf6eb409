//! UIDVALID HISTORY: a number that no UIDVALIDITY is above which any user was ever given.
//!
//! Who is enrolled, a mailbox whose row was lost, and mailboxes of a restored backup get numbers beyond it, so that none ever stands
//! for two mailboxes of a name, or for UIDs that were given twice (RFC 9051 section 2.3.1.1), however many mailboxes a second were
//! made, and whatever the clock says by then. Users' own numbers go on from their MAILBOX INDEX; before one that is above the number
//! kept here is committed, this is raised, [`AHEAD`] further than it must, so that seldom a mailbox costs a commit more.
//!
//! RECFM V, one record: decimal digits. It is kept twice, in the file space of the IMAP machine and, where there is a
//! [`SecondCopy`], outside the file pool, so that a backup of either that is restored takes nothing back. The greater one counts.
//!
//! Where the IMAP machine is a mail user and is removed, what it keeps of the store stays: its file space is emptied of all else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use cms::cp::codepage;
use cms::cp::name::DirName;
use cms::csl::{
    CommitOption, CslError, DirIntent, DirRecord, EraseScope, FilePattern, FileRef, Intent, OpenOptions,
    ReasonCode, SfsObject, WorkUnitId,
};
use futures::future::BoxFuture;

use super::{SfsBackend, file, store_error};
use crate::mailstore::backend::Op;
use crate::mailstore::error::StoreError;
use crate::mailstore::types::seconds;
use crate::vm::UserId;

/// Blocks of the IMAP machine's own file space: it holds that one file, and perhaps the translate table.
const BLOCKS: u64 = 16;

/// How much further than it must the number is raised; as numbers follow the clock, about so many seconds go by until the next time.
const AHEAD: u32 = 256;

/// Where UIDVALID HISTORY is kept a second time, outside the file pool.
pub trait SecondCopy: Send + Sync {
    /// The record; `None` when there is no such file.
    fn read(&self) -> BoxFuture<'_, Result<Option<String>, String>>;
    /// Writes it, durably on return.
    fn write(&self, record: String) -> BoxFuture<'_, Result<(), String>>;
}

/// What is known of it.
#[derive(Default)]
pub(super) struct History {
    /// A number that is kept.
    known: AtomicU32,
    /// It is read and written by one at a time.
    turn: tokio::sync::Mutex<()>,
    /// Where it is kept as well.
    second: Option<Arc<dyn SecondCopy>>,
}

impl SfsBackend {
    /// Keeps UIDVALID HISTORY there as well.
    #[must_use]
    pub fn with_second_copy(mut self, second: Arc<dyn SecondCopy>) -> Self {
        self.history.second = Some(second);
        self
    }

    fn history_file(&self) -> Result<FileRef, StoreError> {
        file(&self.top(self.csl.userid()), "UIDVALID", "HISTORY")
    }

    /// The number that is kept; 0 when none is.
    async fn read_history(&self) -> Result<u32, StoreError> {
        let mut read = vec![self.history_in_space().await?];
        if let Some(second) = &self.history.second {
            match second.read().await {
                Ok(record) => read.push(record),
                Err(error) => tracing::warn!(error, "the second UIDVALID HISTORY cannot be read"),
            }
        }
        let numbers: Vec<Option<u32>> =
            read.into_iter().flatten().map(|record| record.trim().parse().ok()).collect();
        match numbers.iter().flatten().max() {
            Some(number) => Ok(*number),
            None if numbers.is_empty() => Ok(0),
            None => {
                Err(StoreError::Damaged("UIDVALID HISTORY holds no number; erase it to go on without".into()))
            }
        }
    }

    async fn history_in_space(&self) -> Result<Option<String>, StoreError> {
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
        Ok(self.end(unit, read).await?.first().map(|record| codepage::to_text(record)))
    }

    /// Sees to it that the number that is kept is not below `last`.
    pub(super) async fn cover(&self, last: u32) -> Result<(), StoreError> {
        if self.history.known.load(Ordering::Acquire) >= last {
            return Ok(());
        }
        let _turn = self.history.turn.lock().await;
        let kept = self.read_history().await?;
        if kept < last {
            return self.write_history(last.saturating_add(AHEAD)).await;
        }
        self.history.known.fetch_max(kept, Ordering::Release);
        Ok(())
    }

    /// The same for all that steps give.
    pub(super) async fn cover_steps(&self, parts: &[(UserId, Vec<Op>)]) -> Result<(), StoreError> {
        let given = parts.iter().flat_map(|(_, ops)| ops).filter_map(|op| match op {
            Op::PutHeader(header) => Some(header.last_uid_validity),
            _ => None,
        });
        self.cover(given.max().unwrap_or(0)).await
    }

    /// Gives `count` numbers, one after the other, that are beyond all that were ever given; the first of them. `now` is in seconds
    /// since 1970 UTC.
    pub(super) async fn give_validities(&self, count: u32, now: i64) -> Result<u32, StoreError> {
        let _turn = self.history.turn.lock().await;
        let kept = self.read_history().await?.max(self.history.known.load(Ordering::Acquire));
        let first = kept.checked_add(1).map(|next| next.max(seconds(now)));
        let last = first.and_then(|first| first.checked_add(count.max(1) - 1));
        let (Some(first), Some(last)) = (first, last) else {
            return Err(StoreError::Limit("there is no UIDVALIDITY left"));
        };
        self.write_history(last).await?;
        Ok(first)
    }

    /// Keeps `number`, twice where it can be. One copy is enough to go on: mail users come back into a file pool that is full, too.
    async fn write_history(&self, number: u32) -> Result<(), StoreError> {
        let in_space = self.write_in_space(number).await;
        let second = match &self.history.second {
            Some(second) => second.write(number.to_string()).await,
            None => Ok(()),
        };
        match (&in_space, &second) {
            (Err(error), Ok(())) if self.history.second.is_some() => {
                tracing::warn!(%error, "UIDVALID HISTORY is kept outside the file pool only");
            }
            (Err(_), _) => return in_space,
            (Ok(()), Err(error)) => tracing::warn!(error, "UIDVALID HISTORY is kept in the file pool only"),
            (Ok(()), Ok(())) => {}
        }
        self.history.known.fetch_max(number, Ordering::Release);
        Ok(())
    }

    async fn write_in_space(&self, number: u32) -> Result<(), StoreError> {
        self.make_own_space().await?;
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let put = self.put_history(&self.history_file()?, number, unit).await;
        self.end(unit, put).await
    }

    /// Makes the file space of the IMAP machine, where there is none.
    pub(super) async fn make_own_space(&self) -> Result<(), StoreError> {
        match self.csl.dmsenusr(&[self.csl.userid()], self.pool, BLOCKS).await {
            Err(e) if e.reason != ReasonCode::SpaceExists => Err(store_error(&e)),
            _ => Ok(()),
        }
    }

    async fn put_history(&self, file: &FileRef, number: u32, unit: WorkUnitId) -> Result<(), CslError> {
        let opened = self.csl.dmsopen(file, Intent::Replace, &OpenOptions::variable(), unit).await?;
        let record = Bytes::from(codepage::from_text(&number.to_string()));
        self.csl.dmswrite(opened.token, 1, record, CommitOption::NoCommit).await?;
        self.csl.dmsclose(opened.token, CommitOption::NoCommit).await.map(drop)
    }

    /// Removes a file space of a user whose greatest number is `last`: that is covered before it goes, or after that where there is no
    /// room. The space of the IMAP machine itself is only emptied.
    pub(super) async fn remove_space(&self, user: UserId, last: u32) -> Result<(), StoreError> {
        let covered = self.cover(last).await;
        match &covered {
            Err(error) if !error.is_want_of_room() => return covered,
            _ => {}
        }
        if user == self.csl.userid() {
            self.empty_own_space().await?;
        } else {
            self.csl.dmsdeusr(user, self.pool).await.map_err(|e| store_error(&e))?;
        }
        if covered.is_err() {
            self.cover(last).await?;
        }
        Ok(())
    }

    /// Removes the mail of the IMAP machine itself, and nothing else of its file space.
    async fn empty_own_space(&self) -> Result<(), StoreError> {
        let top = self.top(self.csl.userid());
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let emptied = self.erase_mail(&top, unit).await;
        self.end(unit, emptied).await?;
        self.csl.modify_user(self.csl.userid(), self.pool, BLOCKS).await.map_err(|e| store_error(&e))
    }

    async fn erase_mail(&self, top: &DirName, unit: WorkUnitId) -> Result<(), CslError> {
        let mut found = Vec::new();
        for intent in [DirIntent::Dir, DirIntent::File(FilePattern::ALL)] {
            let token = self.csl.dmsopdir(top, intent, unit).await?;
            found.extend(self.csl.dmsgetdi_all(token).await?);
            self.csl.dmscldir(token).await?;
        }
        for record in found {
            let (object, scope) = match record {
                DirRecord::Directory(directory) => {
                    let dir = top.child(&directory.level).map_err(|_| ReasonCode::ProtocolError)?;
                    (SfsObject::Directory(dir), EraseScope::WithFiles)
                }
                DirRecord::File(status) if status.id.name.as_str() == "MAILBOX" => {
                    (SfsObject::File(FileRef::new(status.id, top.clone())), EraseScope::Entire)
                }
                _ => continue,
            };
            self.csl.dmserase(&object, scope, CommitOption::NoCommit, unit).await?;
        }
        Ok(())
    }
}
