//! The switch behind TRACE: what a guest may turn on and off in the host's log.
//!
//! The host installs a [`TraceSwitch`] on the system; guests name a log target and a state. Without one (in tests of a
//! single crate) switching has no effect and says so.

use std::sync::Arc;

use cp::Cp;

/// Switches a log target on or off; false when the host's log cannot be changed.
pub type SwitchFunction = dyn Fn(&str, bool) -> bool + Send + Sync;

/// The host's switch.
pub struct TraceSwitch {
    switch: Box<SwitchFunction>,
}

impl TraceSwitch {
    /// A switch that calls `switch`.
    pub fn new(switch: Box<SwitchFunction>) -> Arc<Self> {
        Arc::new(Self { switch })
    }

    /// Switches `target` in the log of the host that `cp` runs on.
    pub fn set(cp: &Cp, target: &str, on: bool) -> bool {
        cp.ext.get::<Self>().is_some_and(|s| (s.switch)(target, on))
    }
}
