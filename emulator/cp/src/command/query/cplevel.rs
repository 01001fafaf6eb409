//! `QUERY CPLEVEL`.

use futures::future::BoxFuture;

use crate::command::common::{done, full_time, no_more};
use crate::command::{CpCall, CpCommand, CpResult};

/// `QUERY CPLEVEL`.
pub(in crate::command) const ROW: CpCommand = CpCommand {
    name: "CPLEVEL",
    min: 3,
    classes: "*",
    syntax: "Query CPLevel",
    summary: "Shows the level of CP and when it was IPLed.",
    run,
};

/// The level of the interfaces that are imitated, in the form of the real answer, and what really runs.
pub const CP_LEVEL: &str =
    concat!("VM/ESA Version 2 Release 4.0, service level 0000 (Endicott ", env!("CARGO_PKG_VERSION"), ")");

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if let Err(extra) = no_more("CQU", call.operands) {
        return done(Err(extra));
    }
    call.out.push(CP_LEVEL.into());
    let ipl = call.cp.ipl_at.to_zoned(call.cp.clock.zone());
    call.out.push(format!("IPL at {}", full_time(&ipl)));
    done(Ok(()))
}
