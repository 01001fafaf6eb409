//! `QUERY LOGMSG`.

use futures::future::BoxFuture;

use crate::command::common::{done, no_more};
use crate::command::{CpCall, CpCommand, CpResult};
use crate::terminal::log_message_lines;

/// `QUERY LOGMSG`.
pub(in crate::command) const ROW: CpCommand = CpCommand {
    name: "LOGMSG",
    min: 3,
    classes: "*",
    syntax: "Query LOGmsg",
    summary: "Shows the message that everybody sees at LOGON.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if let Err(extra) = no_more("CQU", call.operands) {
        return done(Err(extra));
    }
    call.out.extend(log_message_lines(call.cp));
    done(Ok(()))
}
