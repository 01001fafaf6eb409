//! `SYSTEM`.

use futures::future::BoxFuture;

use super::common::{done, is_word};
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult};
use crate::console::ConsoleState;

/// `SYSTEM`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "SYSTEM",
    min: 3,
    classes: "G",
    syntax: "SYStem {RESET | CLEAR}",
    summary: "Ends all that runs in the virtual machine and severs its IUCV paths.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if call.operands.is_empty() {
        return done(Err(hcp("SYS", 26, &[])));
    }
    if !is_word(call.operands, "RESET", 1) && !is_word(call.operands, "CLEAR", 1) {
        return done(Err(hcp("SYS", 3, &[&call.operands.to_ascii_uppercase()])));
    }
    call.vm.system_reset();
    call.vm.console.set_state(ConsoleState::CpRead);
    call.out.push("SYSTEM RESET".into());
    done(Ok(()))
}
