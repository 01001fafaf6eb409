//! `QUERY RESOURCE`: what `*IDENT` has been told.

use futures::future::BoxFuture;

use crate::command::common::{done, no_more};
use crate::command::{CpCall, CpCommand, CpResult};

/// `QUERY RESOURCE`.
pub(in crate::command) const ROW: CpCommand = CpCommand {
    name: "RESOURCE",
    min: 3,
    classes: "BG",
    syntax: "Query RESource",
    summary: "Shows the resources that virtual machines have identified, file pools among them.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if let Err(extra) = no_more("CQU", call.operands) {
        return done(Err(extra));
    }
    let resources = call.cp.exchange().resources();
    if resources.is_empty() {
        call.out.push("NO RESOURCES IDENTIFIED".into());
    }
    for (name, owner) in resources {
        call.out.push(format!("Resource: {name:<8}   Type: Global     Owning Userid: {owner}"));
    }
    done(Ok(()))
}
