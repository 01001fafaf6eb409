//! `BEGIN`.

use futures::future::BoxFuture;

use super::common::done;
use super::{CpCall, CpCommand, CpResult};
use crate::console::ConsoleState;

/// `BEGIN`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "BEGIN",
    min: 1,
    classes: "G",
    syntax: "Begin",
    summary: "Lets the virtual machine go on after CP READ.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(super::common::no_more("BEG", call.operands).map(|()| {
        if call.vm.console.state() == ConsoleState::CpRead {
            call.vm.console.set_state(ConsoleState::Running);
        }
    }))
}
