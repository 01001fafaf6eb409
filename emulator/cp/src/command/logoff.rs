//! `LOGOFF`.

use futures::future::BoxFuture;

use super::common::{done, full_time, is_word, session_times};
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult};

/// `LOGOFF`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "LOGOFF",
    min: 3,
    classes: "*",
    syntax: "LOGoff [HOld]",
    summary: "Ends the virtual machine.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if !call.operands.is_empty() && !is_word(call.operands, "HOLD", 2) {
        return done(Err(hcp("LOG", 3, &[&call.operands.to_ascii_uppercase()])));
    }
    // The lines go to the console at once: when the command has ended there is none any more.
    call.vm.console.write(&session_times(call.cp, call.vm));
    call.vm.console.write(&format!("LOGOFF AT {}", full_time(&call.cp.clock.local())));
    call.vm.console.fall_silent();
    call.cp.logoff_later(call.vm, None);
    done(Ok(()))
}
