//! `DISCONNECT`.

use futures::future::BoxFuture;

use super::common::{done, full_time, is_word};
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult};
use crate::terminal::disconnect;

/// `DISCONNECT`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "DISCONNECT",
    min: 4,
    classes: "*",
    syntax: "DISConnect [HOld]",
    summary: "Frees the terminal; the virtual machine goes on.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if !call.operands.is_empty() && !is_word(call.operands, "HOLD", 2) {
        return done(Err(hcp("DIS", 3, &[&call.operands.to_ascii_uppercase()])));
    }
    if call.vm.console.is_connected() {
        call.vm.console.write(&format!("DISCONNECT AT {}", full_time(&call.cp.clock.local())));
        disconnect(call.cp, call.vm);
    }
    done(Ok(()))
}
