//! `SPOOL`.

use cp::command::common::is_word;
use cp::command::{CpCall, CpCommand, CpResult, split_word};
use cp::directory::UnitRecordKind;
use cp::message::HcpMessage;
use cp::name::UserId;
use futures::future::BoxFuture;

use super::change::{copies, file_name, short_word};
use super::{devices_of, named_devices};
use crate::device::{CloseOptions, Device, DeviceSettings};
use crate::error::hcp;
use crate::file::{DEFAULT_DEST, DEFAULT_FORM, Queue};

const M: &str = "CSS";

/// `SPOOL`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "SPOOL",
    min: 2,
    classes: "G",
    syntax: "SPool {Reader|PRinter|PUnch|CONsole|vdev} [STArt|STOp] [HOld|NOHold] [KEep|NOKeep] [CONt|NOCont] [EOF|NOEof] [CLass c] \
             [MSG|NOMsg] [COpy [*]n] [DIST code|OFF|*] [FORM f|OFF] [DEST d|OFF|ANY] \
             [{TO|For} {userid|*|SYSTEM} [RDR|PRT|PUN] | SYSTEM | OFF] [CLOse] [PUrge] [NAme fn ft | NOName]",
    summary: "Sets what becomes of the output of a device, or how a reader reads.",
    run,
};

/// What one SPOOL command does besides setting things.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Then {
    close: bool,
    purge: bool,
    console: Option<bool>,
}

/// Options that are switched on or off by one word: the word, its least length, and what it does.
type Switch = (&'static str, usize, fn(&mut DeviceSettings));

const SWITCHES: &[Switch] = &[
    ("HOLD", 2, |s| s.hold = true),
    ("NOHOLD", 3, |s| s.hold = false),
    ("KEEP", 2, |s| s.keep = true),
    ("NOKEEP", 3, |s| s.keep = false),
    ("CONT", 3, |s| s.cont = true),
    ("NOCONT", 3, |s| s.cont = false),
    ("EOF", 2, |s| s.eof = true),
    ("NOEOF", 3, |s| s.eof = false),
    ("MSG", 3, |s| s.msg = true),
    ("NOMSG", 3, |s| s.msg = false),
    ("NONAME", 3, |s| s.name = None),
    ("SYSTEM", 3, |s| s.to = None),
    ("OFF", 3, |s| s.to = None),
];

fn own_queue(kind: UnitRecordKind) -> Queue {
    match kind {
        UnitRecordKind::Reader => Queue::Reader,
        UnitRecordKind::Punch => Queue::Punch,
        UnitRecordKind::Printer => Queue::Printer,
    }
}

/// Applies the options to `settings`; the caller puts them in place only when all are right.
fn apply(
    call: &CpCall<'_>,
    device: &Device,
    settings: &mut DeviceSettings,
    options: &str,
) -> Result<Then, HcpMessage> {
    let mut rest = options;
    let mut then = Then::default();
    let reader = device.kind == UnitRecordKind::Reader;
    while !rest.is_empty() {
        let (word, after) = split_word(rest);
        if let Some((.., set)) = SWITCHES.iter().find(|(name, least, _)| is_word(word, name, *least)) {
            set(settings);
            rest = after;
            continue;
        }
        let (value, past) = split_word(after);
        rest = past;
        match word {
            _ if is_word(word, "CLASS", 2) && reader && value == "*" => settings.class = '*',
            _ if is_word(word, "CLASS", 2) => settings.class = super::class_operand(value, M)?,
            _ if is_word(word, "CLOSE", 3) => {
                then.close = true;
                rest = after;
            }
            _ if is_word(word, "PURGE", 2) => {
                then.purge = true;
                rest = after;
            }
            _ if device.is_console && is_word(word, "START", 3) => {
                then.console = Some(true);
                rest = after;
            }
            _ if device.is_console && is_word(word, "STOP", 3) => {
                then.console = Some(false);
                rest = after;
            }
            // The console is shown at the terminal anyway.
            _ if device.is_console && (is_word(word, "TERM", 2) || is_word(word, "NOTERM", 5)) => {
                rest = after
            }
            _ if reader => return Err(hcp(M, 3, &[&word.to_ascii_uppercase()])),
            _ if is_word(word, "COPY", 2) => (settings.copies, settings.copy_star) = copies(value, M)?,
            _ if is_word(word, "DIST", 4) => {
                let off = value == "*" || is_word(value, "OFF", 3);
                settings.dist = if off { None } else { Some(short_word("distribution code", value, M)?) };
            }
            _ if is_word(word, "FORM", 2) && !is_word(word, "FOR", 3) => {
                let off = is_word(value, "OFF", 3);
                settings.form = if off { DEFAULT_FORM.into() } else { short_word("form", value, M)? };
            }
            _ if is_word(word, "DEST", 4) => {
                let off = is_word(value, "OFF", 3);
                settings.dest = if off { DEFAULT_DEST.into() } else { short_word("destination", value, M)? };
            }
            _ if is_word(word, "NAME", 2) => {
                let (name, past) = file_name(after, M)?;
                settings.name = Some(name);
                rest = past;
            }
            _ if is_word(word, "TO", 1) || is_word(word, "FOR", 1) => {
                let to_reader = is_word(word, "TO", 1);
                (settings.to, rest) = target(call, device, to_reader, value, past)?;
            }
            other => return Err(hcp(M, 3, &[&other.to_ascii_uppercase()])),
        }
    }
    Ok(then)
}

type Target<'a> = (Option<(UserId, Queue)>, &'a str);

/// TO puts into a reader, or the queue named; FOR leaves in the own queue under another's name.
fn target<'a>(
    call: &CpCall<'_>,
    device: &Device,
    to_reader: bool,
    value: &str,
    past: &'a str,
) -> Result<Target<'a>, HcpMessage> {
    let own = own_queue(device.kind);
    let user = match value {
        "" => return Err(hcp(M, 20, &[])),
        "*" => call.vm.userid,
        _ if is_word(value, "SYSTEM", 6) => return Ok((None, past)),
        _ => UserId::new(value).map_err(|_| hcp(M, 7, &[&value.to_ascii_uppercase()]))?,
    };
    if call.cp.entry(user).is_none() {
        return Err(hcp(M, 53, &[user.as_str()]));
    }
    if !to_reader {
        return Ok((Some((user, own)), past));
    }
    // Only the short names: READER and the like might be meant as another option.
    let (word, after) = split_word(past);
    match ["RDR", "PRT", "PUN"].iter().position(|name| name.eq_ignore_ascii_case(word)) {
        Some(at) => Ok((Some((user, Queue::ALL[at])), after)),
        None => Ok((Some((user, Queue::Reader)), past)),
    }
}

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (word, options) = split_word(call.operands);
        let devices = devices_of(call.vm, M)?;
        let named = named_devices(&devices, word, M)?;
        if options.is_empty() {
            return Err(hcp(M, 26, &[]));
        }
        for device in named {
            let mut settings = device.settings.lock().clone();
            let then = apply(&call, &device, &mut settings, options)?;
            *device.settings.lock() = settings;
            if let Some(on) = then.console {
                let done = devices.spool_console(call.vm, &device, on).await;
                done.map_err(|error| error.message(M))?;
            }
            if then.close || then.purge {
                let close = CloseOptions { purge: then.purge, ends_cont: true, ..CloseOptions::default() };
                let done = if device.kind == UnitRecordKind::Reader {
                    devices.close_input(&device, &close).await
                } else {
                    devices.close_output(&device, &close).await.map(|_| ())
                };
                done.map_err(|error| error.message(M))?;
            }
        }
        Ok(())
    })
}
