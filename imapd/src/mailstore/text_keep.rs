//! Writing `NOTE TEXT`, when nothing else is to be done.
//!
//! Once no message has come for a moment, the texts of those that came are made, put into the columns in memory as far as there is
//! room, and added to `NOTE TEXT` in work units of their own: no APPEND, delivery or COPY waits for them, and nothing is lost when
//! they are not made. One mailbox at a time, one piece at a time, with rests. A few messages are not worth it: the next search
//! reads them. Of a user whose limit is nearly reached nothing is kept.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::Semaphore;

use super::error::StoreError;
use super::open::OpenMailbox;
use super::store::MAX_CACHED;
use super::text_batch::{self, Head};
use super::text_fill::Piece;
use super::texts::{MAX_COLUMN, TextFile};
use super::types::Uid;
use crate::mail::head::Wanted;
use crate::search::column::{ColumnKey, TextColumn};
use crate::session::server::compute;

/// Messages that are worth writing: what fewer cost the next search is less than a work unit for each few.
pub const ENOUGH: usize = 64;
/// Octets written in one work unit.
const TOGETHER: usize = 2 * 1024 * 1024;
/// One part in so many of the user's limit is left to his mail.
const SPARE: u64 = 8;
/// How long no message comes into a mailbox that is quiet: longer than clients and delivery that have more take for the next one,
/// and no longer, since who has filled a mailbox may search it soon.
const QUIET: Duration = Duration::from_millis(25);
/// How often that is waited for: a mailbox that is never quiet gets its texts all the same.
const QUIET_TRIES: u32 = 1_200;

/// How fast texts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Without a rest.
    Fast,
    /// After each piece a rest half as long as it took.
    Slow,
}

impl Pace {
    /// Longest rest.
    const MOST: Duration = Duration::from_millis(100);

    async fn rest(self, since: Instant) {
        if self == Self::Slow {
            tokio::time::sleep((since.elapsed() / 2).min(Self::MOST)).await;
        }
    }
}

/// Columns that are filled before anybody asks: what most searches look at.
fn usual() -> BTreeSet<ColumnKey> {
    let fields = [&b"SUBJECT"[..], b"FROM", b"TO"].map(ColumnKey::field);
    fields.into_iter().chain([ColumnKey::Header, ColumnKey::Body]).collect()
}

impl OpenMailbox {
    /// Messages came or went: makes texts of those that lack them once the mailbox is quiet, if they are enough.
    pub(super) fn keep_texts_later(self: &Arc<Self>) {
        let texts = &self.texts;
        if texts.keeps_none.load(Ordering::Relaxed) || !self.texts_are_due(texts.file().as_deref()) {
            return;
        }
        if texts.waiting.swap(true, Ordering::Relaxed) {
            return;
        }
        let mailbox = Arc::downgrade(self);
        tokio::spawn(async move {
            let next = || mailbox.upgrade().map(|m| m.state().uid_next);
            for _ in 0..QUIET_TRIES {
                let before = next();
                tokio::time::sleep(QUIET).await;
                if next() == before {
                    break;
                }
            }
            let Some(mailbox) = mailbox.upgrade() else { return };
            mailbox.texts.waiting.store(false, Ordering::Relaxed);
            let turn = mailbox.user.background().clone();
            let Ok(_turn) = turn.acquire().await else { return };
            // Nothing is lost: the next search reads the messages.
            if let Err(error) = mailbox.keep_texts(Pace::Slow).await {
                tracing::debug!(user = %mailbox.user.id(), %error, "texts are not kept");
            }
        });
    }

    /// Whether enough messages lack their texts, or enough texts their messages. `file` is what is known of the file; without that,
    /// every message may lack its texts.
    fn texts_are_due(&self, file: Option<&TextFile>) -> bool {
        let state = self.state();
        let uids = state.columns.uids();
        let upto = file.map_or(Uid(0), TextFile::upto);
        let lacking = uids.len() - uids.partition_point(|u| *u <= upto.0);
        !state.deleted
            && (lacking >= ENOUGH || file.is_some_and(|file| file.sound_for(uids) < file.batches.len()))
    }

    /// Makes texts of the messages that lack them and writes them behind the others, if they are enough; cuts off what is mostly
    /// of expunged messages, which is then made again.
    ///
    /// # Errors
    /// What the backend says. It is not tried again while the mailbox is in memory.
    pub async fn keep_texts(self: &Arc<Self>, pace: Pace) -> Result<(), StoreError> {
        let _writer = self.texts.writer.lock().await;
        let kept = self.keep_texts_now(pace).await;
        if kept.is_err() {
            self.texts.keeps_none.store(true, Ordering::Relaxed);
            self.texts.set_file(None);
        }
        kept
    }

    async fn keep_texts_now(self: &Arc<Self>, pace: Pace) -> Result<(), StoreError> {
        let file = self.text_file().await?;
        if !self.texts_are_due(Some(&file)) {
            return Ok(());
        }
        let cpu = Arc::new(Semaphore::new(1));
        let (last, stay, octets) = {
            let state = self.state();
            let uids = state.columns.uids();
            let octets: u64 = (0..uids.len()).map(|i| state.columns.at(i).size).sum();
            (Uid(uids.last().copied().unwrap_or(0)), file.sound_for(uids), octets)
        };
        let mut file = TextFile { batches: file.batches[..stay].to_vec() };
        let is_cut = stay < self.texts.file().map_or(stay, |f| f.batches.len());
        // What is cut is not used from now on.
        self.texts.set_file(Some(file.clone()));
        self.warm(&cpu, &file, last, octets, pace).await?;
        let (pieces, count) = self.pieces(&file, file.upto(), last, false);
        if !self.has_room_for_texts(octets).await? || (count < ENOUGH && !is_cut) {
            return if is_cut { self.write_batches(&mut file, &mut Vec::new()).await } else { Ok(()) };
        }
        let mut new: Vec<bytes::Bytes> = Vec::new();
        for piece in pieces {
            let begun = Instant::now();
            let Piece::Notes(records) = &piece else { continue };
            let after = new.last().and_then(|b| Head::read(b)).map_or(file.upto(), |head| head.upto);
            let Some(upto) = records.last().map(|r| r.uid) else { continue };
            let [header, body] = self.header_and_body(&cpu, after, upto, piece).await?;
            let uid_validity = self.uid_validity;
            let batch = compute(&cpu, move || text_batch::batch(uid_validity, (after, upto), &header, &body));
            let Some(batch) = batch.await? else {
                return Err(StoreError::Limit("texts of a message are too long to be kept"));
            };
            new.push(batch);
            if new.iter().map(bytes::Bytes::len).sum::<usize>() >= TOGETHER {
                self.write_batches(&mut file, &mut new).await?;
            }
            pace.rest(begun).await;
        }
        if new.is_empty() && !is_cut {
            return Ok(());
        }
        self.write_batches(&mut file, &mut new).await
    }

    /// Writes batches behind those of the file.
    async fn write_batches(
        &self,
        file: &mut TextFile,
        new: &mut Vec<bytes::Bytes>,
    ) -> Result<(), StoreError> {
        let mut image = BytesMut::with_capacity(new.iter().map(bytes::Bytes::len).sum());
        new.iter().for_each(|batch| image.extend_from_slice(batch));
        let keep = file.end();
        for head in new.drain(..).filter_map(|batch| Head::read(&batch)) {
            file.push(head);
        }
        let _room = self.user.beside().await?;
        if self.state().deleted {
            return Ok(());
        }
        self.user.backend().write_texts(self.user.id(), &self.dir, keep, image.freeze()).await?;
        self.texts.set_file(Some(file.clone()));
        Ok(())
    }

    /// Fills the usual columns, and what SORT and THREAD look at, when they are small enough that no others have to go.
    async fn warm(
        self: &Arc<Self>,
        cpu: &Arc<Semaphore>,
        file: &TextFile,
        last: Uid,
        octets: u64,
        pace: Pace,
    ) -> Result<(), StoreError> {
        let octets = usize::try_from(octets).unwrap_or(usize::MAX);
        let cached = self.user.cached_now().saturating_add(octets);
        if octets > MAX_COLUMN / 2 || cached > MAX_CACHED / 2 {
            return Ok(());
        }
        let (pieces, _) = self.pieces(file, Uid(0), last, false);
        // Piece by piece: who searches meanwhile waits for one at most, and makes the others himself.
        for piece in pieces {
            let begun = Instant::now();
            self.fill_texts(cpu, usual(), piece.upto(), &AtomicU32::new(0)).await?;
            if let Piece::Notes(records) = &piece {
                // What SORT and THREAD want to know.
                self.heads(cpu, records, Wanted::ALL).await?;
            }
            pace.rest(begun).await;
        }
        Ok(())
    }

    /// The texts of a piece: out of the columns, when they have them.
    async fn header_and_body(
        self: &Arc<Self>,
        cpu: &Arc<Semaphore>,
        after: Uid,
        upto: Uid,
        piece: Piece,
    ) -> Result<[TextColumn; 2], StoreError> {
        let keys = [ColumnKey::Header, ColumnKey::Body];
        let mut out = Vec::new();
        for column in keys.iter().filter_map(|key| self.known_text_column(key)) {
            let column = column.read().await;
            if let Piece::Notes(records) = &piece
                && column.upto() >= upto
            {
                let mut part = column.part(after, upto);
                part.retain(&records.iter().map(|r| r.uid.0).collect::<Vec<u32>>());
                out.push(part);
            }
        }
        if out.len() < keys.len() {
            let lacking = keys.map(|key| (key, after));
            out = self.clone().texts_of_piece(cpu.clone(), piece, Arc::new(lacking)).await?;
        }
        <[TextColumn; 2]>::try_from(out).map_err(|_| StoreError::Defect("a column is lacking".into()))
    }

    /// Whether the user has room for texts of that many octets of messages and for more mail.
    async fn has_room_for_texts(&self, octets: u64) -> Result<bool, StoreError> {
        let space = self.user.space().await?;
        let wanted = octets.div_ceil(text_batch::RECORD as u64);
        Ok(space.used + wanted + space.limit / SPARE <= space.limit)
    }
}
