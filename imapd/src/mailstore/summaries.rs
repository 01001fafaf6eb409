//! Where summaries of messages stand in a mailbox's companion file, and those in memory.
//!
//! A summary takes a run of records, its [`SummaryPlace`], which the message's record of NOTE INDEX names. Which records are
//! free is never written down: they are those that no message names. What a place holds is believed only when it names the
//! EMAILID of the message and its checksum is right; otherwise the summary is made from the message again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::backend::{Backend, Shape};
use super::error::StoreError;
use super::open::OpenMailbox;
use super::types::{EmailId, MessageRecord, Uid};
use super::user::UserStore;
use crate::mail::head::{Head, Wanted};
use crate::mail::summary::Summary;
use crate::session::server::compute;

/// Octets of one record.
pub const PIECE: usize = 512;
/// Octets of a run before the summary: mark, 3 octets of 0, length, what EMAILID comes to ([`EmailId::mark`]).
const FRAME: usize = 16;
/// First octet of a run: C`S`.
const MARK: u8 = 0xE2;

/// Records that hold a summary; none when `pieces` is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SummaryPlace {
    /// The first record.
    pub first: u32,
    /// How many.
    pub pieces: u8,
}

impl SummaryPlace {
    /// Whether there is none.
    pub fn is_none(self) -> bool {
        self.pieces == 0
    }

    /// The record behind the last one.
    pub fn end(self) -> u32 {
        self.first.saturating_add(u32::from(self.pieces))
    }
}

/// How many records a summary takes.
pub fn pieces(summary: &Summary) -> u8 {
    // A summary is at most Summary::MAX, which is far below what 255 records hold.
    u8::try_from((FRAME + summary.octets().len()).div_ceil(PIECE)).unwrap_or(u8::MAX)
}

/// The records of a summary.
pub fn image(summary: &Summary, email: EmailId) -> Vec<u8> {
    let octets = summary.octets();
    let mut out = Vec::with_capacity(usize::from(pieces(summary)) * PIECE);
    out.extend_from_slice(&[MARK, 0, 0, 0]);
    out.extend_from_slice(&(octets.len() as u32).to_le_bytes());
    out.extend_from_slice(&email.mark().to_le_bytes());
    out.extend_from_slice(octets);
    out.resize(out.len().next_multiple_of(PIECE), 0);
    out
}

/// The summary of a message in its records; `None` when they hold no sound one.
pub fn read(image: &Bytes, record: &MessageRecord) -> Option<Summary> {
    Summary::read(octets(image, record)?, record.size)
}

/// Whether the records of a message hold a sound summary, of this version or another one.
pub fn is_sound(image: &Bytes, record: &MessageRecord) -> bool {
    octets(image, record).is_some_and(|octets| {
        Summary::is_of_another_version(&octets) || Summary::read(octets, record.size).is_some()
    })
}

/// The octets of the summary of a message in its records.
fn octets(image: &Bytes, record: &MessageRecord) -> Option<Bytes> {
    let head = image.get(..FRAME)?;
    let (length, email) = (u32::from_le_bytes(head[4..8].try_into().ok()?), &head[8..16]);
    let ours = head[0] == MARK && email == record.email.mark().to_le_bytes();
    let end = FRAME.checked_add(length as usize).filter(|end| *end <= image.len())?;
    ours.then(|| image.slice(FRAME..end))
}

/// Which records of a companion file are free.
#[derive(Debug, Default)]
pub struct Places {
    /// Free runs: first record and length.
    free: BTreeMap<u32, u32>,
    /// First record never used, counted from 0 here.
    end: u32,
}

impl Places {
    /// Free runs looked at before the file grows: enough to use what there is, few enough to take no time.
    const LOOK: usize = 64;
    /// Number of the first record.
    const FIRST: u32 = 1;

    /// From the places in use.
    pub fn new(used: impl IntoIterator<Item = SummaryPlace>) -> Self {
        let mut used: Vec<SummaryPlace> = used.into_iter().filter(|p| !p.is_none()).collect();
        used.sort_unstable_by_key(|p| p.first);
        let mut places = Self { free: BTreeMap::new(), end: Self::FIRST };
        for place in used {
            if place.first > places.end {
                places.free.insert(places.end, place.first - places.end);
            }
            places.end = places.end.max(place.end());
        }
        places
    }

    /// Takes a run.
    pub fn take(&mut self, pieces: u8) -> SummaryPlace {
        let wanted = u32::from(pieces);
        let fit = self.free.iter().take(Self::LOOK).find(|(_, len)| **len >= wanted);
        let first = match fit.map(|(first, len)| (*first, *len)) {
            Some((first, len)) => {
                self.free.remove(&first);
                if len > wanted {
                    self.free.insert(first + wanted, len - wanted);
                }
                first
            }
            None => {
                let first = self.end.max(Self::FIRST);
                self.end = first + wanted;
                first
            }
        };
        SummaryPlace { first, pieces }
    }

    /// Gives a run back.
    pub fn give(&mut self, place: SummaryPlace) {
        if place.is_none() {
            return;
        }
        let (mut first, mut end) = (place.first, place.end());
        if let Some((before, len)) = self.free.range(..first).next_back().map(|(f, l)| (*f, *l))
            && before + len == first
        {
            self.free.remove(&before);
            first = before;
        }
        if let Some(len) = self.free.remove(&end) {
            end += len;
        }
        if end == self.end {
            self.end = first;
        } else {
            self.free.insert(first, end - first);
        }
    }
}

impl OpenMailbox {
    /// Summaries that are kept beside the messages; `None` where there is no sound one.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn kept_summaries(
        &self,
        records: &[MessageRecord],
    ) -> Result<Vec<Option<Summary>>, StoreError> {
        let places: Vec<SummaryPlace> = records.iter().map(|r| r.summary).collect();
        if places.iter().all(|p| p.is_none()) {
            return Ok(vec![None; records.len()]);
        }
        let backend = self.user.backend();
        let images = backend.read_summaries(self.user.id(), &self.dir, &places).await?;
        Ok(images.iter().zip(records).map(|(image, record)| read(image, record)).collect())
    }

    /// Summaries of messages, few enough that all may be in memory: from memory, from the companion file, or made from the
    /// messages; those are then kept for the next time. `None` for a message that has none, or cannot be read.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn summaries(
        self: &Arc<Self>,
        cpu: &Arc<Semaphore>,
        records: &[MessageRecord],
    ) -> Result<Vec<Option<Summary>>, StoreError> {
        let mut out = self.cached_summaries(records);
        let on_disk: Vec<usize> = (0..records.len()).filter(|i| out[*i].is_none()).collect();
        let wanted: Vec<MessageRecord> = on_disk.iter().map(|i| records[*i]).collect();
        for (i, summary) in on_disk.into_iter().zip(self.kept_summaries(&wanted).await?) {
            if let Some(summary) = &summary {
                self.keep_summary(records[i].uid, summary);
            }
            out[i] = summary;
        }
        let lacking: Vec<usize> = (0..records.len()).filter(|i| out[*i].is_none()).collect();
        let mut new = Vec::new();
        for piece in pieces_of(records, &lacking) {
            let wanted: Vec<MessageRecord> = piece.iter().map(|i| records[*i]).collect();
            for (i, octets) in piece.iter().zip(self.read_in_passing(&wanted).await?) {
                let Some(octets) = octets else { continue };
                let Some(summary) = made(cpu, octets).await? else { continue };
                self.keep_summary(records[*i].uid, &summary);
                new.push((records[*i], summary.clone()));
                out[*i] = Some(summary);
            }
        }
        if !new.is_empty() {
            self.user.clone().summarize(self, new);
        }
        Ok(out)
    }
}

impl OpenMailbox {
    /// What is wanted of the headers of some messages; `None` for one that must be read. Whole ones are kept for the next time: an
    /// order that was made of parts is kept itself.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn heads(
        self: &Arc<Self>,
        cpu: &Arc<Semaphore>,
        records: &[MessageRecord],
        wanted: Wanted,
    ) -> Result<Vec<Option<Arc<Head>>>, StoreError> {
        let summaries = self.summaries(cpu, records).await?;
        let head = move |s: &Option<Summary>| s.as_ref().map(|s| Arc::new(s.head_of(wanted)));
        let heads = compute(cpu, move || summaries.iter().map(head).collect::<Vec<_>>()).await?;
        if wanted == Wanted::ALL {
            let made = records.iter().zip(&heads).filter_map(|(record, head)| Some((record, head.as_ref()?)));
            made.for_each(|(record, head)| self.keep_head(record.uid, head));
        }
        Ok(heads)
    }
}

/// Copies of one COPY or MOVE whose summaries follow by themselves; those of others are made when somebody asks for them.
const MAX_COPIES: usize = 100_000;
/// Copies that get their summaries in one work unit: others of the user wait for it at most.
const TOGETHER: usize = 256;

/// Gives copies their summaries once the user is quiet. What is moved on or expunged before that never costs a write. Nobody
/// waits for it, and nothing is lost when it does not happen: who asks for a summary that is not there makes it. `copies` are
/// UIDs in `to` with the places of their originals' summaries in `from`.
pub(super) fn complete_later(
    from: &Arc<OpenMailbox>,
    to: &Arc<OpenMailbox>,
    copies: Vec<(Uid, SummaryPlace)>,
) {
    if copies.is_empty() || copies.len() > MAX_COPIES || to.keeps_none.load(Ordering::Relaxed) {
        return;
    }
    let (user, from, to) = (Arc::downgrade(&to.user), Arc::downgrade(from), Arc::downgrade(to));
    tokio::spawn(async move {
        UserStore::quiet(user).await;
        for piece in copies.chunks(TOGETHER) {
            let (Some(from), Some(to)) = (from.upgrade(), to.upgrade()) else { return };
            if let Err(e) = complete(&from, &to, piece).await {
                tracing::debug!(user = %to.user.id(), error = %e, "copies have no summaries");
                return;
            }
        }
    });
}

/// The same now.
async fn complete(
    from: &OpenMailbox,
    to: &Arc<OpenMailbox>,
    copies: &[(Uid, SummaryPlace)],
) -> Result<(), StoreError> {
    let mut lacking: Vec<(MessageRecord, SummaryPlace)> = {
        let state = to.state();
        let there = copies.iter().filter_map(|(uid, place)| Some((state.columns.get(*uid)?, *place)));
        there.filter(|(record, _)| record.summary.is_none()).collect()
    };
    let records: Vec<MessageRecord> = lacking.iter().map(|(record, _)| *record).collect();
    let mut made = to.cached_summaries(&records);
    // The original's summary may be another one's by now; then it does not name the EMAILID that both have.
    lacking.iter_mut().for_each(|(record, place)| record.summary = *place);
    let unknown: Vec<usize> = (0..made.len()).filter(|i| made[*i].is_none()).collect();
    let originals: Vec<MessageRecord> = unknown.iter().map(|i| lacking[*i].0).collect();
    for (i, summary) in unknown.into_iter().zip(from.kept_summaries(&originals).await?) {
        made[i] = summary;
    }
    let made = records.into_iter().zip(made).filter_map(|(record, summary)| Some((record, summary?)));
    let made: Vec<_> = made.collect();
    if made.is_empty() { Ok(()) } else { to.user.keep_summaries(to, made).await }
}

/// Octets of messages read together, more only for a single one.
const READ_TOGETHER: u64 = 1024 * 1024;

/// Positions in pieces whose messages are read together.
fn pieces_of<'a>(records: &'a [MessageRecord], positions: &'a [usize]) -> impl Iterator<Item = &'a [usize]> {
    let mut rest = positions;
    std::iter::from_fn(move || {
        let mut octets = 0;
        let fit = rest.iter().take_while(|i| {
            octets += records[**i].size;
            octets <= READ_TOGETHER
        });
        let (piece, after) = rest.split_at(fit.count().max(1).min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Octets from which on a message is scanned off the tasks' threads.
pub(crate) const LARGE_MESSAGE: usize = 256 * 1024;

/// The summary of a message.
///
/// # Errors
/// When the computation panicked, which is a defect.
async fn made(cpu: &Arc<Semaphore>, octets: Bytes) -> Result<Option<Summary>, StoreError> {
    if octets.len() < LARGE_MESSAGE {
        return Ok(Summary::new(&octets));
    }
    compute(cpu, move || Summary::new(&octets)).await
}

/// What is made of a message that is about to be stored: in the task of who stores it, so that the one writer of the user
/// does not do it; of a large one elsewhere, all at the same time.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) summary: Option<Summary>,
    pub(super) shape: Shape,
}

impl Ready {
    pub(super) async fn new(backend: &Arc<dyn Backend>, octets: &Bytes) -> Self {
        if octets.len() < LARGE_MESSAGE {
            return Self { summary: Summary::new(octets), shape: backend.shape(octets) };
        }
        let (to_shape, to_sum_up, shaper) = (octets.clone(), octets.clone(), backend.clone());
        let shape = tokio::task::spawn_blocking(move || shaper.shape(&to_shape));
        let summary = tokio::task::spawn_blocking(move || Summary::new(&to_sum_up));
        // Without a summary the message is stored all the same.
        let summary = summary.await.ok().flatten();
        let shape = shape.await.unwrap_or_else(|_| backend.shape(octets));
        Self { summary, shape }
    }
}

/// Summaries that are to be kept, with the messages they are of.
pub(super) type Made = Vec<(Uid, Summary)>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// No record is ever given out twice, and what is given back is used again.
        #[test]
        fn places_never_overlap(steps in proptest::collection::vec((1u8..40, any::<prop::sample::Index>(), any::<bool>()), 1..200)) {
            let mut places = Places::new([]);
            let mut used: Vec<SummaryPlace> = Vec::new();
            for (pieces, which, give) in steps {
                if give && !used.is_empty() {
                    places.give(used.swap_remove(which.index(used.len())));
                } else {
                    let place = places.take(pieces);
                    prop_assert!(place.first >= 1 && place.pieces == pieces);
                    prop_assert!(used.iter().all(|u| u.end() <= place.first || place.end() <= u.first));
                    used.push(place);
                }
                let again = Places::new(used.iter().copied());
                prop_assert_eq!(&again.free, &places.free);
                prop_assert_eq!(again.end, places.end);
            }
        }
    }
}
