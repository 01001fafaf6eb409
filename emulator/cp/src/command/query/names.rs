//! `QUERY NAMES` and `QUERY USERS`.

use futures::future::BoxFuture;

use crate::command::common::{done, no_more, terminal_name};
use crate::command::{CpCall, CpCommand, CpResult};

/// Users on one line of QUERY NAMES.
const NAMES_A_LINE: usize = 4;

/// `QUERY NAMES`.
pub(in crate::command) const NAMES: CpCommand = CpCommand {
    name: "NAMES",
    min: 1,
    classes: "*",
    syntax: "Query Names",
    summary: "Shows who is logged on, and where.",
    run: names,
};
/// `QUERY USERS`.
pub(in crate::command) const USERS: CpCommand = CpCommand {
    name: "USERS",
    min: 1,
    classes: "*",
    syntax: "Query Users",
    summary: "Shows how many users are logged on.",
    run: users,
};

fn names(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    let entries: Vec<String> =
        call.cp.machines().iter().map(|vm| format!("{:<8} - {:<4}", vm.userid, terminal_name(vm))).collect();
    let lines: Vec<String> = entries.chunks(NAMES_A_LINE).map(|line| line.join(", ")).collect();
    call.out.push(lines.join(",\n"));
    let joined = call.out.pop().unwrap_or_default();
    call.out.extend(joined.split('\n').map(|line| line.trim_end().to_owned()));
    done(no_more("CQU", call.operands))
}

fn users(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    call.out.push(format!("{:>5} USERS,     0 DIALED,     0 NET", call.cp.machines().len()));
    done(no_more("CQU", call.operands))
}
