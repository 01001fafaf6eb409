//! `QUERY TIME`.

use futures::future::BoxFuture;

use crate::command::common::{done, no_more, session_times};
use crate::command::{CpCall, CpCommand, CpResult};

/// `QUERY TIME`.
pub(in crate::command) const ROW: CpCommand = CpCommand {
    name: "TIME",
    min: 1,
    classes: "*",
    syntax: "Query Time",
    summary: "Shows the time of day, and the times of the session.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if let Err(extra) = no_more("CQU", call.operands) {
        return done(Err(extra));
    }
    let now = call.cp.clock.local();
    let zone = now.strftime("%Z").to_string();
    let date = now.strftime("%A %m/%d/%y").to_string().to_uppercase();
    call.out.push(format!("TIME IS {} {zone:<4} {date}", now.strftime("%H:%M:%S")));
    call.out.push(session_times(call.cp, call.vm));
    done(Ok(()))
}
