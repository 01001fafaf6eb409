//! The spool as a part of a system: commands, `*SPL`, LOGON and LOGOFF, QUERY VIRTUAL.

use std::sync::Arc;

use cp::Cp;
use cp::command::query::virt::{DeviceLister, add_device_lister};
use cp::directory::UnitRecordKind;
use cp::name::{UserId, Vdev};
use cp::system::MachineHook;
use cp::vm::Vm;
use futures::future::BoxFuture;

use crate::device::{Device, Devices};
use crate::engine::Spool;
use crate::file::Queue;

/// Hangs a spool on a system. Once a system, before anybody logs on.
pub fn install(cp: &Arc<Cp>, spool: Arc<Spool>) {
    cp.ext.set(spool.clone());
    // A spool belongs to one system for its life.
    let _first = spool.cp.set(Arc::downgrade(cp));
    spool.watchers.write().push(crate::announce::announcer(cp));
    crate::command::register(&cp.commands);
    crate::spl::register(cp, &spool);
    let part = Arc::new(SpoolPart { spool });
    cp.add_hook(part.clone());
    add_device_lister(cp, part);
}

struct SpoolPart {
    spool: Arc<Spool>,
}

impl MachineHook for SpoolPart {
    fn logged_on(&self, vm: &Arc<Vm>) {
        vm.ext.set(Arc::new(Devices::new(&self.spool, &vm.entry)));
    }

    fn logging_off<'a>(&'a self, vm: &'a Arc<Vm>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Some(devices) = Devices::of(vm) {
                devices.close_all().await;
            }
        })
    }

    fn banner(&self, vm: &Arc<Vm>) -> Option<String> {
        Some(files_line(&self.spool, vm.userid))
    }
}

/// `FILES: 0003 RDR,   NO PRT,   NO PUN`.
pub(crate) fn files_line(spool: &Spool, user: UserId) -> String {
    let part = |queue: Queue| match spool.count(user, queue) {
        0 => format!("  NO {queue}"),
        n => format!("{n:04} {queue}"),
    };
    let [reader, printer, punch] = Queue::ALL.map(part);
    format!("FILES: {reader}, {printer}, {punch}")
}

impl DeviceLister for SpoolPart {
    fn devices(&self, vm: &Arc<Vm>) -> Vec<(Vdev, Vec<String>)> {
        let Some(devices) = Devices::of(vm) else { return Vec::new() };
        devices
            .all()
            .iter()
            .filter(|device| !device.is_console)
            .map(|device| (device.vdev, device_lines(vm.userid, device)))
            .collect()
    }
}

/// The lines of QUERY VIRTUAL for one device. Source: QUERY VIRTUAL PRINTER.
fn device_lines(owner: UserId, device: &Device) -> Vec<String> {
    let settings = device.settings.lock().clone();
    let vdev = device.vdev;
    let either = |on: bool, yes: &'static str, no: &'static str| if on { yes } else { no };
    let cont = either(settings.cont, "  CONT", "NOCONT");
    let hold = either(settings.hold, "  HOLD", "NOHOLD");
    let keep = either(settings.keep, "  KEEP", "NOKEEP");
    let open = device.open_id.lock().map_or_else(|| "CLOSED   ".to_owned(), |id| format!("OPEN {id}"));
    let queue = device.queue();
    if device.kind == UnitRecordKind::Reader {
        let eof = either(settings.eof, "  EOF", "NOEOF");
        return vec![
            format!("{queue}  {vdev} CL {} {cont} {hold} {eof}       READY", settings.class),
            format!("     {vdev} {}     {open} {keep} NORESCAN", device.model),
        ];
    }
    let copies = if settings.copy_star {
        format!("CPY *{:03}", settings.copies)
    } else {
        format!("COPY {:03}", settings.copies)
    };
    let (to, to_queue) = settings.to.unwrap_or((owner, queue));
    let dist = settings.dist.clone().unwrap_or_else(|| owner.to_string());
    let name = settings.name.as_ref().map_or_else(|| "NONAME".to_owned(), |(n, t)| format!("NAME {n} {t}"));
    let eof = either(settings.eof, "  EOF", "NOEOF");
    vec![
        format!(
            "{queue}  {vdev} CL {} {cont} {hold} {copies}    READY FORM {}",
            settings.class, settings.form
        ),
        format!("     {vdev} TO {to:<8} {to_queue} DIST {dist:<8} FLASHC 000 DEST {}", settings.dest),
        format!(
            "     {vdev} {} {eof} {open} {keep}   {} {name}",
            device.model,
            either(settings.msg, "  MSG", "NOMSG")
        ),
    ]
}
