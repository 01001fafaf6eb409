//! `SYSTEM`.

use futures::future::BoxFuture;

use super::common::{done, is_word, no_more};
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, split_word};

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
    let (word, rest) = split_word(call.operands);
    if word.is_empty() {
        return done(Err(hcp("SYS", 26, &[])));
    }
    if !is_word(word, "RESET", 1) && !is_word(word, "CLEAR", 1) {
        return done(Err(hcp("SYS", 3, &[&word.to_ascii_uppercase()])));
    }
    if let Err(extra) = no_more("SYS", rest) {
        return done(Err(extra));
    }
    call.vm.system_reset();
    call.vm.console.stop();
    call.out.push("SYSTEM RESET".into());
    done(Ok(()))
}
