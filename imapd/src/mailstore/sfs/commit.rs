//! One work unit: notes are written, copied and erased as the steps come; records of the index files are gathered, so
//! that each file is opened once and neighbouring records go in one write.

use std::collections::BTreeMap;

use bytes::Bytes;
use cms::cp::name::DirName;
use cms::csl::{
    CommitOption, CslError, EraseScope, FileRef, Intent, OpenOptions, ReasonCode, SfsObject, Token,
    WorkUnitId,
};

use super::{SfsBackend, mailbox_index, note, note_file, note_index, store_error};
use crate::mailstore::backend::Op;
use crate::mailstore::error::StoreError;
use crate::mailstore::types::{ModSeq, NoteMarks, Uid};
use crate::vm::UserId;

/// Octets given in one call; the file pool server takes at most 16 MB.
const CALL: usize = 4 * 1024 * 1024;

/// Why a step failed.
enum StepError {
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
struct Records(BTreeMap<u32, Vec<u8>>);

impl SfsBackend {
    pub(super) async fn commit_ops(&self, user: UserId, ops: Vec<Op>) -> Result<(), StoreError> {
        let unit = self.csl.dmsgetwu().map_err(|e| store_error(&e))?;
        match self.steps(user, ops, unit).await {
            Ok(()) => self.end(unit, Ok(())).await,
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
        for op in ops {
            let mut put = |dir: String, slot: u32, record: note_index::Record| {
                notes.entry(dir).or_default().0.insert(slot, record.to_vec());
            };
            match op {
                Op::PutHeader(header) => {
                    let [first, second] = mailbox_index::header(&header);
                    mailboxes.0.insert(1, first.to_vec());
                    mailboxes.0.insert(2, second.to_vec());
                }
                Op::PutEntries(entries) => self.put_entries(&top, &entries.records(), unit).await?,
                Op::PutRow(row) => {
                    let (record, continuation) = mailbox_index::mailbox(&row);
                    mailboxes.0.insert(row.slot, record.to_vec());
                    if let Some(continuation) = continuation {
                        mailboxes.0.insert(row.name_slot, continuation.to_vec());
                    }
                }
                Op::DropRow { slot, name_slot, .. } => {
                    for slot in [slot, name_slot].into_iter().filter(|s| *s != 0) {
                        mailboxes.0.insert(slot, vec![0; mailbox_index::LRECL]);
                    }
                }
                Op::CreateDir { dir } => {
                    self.csl.dmscrdir(&self.dir(user, &dir)?, CommitOption::NoCommit, unit).await?;
                    put(dir, 1, note_index::header(ModSeq(0)));
                }
                Op::RemoveDir { dir, notes: uids } => {
                    notes.remove(&dir);
                    self.remove_dir(self.dir(user, &dir)?, uids, unit).await?;
                }
                Op::AddNote { dir, uid, octets, marks } => {
                    self.add_note(note(&self.dir(user, &dir)?, uid)?, &octets, marks, unit).await?;
                }
                Op::CopyNote { from_dir, from, to_dir, to } => {
                    let source = note(&self.dir(user, &from_dir)?, from)?;
                    let target = note(&self.dir(user, &to_dir)?, to)?;
                    self.csl.dmsfilec(&source, &target, false, CommitOption::NoCommit, unit).await?;
                }
                Op::RemoveNote { dir, uid } => self.erase(note(&self.dir(user, &dir)?, uid)?, unit).await?,
                Op::PutRecord { dir, record } => put(dir, record.slot, note_index::message(&record)),
                Op::DropRecord { dir, slot } => put(dir, slot, [0; note_index::LRECL]),
                Op::PutKeyword { dir, slot, bit, keyword } => {
                    put(dir, slot, note_index::keyword(bit, &keyword));
                }
                Op::PutTombstone { dir, tombstone } => {
                    put(dir, tombstone.slot, note_index::tombstone(&tombstone));
                }
                Op::PutFloor { dir, floor } => put(dir, 1, note_index::header(floor)),
            }
        }
        for (dir, records) in notes {
            let file = super::note_index_file(&self.dir(user, &dir)?)?;
            self.put_records(&file, records, note_index::LRECL, unit).await?;
        }
        if !mailboxes.0.is_empty() {
            self.put_records(&super::mailbox_index_file(&top)?, mailboxes, mailbox_index::LRECL, unit)
                .await?;
        }
        Ok(())
    }

    /// Writes the file anew; without records there is no file.
    async fn put_entries(&self, top: &DirName, records: &[Bytes], unit: WorkUnitId) -> Result<(), StepError> {
        let file = super::entries_file(top)?;
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

    async fn remove_dir(&self, dir: DirName, notes: Vec<Uid>, unit: WorkUnitId) -> Result<(), StepError> {
        for uid in notes {
            self.erase(note(&dir, uid)?, unit).await?;
        }
        self.erase(super::note_index_file(&dir)?, unit).await?;
        let dir = SfsObject::Directory(dir);
        self.csl.dmserase(&dir, EraseScope::Entire, CommitOption::NoCommit, unit).await?;
        Ok(())
    }

    async fn erase(&self, file: FileRef, unit: WorkUnitId) -> Result<(), CslError> {
        let file = SfsObject::File(file);
        self.csl.dmserase(&file, EraseScope::Entire, CommitOption::NoCommit, unit).await.map(drop)
    }

    async fn add_note(
        &self,
        file: FileRef,
        octets: &[u8],
        marks: NoteMarks,
        unit: WorkUnitId,
    ) -> Result<(), CslError> {
        let options = OpenOptions::variable().allow_empty();
        let opened = self.csl.dmsopen(&file, Intent::New, &options, unit).await?;
        for (count, image) in note_file::images(octets, marks, CALL) {
            let mut image = Bytes::from(image);
            if count == 1 {
                // One record goes without its length.
                image = image.slice(2..);
            }
            self.csl.dmswrite(opened.token, count, image, CommitOption::NoCommit).await?;
        }
        self.csl.dmsclose(opened.token, CommitOption::NoCommit).await.map(drop)
    }

    /// Writes records by number. Numbers past the end that no record is for become free records.
    async fn put_records(
        &self,
        file: &FileRef,
        records: Records,
        lrecl: usize,
        unit: WorkUnitId,
    ) -> Result<(), CslError> {
        let options = OpenOptions::fixed(lrecl as u32);
        let opened = self.csl.dmsopen(file, Intent::Write, &options, unit).await?;
        let have = opened.status.records;
        let mut records = records.0;
        // The write position is behind the last record now, so those to be added come first.
        let added = records.split_off(&(have + 1));
        if let Some(last) = added.keys().next_back().copied() {
            let mut image = vec![0; (last - have) as usize * lrecl];
            for (slot, record) in &added {
                let at = (slot - have - 1) as usize * lrecl;
                image[at..at + lrecl].copy_from_slice(record);
            }
            self.write_fixed(opened.token, &image, lrecl).await?;
        }
        let slots: Vec<u32> = records.keys().copied().collect();
        for run in slots.chunk_by(|a, b| a + 1 == *b) {
            self.csl.dmspoint(opened.token, None, Some(run[0])).await?;
            let image: Vec<u8> = run.iter().flat_map(|s| records[s].iter().copied()).collect();
            self.write_fixed(opened.token, &image, lrecl).await?;
        }
        self.csl.dmsclose(opened.token, CommitOption::NoCommit).await.map(drop)
    }

    async fn write_fixed(&self, token: Token, image: &[u8], lrecl: usize) -> Result<(), CslError> {
        for part in image.chunks(CALL / lrecl * lrecl) {
            let count = (part.len() / lrecl) as u32;
            self.csl.dmswrite(token, count, Bytes::copy_from_slice(part), CommitOption::NoCommit).await?;
        }
        Ok(())
    }
}
