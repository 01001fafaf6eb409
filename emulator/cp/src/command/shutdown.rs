//! `SHUTDOWN`.

use futures::future::BoxFuture;

use super::common::done;
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult};

/// `SHUTDOWN`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "SHUTDOWN",
    min: 8,
    classes: "A",
    syntax: "SHUTDOWN",
    summary: "Ends the system: machines are told, files closed.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(super::common::no_more("SHU", call.operands).map(|()| {
        call.out.push(hcp("SHU", 960, &[]).to_string());
        call.cp.tell_operator("SYSTEM SHUTDOWN STARTED");
        call.cp.request_shutdown();
    }))
}
