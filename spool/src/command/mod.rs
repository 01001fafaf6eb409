//! CP commands of the spool, one file a command, and the table of their rows.

mod change;
mod close;
mod order;
mod purge;
mod query;
mod selection;
mod spool_command;
mod tag;
mod transfer;

use std::sync::Arc;

use cp::Cp;
use cp::command::{CommandTables, CpCommand, Family};
use cp::directory::UnitRecordKind;
use cp::message::HcpMessage;
use cp::name::Vdev;
use cp::vm::Vm;

use crate::device::{Device, Devices};
use crate::engine::Spool;
use crate::error::{SpoolError, hcp};
use crate::file::Queue;

static COMMANDS: &[CpCommand] =
    &[change::ROW, close::ROW, order::ROW, purge::ROW, spool_command::ROW, tag::ROW, transfer::ROW];

static QUERIES: &[CpCommand] =
    &[query::READER, query::RDR, query::PRINTER, query::PRT, query::PUNCH, query::PCH, query::FILES];

/// Adds the rows of the spool.
pub(crate) fn register(tables: &CommandTables) {
    tables.register(Family::Command, COMMANDS);
    tables.register(Family::Query, QUERIES);
}

/// The spool of a system that runs these commands.
fn spool_of(cp: &Cp, module: &'static str) -> Result<Arc<Spool>, HcpMessage> {
    cp.ext.get::<Spool>().ok_or_else(|| SpoolError::Stopped.message(module))
}

/// The devices of a machine.
fn devices_of(vm: &Vm, module: &'static str) -> Result<Arc<Devices>, HcpMessage> {
    Devices::of(vm).ok_or_else(|| SpoolError::Stopped.message(module))
}

/// The devices that `word` names: a device number, or all of a kind.
fn named_devices(
    devices: &Devices,
    word: &str,
    module: &'static str,
) -> Result<Vec<Arc<Device>>, HcpMessage> {
    if word.is_empty() {
        return Err(hcp(module, 22, &[]));
    }
    if let Some(queue) = Queue::parse(word) {
        let kind = match queue {
            Queue::Reader => UnitRecordKind::Reader,
            Queue::Printer => UnitRecordKind::Printer,
            Queue::Punch => UnitRecordKind::Punch,
        };
        return Ok(devices
            .all()
            .into_iter()
            .filter(|device| device.kind == kind && !device.is_console)
            .collect());
    }
    if cp::command::common::is_word(word, "CONSOLE", 3) {
        return Ok(devices.all().into_iter().filter(|device| device.is_console).collect());
    }
    let vdev = word.parse::<Vdev>().map_err(|_| hcp(module, 22, &[]))?;
    devices.get(vdev).map(|device| vec![device]).map_err(|error| error.message(module))
}

/// `0000004 FILES PURGED`, `0000001 FILE  PURGED`, `NO FILES PURGED`.
fn count_line(count: usize, what: &str) -> String {
    match count {
        0 => format!("NO FILES {what}"),
        1 => format!("0000001 FILE  {what}"),
        n => format!("{n:07} FILES {what}"),
    }
}

/// A class operand: A to Z or 0 to 9.
fn class_operand(word: &str, module: &'static str) -> Result<char, HcpMessage> {
    match word.as_bytes() {
        [c] if c.is_ascii_alphanumeric() => Ok(char::from(c.to_ascii_uppercase())),
        _ => Err(hcp(module, 28, &[])),
    }
}
