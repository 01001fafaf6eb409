//! Console spooling: what a virtual console shows, as a spool file.
//!
//! Lines come in wherever the console is written, where nobody may wait; they collect here and go to the device's open
//! file in a task of their own. Should that not keep up, lines past [`MAX_PENDING`] octets are counted and left out,
//! and the file says so.

use std::sync::{Arc, Weak};

use cp::codepage;
use cp::console::ConsoleMonitor;
use parking_lot::Mutex;

use crate::device::{Device, Devices};
use crate::error::SpoolError;
use crate::file::DeviceType;

/// Octets after which lines are written out.
const FLUSH: usize = 64 << 10;
/// Octets that may wait at most: a minute of a very busy console.
const MAX_PENDING: usize = 4 << 20;

/// Lines that wait.
#[derive(Default)]
struct Pending {
    lines: Vec<String>,
    octets: usize,
    lost: u64,
    flushing: bool,
}

/// Sees what a console shows.
pub(crate) struct ConsoleTap {
    devices: Weak<Devices>,
    device: Arc<Device>,
    pending: Mutex<Pending>,
    /// Held while lines are written, so that they stay in order.
    writing: tokio::sync::Mutex<()>,
    own: Weak<ConsoleTap>,
}

impl ConsoleTap {
    pub(crate) fn new(devices: &Arc<Devices>, device: &Arc<Device>) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            devices: Arc::downgrade(devices),
            device: device.clone(),
            pending: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            own: own.clone(),
        })
    }

    /// Writes what waits to the device.
    pub(crate) async fn flush(&self) -> Result<(), SpoolError> {
        let Some(devices) = self.devices.upgrade() else { return Ok(()) };
        let _in_order = self.writing.lock().await;
        let (lines, lost) = {
            let mut pending = self.pending.lock();
            pending.octets = 0;
            (std::mem::take(&mut pending.lines), std::mem::take(&mut pending.lost))
        };
        let op = DeviceType::Console.write_op();
        for line in lines {
            devices.write(&self.device, op, &codepage::from_text(&line)).await?;
        }
        if lost > 0 {
            let note = format!("{lost} LINES ARE NOT IN THIS FILE: THE SPOOL DID NOT KEEP UP");
            devices.write(&self.device, op, &codepage::from_text(&note)).await?;
        }
        Ok(())
    }
}

impl ConsoleMonitor for ConsoleTap {
    fn line(&self, text: &str) {
        let start = {
            let mut pending = self.pending.lock();
            if pending.octets + text.len() > MAX_PENDING {
                pending.lost += 1;
                return;
            }
            pending.octets += text.len() + 1;
            pending.lines.push(text.to_owned());
            let start = pending.octets >= FLUSH && !pending.flushing;
            pending.flushing |= start;
            start
        };
        let (true, Some(own), Ok(runtime)) =
            (start, self.own.upgrade(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        // Nobody waits for it: CLOSE flushes what is left.
        drop(runtime.spawn(async move {
            if let Err(error) = own.flush().await {
                tracing::warn!(%error, "console output was not spooled");
            }
            own.pending.lock().flushing = false;
        }));
    }
}
