//! STOP: the server takes no new work, and ends when the work that is under way has ended.
//!
//! Under way is a work unit that has changed something or has a file open, a request that is being answered, and a commit over
//! several pools that is not settled. Whoever has such a unit may go on with it, to its commit; a request of any other is refused.
//!
//! Invariant: a request counts before it asks whether work is still taken, and the stop is set before the count is read. So none is
//! taken that the stop does not see.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::handler::Session;
use super::protocol::{Call, Request};
use super::{FilePoolServer, Shared};

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// How much work is under way.
    fn under_way(&self) -> usize {
        let sessions: Vec<_> = {
            let sessions = self.sessions.lock();
            sessions.values().filter_map(|connected| connected.session.upgrade()).collect()
        };
        let of = |session: &Session| {
            let numbers: Vec<u32> = session.units.lock().keys().copied().collect();
            let units = numbers.into_iter().filter(|number| session.is_under_way(*number)).count();
            units.max(usize::from(self.resync.owns_any(session.number)))
        };
        let units = sessions.iter().map(|session| of(session)).sum::<usize>();
        units.max(usize::try_from(self.counters.agents().0).unwrap_or(usize::MAX))
    }

    /// A request has been answered, or a connection has ended.
    pub(super) fn done(&self) {
        if self.is_stopping() {
            self.quieter.notify_waiters();
        }
    }
}

impl Session {
    fn is_under_way(&self, number: u32) -> bool {
        let active = self.units.lock().get(&number).is_some_and(|unit| unit.is_active());
        active
            || self.tokens.lock().values().any(|(unit, _)| *unit == number)
            || self.dirs.lock().values().any(|listing| listing.unit == number)
    }

    /// Whether the request is taken: it is always, unless the server stops and it would begin something.
    pub(super) fn admits(&self, request: &Request) -> bool {
        !self.shared.is_stopping() || ends_or_asks(&request.call) || self.is_under_way(request.unit)
    }
}

/// Calls that end work, go on with something that is open, or ask how things are.
fn ends_or_asks(call: &Call) -> bool {
    matches!(
        call,
        Call::Read { .. }
            | Call::ReadImage { .. }
            | Call::Write { .. }
            | Call::WriteBlocks { .. }
            | Call::Point { .. }
            | Call::Truncate { .. }
            | Call::Close { .. }
            | Call::GetDir { .. }
            | Call::CloseDir { .. }
            | Call::Release { .. }
            | Call::Commit
            | Call::Rollback
            | Call::Return
            | Call::Purge
            | Call::Active
            | Call::NewGlobal
            | Call::Prepare { .. }
            | Call::Decide { .. }
            | Call::Resolve { .. }
            | Call::Told { .. }
            | Call::Conflicts
            | Call::Connections
            | Call::Report
            | Call::Level
    )
}

impl FilePoolServer {
    /// The first half of STOP: no further connections, no new work. Returns how much is under way.
    pub fn begin_stop(&self) -> usize {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.under_way()
    }

    /// Waits after [`Self::begin_stop`] until nothing is under way, at most so long. Returns how much still is.
    pub async fn quiet(&self, patience: Duration) -> usize {
        let quiet = async {
            loop {
                let quieter = self.shared.quieter.notified();
                tokio::pin!(quieter);
                quieter.as_mut().enable();
                if self.shared.under_way() == 0 {
                    break;
                }
                quieter.await;
            }
        };
        // Whether it was in time shows in what is left.
        let _ = tokio::time::timeout(patience, quiet).await;
        self.shared.under_way()
    }
}
