//! Who has written to the volume and not yet logged it: a segment with such extents looks dead and is not.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// Commits between their write to the volume and their log entry, by the moment they began.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    // The last moment, and those at which writers that are still open began.
    state: Mutex<(u64, BTreeSet<u64>)>,
}

impl Writers {
    /// A moment: greater than that of every writer so far.
    pub(crate) fn now(&self) -> u64 {
        let mut state = self.state.lock();
        state.0 += 1;
        state.0
    }

    /// Begins writing; ends when the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Writing {
        let mut state = self.state.lock();
        state.0 += 1;
        let began = state.0;
        state.1.insert(began);
        Writing { writers: self.clone(), began }
    }

    /// The moment at which the oldest writer still open began.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.state.lock().1.first().copied()
    }
}

/// A writer at work.
#[derive(Debug)]
pub(crate) struct Writing {
    writers: Arc<Writers>,
    began: u64,
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.writers.state.lock().1.remove(&self.began);
    }
}
