//! Texts of a mailbox's messages on their way into its columns: from `NOTE TEXT` where that has them, else from the messages.
//!
//! Messages are taken in pieces, several at once within the bound of what computes at once; a piece is in memory for a moment
//! only. A column that would be too large to keep is looked through piece by piece at each search.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::{Stream, StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedRwLockWriteGuard, Semaphore};

use super::error::StoreError;
use super::open::OpenMailbox;
use super::text_batch::{MOST_MESSAGES, Which};
use super::text_keep::ENOUGH;
use super::texts::{Batch, MAX_COLUMN, TextFile};
use super::types::{MessageRecord, Uid};
use crate::mail::scan::scan;
use crate::mail::summary::keeps;
use crate::search::column::{ColumnKey, TextColumn, texts};
use crate::session::server::compute;

/// Messages of one piece.
const PIECE_MESSAGES: usize = MOST_MESSAGES;
/// The same where summaries tell all: so little work each that fewer would only change threads.
const PIECE_SUMMARIES: usize = 1024;
/// Octets of one piece, more only for a single message.
const PIECE_OCTETS: u64 = 1024 * 1024;
/// Octets of a message that is read whole although its header is all that is asked for.
const SMALL: u64 = 32 * 1024;
/// Pieces read and decoded at once.
const PIECES: usize = 4;
/// Keys, each with the UID up to which its column has all messages.
type Lacking = Arc<[(ColumnKey, Uid)]>;

/// Messages taken together.
pub(super) enum Piece {
    /// They are in `NOTE TEXT`.
    Kept(Batch),
    /// They are read.
    Notes(Vec<MessageRecord>),
}

impl Piece {
    /// The messages, when they are read.
    pub(super) fn notes(&self) -> Option<&Vec<MessageRecord>> {
        match self {
            Self::Kept(_) => None,
            Self::Notes(records) => Some(records),
        }
    }

    /// The last message of it.
    pub(super) fn upto(&self) -> Uid {
        match self {
            Self::Kept(batch) => batch.head.upto,
            Self::Notes(records) => records.last().map_or(Uid(0), |r| r.uid),
        }
    }
}

impl OpenMailbox {
    /// Brings columns up to date, as far as they are kept. `done` counts the messages that were looked at.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn fill_texts(
        self: &Arc<Self>,
        cpu: &Arc<Semaphore>,
        mut keys: BTreeSet<ColumnKey>,
        upto: Uid,
        done: &AtomicU32,
    ) -> Result<(), StoreError> {
        if keys.contains(&ColumnKey::Body) && self.notes_to_read(upto).await? >= ENOUGH {
            // Who looks into bodies soon looks into headers too, and the messages are at hand: none is read twice.
            keys.insert(ColumnKey::Header);
        }
        if self.text_file().await?.body_weight() > MAX_COLUMN as u64 {
            // Before it is filled for nothing.
            let unmade = |key: &&ColumnKey| **key == ColumnKey::Body && self.known_text_column(key).is_none();
            keys.iter().filter(unmade).for_each(|key| self.refuse_text_column(key));
        }
        // Guards are taken in the order of the keys, so that two searches never wait for each other.
        let mut open: Vec<(ColumnKey, OwnedRwLockWriteGuard<TextColumn>)> = Vec::new();
        for key in keys {
            let Some(column) = self.text_column(&key) else { continue };
            if column.read().await.upto() >= upto {
                continue;
            }
            let mut column = column.write_owned().await;
            if column.len() > 1_000 + 64 * self.state().columns.len() {
                // Nearly all of it is of expunged messages.
                *column = TextColumn::default();
            }
            if column.upto() < upto {
                open.push((key, column));
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        let lacking: Lacking = open.iter().map(|(key, c)| (key.clone(), c.upto())).collect();
        let mut made = Box::pin(self.texts_of(cpu, lacking, upto).await?);
        while let Some((count, columns)) = made.try_next().await? {
            done.fetch_add(count, Ordering::Relaxed);
            let mut full = false;
            for ((_, column), part) in open.iter_mut().zip(columns) {
                column.append(&part);
                full |= column.weight() > MAX_COLUMN;
            }
            if full {
                // What fits is filled by the next search: these pieces are made for all of the columns.
                self.refuse(open);
                return Ok(());
            }
        }
        open.iter_mut().for_each(|(_, column)| column.seal(upto));
        drop(open);
        self.text_columns_grew();
        Ok(())
    }

    /// How many messages up to `upto` are to be read for their bodies.
    async fn notes_to_read(&self, upto: Uid) -> Result<usize, StoreError> {
        let kept = self.text_file().await?.upto();
        let have = match self.known_text_column(&ColumnKey::Body) {
            Some(column) => column.read().await.upto(),
            None => Uid(0),
        };
        Ok(self.state().columns.range(kept.max(have), upto).len())
    }

    /// Gives up columns that are too large to keep.
    fn refuse(&self, open: Vec<(ColumnKey, OwnedRwLockWriteGuard<TextColumn>)>) {
        for (key, column) in open {
            let full = column.weight() > MAX_COLUMN;
            drop(column);
            if full {
                self.refuse_text_column(&key);
            }
        }
        self.text_columns_grew();
    }

    /// What `find` finds in the texts of messages up to `upto`, ascending, without a column in memory.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn scan_texts<T: Send + 'static>(
        self: &Arc<Self>,
        cpu: &Arc<Semaphore>,
        key: ColumnKey,
        find: impl Fn(&TextColumn) -> Vec<T> + Clone + Send + 'static,
        upto: Uid,
        done: &AtomicU32,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        let mut made = Box::pin(self.texts_of(cpu, [(key, Uid(0))].into(), upto).await?);
        while let Some((count, columns)) = made.try_next().await? {
            done.fetch_add(count, Ordering::Relaxed);
            let find = find.clone();
            let look = move || columns.iter().flat_map(find).collect::<Vec<T>>();
            found.extend(compute(cpu, look).await?);
        }
        Ok(found)
    }

    /// The texts of messages up to `upto` that are lacking, piece by piece in order of UIDs: how many messages, and a column
    /// for each key.
    async fn texts_of(
        self: &Arc<Self>,
        cpu: &Arc<Semaphore>,
        lacking: Lacking,
        upto: Uid,
    ) -> Result<impl Stream<Item = Result<(u32, Vec<TextColumn>), StoreError>> + use<>, StoreError> {
        let from = lacking.iter().map(|(_, have)| *have).min().unwrap_or(upto);
        let file = self.text_file().await?;
        let (pieces, read) = self.pieces(&file, from, upto, tell_all(&lacking));
        // Who writes them looks into them himself.
        let is_written = self.texts.writer.try_lock().is_err();
        if read >= ENOUGH && !is_written && lacking.iter().any(|(key, _)| *key == ColumnKey::Body) {
            self.keep_texts_later();
        }
        let (cpu, mailbox) = (cpu.clone(), self.clone());
        let pieces = pieces.into_iter().map(move |piece| {
            let count = match &piece {
                Piece::Kept(batch) => batch.head.messages,
                Piece::Notes(records) => u32::try_from(records.len()).unwrap_or(u32::MAX),
            };
            // A task each, so that reading is not bound to this session's thread either.
            let task = tokio::spawn(mailbox.clone().texts_of_piece(cpu.clone(), piece, lacking.clone()));
            async move {
                let columns =
                    task.await.map_err(|e| StoreError::Defect(format!("computation failed: {e}")))??;
                Ok((count, columns))
            }
        });
        Ok(stream::iter(pieces).buffered(PIECES))
    }

    /// Messages after `from` up to `upto` in pieces, and how many of them are to be read.
    pub(super) fn pieces(
        &self,
        file: &TextFile,
        from: Uid,
        upto: Uid,
        in_summary: bool,
    ) -> (Vec<Piece>, usize) {
        let (messages, most) =
            if in_summary { (PIECE_SUMMARIES, u64::MAX) } else { (PIECE_MESSAGES, PIECE_OCTETS) };
        let wanted = file.batches.iter().filter(|b| b.head.upto > from && b.head.after < upto);
        let mut out: Vec<Piece> = wanted.copied().map(Piece::Kept).collect();
        let state = self.state();
        let range = state.columns.range(from.max(file.upto()), upto);
        let read = range.len();
        let mut octets = 0;
        for record in range.map(|i| state.columns.at(i)) {
            match out.last_mut() {
                Some(Piece::Notes(piece)) if piece.len() < messages && octets + record.size <= most => {
                    octets += record.size;
                    piece.push(record);
                }
                _ => {
                    octets = record.size;
                    out.push(Piece::Notes(vec![record]));
                }
            }
        }
        (out, read)
    }

    /// The texts of some messages, a column for each key.
    pub(super) async fn texts_of_piece(
        self: Arc<Self>,
        cpu: Arc<Semaphore>,
        piece: Piece,
        lacking: Lacking,
    ) -> Result<Vec<TextColumn>, StoreError> {
        let batch = match piece {
            Piece::Notes(records) => return self.texts_of_notes(cpu, records, lacking).await,
            Piece::Kept(batch) => batch,
        };
        if !batch.head.is_left_out()
            && let Some(columns) = self.texts_of_batch(&cpu, &batch, lacking.clone()).await?
        {
            return Ok(columns);
        }
        let records: Vec<MessageRecord> = {
            let state = self.state();
            let range = state.columns.range(batch.head.after, batch.head.upto);
            range.map(|i| state.columns.at(i)).collect()
        };
        let mut columns = self.texts_of_notes(cpu, records, lacking).await?;
        columns.iter_mut().for_each(|column| column.seal(batch.head.upto));
        Ok(columns)
    }

    /// The same from a batch; `None` when it is damaged, or does not tell.
    async fn texts_of_batch(
        &self,
        cpu: &Arc<Semaphore>,
        batch: &Batch,
        lacking: Lacking,
    ) -> Result<Option<Vec<TextColumn>>, StoreError> {
        let head = batch.head;
        let lacks = move |key: &ColumnKey, have: Uid, which: Which| {
            have < head.upto && (*key == ColumnKey::Body) == (which == Which::Body)
        };
        let mut parts = [None, None];
        for (which, part) in Which::ALL.into_iter().zip(&mut parts) {
            if lacking.iter().any(|(key, have)| lacks(key, *have, which)) {
                let Some(octets) = self.text_part(batch, which).await? else {
                    self.texts.damaged(batch);
                    return Ok(None);
                };
                *part = Some((which, octets));
            }
        }
        let columns = compute(cpu, move || {
            let read =
                parts.into_iter().flatten().map(|(which, octets)| Some((which, head.texts(which, &octets)?)));
            let read: Option<Vec<(Which, TextColumn)>> = read.collect();
            let mut read = read.ok_or(())?;
            let column = |(key, have): &(ColumnKey, Uid)| {
                let whole = read.iter_mut().find(|(which, _)| lacks(key, *have, *which));
                let Some((_, whole)) = whole else { return Some(TextColumn::default()) };
                let column = match key {
                    ColumnKey::Field(name) => whole.of_field(name)?,
                    ColumnKey::Addresses(name) => whole.of_addresses(name)?,
                    // Nobody looks at it afterwards: those of fields come before that of all of them.
                    _ => std::mem::take(whole),
                };
                Some(if *have > head.after { column.part(*have, head.upto) } else { column })
            };
            // None of them is damaged; that of a field may not be told.
            Ok::<_, ()>(lacking.iter().map(column).collect::<Option<Vec<TextColumn>>>())
        });
        match columns.await? {
            Ok(columns) => Ok(columns),
            Err(()) => {
                self.texts.damaged(batch);
                Ok(None)
            }
        }
    }

    /// The same from the messages.
    async fn texts_of_notes(
        self: Arc<Self>,
        cpu: Arc<Semaphore>,
        piece: Vec<MessageRecord>,
        lacking: Lacking,
    ) -> Result<Vec<TextColumn>, StoreError> {
        let whole = lacking.iter().any(|(key, _)| *key == ColumnKey::Body);
        let in_summary = tell_all(&lacking);
        let summaries = match in_summary {
            true => self.summaries(&cpu, &piece).await?,
            false => vec![None; piece.len()],
        };
        // A small one is read whole, with the others, sooner than its header by itself. Hardly one has no summary.
        let is_read = |i: &usize| whole || (!in_summary && piece[*i].size <= SMALL);
        let together: Vec<usize> = (0..piece.len()).filter(is_read).collect();
        let records: Vec<MessageRecord> = together.iter().map(|i| piece[*i]).collect();
        let mut wholes = vec![None; piece.len()];
        if !records.is_empty() {
            for (i, octets) in together.into_iter().zip(self.read_in_passing(&records).await?) {
                wholes[i] = octets;
            }
        }
        let mut messages = Vec::with_capacity(piece.len());
        for ((record, summary), read) in piece.iter().zip(summaries).zip(wholes) {
            if let Some(known) = read.or_else(|| summary.map(|s| s.kept_fields())) {
                messages.push((record.uid, known));
                continue;
            }
            let read = if whole { self.read(record).await } else { self.read_header(record).await };
            match read {
                Ok(octets) => messages.push((record.uid, octets)),
                // Gone since the index was looked at: no match.
                Err(_) if self.is_gone(record.uid).await => {}
                Err(e) => return Err(e),
            }
        }
        let decode = move || {
            let mut columns: Vec<TextColumn> = lacking.iter().map(|_| TextColumn::default()).collect();
            for (uid, octets) in messages {
                let structure = whole.then(|| scan(&octets));
                let asked = lacking.iter().zip(&mut columns).filter(|((_, have), _)| uid > *have);
                let asked = asked.map(|((key, _), column)| (key, column));
                texts(asked, uid, &octets, structure.as_ref());
            }
            columns
        };
        compute(&cpu, decode).await
    }
}

/// Whether summaries tell all that is asked for.
fn tell_all(keys: &[(ColumnKey, Uid)]) -> bool {
    keys.iter()
        .all(|(key, _)| matches!(key, ColumnKey::Field(name) | ColumnKey::Addresses(name) if keeps(name)))
}
