//! Time, passed in. The real clock lives in the `emulator` crate; tests use [`ManualClock`].

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use parking_lot::Mutex;

/// Where the system takes its time of day from.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// The time zone of the system, as set at IPL.
    fn zone(&self) -> TimeZone;

    /// The present instant in the system's time zone.
    fn local(&self) -> Zoned {
        self.now().to_zoned(self.zone())
    }
}

/// A clock that stands still until it is told to move.
pub struct ManualClock {
    now: Mutex<Timestamp>,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self { now: Mutex::new(start) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.now.lock();
        // Past the end of the calendar the clock simply stays where it is.
        *now = now.checked_add(by).unwrap_or(*now);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock()
    }

    fn zone(&self) -> TimeZone {
        TimeZone::UTC
    }
}
