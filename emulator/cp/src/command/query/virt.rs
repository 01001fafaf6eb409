//! `QUERY VIRTUAL`, `QUERY CONSOLE` and `QUERY STORAGE`.
//!
//! CP knows the console and the minidisks of the directory; other devices are shown by the layer that has them, which
//! registers a [`DeviceLister`].

use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::RwLock;

use crate::command::common::{done, is_word, no_more, terminal_name};
use crate::command::messages::hcp;
use crate::command::{CpCall, CpCommand, CpResult, split_word};
use crate::directory::MdiskExtent;
use crate::minidisk::{self, MinidiskDevice};
use crate::name::Vdev;
use crate::system::Cp;
use crate::vm::Vm;

/// `QUERY VIRTUAL`.
pub(in crate::command) const VIRTUAL: CpCommand = CpCommand {
    name: "VIRTUAL",
    min: 1,
    classes: "G",
    syntax: "Query Virtual [ALL | CONsole | DAsd | UR | STORage | vdev]",
    summary: "Shows the virtual devices of one's machine.",
    run: virtual_devices,
};
/// `QUERY CONSOLE`.
pub(in crate::command) const CONSOLE: CpCommand = CpCommand {
    name: "CONSOLE",
    min: 3,
    classes: "G",
    syntax: "Query CONsole",
    summary: "Shows the virtual console.",
    run: console,
};
/// `QUERY STORAGE`.
pub(in crate::command) const STORAGE: CpCommand = CpCommand {
    name: "STORAGE",
    min: 4,
    classes: "BEG",
    syntax: "Query STORage",
    summary: "Shows the size of virtual storage.",
    run: storage,
};

/// A layer that has virtual devices of its own.
pub trait DeviceLister: Send + Sync {
    /// Each device's number and the lines that describe it.
    fn devices(&self, vm: &Arc<Vm>) -> Vec<(Vdev, Vec<String>)>;
}

/// The listers of the system.
#[derive(Default)]
struct DeviceListers(RwLock<Vec<Arc<dyn DeviceLister>>>);

/// Adds a lister.
pub fn add_device_lister(cp: &Cp, lister: Arc<dyn DeviceLister>) {
    cp.ext.get_or_insert_with(DeviceListers::default).0.write().push(lister);
}

fn console_lines(vm: &Vm) -> Option<(Vdev, Vec<String>)> {
    let console = vm.entry.console.as_ref()?;
    let place = match terminal_name(vm).as_str() {
        "DSC" => "DISCONNECTED".to_owned(),
        "SYSC" => "ON SYSC".to_owned(),
        line => format!("ON LDEV {line}"),
    };
    let vdev = console.vdev;
    Some((vdev, vec![format!("CONS {vdev} {place} TERM")]))
}

fn dasd_lines(cp: &Cp, vm: &Vm) -> Vec<(Vdev, Vec<String>)> {
    let line = |device: MinidiskDevice| {
        let disk = minidisk::statement(cp, device.owner, device.owner_vdev)?;
        let (volume, size) = match &disk.extent {
            MdiskExtent::Volume { count: Some(count), volser, .. } => (volser.as_str(), count.to_string()),
            MdiskExtent::Volume { count: None, volser, .. } => (volser.as_str(), "END".to_owned()),
            MdiskExtent::Temporary { count } => ("(TEMP)", count.to_string()),
            MdiskExtent::InStorage { count } => ("(VDSK)", count.to_string()),
        };
        let unit = if disk.device.starts_with("FB") { "BLK" } else { "CYL" };
        let (vdev, access) = (device.vdev, device.access());
        Some((vdev, vec![format!("DASD {vdev} {:<4} {volume:<6} {access} {size:>6} {unit}", disk.device)]))
    };
    minidisk::devices(vm).into_iter().filter_map(line).collect()
}

fn virtual_devices(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(show(call))
}

fn show(call: CpCall<'_>) -> CpResult {
    let (word, rest) = split_word(call.operands);
    no_more("CQV", rest)?;
    let others = |call: &CpCall<'_>| {
        let listers = call.cp.ext.get_or_insert_with(DeviceListers::default);
        let listers = listers.0.read().clone();
        listers.iter().flat_map(|lister| lister.devices(call.vm)).collect::<Vec<_>>()
    };
    let mut devices = match word {
        _ if is_word(word, "CONSOLE", 3) => console_lines(call.vm).into_iter().collect(),
        _ if is_word(word, "DASD", 2) => dasd_lines(call.cp, call.vm),
        _ if is_word(word, "UR", 2) => others(&call),
        _ if is_word(word, "STORAGE", 4) => {
            call.out.push(format!("STORAGE = {}", call.vm.entry.storage));
            return Ok(());
        }
        _ => {
            let mut all: Vec<_> = console_lines(call.vm).into_iter().chain(others(&call)).collect();
            all.extend(dasd_lines(call.cp, call.vm));
            all
        }
    };
    if word.is_empty() || is_word(word, "ALL", 3) {
        call.out.push(format!("STORAGE = {}", call.vm.entry.storage));
    } else if let Ok(vdev) = word.parse::<Vdev>() {
        let named = !is_word(word, "DASD", 2);
        if named {
            devices.retain(|(number, _)| *number == vdev);
            if devices.is_empty() {
                return Err(hcp("QVD", 40, &[&vdev.to_string()]));
            }
        }
    } else if !["CONSOLE", "DASD", "UR"].iter().any(|w| is_word(word, w, 2)) {
        return Err(hcp("CQV", 3, &[&word.to_ascii_uppercase()]));
    }
    call.out.extend(devices.into_iter().flat_map(|(_, lines)| lines));
    Ok(())
}

fn console(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if let Err(extra) = no_more("CQV", call.operands) {
        return done(Err(extra));
    }
    call.out.extend(console_lines(call.vm).map(|(_, lines)| lines).unwrap_or_default());
    done(Ok(()))
}

fn storage(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if let Err(extra) = no_more("CQU", call.operands) {
        return done(Err(extra));
    }
    call.out.push(format!("STORAGE = {}", call.vm.entry.storage));
    done(Ok(()))
}
