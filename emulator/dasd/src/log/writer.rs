//! The group-commit writer: one thread a log.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::format::{BATCH_HEADER, BatchHeader};
use super::space::{LogSpace, Segment};
use super::{LogAddr, LogOwner};
use crate::error::LogError;
use crate::{BLOCK, round_to_block};

type Completion<O> = oneshot::Sender<Result<<O as LogOwner>::Outcome, LogError>>;
type Call<O> = Box<dyn FnOnce(&mut O) + Send>;

enum Message<O: LogOwner> {
    Entry(O::Entry, Completion<O>),
    Call(Call<O>),
    Tick,
    Close,
}

/// Where the next batch goes.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) at: LogAddr,
    pub(crate) seq: u64,
    pub(crate) epoch: u64,
    /// Nothing was logged since the mark of the last close.
    pub(crate) marked: bool,
}

/// A log in use. Dropping it closes it; entries already queued are still written.
pub struct Log<O: LogOwner> {
    space: LogSpace,
    queue: mpsc::Sender<Message<O>>,
    offline: Arc<OnceLock<Arc<str>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop_helper: Mutex<Option<crossbeam_channel::Sender<()>>>,
}

impl<O: LogOwner> std::fmt::Debug for Log<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("space", &self.space)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

impl<O: LogOwner> Log<O> {
    pub(crate) fn start(space: LogSpace, tail: Tail, owner: O) -> io::Result<Self> {
        let config = &space.ring.config;
        let (queue, rx) = mpsc::channel(config.queue.max(1));
        let offline = Arc::new(OnceLock::new());
        let mut threads = Vec::new();
        let (stop_helper, helper_rx) = crossbeam_channel::bounded::<()>(1);
        let wake = (config.ahead > 0).then(|| stop_helper.clone());
        if config.ahead > 0 {
            let (space, ticks) = (space.clone(), queue.downgrade());
            let helper = move || helper_loop::<O>(&space, &helper_rx, &ticks);
            threads.push(std::thread::Builder::new().name("log-zero".into()).spawn(helper)?);
        }
        let segment = space.segment(tail.seq).ok_or_else(|| io::Error::other("no current log segment"))?;
        let writer = Writer {
            space: space.clone(),
            owner,
            rx,
            tail,
            segment,
            offline: offline.clone(),
            wake,
            buffer: Vec::new(),
            on_reserve: false,
            closing: false,
        };
        threads.push(std::thread::Builder::new().name("log-writer".into()).spawn(move || writer.run())?);
        let stop_helper = Mutex::new(Some(stop_helper));
        Ok(Self { space, queue, offline, threads: Mutex::new(threads), stop_helper })
    }

    /// Logs `entry` and returns when it is durable and applied. Waits while the queue is full.
    ///
    /// # Errors
    /// [`LogError`]; on any of them the entry is not in the log, except [`LogError::Offline`], after which only a
    /// recovery can tell.
    pub async fn submit(&self, entry: O::Entry) -> Result<O::Outcome, LogError> {
        let (tx, rx) = oneshot::channel();
        self.queue.send(Message::Entry(entry, tx)).await.map_err(|_| self.gone())?;
        rx.await.map_err(|_| self.gone())?
    }

    /// [`Self::submit`] for threads that are not part of an async runtime.
    ///
    /// # Errors
    /// As [`Self::submit`].
    ///
    /// # Panics
    /// When called from an async task.
    pub fn submit_blocking(&self, entry: O::Entry) -> Result<O::Outcome, LogError> {
        let (tx, rx) = oneshot::channel();
        self.queue.blocking_send(Message::Entry(entry, tx)).map_err(|_| self.gone())?;
        rx.blocking_recv().map_err(|_| self.gone())?
    }

    /// Runs `f` with the owner in the writer thread, between two batches.
    ///
    /// # Errors
    /// [`LogError::Closed`] or [`LogError::Offline`] when the writer has ended.
    pub async fn call<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut O) -> R + Send + 'static,
    ) -> Result<R, LogError> {
        let (tx, rx) = oneshot::channel();
        let call: Call<O> = Box::new(move |owner| {
            // The caller may have gone away; then nobody wants the answer.
            let _ = tx.send(f(owner));
        });
        self.queue.send(Message::Call(call)).await.map_err(|_| self.gone())?;
        rx.await.map_err(|_| self.gone())
    }

    /// [`Self::call`] for threads that are not part of an async runtime.
    ///
    /// # Errors
    /// As [`Self::call`].
    ///
    /// # Panics
    /// When called from an async task.
    pub fn call_blocking<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut O) -> R + Send + 'static,
    ) -> Result<R, LogError> {
        let (tx, rx) = oneshot::channel();
        let call: Call<O> = Box::new(move |owner| {
            let _ = tx.send(f(owner));
        });
        self.queue.blocking_send(Message::Call(call)).map_err(|_| self.gone())?;
        rx.blocking_recv().map_err(|_| self.gone())
    }

    /// The readable side of the log.
    pub fn space(&self) -> &LogSpace {
        &self.space
    }

    /// Why the log is offline, if it is.
    pub fn offline(&self) -> Option<Arc<str>> {
        self.offline.get().cloned()
    }

    /// Whether somebody has closed it, or is about to be done with that.
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Greatest payload of one entry in octets.
    pub fn max_entry(&self) -> u64 {
        max_entry(&self.space)
    }

    /// Writes what is queued, ends the threads, and drops the owner. Blocks for as long as that takes.
    pub fn close(&self) {
        self.stop_helper.lock().take();
        let mut threads = self.threads.lock();
        if threads.is_empty() {
            return;
        }
        // A full queue is drained by the writer, so this ends; it does not block an async runtime's driver for longer
        // than a few batches.
        let mut close = Message::Close;
        while let Err(mpsc::error::TrySendError::Full(back)) = self.queue.try_send(close) {
            close = back;
            std::thread::yield_now();
        }
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a log thread panicked");
            }
        }
    }

    fn gone(&self) -> LogError {
        self.offline().map_or(LogError::Closed, LogError::Offline)
    }
}

impl<O: LogOwner> Drop for Log<O> {
    fn drop(&mut self) {
        self.close();
    }
}

fn max_entry(space: &LogSpace) -> u64 {
    space.segment_bytes() - BLOCK - BATCH_HEADER as u64 - 4
}

/// Keeps zeroed segments ready and sends ticks.
fn helper_loop<O: LogOwner>(
    space: &LogSpace,
    wake: &crossbeam_channel::Receiver<()>,
    ticks: &mpsc::WeakSender<Message<O>>,
) {
    let config = &space.ring.config;
    loop {
        while space.ring.free_count() < config.ahead + config.reserve {
            if let Err(error) = space.ring.add_free() {
                tracing::warn!(%error, "no further log segment could be prepared");
                break;
            }
        }
        match wake.recv_timeout(config.tick) {
            Ok(()) => {}
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => {
                let Some(ticks) = ticks.upgrade() else { return };
                // A full queue needs no tick: the owner is called often enough.
                let _ = ticks.try_send(Message::Tick);
            }
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => return,
        }
    }
}

struct Pending<O: LogOwner> {
    entry: O::Entry,
    parts: Vec<Bytes>,
    len: u64,
    done: Completion<O>,
}

struct Writer<O: LogOwner> {
    space: LogSpace,
    owner: O,
    rx: mpsc::Receiver<Message<O>>,
    tail: Tail,
    segment: Arc<Segment>,
    offline: Arc<OnceLock<Arc<str>>>,
    wake: Option<crossbeam_channel::Sender<()>>,
    buffer: Vec<u8>,
    // The current segment is of the reserve.
    on_reserve: bool,
    closing: bool,
}

impl<O: LogOwner> Writer<O> {
    fn run(mut self) {
        let mut carry: Option<Pending<O>> = None;
        loop {
            if carry.is_none() {
                if self.closing {
                    return self.mark_end();
                }
                match self.rx.blocking_recv() {
                    Some(message) => carry = self.take(message),
                    None => return self.mark_end(),
                }
            }
            let Some(first) = carry.take() else { continue };
            let mut batch = vec![first];
            carry = self.collect(&mut batch);
            self.commit(batch);
        }
    }

    /// Deals with one message; an admitted entry comes back.
    fn take(&mut self, message: Message<O>) -> Option<Pending<O>> {
        match message {
            Message::Entry(entry, done) => self.admit(entry, done),
            Message::Call(f) => {
                f(&mut self.owner);
                None
            }
            Message::Tick => {
                self.owner.idle();
                None
            }
            Message::Close => {
                // What was sent before the close still counts; nothing more is let in.
                self.rx.close();
                self.closing = true;
                None
            }
        }
    }

    fn admit(&mut self, mut entry: O::Entry, done: Completion<O>) -> Option<Pending<O>> {
        // In every refusal the entry is dropped before its submitter hears of it: what it holds is free by then.
        if let Some(why) = self.offline.get() {
            drop(entry);
            let _ = done.send(Err(LogError::Offline(why.clone())));
            return None;
        }
        if self.on_reserve && !self.owner.relieves(&entry) && !self.reserve_restored() {
            drop(entry);
            let _ = done.send(Err(LogError::Full));
            return None;
        }
        let parts = match self.owner.admit(&mut entry) {
            Ok(parts) => parts,
            Err(refusal) => {
                drop(entry);
                let _ = done.send(Ok(refusal));
                return None;
            }
        };
        let len = parts.iter().map(|p| p.len() as u64).sum();
        let max = max_entry(&self.space);
        if len > max {
            let why = LogError::TooLarge { len, max };
            self.owner.withdrawn(vec![entry], &why);
            let _ = done.send(Err(why));
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

    /// Octets left in the current segment.
    fn left(&self) -> u64 {
        (self.tail.seq + 1) * self.space.segment_bytes() - self.tail.at.0
    }

    fn commit(&mut self, batch: Vec<Pending<O>>) {
        match self.write(&batch, false) {
            Ok(addrs) => self.complete(batch, addrs),
            Err(LogError::Full) => {
                let (relief, rest): (Vec<_>, Vec<_>) =
                    batch.into_iter().partition(|p| self.owner.relieves(&p.entry));
                self.withdraw(rest, &LogError::Full);
                if relief.is_empty() {
                    return;
                }
                match self.write(&relief, true) {
                    Ok(addrs) => self.complete(relief, addrs),
                    Err(why) => self.withdraw(relief, &why),
                }
            }
            Err(why) => self.withdraw(batch, &why),
        }
    }

    fn complete(&mut self, batch: Vec<Pending<O>>, addrs: Vec<LogAddr>) {
        let (entries, dones): (Vec<_>, Vec<_>) =
            batch.into_iter().zip(addrs).map(|(p, addr)| ((addr, p.entry), p.done)).unzip();
        let outcomes = self.owner.applied(self.tail.at, entries);
        for (done, outcome) in dones.into_iter().zip(outcomes) {
            // A submitter that went away (a cancelled task) does not undo its commit.
            let _ = done.send(Ok(outcome));
        }
    }

    fn withdraw(&mut self, batch: Vec<Pending<O>>, why: &LogError) {
        let (entries, dones): (Vec<_>, Vec<_>) = batch.into_iter().map(|p| (p.entry, p.done)).unzip();
        self.owner.withdrawn(entries, why);
        for done in dones {
            let _ = done.send(Err(why.clone()));
        }
    }

    /// Writes and syncs one batch; returns the address of each payload. `relief`: the reserve may be used.
    fn write(&mut self, batch: &[Pending<O>], relief: bool) -> Result<Vec<LogAddr>, LogError> {
        if let Some(why) = self.offline.get() {
            return Err(LogError::Offline(why.clone()));
        }
        let body = batch.iter().map(|p| p.len + 4).sum::<u64>();
        let prev_end = self.tail.at;
        if round_to_block(BATCH_HEADER as u64 + body) > self.left() {
            self.next_segment(relief)?;
        }
        let addr = self.tail.at;
        let table = 4 * batch.len();
        self.buffer.clear();
        self.buffer.resize(BATCH_HEADER + table, 0);
        let mut addrs = Vec::with_capacity(batch.len());
        for (i, pending) in batch.iter().enumerate() {
            addrs.push(LogAddr(addr.0 + self.buffer.len() as u64));
            let at = BATCH_HEADER + 4 * i;
            // An entry is shorter than a segment, and a segment than 4 GiB.
            self.buffer[at..at + 4].copy_from_slice(&(pending.len as u32).to_le_bytes());
            for part in &pending.parts {
                self.buffer.extend_from_slice(part);
            }
        }
        let header = BatchHeader {
            ring: self.space.ring.id,
            addr: addr.0,
            prev_end: prev_end.0,
            epoch: self.tail.epoch,
            body: body as u32,
            count: batch.len() as u32,
        };
        header.seal(&mut self.buffer);
        self.buffer.resize(header.extent() as usize, 0);
        let offset = addr.0 % self.space.segment_bytes();
        let done = self.segment.disk.write_at(&self.buffer, offset).and_then(|()| self.segment.disk.sync());
        if let Err(error) = done {
            return Err(self.go_offline(&error));
        }
        self.tail.at = LogAddr(addr.0 + header.extent());
        self.tail.marked = batch.is_empty();
        // One huge batch must not keep its buffer for ever.
        self.buffer.shrink_to(2 * self.space.ring.config.batch_bytes as usize);
        Ok(addrs)
    }

    /// Writes a batch without entries behind the last, so that from now on a torn batch before it can only be damage. Nobody waits
    /// for it: without it the log is as good as after a crash.
    fn mark_end(&mut self) {
        if self.tail.marked {
            return;
        }
        if let Err(error) = self.write(&[], false) {
            tracing::debug!(%error, "the log was closed without a mark");
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
