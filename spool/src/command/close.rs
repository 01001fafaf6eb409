//! `CLOSE`.

use cp::command::common::is_word;
use cp::command::{CpCall, CpCommand, CpResult, split_word};
use cp::directory::UnitRecordKind;
use cp::message::HcpMessage;
use futures::future::BoxFuture;

use super::change::{file_name, short_word};
use super::{devices_of, named_devices};
use crate::device::CloseOptions;
use crate::error::hcp;

const M: &str = "CSL";

/// `CLOSE`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "CLOSE",
    min: 1,
    classes: "G",
    syntax: "Close {Reader|PRinter|PUnch|CONsole|vdev} [HOld|NOHold] [KEep|NOKeep] [EOF] [PUrge] [DIST code] [NAme fn ft]",
    summary: "Ends the file that a unit record device has open.",
    run,
};

fn options(mut rest: &str) -> Result<CloseOptions, HcpMessage> {
    let mut options = CloseOptions::default();
    while !rest.is_empty() {
        let (word, after) = split_word(rest);
        rest = after;
        match word {
            _ if is_word(word, "HOLD", 2) => options.hold = Some(true),
            _ if is_word(word, "NOHOLD", 3) => options.hold = Some(false),
            _ if is_word(word, "KEEP", 2) => options.keep = Some(true),
            _ if is_word(word, "NOKEEP", 3) => options.keep = Some(false),
            _ if is_word(word, "EOF", 2) => options.ends_cont = true,
            _ if is_word(word, "PURGE", 2) => options.purge = true,
            _ if is_word(word, "DIST", 2) => {
                let (code, past) = split_word(rest);
                options.dist = Some(short_word("distribution code", code, M)?);
                rest = past;
            }
            _ if is_word(word, "NAME", 2) => {
                let (name, past) = file_name(rest, M)?;
                options.name = Some(name);
                rest = past;
            }
            other => return Err(hcp(M, 3, &[&other.to_ascii_uppercase()])),
        }
    }
    Ok(options)
}

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (word, rest) = split_word(call.operands);
        let devices = devices_of(call.vm, M)?;
        let named = named_devices(&devices, word, M)?;
        let options = options(rest)?;
        for device in named {
            if device.kind == UnitRecordKind::Reader {
                devices.close_input(&device, &options).await.map_err(|error| error.message(M))?;
            } else {
                devices.close_output(&device, &options).await.map_err(|error| error.message(M))?;
            }
        }
        Ok(())
    })
}
