//! The host's log, on standard error: what goes into it, and the switch behind the guests' TRACE commands.
//!
//! `ENDICOTT_LOG` holds filter directives (`info`, `imapd=debug`); the default is `warn`. TRACE adds a target to them and
//! takes it away again while the system runs.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use cms::trace::TraceSwitch;
use parking_lot::Mutex;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

/// The variable with the filter directives.
const VARIABLE: &str = "ENDICOTT_LOG";

static HANDLE: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

fn directives(traced: &BTreeSet<String>) -> EnvFilter {
    let base = std::env::var(VARIABLE).unwrap_or_else(|_| "warn".to_owned());
    let all = traced.iter().fold(base, |text, target| format!("{text},{target}=trace"));
    EnvFilter::try_new(all).unwrap_or_else(|_| EnvFilter::new("warn"))
}

/// Starts the log; a second call does nothing.
pub fn start() {
    let (filter, handle) = reload::Layer::new(directives(&BTreeSet::new()));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        // The log was started just now, so there is no earlier handle.
        let _first = HANDLE.set(handle);
    }
}

/// The switch that TRACE uses.
pub fn trace_switch() -> Arc<TraceSwitch> {
    let traced = Mutex::new(BTreeSet::new());
    TraceSwitch::new(Box::new(move |target, on| {
        let Some(handle) = HANDLE.get() else { return false };
        let mut traced = traced.lock();
        if on {
            traced.insert(target.to_owned());
        } else {
            traced.remove(target);
        }
        handle.reload(directives(&traced)).is_ok()
    }))
}
