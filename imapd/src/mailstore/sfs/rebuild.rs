//! REBUILD: makes the indexes of a user anew where [`super::examine`] found them damaged.
//!
//! Invariants: no note is touched. UIDs are those of the notes' names and never reused: UIDNEXT only grows, and a mailbox whose row
//! was lost, so that nobody knows which UIDs were given, gets a UIDVALIDITY beyond all others ([`super::history`]). What is readable of a message's record
//! stays (flags, keywords, dates); MODSEQ only grows. All is one work unit. Summaries and texts are left out: the mail store makes
//! them again.

use std::collections::BTreeSet;

use cms::csl::{CommitOption, FileStatus, Intent, OpenOptions, WorkUnitId};

use super::commit::StepError;
use super::examine::{Examined, Folder, image_octets, sums};
use super::{SfsBackend, mailbox_index, note, note_file, note_index, store_error};
use crate::mailstore::backend::DefinedKeyword;
use crate::mailstore::columns::Columns;
use crate::mailstore::error::StoreError;
use crate::mailstore::summaries::SummaryPlace;
use crate::mailstore::types::{
    Attributes, EmailId, MailboxId, MailboxRow, MessageRecord, ModSeq, NoteMarks, Uid, UidValidity,
    UserHeader, seconds,
};
use crate::syntax::date::InternalDate;
use crate::syntax::flag::SystemFlags;
use crate::syntax::mailbox_name::MailboxName;
use crate::vm::UserId;

/// What REBUILD did, in words.
pub type Done = Vec<String>;

impl SfsBackend {
    /// Makes the indexes anew. Nothing else may change them meanwhile. `now` is in seconds since 1970 UTC.
    ///
    /// # Errors
    /// As [`Self::examine`]; what the file pool says to the commit.
    pub async fn rebuild(&self, user: UserId, now: i64) -> Result<Done, StoreError> {
        let mut examined = self.examine(user).await?;
        if examined.findings.is_empty() {
            return Ok(Vec::new());
        }
        let mut done = Vec::new();
        let mut header = self.new_header(&mut examined, now, &mut done).await?;
        let mut indexes = Vec::new();
        let present: Vec<String> =
            examined.folders.iter().filter(|f| f.present).map(|f| f.dir.clone()).collect();
        let mut rows = std::mem::take(&mut examined.names);
        if !examined.folders.iter().any(|f| f.dir == "INBOX") {
            examined.folders.insert(0, Folder { dir: "INBOX".into(), ..Folder::default() });
        }
        let mut ids: BTreeSet<u32> = rows.iter().map(|r| r.id.0).collect();
        ids.extend(examined.folders.iter().filter_map(|f| f.row.as_ref()).map(|r| r.id.0));
        for mut folder in examined.folders {
            let (mut row, known) = match folder.row.take() {
                Some(row) => (row, true),
                None => (new_row(&folder.dir, &mut header, &mut ids, now)?, false),
            };
            if !known {
                done.push(format!("{}: taken back as a folder, UIDVALIDITY {}", row.name, row.uid_validity));
            }
            if !folder.sound || !folder.present {
                let index = self.new_index(user, &folder, &mut row, &mut done).await?;
                indexes.push((folder.dir.clone(), folder.present, index));
            } else {
                raise(&mut row, &folder.index.records);
            }
            (row.messages, row.unseen, row.octets) = match indexes.last() {
                Some((dir, _, index)) if *dir == folder.dir => sums(index.records.iter().copied()),
                _ => sums(folder.index.records.iter()),
            };
            rows.push(row);
        }
        header.last_uid_validity =
            rows.iter().map(|r| r.uid_validity.0).max().unwrap_or(0).max(header.last_uid_validity);
        header.last_mailbox_id = rows.iter().map(|r| r.id.0).max().unwrap_or(0).max(header.last_mailbox_id);
        let lost_entries = examined.entries.is_none();
        if lost_entries {
            done.push("MAILBOX ENTRIES was damaged: annotations and limits are lost".into());
        }
        self.cover(header.last_uid_validity).await?;
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let written = match self.forget_texts(user, &present, unit).await {
            Ok(()) => self.write_all(user, header, rows, indexes, lost_entries, unit).await,
            Err(e) => Err(e),
        };
        match written {
            Ok(()) => self.end(unit, Ok(())).await?,
            Err(StepError::Csl(e)) => self.end(unit, Err(e)).await?,
            Err(StepError::Store(e)) => {
                let _ = self.csl.dmsrollb(unit).await;
                self.done_reading(unit).await;
                return Err(e);
            }
        }
        done.push("MAILBOX INDEX was written anew".into());
        Ok(done)
    }

    /// The header, made anew when it is not readable: no number is given again. With it, what is of a backup gets new numbers, as it
    /// does when its user is next wanted.
    async fn new_header(
        &self,
        examined: &mut Examined,
        now: i64,
        done: &mut Done,
    ) -> Result<UserHeader, StoreError> {
        let ids = examined.rows().map(|r| r.id.0);
        let numbered = examined.folders.iter().filter_map(|f| number_of(&f.dir));
        let last_mailbox_id = ids.chain(numbered).max().unwrap_or(0).max(1);
        let known = examined.header.take();
        let mut header = known.clone().unwrap_or_default();
        if known.is_none() || examined.brought_back {
            // INBOX comes back in any case.
            let count = examined.rows().count() + examined.folders.len() + 1;
            let first = self.give_validities(u32::try_from(count).unwrap_or(u32::MAX), now).await?;
            header.last_uid_validity = header.last_uid_validity.max(first - 1);
        }
        if examined.brought_back {
            for (row, validity) in examined.rows_mut().zip(header.last_uid_validity + 1..) {
                row.uid_validity = UidValidity(validity);
                header.last_uid_validity = validity;
            }
            done.push("MAILBOX INDEX is of a backup: every folder has another UIDVALIDITY".into());
        }
        if known.is_none() {
            header.last_mailbox_id = last_mailbox_id;
            done.push("The header of MAILBOX INDEX was made anew".into());
        }
        let greatest = examined.rows().map(|r| r.uid_validity.0).max().unwrap_or(0);
        header.last_uid_validity = header.last_uid_validity.max(greatest);
        header.space = examined.space;
        Ok(header)
    }

    /// The records of a mailbox, from its notes and what is readable of its index.
    async fn new_index(
        &self,
        user: UserId,
        folder: &Folder,
        row: &mut MailboxRow,
        done: &mut Done,
    ) -> Result<NewIndex, StoreError> {
        raise(row, &folder.index.records);
        row.highest_modseq = ModSeq(row.highest_modseq.0 + 1);
        let mut records = Vec::with_capacity(folder.notes.len());
        let (mut kept, mut made) = (0, 0);
        let bits =
            folder.index.keywords.iter().fold(0u64, |b, k| b | 1u64.checked_shl(k.bit.into()).unwrap_or(0));
        for (uid, status) in &folder.notes {
            let old = folder.index.records.get(Uid(*uid));
            let fits = |r: &MessageRecord| r.records == status.records && image_octets(r) == status.bytes;
            let mut record = match old {
                Some(old) if fits(&old) && old.keywords & !bits == 0 => {
                    kept += 1;
                    old
                }
                _ => match self.record_of(user, &folder.dir, Uid(*uid), status, old, row).await? {
                    Some(mut record) => {
                        made += 1;
                        record.keywords &= bits;
                        record
                    }
                    None => {
                        done.push(format!("{}: the note of UID {uid} cannot be read", row.name));
                        continue;
                    }
                },
            };
            record.summary = SummaryPlace::default();
            records.push(record);
        }
        row.uid_next = row.uid_next.max(Uid(records.last().map_or(0, |r| r.uid.0).saturating_add(1)));
        done.push(format!(
            "{}: NOTE INDEX with {kept} records as they were and {made} from the notes",
            row.name
        ));
        Ok(NewIndex { floor: row.highest_modseq, keywords: folder.index.keywords.clone(), records })
    }

    /// The record of a note, with what is known from its former one; `None` when the note cannot be read.
    async fn record_of(
        &self,
        user: UserId,
        dir: &str,
        uid: Uid,
        status: &FileStatus,
        old: Option<MessageRecord>,
        row: &MailboxRow,
    ) -> Result<Option<MessageRecord>, StoreError> {
        let file = note(&self.dir(user, dir)?, uid)?;
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let image = self.image(&file, 0..status.bytes, unit).await;
        self.done_reading(unit).await;
        let Ok(image) = image else { return Ok(None) };
        let lines = note_file::octets(&image, NoteMarks(0), image.len(), self.table.from_ebcdic());
        let (records, marks) = note_file::shape(&lines);
        let (size, marks) = if records == status.records && !marks.has(NoteMarks::PIECES) {
            // Whether there was no CRLF at the end, records do not tell: now there is one.
            (lines.len() as u64, NoteMarks(marks.0 & !NoteMarks::NO_FINAL_CRLF))
        } else {
            (
                status.bytes.saturating_sub(2 * u64::from(status.records)),
                NoteMarks(NoteMarks::PIECES | NoteMarks::BARE_LF),
            )
        };
        let written = status.created.0.div_euclid(1_000_000);
        Ok(Some(MessageRecord {
            uid,
            modseq: row.highest_modseq,
            flags: old.map_or(SystemFlags::default(), |r| r.flags),
            keywords: old.map_or(0, |r| r.keywords),
            date: old.map_or(InternalDate { seconds: written, zone_minutes: 0 }, |r| r.date),
            saved: old.map_or(written, |r| r.saved),
            size,
            records: status.records,
            marks,
            email: old.map_or(EmailId::of(row.uid_validity, uid), |r| r.email),
            slot: 0,
            summary: SummaryPlace::default(),
        }))
    }

    async fn forget_texts(&self, user: UserId, dirs: &[String], unit: WorkUnitId) -> Result<(), StepError> {
        for dir in dirs {
            self.erase_texts(&self.dir(user, dir)?, unit).await?;
        }
        Ok(())
    }

    async fn write_all(
        &self,
        user: UserId,
        header: UserHeader,
        rows: Vec<MailboxRow>,
        indexes: Vec<(String, bool, NewIndex)>,
        lost_entries: bool,
        unit: WorkUnitId,
    ) -> Result<(), StepError> {
        let top = self.top(user);
        for (dir, present, index) in indexes {
            let dir = self.dir(user, &dir)?;
            if !present {
                self.csl.dmscrdir(&dir, CommitOption::NoCommit, unit).await?;
            }
            self.erase_summaries(&dir, unit).await?;
            self.replace(&super::note_index_file(&dir)?, index.image(), note_index::LRECL, unit).await?;
        }
        if lost_entries {
            self.erase(super::entries_file(&top)?, unit).await?;
        }
        let image = mailbox_index_image(&header, rows);
        self.replace(&super::mailbox_index_file(&top)?, image, mailbox_index::LRECL, unit).await
    }

    async fn replace(
        &self,
        file: &cms::csl::FileRef,
        mut image: Vec<u8>,
        lrecl: usize,
        unit: WorkUnitId,
    ) -> Result<(), StepError> {
        let opened = self.csl.dmsopen(file, Intent::Replace, &OpenOptions::fixed(lrecl as u32), unit).await?;
        if lrecl == mailbox_index::LRECL {
            mailbox_index::note_file(&mut image, opened.status.unique);
        }
        self.write_fixed(opened.token, image, lrecl).await?;
        self.csl.dmsclose(opened.token, CommitOption::NoCommit).await?;
        Ok(())
    }
}

/// NOTE INDEX to be written.
struct NewIndex {
    floor: ModSeq,
    keywords: Vec<DefinedKeyword>,
    records: Vec<MessageRecord>,
}

impl NewIndex {
    fn image(&self) -> Vec<u8> {
        let mut image = note_index::header(self.floor).to_vec();
        self.keywords.iter().for_each(|k| image.extend_from_slice(&note_index::keyword(k.bit, &k.keyword)));
        self.records.iter().for_each(|r| image.extend_from_slice(&note_index::message(r)));
        image
    }
}

fn mailbox_index_image(header: &UserHeader, rows: Vec<MailboxRow>) -> Vec<u8> {
    let mut image: Vec<u8> = mailbox_index::header(header).concat();
    let mut slot = mailbox_index::FIRST_SLOT;
    for mut row in rows {
        row.slot = slot;
        row.name_slot = if row.name.as_str().len() > MailboxRow::INLINE_NAME { slot + 1 } else { 0 };
        let (record, continuation) = mailbox_index::mailbox(&row);
        image.extend_from_slice(&record);
        slot += 1;
        if let Some(continuation) = continuation {
            image.extend_from_slice(&continuation);
            slot += 1;
        }
    }
    image
}

/// A row never says less than its messages.
fn raise(row: &mut MailboxRow, records: &Columns) {
    for r in records.iter() {
        row.highest_modseq = row.highest_modseq.max(r.modseq);
        row.uid_next = row.uid_next.max(Uid(r.uid.0.saturating_add(1)));
    }
}

/// The number in a directory's name.
fn number_of(dir: &str) -> Option<u32> {
    if dir == "INBOX" {
        return Some(1);
    }
    let digits = dir.strip_prefix('F').filter(|d| d.len() == 8)?;
    u32::from_str_radix(digits, 16).ok().filter(|n| *n > 0)
}

/// The row of a directory that has none: which UIDs were given is not known, so UIDVALIDITY is new.
fn new_row(
    dir: &str,
    header: &mut UserHeader,
    ids: &mut BTreeSet<u32>,
    now: i64,
) -> Result<MailboxRow, StoreError> {
    let used_up = || StoreError::Limit("user has no UIDVALIDITY left");
    header.last_uid_validity = seconds(now).max(header.last_uid_validity.checked_add(1).ok_or_else(used_up)?);
    let id = match number_of(dir).filter(|n| !ids.contains(n)) {
        Some(id) => id,
        None => header.last_mailbox_id.checked_add(1).ok_or_else(used_up)?,
    };
    header.last_mailbox_id = header.last_mailbox_id.max(id);
    ids.insert(id);
    let name = if dir == "INBOX" {
        MailboxName::inbox()
    } else {
        MailboxName::new(&format!("Recovered-{dir}")).map_err(|e| StoreError::Damaged(e.to_string()))?
    };
    let validity = UidValidity(header.last_uid_validity);
    let mut row = MailboxRow { dir: dir.to_owned(), ..MailboxRow::empty(MailboxId(id), name, validity, now) };
    row.attributes.set(Attributes::SUBSCRIBED, true);
    Ok(row)
}
