//! Reading: index files whole, notes in part. Each read is a work unit of its own, so it sees what is committed now.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use cms::csl::{
    BlockOpen, Csl, CslError, FileRef, FileStatus, Intent, OpenOptions, ReasonCode, Token, WorkUnitId,
};

use super::{SfsBackend, mailbox_index, note, note_file, note_index, store_error};
use crate::mailstore::access::Access;
use crate::mailstore::backend::{LoadedMailbox, LoadedUser};
use crate::mailstore::entries::Entries;
use crate::mailstore::error::StoreError;
use crate::mailstore::own_seen::OwnSeen;
use crate::mailstore::types::{MailboxRow, MessageRecord, SpaceId, UserHeader};
use crate::vm::UserId;

/// Octets asked for in one call; the file pool server gives at most 16 MB.
const CALL: usize = 8 * 1024 * 1024;

/// Records of NOTE INDEX read in one call: 256 KB, memory that is used again for the next ones.
pub const INDEX_PIECE: u32 = 2 * 1024;

/// Records of the first piece: all of a small index.
pub const INDEX_BEGINNING: u32 = 256;

/// Pieces that are read at once while one is looked at.
const INDEX_READERS: usize = 2;

/// The file space and the file that a MAILBOX INDEX is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrittenIn {
    pub(super) space: SpaceId,
    pub(super) unique: u64,
}

/// Whether a MAILBOX INDEX was written in another file space than it is in now, or as another file: a backup was restored since.
/// Where that is not known, it is when a mailbox is older than the file space.
pub(super) fn is_brought_back(
    image: &[u8],
    header: Option<&UserHeader>,
    rows: &[MailboxRow],
    now: WrittenIn,
) -> bool {
    match (header, mailbox_index::noted_file(image)) {
        (None, _) | (_, 0) => rows.iter().any(|row| row.created < now.space.0.div_euclid(1_000_000)),
        (Some(header), unique) => WrittenIn { space: header.space, unique } != now,
    }
}

/// Records of NOTE INDEX, and what the file was when they were read.
struct IndexPiece {
    status: FileStatus,
    data: Bytes,
}

/// Reads `most` records of an index from one on, or as many as there are, in a work unit of its own: reads of one unit go one after the other.
async fn index_piece(csl: Csl, file: FileRef, number: u32, most: u32) -> Result<IndexPiece, CslError> {
    let unit = csl.dmsgetwu()?;
    let read = read_piece(&csl, &file, number, most, unit).await;
    super::give_back(&csl, unit).await;
    read
}

async fn read_piece(
    csl: &Csl,
    file: &FileRef,
    number: u32,
    most: u32,
    unit: WorkUnitId,
) -> Result<IndexPiece, CslError> {
    let opened = csl.dmsopen(file, Intent::Read, &OpenOptions::default(), unit).await?;
    let status = opened.status;
    if status.lrecl as usize != note_index::LRECL {
        return Err(ReasonCode::RecordLength.into());
    }
    let count = (status.records + 1).saturating_sub(number).min(most);
    if count == 0 {
        return Ok(IndexPiece { status, data: Bytes::new() });
    }
    csl.dmspoint(opened.token, Some(number), None).await?;
    let got = csl.dmsread(opened.token, count, CALL).await?;
    if got.records != count || got.data.len() != count as usize * note_index::LRECL {
        return Err(ReasonCode::ProtocolError.into());
    }
    Ok(IndexPiece { status, data: got.data })
}

impl SfsBackend {
    pub(super) async fn read_mailbox_index(&self, user: UserId) -> Result<Option<LoadedUser>, StoreError> {
        let file = super::mailbox_index_file(&self.top(user))?;
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let read = match self.mailbox_index_image(user, &file, unit).await {
            Ok(read) => Ok(Some(read)),
            Err(e)
                if matches!(
                    e.reason,
                    ReasonCode::FileNotFound | ReasonCode::SpaceNotFound | ReasonCode::DirectoryNotFound
                ) =>
            {
                Ok(None)
            }
            Err(e) => Err(e),
        };
        let Some((image, now)) = self.end(unit, read).await? else { return Ok(None) };
        let entries = self.read_entries(user).await?;
        let mut loaded = LoadedUser { entries, ..mailbox_index::load(&image)? };
        loaded.brought_back = is_brought_back(&image, Some(&loaded.header), &loaded.rows, now);
        loaded.header.space = now.space;
        if let Err(error) = self.cover(loaded.header.last_uid_validity).await {
            // He was given these already; before another one is, there is room for it or the change is refused.
            tracing::warn!(%user, %error, "UIDVALID HISTORY cannot be raised");
        }
        Ok(Some(loaded))
    }

    async fn mailbox_index_image(
        &self,
        user: UserId,
        file: &FileRef,
        unit: WorkUnitId,
    ) -> Result<(Vec<u8>, WrittenIn), CslError> {
        let unique = self.csl.dmsexifi(file, unit).await?.unique;
        let space = self.space_id(user, unit).await?;
        Ok((self.records(file, mailbox_index::LRECL, unit).await?, WrittenIn { space, unique }))
    }

    /// Which file space a user has.
    pub(super) async fn space_id(&self, user: UserId, unit: WorkUnitId) -> Result<SpaceId, CslError> {
        Ok(SpaceId(self.csl.dmsexidi(&self.top(user), unit).await?.created.0))
    }

    /// Looks into the MAILBOX ENTRIES of every user. Whoever has none, or one that cannot be read, shares nothing.
    pub(super) async fn read_sharers(&self) -> Result<Vec<(UserId, Access)>, StoreError> {
        let users = self.csl.enrolled_users(self.pool).await.map_err(|e| store_error(&e))?;
        let mut found = Vec::new();
        for (user, _) in users {
            match self.read_entries(user).await {
                Ok(entries) if !entries.access.is_empty() => found.push((user, entries.access)),
                Ok(_) | Err(StoreError::NotEnrolled) => {}
                Err(StoreError::Damaged(e)) => {
                    tracing::warn!(user = %user, error = e, "shares are not known")
                }
                Err(e) => return Err(e),
            }
        }
        Ok(found)
    }

    pub(super) async fn read_entries(&self, user: UserId) -> Result<Entries, StoreError> {
        let file = super::entries_file(&self.top(user))?;
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let read = match self.variable_records(&file, unit).await {
            Err(e) if e.reason == ReasonCode::FileNotFound => Ok(Vec::new()),
            other => other,
        };
        Entries::read(&self.end(unit, read).await?)
    }

    pub(super) async fn read_seen(&self, user: UserId, dir: &str) -> Result<OwnSeen, StoreError> {
        let file = super::seen_file(&self.dir(user, dir)?)?;
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let read = match self.variable_records(&file, unit).await {
            Err(e) if e.reason == ReasonCode::FileNotFound => Ok(Vec::new()),
            other => other,
        };
        OwnSeen::read(&self.end(unit, read).await?)
    }

    /// All records of a RECFM V file.
    pub(super) async fn variable_records(
        &self,
        file: &FileRef,
        unit: WorkUnitId,
    ) -> Result<Vec<Bytes>, CslError> {
        let opened = self.csl.dmsopen(file, Intent::Read, &OpenOptions::default(), unit).await?;
        let mut records = Vec::new();
        for _ in 0..opened.status.records {
            records.push(self.csl.dmsread(opened.token, 1, CALL).await?.data);
        }
        Ok(records)
    }

    /// Reads an index piece by piece, a short one first, which tells how much there is; while one is looked at, others are read by other
    /// threads. Nothing in an index tells how many messages it has: one that does not come whole, or changes on the way, is none at all,
    /// lest messages be missing and their records be given to others.
    pub(super) async fn read_note_index(&self, user: UserId, dir: &str) -> Result<LoadedMailbox, StoreError> {
        let file = super::note_index_file(&self.dir(user, dir)?)?;
        let read = |number, most| index_piece(self.csl.clone(), file.clone(), number, most);
        let first = read(1, INDEX_BEGINNING).await.map_err(|e| store_error(&e))?;
        let status = first.status;
        let mut others = (1 + INDEX_BEGINNING..=status.records)
            .step_by(INDEX_PIECE as usize)
            .map(|number| tokio::spawn(read(number, INDEX_PIECE)));
        let mut reading: VecDeque<_> = others.by_ref().take(INDEX_READERS).collect();
        let mut loader = note_index::Loader::new(status.records as usize);
        loader.take(&first.data);
        while let Some(piece) = reading.pop_front() {
            let piece = piece.await.map_err(|e| StoreError::Defect(format!("reading failed: {e}")))?;
            reading.extend(others.next());
            let piece = piece.map_err(|e| store_error(&e))?;
            // Dates of reference may change as it is read.
            let same = |s: &FileStatus| (s.unique, s.updated, s.records);
            if same(&piece.status) != same(&status) {
                return Err(StoreError::InUse);
            }
            loader.take(&piece.data);
        }
        loader.finish()
    }

    /// All records of a RECFM F file.
    pub(super) async fn records(
        &self,
        file: &FileRef,
        lrecl: usize,
        unit: WorkUnitId,
    ) -> Result<Vec<u8>, CslError> {
        let opened = self.csl.dmsopen(file, Intent::Read, &OpenOptions::default(), unit).await?;
        let mut left = opened.status.records;
        let mut image = Vec::with_capacity(left as usize * lrecl);
        while left > 0 {
            let count = left.min((CALL / lrecl) as u32);
            let got = self.csl.dmsread(opened.token, count, CALL).await?;
            image.extend_from_slice(&got.data);
            if got.records == 0 {
                return Err(ReasonCode::ProtocolError.into());
            }
            left = left.saturating_sub(got.records);
        }
        Ok(image)
    }

    pub(super) async fn read_octets(
        &self,
        user: UserId,
        dir: &str,
        record: &MessageRecord,
        octets: Range<u64>,
        line: u64,
    ) -> Result<Bytes, StoreError> {
        self.agree().await?;
        let file = note(&self.dir(user, dir)?, record.uid)?;
        let (range, skip) = note_file::image_range(&octets, line, record.size, record.marks);
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let read = self.image(&file, range, unit).await;
        self.done_reading(unit).await;
        let image = read.map_err(|e| store_error(&e))?;
        let short = || StoreError::Damaged(format!("{file:?} is shorter than NOTE INDEX says"));
        let skip = usize::try_from(skip).map_err(|_| short())?;
        let len = usize::try_from(octets.end - octets.start).map_err(|_| short())?;
        let text = note_file::octets(&image, record.marks, skip + len, self.table.from_ebcdic());
        if text.len() != skip + len {
            return Err(short());
        }
        Ok(Bytes::from(text).slice(skip..))
    }

    /// Whole notes, read in one work unit.
    pub(super) async fn read_several(
        &self,
        user: UserId,
        dir: &str,
        records: &[MessageRecord],
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.agree().await?;
        let dir = self.dir(user, dir)?;
        let table = self.table.from_ebcdic();
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let mut out = Vec::with_capacity(records.len());
        for record in records {
            let (range, _) = note_file::image_range(&(0..record.size), 0, record.size, record.marks);
            let image = match note(&dir, record.uid) {
                Ok(file) => self.image(&file, range, unit).await.ok(),
                Err(_) => None,
            };
            let text = image.map(|i| note_file::octets(&i, record.marks, record.size as usize, table));
            out.push(text.filter(|t| t.len() as u64 == record.size).map(Bytes::from));
        }
        self.done_reading(unit).await;
        Ok(out)
    }

    /// Octets of a file's image.
    pub(super) async fn image(
        &self,
        file: &FileRef,
        range: Range<u64>,
        unit: WorkUnitId,
    ) -> Result<Bytes, CslError> {
        let opened = self.csl.dmsopdbk(file, &BlockOpen::read(), unit).await?;
        let end = range.end.min(opened.status.bytes);
        let first = self.blocks(opened.token, range.start, end).await?;
        if range.start + first.len() as u64 >= end {
            return Ok(first);
        }
        let mut image = first.to_vec();
        loop {
            let at = range.start + image.len() as u64;
            let more = self.blocks(opened.token, at, end).await?;
            if more.is_empty() {
                return Ok(image.into());
            }
            image.extend_from_slice(&more);
        }
    }

    async fn blocks(&self, token: Token, from: u64, end: u64) -> Result<Bytes, CslError> {
        let len = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX).min(CALL);
        if len == 0 {
            return Ok(Bytes::new());
        }
        self.csl.dmsrddbk(token, from, len).await
    }
}
