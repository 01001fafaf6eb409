//! `TAG`.

use cp::command::common::is_word;
use cp::command::{CpCall, CpCommand, CpResult, split_word};
use cp::directory::UnitRecordKind;
use cp::message::HcpMessage;
use cp::name::SpoolId;
use futures::future::BoxFuture;

use super::{devices_of, named_devices, spool_of};
use crate::engine::Spool;
use crate::error::{SpoolError, hcp};
use crate::file::{MAX_TAG, Queue, SharedFile, check_length};

const M: &str = "CSX";

/// `TAG`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "TAG",
    min: 3,
    classes: "G",
    syntax: "TAG {DEV {vdev|PRT|PUN} text | FILE spoolid text | QUERY {DEV {vdev|PRT|PUN} | FILE spoolid}}",
    summary: "Sets or shows the tag that goes with a spool file.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (what, rest) = split_word(call.operands);
        match what {
            _ if is_word(what, "DEV", 3) || is_word(what, "DEVICE", 3) => set_device(&call, rest),
            _ if is_word(what, "FILE", 2) => set_file(&call, rest).await,
            _ if is_word(what, "QUERY", 1) => query(call, rest),
            "" => Err(hcp(M, 26, &[])),
            other => Err(hcp(M, 3, &[&other.to_ascii_uppercase()])),
        }
    })
}

fn set_device(call: &CpCall<'_>, rest: &str) -> CpResult {
    let (device, text) = split_word(rest);
    let devices = devices_of(call.vm, M)?;
    let named = named_devices(&devices, device, M)?;
    check_length("tag", text, MAX_TAG).map_err(|error| error.message(M))?;
    for device in named {
        if device.kind == UnitRecordKind::Reader {
            return Err(hcp(M, 8, &[&device.vdev.to_string()]));
        }
        device.settings.lock().tag = text.into();
    }
    Ok(())
}

/// An output file of one's own.
fn own_output(call: &CpCall<'_>, spool: &Spool, word: &str) -> Result<SharedFile, HcpMessage> {
    let id = word.parse().ok().and_then(SpoolId::new).ok_or_else(|| hcp(M, 27, &[]))?;
    spool.file(call.vm.userid, id).ok_or_else(|| hcp(M, 42, &[&id.to_string()]))
}

async fn set_file(call: &CpCall<'_>, rest: &str) -> CpResult {
    let (id, text) = split_word(rest);
    let spool = spool_of(call.cp, M)?;
    let file = own_output(call, &spool, id)?;
    if file.queue == Queue::Reader {
        // The tag of what one has received is what its origin has said.
        return Err(hcp(M, 42, &[&file.id.to_string()]));
    }
    check_length("tag", text, MAX_TAG).map_err(|error| error.message(M))?;
    match spool.change(std::slice::from_ref(&file), |file| file.tag = text.into()).await {
        Ok(1) => Ok(()),
        Ok(_) => Err(SpoolError::InUse(file.id).message(M)),
        Err(error) => Err(error.message(M)),
    }
}

fn query(call: CpCall<'_>, rest: &str) -> CpResult {
    let (what, rest) = split_word(rest);
    let tag = if is_word(what, "FILE", 2) {
        own_output(&call, &*spool_of(call.cp, M)?, rest)?.tag.clone()
    } else if is_word(what, "DEVICE", 3) {
        let devices = devices_of(call.vm, M)?;
        let named = named_devices(&devices, rest, M)?;
        let first = named.first().ok_or_else(|| hcp(M, 22, &[]))?;
        first.settings.lock().tag.clone()
    } else {
        return Err(hcp(M, 26, &[]));
    };
    call.out.push(if tag.is_empty() { "TAG NOT SET".into() } else { tag });
    Ok(())
}
