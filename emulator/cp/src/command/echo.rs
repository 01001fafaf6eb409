//! `ECHO`: gives back what it is given, to try a line.

use futures::future::BoxFuture;

use super::common::done;
use super::{CpCall, CpCommand, CpResult};

/// `ECHO`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "ECHO",
    min: 2,
    classes: "G",
    syntax: "ECho [text]",
    summary: "Writes its operands to the console.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    call.out.push(call.operands.to_owned());
    done(Ok(()))
}
