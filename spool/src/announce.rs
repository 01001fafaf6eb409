//! The messages about files that come and go, at the consoles of sender and receiver.
//!
//! Source: facts of CP section 3.3, from consoles as they were.

use std::sync::{Arc, Weak};

use cp::Cp;
use cp::msg_service::{MsgClass, deliver};
use cp::name::{SpoolId, UserId};
use cp::vm::Routing;

use crate::engine::{Event, Watcher};
use crate::file::{Queue, SharedFile};

/// Writes the messages.
pub(crate) struct Announcer {
    pub(crate) cp: Weak<Cp>,
}

/// `RDR FILE 0244 SENT FROM MIKEMAC  CON WAS 0244 RECS 0018 CPY  001 T NOHOLD NOKEEP`.
fn from_line(file: &SharedFile, from: UserId, device: &str, was: SpoolId) -> String {
    format!("{} FILE {} SENT FROM {from:<8} {device} WAS {was} {}", file.queue, file.id, file.tail())
}

/// `PUN FILE 0125 SENT TO   FRED     RDR AS  0126 RECS ...`.
fn to_line(file: &SharedFile, device: &str, was: SpoolId) -> String {
    format!("{device} FILE {was} SENT TO   {:<8} {} AS  {} {}", file.owner, file.queue, file.id, file.tail())
}

fn tell(cp: &Cp, user: UserId, line: &str) {
    let Some(vm) = cp.machine(user) else { return };
    let routing = vm.settings.lock().imsg;
    if routing != Routing::Off && !deliver(&vm, MsgClass::Information, UserId::SYSTEM, line, routing) {
        vm.console.write_asynchronous(line);
    }
}

impl Watcher for Announcer {
    fn arrived(&self, file: &SharedFile, event: Event) {
        let Some(cp) = self.cp.upgrade() else { return };
        if !file.msg {
            return;
        }
        match event {
            Event::Released => {}
            Event::Created => {
                let device = file.device.as_str();
                if file.owner == file.origin && file.queue != Queue::Reader {
                    return;
                }
                tell(&cp, file.owner, &from_line(file, file.origin, device, file.origin_id));
                if file.owner != file.origin {
                    tell(&cp, file.origin, &to_line(file, device, file.origin_id));
                }
            }
            Event::Transferred { by, from, was, queue } => {
                if file.owner != from {
                    tell(&cp, file.owner, &from_line(file, from, queue.as_str(), was));
                }
                tell(&cp, from, &to_line(file, queue.as_str(), was));
                if by != from && by != file.owner {
                    tell(&cp, by, &to_line(file, queue.as_str(), was));
                }
            }
        }
    }
}

/// The announcer of a system.
pub(crate) fn announcer(cp: &Arc<Cp>) -> Arc<dyn Watcher> {
    Arc::new(Announcer { cp: Arc::downgrade(cp) })
}
