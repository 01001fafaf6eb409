//! One work unit, of one user or of several: notes are written, copied and erased as the steps come; records of the index files are
//! gathered, so that each file is opened once and neighbouring records go in one write.

use std::collections::BTreeMap;

use bytes::Bytes;
use cms::cp::name::DirName;
use cms::csl::{
    CommitOption, CslError, EraseScope, FileId, FileRef, Intent, OpenOptions, OpenedFile, ReasonCode,
    SfsObject, Token, WorkUnitId,
};

use super::summary_file::SummarySteps;
use super::{SfsBackend, mailbox_index, note, note_file, note_id, note_index, store_error};
use crate::mailstore::backend::{Committed, Op, Shape};
use crate::mailstore::error::StoreError;
use crate::mailstore::types::{ModSeq, Uid};
use crate::vm::UserId;

/// Octets given in one call; the file pool server takes at most 16 MB.
pub(super) const CALL: usize = 4 * 1024 * 1024;

/// Why a step failed.
pub(super) enum StepError {
    Csl(CslError),
    Store(StoreError),
}

impl From<CslError> for StepError {
    fn from(e: CslError) -> Self {
        Self::Csl(e)
    }
}

impl From<StoreError> for StepError {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

/// Records to be written to one file, by number.
#[derive(Default)]
pub(super) struct Records(pub(super) BTreeMap<u32, Bytes>);

impl Records {
    fn add(&mut self, records: impl Iterator<Item = (u32, Bytes)>) {
        // Made at once, since there may be thousands.
        let mut more: BTreeMap<u32, Bytes> = records.collect();
        self.0.append(&mut more);
    }
}

impl SfsBackend {
    pub(super) async fn commit_ops(&self, parts: Vec<(UserId, Vec<Op>)>) -> Result<Committed, StoreError> {
        self.agree().await?;
        self.cover_steps(&parts).await?;
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        let mut done = Ok(());
        for (user, ops) in parts {
            done = self.steps(user, ops, unit).await;
            if done.is_err() {
                break;
            }
        }
        match done {
            Ok(()) => {
                let ((), info) = self.end_informed(unit, Ok(())).await?;
                Ok(Committed { is_above_threshold: info.warnings.contains(&ReasonCode::SpaceThreshold) })
            }
            Err(StepError::Csl(e)) => self.end(unit, Err(e)).await,
            Err(StepError::Store(e)) => {
                let _ = self.csl.dmsrollb(unit).await;
                let _ = self.csl.dmsretwu(unit).await;
                Err(e)
            }
        }
    }

    async fn steps(&self, user: UserId, ops: Vec<Op>, unit: WorkUnitId) -> Result<(), StepError> {
        let top = self.top(user);
        let mut mailboxes = Records::default();
        let mut notes: BTreeMap<String, Records> = BTreeMap::new();
        let mut summaries = SummarySteps::default();
        for op in ops {
            match op {
                op @ (Op::PutSummary { .. } | Op::DropSummaries { .. }) => {
                    summaries.gather(op);
                }
                Op::DropTexts { dirs } => {
                    for dir in dirs {
                        self.erase_texts(&self.dir(user, &dir)?, unit).await?;
                    }
                }
                Op::PutEntries(entries) => {
                    self.put_whole(super::entries_file(&top)?, &entries.records(), unit).await?;
                }
                Op::PutSeen { dir, seen } => {
                    let file = super::seen_file(&self.dir(user, &dir)?)?;
                    self.put_whole(file, &seen.records(), unit).await?;
                }
                op @ (Op::PutHeader(_) | Op::PutRow(_) | Op::DropRow { .. }) => {
                    gather_mailboxes(op, &mut mailboxes);
                }
                Op::CreateDir { dir } => {
                    self.csl.dmscrdir(&self.dir(user, &dir)?, CommitOption::NoCommit, unit).await?;
                    gather_notes(Op::PutFloor { dir, floor: ModSeq(0) }, &mut notes);
                }
                Op::RemoveDir { dir, notes: uids } => {
                    notes.remove(&dir);
                    summaries.forget(&dir);
                    self.remove_dir(self.dir(user, &dir)?, uids, unit).await?;
                }
                Op::AddNote { dir, uid, octets, shape } => {
                    self.add_note(note(&self.dir(user, &dir)?, uid)?, &octets, shape, unit).await?;
                }
                Op::CopyNotes { from_dir, to_dir, pairs } => {
                    let (from, to) = (self.dir(user, &from_dir)?, self.dir(user, &to_dir)?);
                    self.copy_notes(from, to, pairs, unit).await?;
                }
                Op::MoveNotes { from_dir, to_dir, pairs } => {
                    let (from, to) = (self.dir(user, &from_dir)?, self.dir(user, &to_dir)?);
                    self.csl.dmsreloc_files(&from, &to, &note_pairs(pairs)?, unit).await?;
                }
                Op::RemoveNotes { dir, uids } => {
                    self.remove_notes(&self.dir(user, &dir)?, uids, unit).await?;
                }
                op => gather_notes(op, &mut notes),
            }
        }
        self.put_summaries(user, summaries, unit).await?;
        for (dir, records) in notes {
            let file = super::note_index_file(&self.dir(user, &dir)?)?;
            self.put_records(&file, records, note_index::LRECL, unit).await?;
        }
        if !mailboxes.0.is_empty() {
            let file = super::mailbox_index_file(&top)?;
            let options = OpenOptions::fixed(mailbox_index::LRECL as u32);
            let opened = self.csl.dmsopen(&file, Intent::Write, &options, unit).await?;
            if let Some(header) = mailboxes.0.get_mut(&1) {
                let mut octets = header.to_vec();
                mailbox_index::note_file(&mut octets, opened.status.unique);
                *header = octets.into();
            }
            self.write_records(&opened, mailboxes, mailbox_index::LRECL).await?;
        }
        Ok(())
    }

    /// Writes the file anew; without records there is no file.
    async fn put_whole(&self, file: FileRef, records: &[Bytes], unit: WorkUnitId) -> Result<(), StepError> {
        if records.is_empty() {
            return match self.erase(file, unit).await {
                Err(e) if e.reason != ReasonCode::FileNotFound => Err(e.into()),
                _ => Ok(()),
            };
        }
        let opened = self.csl.dmsopen(&file, Intent::Replace, &OpenOptions::variable(), unit).await?;
        for record in records {
            self.csl.dmswrite(opened.token, 1, record.clone(), CommitOption::NoCommit).await?;
        }
        self.csl.dmsclose(opened.token, CommitOption::NoCommit).await?;
        Ok(())
    }

    async fn copy_notes(
        &self,
        from: DirName,
        to: DirName,
        pairs: Vec<(Uid, Uid)>,
        unit: WorkUnitId,
    ) -> Result<(), StepError> {
        Ok(self.csl.dmsfilec_files(&from, &to, &note_pairs(pairs)?, unit).await?)
    }

    async fn remove_notes(&self, dir: &DirName, uids: Vec<Uid>, unit: WorkUnitId) -> Result<(), StepError> {
        let ids = uids.into_iter().map(note_id).collect::<Result<Vec<_>, _>>()?;
        Ok(self.csl.dmserase_files(dir, &ids, unit).await?)
    }

    async fn remove_dir(&self, dir: DirName, notes: Vec<Uid>, unit: WorkUnitId) -> Result<(), StepError> {
        self.remove_notes(&dir, notes, unit).await?;
        self.erase(super::note_index_file(&dir)?, unit).await?;
        self.erase_summaries(&dir, unit).await?;
        self.erase_texts(&dir, unit).await?;
        self.put_whole(super::seen_file(&dir)?, &[], unit).await?;
        let dir = SfsObject::Directory(dir);
        self.csl.dmserase(&dir, EraseScope::Entire, CommitOption::NoCommit, unit).await?;
        Ok(())
    }

    pub(super) async fn erase(&self, file: FileRef, unit: WorkUnitId) -> Result<(), CslError> {
        let file = SfsObject::File(file);
        self.csl.dmserase(&file, EraseScope::Entire, CommitOption::NoCommit, unit).await.map(drop)
    }

    async fn add_note(
        &self,
        file: FileRef,
        octets: &[u8],
        shape: Shape,
        unit: WorkUnitId,
    ) -> Result<(), CslError> {
        let options = OpenOptions::variable().allow_empty();
        let opened = self.csl.dmsopen(&file, Intent::New, &options, unit).await?;
        let images = match shape.image {
            Some(image) => vec![(shape.records, image)],
            None => {
                let images = note_file::images(octets, shape.marks, CALL, self.table.to_ebcdic());
                images.into_iter().map(|(count, image)| (count, image.into())).collect()
            }
        };
        for (count, mut image) in images {
            if count == 1 {
                // One record goes without its length.
                image = image.slice(2..);
            }
            self.csl.dmswrite(opened.token, count, image, CommitOption::NoCommit).await?;
        }
        self.csl.dmsclose(opened.token, CommitOption::NoCommit).await.map(drop)
    }

    /// Writes records by number. Numbers past the end that no record is for read as zeros, which is a free record.
    pub(super) async fn put_records(
        &self,
        file: &FileRef,
        records: Records,
        lrecl: usize,
        unit: WorkUnitId,
    ) -> Result<(), CslError> {
        let options = OpenOptions::fixed(lrecl as u32);
        let opened = self.csl.dmsopen(file, Intent::Write, &options, unit).await?;
        self.write_records(&opened, records, lrecl).await
    }

    async fn write_records(
        &self,
        opened: &OpenedFile,
        records: Records,
        lrecl: usize,
    ) -> Result<(), CslError> {
        let mut at = opened.status.records + 1;
        let slots: Vec<u32> = records.0.keys().copied().collect();
        let mut records = records.0.into_values();
        for run in slots.chunk_by(|a, b| a + 1 == *b) {
            if run[0] != at {
                self.csl.dmspoint(opened.token, None, Some(run[0])).await?;
            }
            at = run[run.len() - 1] + 1;
            let mut image = Vec::with_capacity(run.len() * lrecl);
            records.by_ref().take(run.len()).for_each(|record| image.extend_from_slice(&record));
            self.write_fixed(opened.token, image, lrecl).await?;
        }
        // The commit closes it: each index file is written once in a work unit.
        Ok(())
    }

    pub(super) async fn write_fixed(
        &self,
        token: Token,
        image: impl Into<Bytes>,
        lrecl: usize,
    ) -> Result<(), CslError> {
        let mut rest: Bytes = image.into();
        while !rest.is_empty() {
            let part = rest.split_to(rest.len().min(CALL / lrecl * lrecl));
            let count = (part.len() / lrecl) as u32;
            self.csl.dmswrite(token, count, part, CommitOption::NoCommit).await?;
        }
        Ok(())
    }
}

/// The names of notes that become others.
fn note_pairs(pairs: Vec<(Uid, Uid)>) -> Result<Vec<(FileId, FileId)>, StoreError> {
    pairs.into_iter().map(|(from, to)| Ok((note_id(from)?, note_id(to)?))).collect()
}

/// Takes a step that is about records of NOTE INDEX.
fn gather_notes(op: Op, notes: &mut BTreeMap<String, Records>) {
    let mut put = |dir: String, slot: u32, record: note_index::Record| {
        notes.entry(dir).or_default().0.insert(slot, Bytes::copy_from_slice(&record));
    };
    match op {
        Op::PutRecords { dir, records } => {
            let mut image = Vec::with_capacity(records.len() * note_index::LRECL);
            records.iter().for_each(|r| image.extend_from_slice(&note_index::message(r)));
            let image = Bytes::from(image);
            let pieces = image.chunks(note_index::LRECL).map(|piece| image.slice_ref(piece));
            notes.entry(dir).or_default().add(records.iter().map(|r| r.slot).zip(pieces));
        }
        Op::DropRecords { dir, slots } => {
            let none = Bytes::from_static(&[0; note_index::LRECL]);
            let records = slots.into_iter().map(|slot| (slot, none.clone()));
            notes.entry(dir).or_default().add(records);
        }
        Op::PutKeyword { dir, defined } => {
            put(dir, defined.slot, note_index::keyword(defined.bit, &defined.keyword))
        }
        Op::PutTombstone { dir, tombstone } => put(dir, tombstone.slot, note_index::tombstone(&tombstone)),
        Op::PutFlagRun { dir, run } => put(dir, run.slot, note_index::flag_run(&run)),
        Op::PutFloor { dir, floor } => put(dir, 1, note_index::header(floor)),
        _ => {}
    }
}

/// Takes a step that is about MAILBOX INDEX.
fn gather_mailboxes(op: Op, mailboxes: &mut Records) {
    let mut put = |slot: u32, record: &[u8]| {
        mailboxes.0.insert(slot, Bytes::copy_from_slice(record));
    };
    match op {
        Op::PutHeader(header) => {
            let [first, second] = mailbox_index::header(&header);
            put(1, &first);
            put(2, &second);
        }
        Op::PutRow(row) => {
            let (record, continuation) = mailbox_index::mailbox(&row);
            put(row.slot, &record);
            if let Some(continuation) = continuation {
                put(row.name_slot, &continuation);
            }
        }
        Op::DropRow { slot, name_slot, .. } => {
            let slots = [slot, name_slot].into_iter().filter(|s| *s != 0);
            slots.for_each(|slot| put(slot, &[0; mailbox_index::LRECL]));
        }
        _ => {}
    }
}
