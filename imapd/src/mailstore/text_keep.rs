//! Writing `NOTE TEXT`, when nothing else is to be done.
//!
//! Once no message has come for a moment, the texts of those that came are made, put into the columns in memory as far as there is
//! room, and added to `NOTE TEXT` in work units of their own: no APPEND, delivery or COPY waits for them, and nothing is lost when
//! they are not made. One mailbox at a time, one piece at a time, with rests. A few messages are not worth it: the next search
//! reads them. Where room is scarce nothing is kept ([`super::text_room`]).
//!
//! It takes at most about [`MAX_MEMORY`] octets of memory, beside the columns, which have a bound of their own
//! ([`super::store::MAX_CACHED`]): a piece of messages with what is made of it, and batches that wait to be written.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::Semaphore;

use super::error::StoreError;
use super::open::OpenMailbox;
use super::store::MAX_CACHED;
use super::text_batch::{self, Head};
use super::text_fill::Piece;
use super::texts::{MAX_COLUMN, TextFile};
use super::types::{MessageRecord, Uid};
use super::user::UserStore;
use crate::mail::head::Wanted;
use crate::search::column::{ColumnKey, TextColumn};
use crate::session::server::compute;

/// Messages that are worth writing: what fewer cost the next search is less than a work unit for each few.
pub const ENOUGH: usize = 64;
/// Octets written in one work unit.
const TOGETHER: usize = 2 * 1024 * 1024;
/// Octets of memory that writing takes: a message of [`text_batch::LARGE`] octets as it is on the disk, as it is on the wire, its texts
/// before and after folding, the part of a batch before and after it is deflated, and the batches that wait, twice.
pub const MAX_MEMORY: usize = 6 * text_batch::LARGE as usize + 2 * TOGETHER;
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

    /// Most of these rests one after the other, while something is done for the user: he is never at rest for ever.
    const RESTS: u32 = 4;

    async fn rest(self, since: Instant, user: &UserStore) {
        if self == Self::Slow {
            let rest = (since.elapsed() / 2).min(Self::MOST);
            tokio::time::sleep(rest).await;
            for _ in 1..Self::RESTS {
                if !user.is_waited_for() {
                    return;
                }
                tokio::time::sleep(rest.max(QUIET)).await;
            }
        }
    }
}

/// Columns that are filled before anybody asks: what most searches look at.
fn usual() -> BTreeSet<ColumnKey> {
    let people = [&b"FROM"[..], b"TO"].map(ColumnKey::addresses);
    people.into_iter().chain([ColumnKey::field(b"SUBJECT"), ColumnKey::Header, ColumnKey::Body]).collect()
}

impl OpenMailbox {
    /// Messages came or went: makes texts of those that lack them once the mailbox is quiet, if they are enough.
    pub(super) fn keep_texts_later(self: &Arc<Self>) {
        let texts = &self.texts;
        if texts.keeps_none.load(Ordering::Relaxed) || !self.texts_are_due(self.known_text_file().as_deref())
        {
            return;
        }
        if texts.waiting.swap(true, Ordering::Relaxed) {
            return;
        }
        let mailbox = Arc::downgrade(self);
        tokio::spawn(async move {
            // A change that is under way, say of the messages just copied, has the processors to itself.
            let now = || mailbox.upgrade().map(|m| (m.state().uid_next, m.user.is_waited_for()));
            for _ in 0..QUIET_TRIES {
                let before = now();
                tokio::time::sleep(QUIET).await;
                if now() == before && before.is_none_or(|(_, waited_for)| !waited_for) {
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
        match self.keep_texts_now(pace).await {
            Err(error) if error.is_want_of_room() => {
                // Others were faster. It is tried again when there is more room.
                self.user.text_room.refused();
                Ok(())
            }
            Err(_) if self.is_going().await => Ok(()),
            Err(error) => {
                self.texts.keeps_none.store(true, Ordering::Relaxed);
                self.texts.file_went();
                Err(error)
            }
            kept => kept,
        }
    }

    /// Whether the mailbox was deleted. Between its files and what is in memory of it there is the turn of texts.
    async fn is_going(&self) -> bool {
        let _turn = self.user.text_room.turn().await;
        self.state().deleted
    }

    async fn keep_texts_now(self: &Arc<Self>, pace: Pace) -> Result<(), StoreError> {
        let known = self.text_file().await?;
        if !self.texts_are_due(Some(&known)) {
            return Ok(());
        }
        let cpu = Arc::new(Semaphore::new(1));
        let (last, stay) = {
            let state = self.state();
            let uids = state.columns.uids();
            (Uid(uids.last().copied().unwrap_or(0)), known.sound_for(uids))
        };
        let mut new = NewTexts::behind(&known, stay);
        if new.is_cut {
            // What is cut is not used from now on.
            self.set_text_file(new.file.clone());
        }
        self.warm(&cpu, &new.file, last, pace).await?;
        let (pieces, count) = self.pieces(&new.file, new.file.upto(), last, false);
        let octets: u64 = pieces.iter().filter_map(Piece::notes).flatten().map(|r| r.size).sum();
        let blocks = octets.div_ceil(text_batch::RECORD as u64);
        if count >= ENOUGH && self.user.has_room_for_texts(blocks).await? {
            for piece in pieces {
                let begun = Instant::now();
                let Some(batch) = self.batch_of(&cpu, new.upto(), piece).await? else { continue };
                new.batches.push(batch);
                if new.octets() >= TOGETHER && !self.write(&mut new).await? {
                    return Ok(());
                }
                pace.rest(begun, &self.user).await;
            }
        }
        if new.is_cut || !new.batches.is_empty() {
            self.write(&mut new).await?;
        }
        Ok(())
    }

    /// The batch of a piece of messages that are to be read, all of which come after `after`.
    async fn batch_of(
        self: &Arc<Self>,
        cpu: &Arc<Semaphore>,
        after: Uid,
        piece: Piece,
    ) -> Result<Option<Bytes>, StoreError> {
        let Piece::Notes(records) = piece else { return Ok(None) };
        let uid_validity = self.uid_validity;
        let batch = match &records[..] {
            [] => return Ok(None),
            [large] if large.size > text_batch::LARGE => text_batch::left_out(uid_validity, after, large),
            _ => {
                let [header, body] = self.header_and_body(cpu, after, &records).await?;
                let made = move || text_batch::batch(uid_validity, after, &records, &header, &body);
                compute(cpu, made).await?
            }
        };
        batch.map(Some).ok_or(StoreError::Limit("texts of a message are too long to be kept"))
    }

    /// Writes batches behind those that stay; false when the file is another one by now, or gone.
    async fn write(&self, new: &mut NewTexts) -> Result<bool, StoreError> {
        let mut image = BytesMut::with_capacity(new.octets());
        let mut file = TextFile::clone(&new.file);
        for batch in new.batches.drain(..) {
            image.extend_from_slice(&batch);
            Head::read(&batch).map(|head| file.push(head));
        }
        let keep = new.file.end();
        let _room = self.user.beside().await?;
        let _turn = self.user.text_room.turn().await;
        let is_same = self.known_text_file().is_some_and(|known| Arc::ptr_eq(&known, &new.file));
        if !is_same || self.state().deleted {
            return Ok(false);
        }
        self.user.backend().write_texts(self.user.id(), &self.dir, keep, image.freeze()).await?;
        self.user.text_room.came();
        *new = NewTexts { file: Arc::new(file), is_cut: false, batches: Vec::new() };
        self.set_text_file(new.file.clone());
        Ok(true)
    }

    /// Fills the usual columns, and what SORT and THREAD look at, when they are small enough that no others have to go.
    async fn warm(
        self: &Arc<Self>,
        cpu: &Arc<Semaphore>,
        file: &TextFile,
        last: Uid,
        pace: Pace,
    ) -> Result<(), StoreError> {
        let octets: u64 = {
            let state = self.state();
            (0..state.columns.len()).map(|i| state.columns.at(i).size).sum()
        };
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
            let lacking = |r: &&MessageRecord| self.cached_head(r.uid).is_none();
            let lacking: Vec<MessageRecord> =
                piece.notes().into_iter().flatten().filter(lacking).copied().collect();
            if !lacking.is_empty() {
                // What SORT and THREAD want to know.
                self.heads(cpu, &lacking, Wanted::ALL).await?;
            }
            pace.rest(begun, &self.user).await;
        }
        Ok(())
    }

    /// The texts of messages: out of the columns, when they have them.
    async fn header_and_body(
        self: &Arc<Self>,
        cpu: &Arc<Semaphore>,
        after: Uid,
        records: &[MessageRecord],
    ) -> Result<[TextColumn; 2], StoreError> {
        let keys = [ColumnKey::Header, ColumnKey::Body];
        let upto = records.last().map_or(after, |r| r.uid);
        let mut out = Vec::new();
        for column in keys.iter().filter_map(|key| self.known_text_column(key)) {
            let column = column.read().await;
            if column.upto() >= upto {
                let mut part = column.part(after, upto);
                part.retain(&records.iter().map(|r| r.uid.0).collect::<Vec<u32>>());
                out.push(part);
            }
        }
        if out.len() < keys.len() {
            let lacking = keys.map(|key| (key, after));
            let piece = Piece::Notes(records.to_vec());
            out = self.clone().texts_of_piece(cpu.clone(), piece, Arc::new(lacking)).await?;
        }
        <[TextColumn; 2]>::try_from(out).map_err(|_| StoreError::Defect("a column is lacking".into()))
    }
}

/// Batches on their way into `NOTE TEXT`.
struct NewTexts {
    /// What stays of the file.
    file: Arc<TextFile>,
    /// Whether it was more.
    is_cut: bool,
    /// What comes behind that.
    batches: Vec<Bytes>,
}

impl NewTexts {
    /// None yet, behind the first `stay` batches of a file.
    fn behind(known: &Arc<TextFile>, stay: usize) -> Self {
        if stay >= known.batches.len() {
            return Self { file: known.clone(), is_cut: false, batches: Vec::new() };
        }
        let file = Arc::new(TextFile { batches: known.batches[..stay].to_vec() });
        Self { file, is_cut: true, batches: Vec::new() }
    }

    /// The last message that has its texts.
    fn upto(&self) -> Uid {
        self.batches.last().and_then(|b| Head::read(b)).map_or(self.file.upto(), |head| head.upto)
    }

    fn octets(&self) -> usize {
        self.batches.iter().map(Bytes::len).sum()
    }
}
