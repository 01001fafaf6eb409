//! Who has written to the volume and not yet logged it: a segment with such extents looks dead and is not.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// Commits between their write to the volume and their log entry, by the moment they began.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    // The last moment, and those at which writers that are still open began, with the first segment that they may have written to.
    state: Mutex<(u64, BTreeMap<u64, u64>)>,
}

impl Writers {
    /// A moment: greater than that of every writer so far.
    pub(crate) fn now(&self) -> u64 {
        let mut state = self.state.lock();
        state.0 += 1;
        state.0
    }

    /// Begins writing, to whatever segment; ends when the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Writing {
        self.enter_from(0)
    }

    /// Begins writing to segment `first` and later ones only. A writer that stays for long then keeps no older segment.
    pub(crate) fn enter_from(self: &Arc<Self>, first: u64) -> Writing {
        let mut state = self.state.lock();
        state.0 += 1;
        let began = state.0;
        state.1.insert(began, first);
        Writing { writers: self.clone(), began }
    }

    /// Whether no open writer can have written to segment `seq`, which looked dead at the moment `since`.
    pub(crate) fn leave_alone(&self, seq: u64, since: u64) -> bool {
        self.state.lock().1.iter().all(|(began, first)| *began > since || *first > seq)
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
