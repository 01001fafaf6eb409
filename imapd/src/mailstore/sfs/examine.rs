//! CHECK: what a user's files hold, compared with each other.
//!
//! The notes are what counts: an index is right when it says of each what its file is. Everything readable is gathered, each
//! difference is named, and [`super::rebuild`] makes the indexes anew from what was gathered. Notes are looked at by their directory
//! entry (records, octets); a note's own octets are guarded by the file pool.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cms::cp::name::DirName;
use cms::csl::{CslError, DirIntent, DirRecord, FilePattern, FileRef, FileStatus, ReasonCode, WorkUnitId};

use super::read::{WrittenIn, is_brought_back};
use super::{SfsBackend, mailbox_index, note_index, store_error, summary_file};
use crate::mailstore::backend::LoadedMailbox;
use crate::mailstore::columns::Columns;
use crate::mailstore::entries::Entries;
use crate::mailstore::error::StoreError;
use crate::mailstore::summaries::{PIECE, SummaryPlace, is_sound};
use crate::mailstore::types::{Attributes, MailboxRow, MessageRecord, NoteMarks, SpaceId, Uid, UserHeader};
use crate::syntax::flag::SystemFlags;
use crate::vm::UserId;

/// Everything that a user's files hold.
#[derive(Debug, Default)]
pub struct Examined {
    /// Every difference, in words.
    pub findings: Vec<String>,
    /// The header of MAILBOX INDEX, when it is readable.
    pub header: Option<UserHeader>,
    /// The file space.
    pub space: SpaceId,
    /// Whether MAILBOX INDEX is of a backup.
    pub brought_back: bool,
    /// Rows without a directory of their own: names that cannot be selected, subscriptions.
    pub names: Vec<MailboxRow>,
    /// MAILBOX ENTRIES; `None` when it is damaged.
    pub entries: Option<Entries>,
    /// One a directory.
    pub folders: Vec<Folder>,
}

/// A mailbox.
#[derive(Debug, Default)]
pub struct Folder {
    /// Its directory.
    pub dir: String,
    /// Whether that is there.
    pub present: bool,
    /// Its row of MAILBOX INDEX, when there is a readable one.
    pub row: Option<MailboxRow>,
    /// What is readable of NOTE INDEX.
    pub index: LoadedMailbox,
    /// Whether NOTE INDEX and NOTE SUMMARY are right.
    pub sound: bool,
    /// The notes by UID.
    pub notes: BTreeMap<u32, FileStatus>,
}

impl Examined {
    /// The rows of all mailboxes and names.
    pub fn rows(&self) -> impl Iterator<Item = &MailboxRow> {
        self.folders.iter().filter_map(|f| f.row.as_ref()).chain(&self.names)
    }

    /// The same, to change them.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut MailboxRow> {
        self.folders.iter_mut().filter_map(|f| f.row.as_mut()).chain(&mut self.names)
    }

    /// Messages that have a note.
    pub fn messages(&self) -> usize {
        self.folders.iter().map(|f| f.notes.len()).sum()
    }
}

/// The octets that the image of a message's note has.
pub fn image_octets(r: &MessageRecord) -> u64 {
    if r.marks.has(NoteMarks::PIECES) {
        r.size + 2 * u64::from(r.records)
    } else {
        // A message without octets has no records.
        r.size + if r.marks.has(NoteMarks::NO_FINAL_CRLF) && r.size > 0 { 2 } else { 0 }
    }
}

impl SfsBackend {
    /// Reads and compares everything of a user. Nothing of it may change meanwhile.
    ///
    /// # Errors
    /// [`StoreError::NotEnrolled`] for one without a file space; when the file pool does not answer.
    pub async fn examine(&self, user: UserId) -> Result<Examined, StoreError> {
        self.agree().await?;
        let mut out = Examined::default();
        let top = self.top(user);
        let mut directories = BTreeSet::new();
        for record in self.list(&top, DirIntent::Dir).await? {
            if let DirRecord::Directory(status) = record {
                directories.insert(status.level);
            }
        }
        // The file space of the IMAP machine may hold UIDVALID HISTORY and STORE TCPXLBIN, and no mail.
        let own = user == self.csl.userid() && directories.is_empty();
        if own && self.read_mailbox_index(user).await?.is_none() {
            return Err(StoreError::NotEnrolled);
        }
        let mut rows: BTreeMap<String, MailboxRow> = BTreeMap::new();
        for row in self.examine_mailbox_index(user, &mut out).await? {
            let has_directory = row.attributes.has(Attributes::EXISTS) && row.selectable();
            if !has_directory {
                out.names.push(row);
            } else if let Some(other) = rows.get(&row.dir) {
                let text =
                    format!("Folders {} and {} have the same directory {}", other.name, row.name, row.dir);
                out.findings.push(text);
            } else {
                rows.insert(row.dir.clone(), row);
            }
        }
        match self.read_entries(user).await {
            Ok(entries) => out.entries = Some(entries),
            Err(StoreError::Damaged(what)) => out.findings.push(what),
            Err(error) => return Err(error),
        }
        let all: BTreeSet<String> = directories.iter().chain(rows.keys()).cloned().collect();
        for dir in all {
            let folder = Folder {
                present: directories.contains(&dir),
                row: rows.remove(&dir),
                dir,
                ..Folder::default()
            };
            self.examine_folder(user, folder, &mut out).await?;
        }
        Ok(out)
    }

    pub(super) async fn list(&self, dir: &DirName, intent: DirIntent) -> Result<Vec<DirRecord>, StoreError> {
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let listed = async {
            let token = self.csl.dmsopdir(dir, intent, unit).await?;
            let records = self.csl.dmsgetdi_all(token).await;
            self.csl.dmscldir(token).await?;
            records
        };
        let listed = listed.await;
        self.end(unit, listed).await
    }

    /// The whole of a file; `None` when it is not there or cannot be read, and why.
    async fn whole(&self, file: &FileRef, lrecl: usize) -> Result<Result<Vec<u8>, String>, StoreError> {
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let read = self.records_of(file, lrecl, unit).await;
        self.done_reading(unit).await;
        match read {
            Ok(Some(image)) => Ok(Ok(image)),
            Ok(None) => Ok(Err("is not of this record format".into())),
            Err(e) if e.reason == ReasonCode::FileNotFound => Ok(Err("is missing".into())),
            Err(e) if e.reason == ReasonCode::Damaged => Ok(Err("cannot be read".into())),
            Err(e) => Err(store_error(&e)),
        }
    }

    /// Which file space a user has.
    pub(super) async fn space_now(&self, user: UserId) -> Result<SpaceId, StoreError> {
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let space = self.space_id(user, unit).await;
        self.end(unit, space).await
    }

    /// The unique number of a file.
    async fn unique_of(&self, file: &FileRef) -> Result<u64, StoreError> {
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let status = self.csl.dmsexifi(file, unit).await;
        self.end(unit, status).await.map(|status| status.unique)
    }

    async fn records_of(
        &self,
        file: &FileRef,
        lrecl: usize,
        unit: WorkUnitId,
    ) -> Result<Option<Vec<u8>>, CslError> {
        let status = self.csl.dmsexifi(file, unit).await?;
        if status.lrecl as usize != lrecl {
            return Ok(None);
        }
        self.records(file, lrecl, unit).await.map(Some)
    }

    /// The rows that are readable.
    async fn examine_mailbox_index(
        &self,
        user: UserId,
        out: &mut Examined,
    ) -> Result<Vec<MailboxRow>, StoreError> {
        let file = super::mailbox_index_file(&self.top(user))?;
        out.space = self.space_now(user).await?;
        let image = match self.whole(&file, mailbox_index::LRECL).await? {
            Ok(image) => image,
            Err(what) => {
                out.findings.push(format!("MAILBOX INDEX {what}"));
                return Ok(Vec::new());
            }
        };
        let (loaded, has_header, damage) = mailbox_index::salvage(&image);
        out.findings.extend(damage);
        let header = has_header.then_some(&loaded.header);
        let now = WrittenIn { space: out.space, unique: self.unique_of(&file).await? };
        out.brought_back = is_brought_back(&image, header, &loaded.rows, now);
        if has_header {
            for row in &loaded.rows {
                if row.uid_validity.0 > loaded.header.last_uid_validity
                    || row.id.0 > loaded.header.last_mailbox_id
                {
                    out.findings.push(format!("Folder {} has a number that was never given", row.name));
                }
            }
            out.header = Some(loaded.header);
        }
        let mut seen = BTreeSet::new();
        let mut rows = Vec::new();
        for row in loaded.rows {
            if seen.insert(row.name.clone()) {
                rows.push(row);
            } else {
                out.findings.push(format!("Folder {} is there twice", row.name));
            }
        }
        Ok(rows)
    }

    async fn examine_folder(
        &self,
        user: UserId,
        mut folder: Folder,
        out: &mut Examined,
    ) -> Result<(), StoreError> {
        let title = match &folder.row {
            Some(row) => row.name.to_string(),
            None => folder.dir.clone(),
        };
        let mut found = Vec::new();
        if folder.row.is_none() {
            found.push("the directory belongs to no folder".to_owned());
        }
        if folder.present {
            let dir = self.dir(user, &folder.dir)?;
            for record in self.list(&dir, DirIntent::File(FilePattern::ALL)).await? {
                let DirRecord::File(status) = record else { continue };
                let (name, kind) = (status.id.name.as_str(), status.id.kind.as_str());
                match (name.len(), u32::from_str_radix(name, 16), kind) {
                    (8, Ok(uid), "NOTE") if uid > 0 => {
                        folder.notes.insert(uid, status);
                    }
                    _ if name == "NOTE" && matches!(kind, "INDEX" | "SUMMARY" | "TEXT" | "SEEN") => {}
                    _ => found.push(format!("the file {name} {kind} is none of the mail store's")),
                }
            }
            let before = found.len();
            match self.whole(&super::note_index_file(&dir)?, note_index::LRECL).await? {
                Ok(image) => {
                    let damage;
                    (folder.index, damage) = note_index::salvage(&image);
                    found.extend(damage);
                    if folder.index.next_slot <= 1 || image.is_empty() {
                        found.push("NOTE INDEX is empty".into());
                    }
                }
                Err(what) => found.push(format!("NOTE INDEX {what}")),
            }
            compare(&folder, &mut found);
            self.compare_summaries(&dir, &folder, &mut found).await?;
            folder.sound = found.len() == before;
            if let Some(row) = &folder.row
                && let Some(record) = self.first_bad_text(user, row, &folder.index.records).await?
            {
                found.push(format!("NOTE TEXT is damaged from record {record} on"));
            }
        } else {
            found.push(format!("the directory {} is missing", folder.dir));
        }
        if let Some(row) = &folder.row {
            compare_row(row, &folder.index.records, &mut found);
        }
        out.findings.extend(found.iter().map(|what| format!("{title}: {what}")));
        out.folders.push(folder);
        Ok(())
    }

    /// Each summary that NOTE INDEX names must be there, sound, and that of its message.
    async fn compare_summaries(
        &self,
        dir: &DirName,
        folder: &Folder,
        found: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        let with: Vec<MessageRecord> = folder.index.records.iter().filter(|r| !r.summary.is_none()).collect();
        if with.is_empty() {
            return Ok(());
        }
        let image = match self.whole(&summary_file(dir)?, PIECE).await? {
            Ok(image) => Bytes::from(image),
            Err(what) => {
                found.push(format!("NOTE SUMMARY {what}"));
                return Ok(());
            }
        };
        let run = |place: SummaryPlace| {
            let from = (place.first as usize).saturating_sub(1) * PIECE;
            let end = (from + usize::from(place.pieces) * PIECE).min(image.len());
            if from < end { image.slice(from..end) } else { Bytes::new() }
        };
        for record in with {
            if !is_sound(&run(record.summary), &record) {
                found.push(format!("NOTE SUMMARY has no sound summary of UID {}", record.uid));
            }
        }
        Ok(())
    }
}

/// NOTE INDEX against the notes.
fn compare(folder: &Folder, found: &mut Vec<String>) {
    let bits =
        folder.index.keywords.iter().fold(0u64, |bits, k| bits | 1u64.checked_shl(k.bit.into()).unwrap_or(0));
    for r in folder.index.records.iter() {
        match folder.notes.get(&r.uid.0) {
            None => found.push(format!("UID {} has no note", r.uid)),
            Some(note) if note.records != r.records || note.bytes != image_octets(&r) => {
                found.push(format!(
                    "UID {}: the note has {} records with {} octets, NOTE INDEX says {} with {}",
                    r.uid,
                    note.records,
                    note.bytes,
                    r.records,
                    image_octets(&r)
                ));
            }
            Some(_) => {}
        }
        if r.keywords & !bits != 0 {
            found.push(format!("UID {} has keywords without a name", r.uid));
        }
    }
    for uid in folder.notes.keys().filter(|uid| folder.index.records.position(Uid(**uid)).is_none()) {
        found.push(format!("the note of UID {uid} is not in NOTE INDEX"));
    }
}

/// What MAILBOX INDEX sums up of NOTE INDEX.
fn compare_row(row: &MailboxRow, records: &Columns, found: &mut Vec<String>) {
    if let Some(last) = records.iter().next_back().filter(|r| r.uid >= row.uid_next) {
        found.push(format!("UIDNEXT is {}, but there is UID {}", row.uid_next, last.uid));
    }
    if let Some(r) = records.iter().find(|r| r.modseq > row.highest_modseq) {
        found.push(format!("HIGHESTMODSEQ is {}, but UID {} has {}", row.highest_modseq, r.uid, r.modseq));
    }
    let (messages, unseen, octets) = sums(records.iter());
    if (row.messages, row.unseen, row.octets) != (messages, unseen, octets) {
        found.push(format!(
            "MAILBOX INDEX counts {} messages, {} unseen, {} octets; there are {messages}, {unseen}, {octets}",
            row.messages, row.unseen, row.octets
        ));
    }
}

/// Messages, those without `\Seen`, octets.
pub(super) fn sums(records: impl Iterator<Item = MessageRecord>) -> (u32, u32, u64) {
    records.fold((0, 0, 0), |(messages, unseen, octets), r| {
        (messages + 1, unseen + u32::from(!r.flags.contains(SystemFlags::SEEN)), octets + r.size)
    })
}
