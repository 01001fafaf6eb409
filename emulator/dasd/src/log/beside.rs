//! The thread beside the writer: while a batch is written, it shows the batch before and prepares this one.
//!
//! The owner itself goes there and comes back with each batch, so it is never in two threads and needs no lock.

use std::io;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::tell::{Completion, tell_all};
use super::{LogAddr, LogOwner};
use crate::error::LogError;

/// A batch with its places in the log.
pub(super) struct Placed<O: LogOwner> {
    pub(super) end: LogAddr,
    pub(super) entries: Vec<(LogAddr, O::Entry)>,
    pub(super) dones: Vec<Completion<O::Outcome>>,
}

/// A batch that the owner has prepared; to be shown when it is durable.
pub(super) struct Durable<O: LogOwner> {
    batch: Placed<O>,
    prepared: O::Prepared,
}

impl<O: LogOwner> Placed<O> {
    pub(super) fn prepare(self, owner: &mut O) -> Durable<O> {
        let prepared = owner.prepare(self.end, &self.entries);
        Durable { batch: self, prepared }
    }
}

impl<O: LogOwner> Durable<O> {
    /// Entries in it.
    pub(super) fn len(&self) -> usize {
        self.batch.dones.len()
    }

    /// Makes it visible and tells the submitters.
    pub(super) fn show(self, owner: &mut O) {
        let Placed { end, entries, dones } = self.batch;
        let outcomes = owner.applied(self.prepared, end, entries);
        tell_all(dones.into_iter().zip(outcomes.into_iter().map(Ok)));
    }

    /// Whether nothing may be admitted before it is shown.
    pub(super) fn must_be_seen(&self, owner: &O) -> bool {
        self.batch.entries.iter().any(|(_, entry)| owner.must_be_seen(entry))
    }

    /// It did not become durable.
    pub(super) fn withdraw(self, owner: &mut O, why: &LogError) {
        owner.abandoned(self.prepared, why);
        owner.withdrawn(self.batch.entries.into_iter().map(|(_, entry)| entry).collect(), why);
        tell_all(self.batch.dones.into_iter().map(|done| (done, Err(why.clone()))));
    }
}

/// What the thread is to do: show what is durable, then prepare what is being written.
struct Job<O: LogOwner> {
    owner: O,
    before: Option<Durable<O>>,
    batch: Placed<O>,
}

/// The writer's end of the thread. Dropping it ends the thread.
pub(super) struct Beside<O: LogOwner> {
    jobs: Sender<Job<O>>,
    finished: Receiver<(O, Durable<O>)>,
}

impl<O: LogOwner> Beside<O> {
    pub(super) fn start() -> io::Result<(Self, JoinHandle<()>)> {
        let (jobs, todo) = bounded::<Job<O>>(1);
        let (ready, finished) = bounded(1);
        let work = move || {
            while let Ok(Job { mut owner, before, batch }) = todo.recv() {
                if let Some(before) = before {
                    before.show(&mut owner);
                }
                let durable = batch.prepare(&mut owner);
                if ready.send((owner, durable)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("log-owner".into()).spawn(work)?;
        Ok((Self { jobs, finished }, thread))
    }

    /// Starts on `batch`, after `before` has been shown.
    pub(super) fn start_job(&self, owner: O, before: Option<Durable<O>>, batch: Placed<O>) {
        // A thread that has panicked is noticed when its answer does not come.
        let _ = self.jobs.send(Job { owner, before, batch });
    }

    /// Waits for what was started; `None` when the thread has panicked.
    pub(super) fn finished(&self) -> Option<(O, Durable<O>)> {
        self.finished.recv().ok()
    }
}
