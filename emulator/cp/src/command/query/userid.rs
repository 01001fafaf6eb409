//! `QUERY USERID`.

use futures::future::BoxFuture;

use crate::command::common::{done, no_more};
use crate::command::{CpCall, CpCommand, CpResult};

/// `QUERY USERID`.
pub(in crate::command) const ROW: CpCommand = CpCommand {
    name: "USERID",
    min: 5,
    classes: "*",
    syntax: "Query USERId",
    summary: "Shows one's user id and the name of the system.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if let Err(extra) = no_more("CQU", call.operands) {
        return done(Err(extra));
    }
    call.out.push(format!("{} AT {}", call.vm.userid, call.cp.config.system_id));
    done(Ok(()))
}
