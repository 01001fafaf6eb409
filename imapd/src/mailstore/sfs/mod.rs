//! The mail store in an SFS file pool, by CSL alone.
//!
//! | file | in | form |
//! |---|---|---|
//! | `MAILBOX INDEX` | the user's top directory | [`mailbox_index`]: RECFM F, one record a mailbox, replaced in place |
//! | `MAILBOX ENTRIES` | the same, when there are any | [`super::entries`]: RECFM V, one record an entry, replaced as a whole |
//! | `NOTE INDEX` | each mailbox's directory | [`note_index`]: RECFM F, one record a message, replaced in place |
//! | `NOTE SUMMARY` | each mailbox's directory | [`super::summaries`]: RECFM F, runs of records, one run a message; made again when absent or damaged |
//! | `NOTE TEXT` | each mailbox's directory, once it has enough messages | [`super::text_batch`]: RECFM F, batches of folded texts for SEARCH, added at the end; made again when absent or damaged |
//! | `NOTE SEEN` | the directory of a mailbox where readers have a `\Seen` of their own | [`super::own_seen`]: RECFM V, replaced as a whole |
//! | `<UID> NOTE` | each mailbox's directory | [`note_file`]: RECFM V, one record a line; the UID as 8 hexadecimal digits |
//! | `UIDVALID HISTORY` | the top directory of the IMAP machine, and a second one outside the file pool | [`history`]: RECFM V, one record |
//! | `STORE TCPXLBIN` | the same, when notes are not written in code page 1047 | [`table`]: RECFM F, three records |
//!
//! INBOX is the directory `INBOX`; other mailboxes have generated directory names, since IMAP names exceed what SFS
//! names hold. Whatever belongs to one change is one work unit.

mod commit;
pub mod examine;
mod history;
pub mod mailbox_index;
pub mod note_file;
pub mod note_index;
pub mod read;
mod rebuild;
mod summary_file;
pub mod table;
mod text_file;

pub use history::SecondCopy;

use std::time::Duration;

use bytes::Bytes;
use cms::cp::name::{DirName, FileName, FilePoolId, FileType};
use cms::cp::translate_table::TranslateTable;
use cms::csl::{CommitInfo, Csl, CslError, FileId, FileRef, ReasonCode, WorkUnitId};
use futures::FutureExt;

use super::access::Access;
use super::backend::{Answer, Backend, Committed, LoadedMailbox, LoadedUser, Op, Shape, SpaceFigures};
use super::error::StoreError;
use super::own_seen::OwnSeen;
use super::summaries::SummaryPlace;
use super::types::{MessageRecord, SpaceId, Uid, UidValidity};
use crate::vm::UserId;
use history::History;

/// Mail in a file pool.
pub struct SfsBackend {
    csl: Csl,
    pool: FilePoolId,
    history: History,
    /// What notes are written in and read by.
    table: TranslateTable,
    /// Set when that is known to be what the store is written in.
    agreed: tokio::sync::OnceCell<()>,
}

impl SfsBackend {
    /// How long whoever else has a file of a mail user open is waited for: longer than any command takes, and shorter than clients
    /// wait for an answer. All other changes of the user wait as well.
    pub const LONGEST_WAIT: Duration = Duration::from_secs(10);

    /// Over the CSL of the IMAP machine, which is an administrator of the pool.
    pub fn new(csl: Csl, pool: FilePoolId) -> Self {
        Self::waiting(csl, pool, Self::LONGEST_WAIT)
    }

    /// The same, with another time for whoever is in the way.
    pub fn waiting(csl: Csl, pool: FilePoolId, longest: Duration) -> Self {
        csl.set_filewait(true);
        csl.set_longest_wait(Some(longest));
        let (table, agreed) = (TranslateTable::builtin(), tokio::sync::OnceCell::new());
        Self { csl, pool, history: History::default(), table, agreed }
    }

    /// The same, whose notes are written in this table.
    #[must_use]
    pub fn with_table(self, table: TranslateTable) -> Self {
        Self { table, agreed: tokio::sync::OnceCell::new(), ..self }
    }

    fn top(&self, user: UserId) -> DirName {
        DirName::top(self.pool, user)
    }

    fn dir(&self, user: UserId, level: &str) -> Result<DirName, StoreError> {
        self.top(user).child(level).map_err(|e| StoreError::Damaged(e.to_string()))
    }

    /// Ends a work unit that has only read, whatever came of it.
    async fn done_reading(&self, unit: WorkUnitId) {
        give_back(&self.csl, unit).await;
    }

    /// Ends a work unit: commits it when all went well, undoes it otherwise. The id is given back either way.
    async fn end<T>(&self, unit: WorkUnitId, result: Result<T, CslError>) -> Result<T, StoreError> {
        self.end_informed(unit, result).await.map(|(value, _)| value)
    }

    /// The same, with what the commit had to say.
    async fn end_informed<T>(
        &self,
        unit: WorkUnitId,
        result: Result<T, CslError>,
    ) -> Result<(T, CommitInfo), StoreError> {
        let result = match result {
            Ok(value) => self.csl.dmscomm(unit).await.map(|info| (value, info)),
            Err(e) => Err(e),
        };
        if result.is_err() {
            // It may be undone already; either way nothing of it remains.
            let _ = self.csl.dmsrollb(unit).await;
        }
        let returned = self.csl.dmsretwu(unit).await;
        if let Err(e) = returned {
            tracing::debug!(error = %e, "work unit id not given back");
        }
        result.map_err(|e| store_error(&e))
    }
}

/// Gives back a work unit that changed nothing.
async fn give_back(csl: &Csl, unit: WorkUnitId) {
    if let Err(e) = csl.dmsretwu(unit).await {
        tracing::debug!(error = %e, "work unit id not given back");
    }
}

fn file_id(name: &str, kind: &str) -> Result<FileId, StoreError> {
    let bad = |e: cms::cp::name::NameError| StoreError::Damaged(e.to_string());
    Ok(FileId::new(FileName::new(name).map_err(bad)?, FileType::new(kind).map_err(bad)?))
}

fn file(dir: &DirName, name: &str, kind: &str) -> Result<FileRef, StoreError> {
    Ok(FileRef { id: file_id(name, kind)?, dir: dir.clone() })
}

fn mailbox_index_file(top: &DirName) -> Result<FileRef, StoreError> {
    file(top, "MAILBOX", "INDEX")
}

fn entries_file(top: &DirName) -> Result<FileRef, StoreError> {
    file(top, "MAILBOX", "ENTRIES")
}

fn note_index_file(dir: &DirName) -> Result<FileRef, StoreError> {
    file(dir, "NOTE", "INDEX")
}

fn summary_file(dir: &DirName) -> Result<FileRef, StoreError> {
    file(dir, "NOTE", "SUMMARY")
}

fn text_file(dir: &DirName) -> Result<FileRef, StoreError> {
    file(dir, "NOTE", "TEXT")
}

fn seen_file(dir: &DirName) -> Result<FileRef, StoreError> {
    file(dir, "NOTE", "SEEN")
}

fn note_id(uid: Uid) -> Result<FileId, StoreError> {
    // Thousands at once: without the general way of writing numbers.
    let digit = |i: u32| b"0123456789ABCDEF"[(uid.0 >> (28 - 4 * i) & 15) as usize];
    let digits = [0, 1, 2, 3, 4, 5, 6, 7].map(digit);
    file_id(std::str::from_utf8(&digits).unwrap_or_default(), "NOTE")
}

fn note(dir: &DirName, uid: Uid) -> Result<FileRef, StoreError> {
    Ok(FileRef { id: note_id(uid)?, dir: dir.clone() })
}

/// What an error of CSL means to the mail store.
fn store_error(e: &CslError) -> StoreError {
    match e.reason {
        ReasonCode::SpaceLimit => StoreError::OverQuota,
        ReasonCode::PoolFull => StoreError::PoolFull,
        ReasonCode::SpaceNotFound => StoreError::NotEnrolled,
        ReasonCode::Locked | ReasonCode::ExplicitLock | ReasonCode::Deadlock => StoreError::InUse,
        ReasonCode::FileNotFound
        | ReasonCode::DirectoryNotFound
        | ReasonCode::FileExists
        | ReasonCode::DirectoryExists
        | ReasonCode::DirectoryNotEmpty
        | ReasonCode::RecordNumber
        | ReasonCode::RecordLength
        | ReasonCode::EndOfFile
        | ReasonCode::Damaged => StoreError::Damaged(e.to_string()),
        _ => StoreError::Unavailable(e.to_string()),
    }
}

impl Backend for SfsBackend {
    fn load_user(&self, user: UserId) -> Answer<'_, Option<LoadedUser>> {
        async move {
            self.agree().await?;
            self.read_mailbox_index(user).await
        }
        .boxed()
    }

    fn sharers(&self) -> Answer<'_, Vec<(UserId, Access)>> {
        self.read_sharers().boxed()
    }

    fn load_mailbox<'a>(&'a self, user: UserId, dir: &'a str) -> Answer<'a, LoadedMailbox> {
        self.read_note_index(user, dir).boxed()
    }

    fn load_seen<'a>(&'a self, user: UserId, dir: &'a str) -> Answer<'a, OwnSeen> {
        self.read_seen(user, dir).boxed()
    }

    fn read_note<'a>(
        &'a self,
        user: UserId,
        dir: &'a str,
        record: &'a MessageRecord,
        octets: std::ops::Range<u64>,
        line: u64,
    ) -> Answer<'a, Bytes> {
        self.read_octets(user, dir, record, octets, line).boxed()
    }

    fn read_notes<'a>(
        &'a self,
        user: UserId,
        dir: &'a str,
        records: &'a [MessageRecord],
    ) -> Answer<'a, Vec<Option<Bytes>>> {
        self.read_several(user, dir, records).boxed()
    }

    fn read_summaries<'a>(
        &'a self,
        user: UserId,
        dir: &'a str,
        places: &'a [SummaryPlace],
    ) -> Answer<'a, Vec<Bytes>> {
        self.read_runs(user, dir, places).boxed()
    }

    fn read_texts<'a>(
        &'a self,
        user: UserId,
        dir: &'a str,
        octets: std::ops::Range<u64>,
    ) -> Answer<'a, Bytes> {
        self.text_octets(user, dir, octets).boxed()
    }

    fn write_texts<'a>(&'a self, user: UserId, dir: &'a str, keep: u64, then: Bytes) -> Answer<'a, ()> {
        self.put_texts(user, dir, keep, then).boxed()
    }

    fn commit_together(&self, parts: Vec<(UserId, Vec<Op>)>) -> Answer<'_, Committed> {
        self.commit_ops(parts).boxed()
    }

    fn enroll(&self, user: UserId, blocks: u32) -> Answer<'_, SpaceId> {
        async move {
            match self.csl.dmsenusr(&[user], self.pool, blocks.into()).await {
                Ok(_) => {}
                // An enrolment that was cut short has made the space already; that of this machine has UIDVALID HISTORY.
                Err(e) if e.reason == ReasonCode::SpaceExists => self.set_space(user, blocks.into()).await?,
                Err(e) => return Err(store_error(&e)),
            }
            self.space_now(user).await
        }
        .boxed()
    }

    fn space(&self, user: UserId) -> Answer<'_, SpaceFigures> {
        async move {
            let space = self.csl.dmsqlimu(user, self.pool).await.map_err(|e| store_error(&e))?;
            Ok(SpaceFigures { used: space.used, limit: space.limit, threshold: space.threshold })
        }
        .boxed()
    }

    fn group_space(&self, user: UserId) -> Answer<'_, Option<SpaceFigures>> {
        async move {
            let space = self.csl.dmsqlimu(user, self.pool).await.map_err(|e| store_error(&e))?;
            let groups = self.csl.dmsqusg(self.pool, Some(space.group)).await.map_err(|e| store_error(&e))?;
            let sized = groups.groups.first().and_then(|g| Some((g.used, g.blocks?)));
            Ok(sized.map(|(used, limit)| SpaceFigures { used, limit, threshold: groups.threshold }))
        }
        .boxed()
    }

    fn set_space(&self, user: UserId, blocks: u64) -> Answer<'_, ()> {
        async move { self.csl.modify_user(user, self.pool, blocks).await.map_err(|e| store_error(&e)) }
            .boxed()
    }

    fn delete_user(&self, user: UserId, last: UidValidity) -> Answer<'_, ()> {
        self.remove_space(user, last.0).boxed()
    }

    fn new_validities(&self, count: u32, now: i64) -> Answer<'_, UidValidity> {
        async move { self.give_validities(count, now).await.map(UidValidity) }.boxed()
    }

    fn shape(&self, octets: &[u8]) -> Shape {
        let (records, marks, image) =
            note_file::shape_and_image(octets, commit::CALL, self.table.to_ebcdic());
        Shape { records, marks, image: image.map(Bytes::from) }
    }

    fn first_slots(&self) -> (u32, u32) {
        (mailbox_index::FIRST_SLOT, note_index::FIRST_SLOT)
    }
}
