//! A log in use, as its submitters see it: a bounded queue before the writer thread. Starts and ends the log's threads.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::LogOwner;
use super::beside::Beside;
use super::format::BATCH_HEADER;
use super::space::LogSpace;
use super::tell::Completion;
use super::writer::{Tail, Writer};
use crate::BLOCK;
use crate::error::LogError;

type Call<O> = Box<dyn FnOnce(&mut O) + Send>;

/// What the writer thread is sent.
pub(super) enum Message<O: LogOwner> {
    Entry(O::Entry, Completion<O::Outcome>),
    Call(Call<O>),
    Tick,
    Close,
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
        let beside = if config.ahead > 0 {
            let (beside, thread) = Beside::start()?;
            threads.push(thread);
            Some(beside)
        } else {
            None
        };
        let segment = space.segment(tail.seq).ok_or_else(|| io::Error::other("no current log segment"))?;
        let writer = Writer {
            space: space.clone(),
            owner: Some(owner),
            beside,
            durable: None,
            rx,
            tail,
            segment,
            offline: offline.clone(),
            wake,
            on_reserve: false,
            closing: false,
            last_sync: std::time::Duration::ZERO,
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
        let (done, told) = Completion::of_task();
        self.queue.send(Message::Entry(entry, done)).await.map_err(|_| self.gone())?;
        told.await.map_err(|_| self.dropped())?
    }

    /// [`Self::submit`] for threads that are not part of an async runtime.
    ///
    /// # Errors
    /// As [`Self::submit`].
    ///
    /// # Panics
    /// When called from an async task.
    pub fn submit_blocking(&self, entry: O::Entry) -> Result<O::Outcome, LogError> {
        let (done, told) = Completion::of_thread();
        self.queue.blocking_send(Message::Entry(entry, done)).map_err(|_| self.gone())?;
        told.blocking_recv().map_err(|_| self.dropped())?
    }

    /// Runs `f` with the owner in the writer thread, between two batches.
    ///
    /// # Errors
    /// [`LogError::Closed`] or [`LogError::Offline`] when the writer has ended.
    pub async fn call<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut O) -> R + Send + 'static,
    ) -> Result<R, LogError> {
        let (call, rx) = answered(f);
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
        let (call, rx) = answered(f);
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

    /// Why an entry that was taken got no answer.
    fn dropped(&self) -> LogError {
        match self.offline() {
            None if !self.queue.is_closed() => LogError::Offline("the log's owner has failed".into()),
            _ => self.gone(),
        }
    }

    fn gone(&self) -> LogError {
        self.offline().map_or(LogError::Closed, LogError::Offline)
    }
}

/// A call, and where its answer comes.
fn answered<O, R: Send + 'static>(
    f: impl FnOnce(&mut O) -> R + Send + 'static,
) -> (Call<O>, oneshot::Receiver<R>) {
    let (tx, rx) = oneshot::channel();
    let call = Box::new(move |owner: &mut O| {
        // The caller may have gone away; then nobody wants the answer.
        let _ = tx.send(f(owner));
    });
    (call, rx)
}

impl<O: LogOwner> Drop for Log<O> {
    fn drop(&mut self) {
        self.close();
    }
}

/// Greatest payload of one entry in octets.
pub(super) fn max_entry(space: &LogSpace) -> u64 {
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
