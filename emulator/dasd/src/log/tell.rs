//! Telling submitters what became of their entries.
//!
//! Tasks of a runtime that wait for one batch are told by a task of that runtime. Told from outside one by one, each of them could wake a
//! thread of the runtime, which then takes the processor from whoever tells: a change of threads an entry instead of a batch.
//! Threads that wait are told at once, so that they depend on no runtime.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use crate::error::LogError;

type Told<R> = Result<R, LogError>;

/// Where a submitter waits to be told.
pub(super) struct Completion<R> {
    done: oneshot::Sender<Told<R>>,
    /// The runtime of a task; `None` for a thread.
    runtime: Option<Handle>,
}

impl<R> Completion<R> {
    /// For a task. A runtime that stands still as soon as nobody drives it tells nobody.
    pub(super) fn of_task() -> (Self, oneshot::Receiver<Told<R>>) {
        let (done, told) = oneshot::channel();
        let runtime = Handle::try_current().ok();
        let runtime = runtime.filter(|handle| handle.runtime_flavor() != RuntimeFlavor::CurrentThread);
        (Self { done, runtime }, told)
    }

    /// For a thread.
    pub(super) fn of_thread() -> (Self, oneshot::Receiver<Told<R>>) {
        let (done, told) = oneshot::channel();
        (Self { done, runtime: None }, told)
    }

    /// Tells one. A submitter that went away (a cancelled task) does not undo its commit.
    pub(super) fn tell(self, outcome: Told<R>) {
        let _ = self.done.send(outcome);
    }
}

/// What tasks are to be told: on drop, so that a runtime that ends meanwhile tells them too.
struct Telling<R>(Vec<(oneshot::Sender<Told<R>>, Told<R>)>);

impl<R> Drop for Telling<R> {
    fn drop(&mut self) {
        for (done, outcome) in self.0.drain(..) {
            let _ = done.send(outcome);
        }
    }
}

/// Tells those of a batch.
pub(super) fn tell_all<R: Send + 'static>(batch: impl Iterator<Item = (Completion<R>, Told<R>)>) {
    let (mut runtime, mut tasks) = (None, Telling(Vec::with_capacity(batch.size_hint().0)));
    for (completion, outcome) in batch {
        match completion.runtime {
            Some(handle) => {
                runtime = Some(handle);
                tasks.0.push((completion.done, outcome));
            }
            None => completion.tell(outcome),
        }
    }
    if let Some(runtime) = runtime.filter(|_| tasks.0.len() > 1) {
        runtime.spawn(async move { drop(tasks) });
    }
}
