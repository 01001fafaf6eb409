//! The group-commit writer: one thread a log.
//!
//! While a batch is written and synced, the owner prepares it in a thread beside ([`Beside`]); a brief one of a lone submitter is
//! prepared first, by the writer itself. A durable batch is shown by the writer
//! itself when nothing else waits; when more waits, that is written at once and the thread beside shows the batch before first. So
//! disk and owner work at the same time, and a lone submitter pays for no change of threads after the sync. A batch of a few behind one of
//! many shows that one first and waits a little for its submitters.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::beside::{Beside, Durable, Placed};
use super::format::{BATCH_HEADER, BatchHeader};
use super::handle::{Message, max_entry};
use super::space::{LogSpace, Segment};
use super::tell::{Completion, tell_all};
use super::{LogAddr, LogOwner};
use crate::error::LogError;
use crate::{BLOCK, round_to_block};

/// Octets of a batch of one entry up to which it is prepared before it is written. To wake the thread beside costs the writer as much
/// as such an entry does, and another processor a change of threads.
const BRIEF: u64 = 32 << 10;

/// Entries from which on a batch is one of many submitters.
const MANY: usize = 8;
/// A batch with this part of the entries of the one before, or less, is one of few of them.
const FEW: usize = 4;
/// Longest that the few wait for the many: what these need to submit again, not what a slow disk needs.
const LONGEST_WAIT: Duration = Duration::from_millis(1);

/// Where the next batch goes.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) at: LogAddr,
    pub(crate) seq: u64,
    pub(crate) epoch: u64,
    /// Nothing was logged since the mark of the last close.
    pub(crate) marked: bool,
}

/// An admitted entry.
struct Pending<O: LogOwner> {
    entry: O::Entry,
    parts: Vec<Bytes>,
    len: u64,
    done: Completion<O::Outcome>,
}

/// The writer thread's state.
pub(super) struct Writer<O: LogOwner> {
    pub(super) space: LogSpace,
    /// With the thread beside while a batch is written; gone if that thread has panicked.
    pub(super) owner: Option<O>,
    pub(super) beside: Option<Beside<O>>,
    /// Durable and prepared, to be shown with the next batch or when nothing waits.
    pub(super) durable: Option<Durable<O>>,
    pub(super) rx: mpsc::Receiver<Message<O>>,
    pub(super) tail: Tail,
    pub(super) segment: Arc<Segment>,
    pub(super) offline: Arc<OnceLock<Arc<str>>>,
    pub(super) wake: Option<crossbeam_channel::Sender<()>>,
    /// The current segment is of the reserve.
    pub(super) on_reserve: bool,
    pub(super) closing: bool,
    /// What the last write and sync took.
    pub(super) last_sync: Duration,
}

/// A batch as it will stand in the log.
struct Layout {
    /// What stands in front of the payloads.
    head: Vec<u8>,
    /// The place of each payload.
    addrs: Vec<LogAddr>,
    /// Where in the segment it goes.
    offset: u64,
    /// Octets of it all, padding included.
    extent: u64,
    end: LogAddr,
}

/// Zeros up to the end of the last block.
const PADDING: [u8; BLOCK as usize] = [0; BLOCK as usize];

/// Prepares a batch in this thread; `None` when the owner panics, which is then dropped as it is.
fn prepare_here<O: LogOwner>(mut owner: O, batch: Placed<O>) -> Option<(O, Durable<O>)> {
    let work = AssertUnwindSafe(move || {
        let durable = batch.prepare(&mut owner);
        (owner, durable)
    });
    panic::catch_unwind(work).ok()
}

/// Whether a batch of `have` entries serves only a few of the submitters of whom the batch before served `told`.
const fn few_of_many(have: usize, told: usize) -> bool {
    told >= MANY && have * FEW <= told
}

impl<O: LogOwner> Writer<O> {
    pub(super) fn run(mut self) {
        let mut carry: Option<Pending<O>> = None;
        loop {
            if carry.is_none() {
                match self.next_message() {
                    Some(message) => carry = self.take(message),
                    None => return self.mark_end(),
                }
            }
            let Some(first) = carry.take() else { continue };
            let mut batch = vec![first];
            carry = self.collect(&mut batch);
            if carry.is_none() && self.awaits_more(batch.len()) {
                carry = self.collect(&mut batch);
            }
            self.commit(batch);
        }
    }

    /// What waits, or else what comes next, with nothing durable left to be shown; `None` at the end.
    fn next_message(&mut self) -> Option<Message<O>> {
        if let Ok(message) = self.rx.try_recv() {
            return Some(message);
        }
        self.show();
        if self.closing { None } else { self.rx.blocking_recv() }
    }

    /// Shows the durable batch, if there is one.
    fn show(&mut self) {
        if let Some((durable, owner)) = self.durable.take().zip(self.owner.as_mut()) {
            durable.show(owner);
        }
    }

    /// Deals with one message; an admitted entry comes back.
    fn take(&mut self, message: Message<O>) -> Option<Pending<O>> {
        if !matches!(message, Message::Entry(..)) {
            self.show();
        }
        match message {
            Message::Entry(entry, done) => return self.admit(entry, done),
            Message::Call(f) => self.owner.as_mut().map(f).unwrap_or_default(),
            Message::Tick => self.owner.as_mut().map(O::idle).unwrap_or_default(),
            Message::Close => {
                // What was sent before the close still counts; nothing more is let in.
                self.rx.close();
                self.closing = true;
            }
        }
        None
    }

    fn admit(&mut self, mut entry: O::Entry, done: Completion<O::Outcome>) -> Option<Pending<O>> {
        // In every refusal the entry is dropped before its submitter hears of it: what it holds is free by then.
        if let Some(why) = self.offline.get() {
            drop(entry);
            done.tell(Err(LogError::Offline(why.clone())));
            return None;
        }
        let relieves = self.owner.as_ref().is_some_and(|owner| owner.relieves(&entry));
        if self.on_reserve && !relieves && !self.reserve_restored() {
            drop(entry);
            done.tell(Err(LogError::Full));
            return None;
        }
        // Without an owner the log is offline.
        let owner = self.owner.as_mut()?;
        let parts = match owner.admit(&mut entry) {
            Ok(parts) => parts,
            Err(refusal) => {
                drop(entry);
                done.tell(Ok(refusal));
                return None;
            }
        };
        let len = parts.iter().map(|p| p.len() as u64).sum();
        let max = max_entry(&self.space);
        if len > max {
            let why = LogError::TooLarge { len, max };
            owner.withdrawn(vec![entry], &why);
            done.tell(Err(why));
            return None;
        }
        Some(Pending { entry, parts, len, done })
    }

    /// Whether the reserve is whole again, so that everything may be logged.
    fn reserve_restored(&mut self) -> bool {
        let config = &self.space.ring.config;
        let mut free = self.space.ring.free_count();
        // With a background thread it is that one's to make files.
        while config.ahead == 0 && free < config.reserve && self.space.ring.add_free().is_ok() {
            free += 1;
        }
        self.on_reserve = free < config.reserve;
        !self.on_reserve
    }

    /// Takes everything that waits and fits; what does not fit any more is returned for the next batch.
    fn collect(&mut self, batch: &mut Vec<Pending<O>>) -> Option<Pending<O>> {
        let cost = |p: &Pending<O>| p.len + 4;
        let mut size = BATCH_HEADER as u64 + cost(&batch[0]);
        let left = self.left();
        let room = if round_to_block(size) <= left { left } else { self.space.segment_bytes() - BLOCK };
        let limit = room.min(self.space.ring.config.batch_bytes.max(size));
        while let Ok(message) = self.rx.try_recv() {
            let Some(next) = self.take(message) else { continue };
            if round_to_block(size + cost(&next)) > limit {
                return Some(next);
            }
            size += cost(&next);
            batch.push(next);
        }
        None
    }

    /// Lets more come when only a few of many submitters are in the batch: what is durable is shown to the others, who are likely to submit
    /// again, and they are waited for until half of them have, or for a part of the time of a sync. Without that the few and the many
    /// would take turns for ever, and every other sync would serve hardly anyone. Returns whether it waited.
    fn awaits_more(&mut self, have: usize) -> bool {
        let told = self.durable.as_ref().map_or(0, Durable::len);
        if !few_of_many(have, told) {
            return false;
        }
        self.show();
        let (began, longest) = (Instant::now(), (self.last_sync / 2).min(LONGEST_WAIT));
        while have + self.rx.len() < told / 2 && began.elapsed() < longest {
            thread::yield_now();
        }
        true
    }

    /// Octets left in the current segment.
    fn left(&self) -> u64 {
        (self.tail.seq + 1) * self.space.segment_bytes() - self.tail.at.0
    }

    fn commit(&mut self, batch: Vec<Pending<O>>) {
        let mut laid_out = self.lay_out(&batch, false);
        if matches!(laid_out, Err(LogError::Full)) && self.durable.is_some() {
            // What is still to be shown may give segments back.
            self.show();
            laid_out = self.lay_out(&batch, false);
        }
        match laid_out {
            Ok(layout) => self.write(batch, layout),
            Err(LogError::Full) => {
                let (relief, rest): (Vec<_>, Vec<_>) = batch
                    .into_iter()
                    .partition(|p| self.owner.as_ref().is_some_and(|owner| owner.relieves(&p.entry)));
                self.withdraw(rest, &LogError::Full);
                if relief.is_empty() {
                    return;
                }
                match self.lay_out(&relief, true) {
                    Ok(layout) => self.write(relief, layout),
                    Err(why) => self.withdraw(relief, &why),
                }
            }
            Err(why) => self.withdraw(batch, &why),
        }
    }

    fn withdraw(&mut self, batch: Vec<Pending<O>>, why: &LogError) {
        let (entries, dones): (Vec<_>, Vec<_>) = batch.into_iter().map(|p| (p.entry, p.done)).unzip();
        if let Some(owner) = &mut self.owner {
            owner.withdrawn(entries, why);
        }
        tell_all(dones.into_iter().map(|done: Completion<O::Outcome>| (done, Err(why.clone()))));
    }

    /// Finds a batch its place, in a fresh segment if it must be. `relief`: the reserve may be used.
    fn lay_out(&mut self, batch: &[Pending<O>], relief: bool) -> Result<Layout, LogError> {
        if let Some(why) = self.offline.get() {
            return Err(LogError::Offline(why.clone()));
        }
        let body = batch.iter().map(|p| p.len + 4).sum::<u64>();
        let prev_end = self.tail.at;
        if round_to_block(BATCH_HEADER as u64 + body) > self.left() {
            self.next_segment(relief)?;
        }
        let addr = self.tail.at;
        let mut head = vec![0; BATCH_HEADER];
        let mut addrs = Vec::with_capacity(batch.len());
        let mut at = addr.0 + (BATCH_HEADER + 4 * batch.len()) as u64;
        for pending in batch {
            addrs.push(LogAddr(at));
            // An entry is shorter than a segment, and a segment than 4 GiB.
            head.extend_from_slice(&(pending.len as u32).to_le_bytes());
            at += pending.len;
        }
        let header = BatchHeader {
            ring: self.space.ring.id,
            addr: addr.0,
            prev_end: prev_end.0,
            epoch: self.tail.epoch,
            body: body as u32,
            count: batch.len() as u32,
        };
        let payloads = batch.iter().flat_map(|pending| &pending.parts).map(|part| &part[..]);
        let sealed = header.seal(std::iter::once(&head[BATCH_HEADER..]).chain(payloads));
        head[..BATCH_HEADER].copy_from_slice(&sealed);
        let (offset, extent) = (addr.0 % self.space.segment_bytes(), header.extent());
        Ok(Layout { head, addrs, offset, extent, end: LogAddr(addr.0 + extent) })
    }

    /// Writes and syncs what is laid out; the owner prepares it meanwhile, or before if that is brief.
    fn write(&mut self, batch: Vec<Pending<O>>, layout: Layout) {
        let (mut entries, mut dones) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        let mut payloads = Vec::with_capacity(4 * batch.len());
        for (pending, addr) in batch.into_iter().zip(&layout.addrs) {
            entries.push((*addr, pending.entry));
            dones.push(pending.done);
            payloads.extend(pending.parts);
        }
        let batch = Placed { end: layout.end, entries, dones };
        let Some(owner) = self.owner.take() else { return };
        let brief = batch.dones.len() == 1 && self.durable.is_none() && layout.extent <= BRIEF;
        let (written, prepared) = match &self.beside {
            Some(beside) if !brief => {
                beside.start_job(owner, self.durable.take(), batch);
                let written = self.write_out(&layout, &payloads);
                (written, self.beside.as_ref().and_then(Beside::finished))
            }
            _ => {
                let prepared = prepare_here(owner, batch);
                let written = if prepared.is_some() { self.write_out(&layout, &payloads) } else { Ok(()) };
                (written, prepared)
            }
        };
        // An owner that has panicked is gone, and its submitters hear that nobody can tell.
        let Some((mut owner, durable)) = prepared else {
            self.go_offline(&io::Error::other("the log's owner has failed"));
            return;
        };
        match written {
            Ok(()) => {
                let wait = self.beside.is_none() || durable.must_be_seen(&owner);
                self.durable = Some(durable);
                self.owner = Some(owner);
                if wait {
                    self.show();
                }
            }
            Err(why) => {
                durable.withdraw(&mut owner, &why);
                self.owner = Some(owner);
            }
        }
    }

    /// Writes a batch and syncs.
    fn write_out(&mut self, layout: &Layout, payloads: &[Bytes]) -> Result<(), LogError> {
        let octets = layout.head.len() + payloads.iter().map(Bytes::len).sum::<usize>();
        let padding = &PADDING[..layout.extent as usize - octets];
        let payloads = payloads.iter().map(|part| &part[..]);
        let parts: Vec<_> = std::iter::once(&layout.head[..]).chain(payloads).chain([padding]).collect();
        let began = Instant::now();
        let disk = &self.segment.disk;
        let done = disk.write_parts(&parts, layout.offset).and_then(|()| disk.sync());
        self.last_sync = began.elapsed();
        if let Err(error) = done {
            return Err(self.go_offline(&error));
        }
        self.tail.at = layout.end;
        self.tail.marked = false;
        Ok(())
    }

    /// Writes a batch without entries behind the last, so that from now on a torn batch before it can only be damage. Nobody waits
    /// for it: without it the log is as good as after a crash.
    fn mark_end(&mut self) {
        if self.tail.marked {
            return;
        }
        let marked = self.lay_out(&[], false).and_then(|layout| self.write_out(&layout, &[]));
        match marked {
            Ok(()) => self.tail.marked = true,
            Err(error) => tracing::debug!(%error, "the log was closed without a mark"),
        }
    }

    /// Goes on in a fresh segment. Its stamp becomes durable with the batch that follows.
    fn next_segment(&mut self, relief: bool) -> Result<(), LogError> {
        let seq = self.tail.seq + 1;
        match self.space.ring.take(seq, relief) {
            Ok((segment, from_reserve)) => {
                self.segment = segment;
                self.on_reserve = from_reserve;
                self.tail.seq = seq;
                self.tail.at = LogAddr(seq * self.space.segment_bytes() + BLOCK);
                if let Some(wake) = &self.wake {
                    // Already signalled is as good.
                    let _ = wake.try_send(());
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Err(LogError::Full),
            Err(error) => Err(self.go_offline(&error)),
        }
    }

    fn go_offline(&self, error: &io::Error) -> LogError {
        tracing::error!(%error, "log write failed: the volume goes offline");
        let why: Arc<str> = error.to_string().into();
        LogError::Offline(self.offline.get_or_init(|| why).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_many_is_few() {
        assert!(few_of_many(1, MANY));
        assert!(few_of_many(2, MANY));
        assert!(!few_of_many(3, MANY));
        assert!(!few_of_many(1, MANY - 1), "a few who were told are not waited for");
        assert!(few_of_many(16, 64));
        assert!(!few_of_many(17, 64));
        assert!(!few_of_many(1, 0));
    }
}
