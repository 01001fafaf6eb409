//! `QUERY COMMANDS` and `QUERY PRIVCLASS`.

use futures::future::BoxFuture;

use crate::command::common::{done, no_more};
use crate::command::{CpCall, CpCommand, CpResult, Family};

/// `QUERY COMMANDS`.
pub(in crate::command) const COMMANDS: CpCommand = CpCommand {
    name: "COMMANDS",
    min: 3,
    classes: "*",
    syntax: "Query COMmands",
    summary: "Shows the commands one may use.",
    run: commands,
};
/// `QUERY PRIVCLASS`.
pub(in crate::command) const PRIVCLASS: CpCommand = CpCommand {
    name: "PRIVCLASS",
    min: 4,
    classes: "*",
    syntax: "Query PRIVclass",
    summary: "Shows one's privilege classes.",
    run: privclass,
};

/// Commands on one line, each in twelve columns.
const COMMANDS_A_LINE: usize = 4;

fn commands(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if let Err(extra) = no_more("CQU", call.operands) {
        return done(Err(extra));
    }
    let rows = call.cp.commands.all(Family::Command);
    let names: Vec<&str> = rows.iter().filter(|r| r.allowed(&call.vm.entry)).map(|r| r.name).collect();
    call.out.extend(names.chunks(COMMANDS_A_LINE).map(|line| {
        let line: String = line.iter().map(|name| format!("{name:<12}")).collect();
        line.trim_end().to_owned()
    }));
    done(Ok(()))
}

fn privclass(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if let Err(extra) = no_more("CQU", call.operands) {
        return done(Err(extra));
    }
    let classes = call.vm.entry.classes;
    call.out.push(format!("Privilege classes for user {}", call.vm.userid));
    call.out.push(format!("        Currently: {classes}"));
    call.out.push(format!("        Directory: {classes}"));
    done(Ok(()))
}
