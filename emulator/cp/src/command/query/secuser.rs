//! `QUERY SECUSER` and `QUERY OBSERVER`.

use futures::future::BoxFuture;

use crate::command::common::{done, machine, no_more, userid_operand};
use crate::command::messages::hcp;
use crate::command::{CpCall, CpCommand, CpResult};

/// `QUERY SECUSER`.
pub(in crate::command) const SECUSER: CpCommand = CpCommand {
    name: "SECUSER",
    min: 3,
    classes: "ABCG",
    syntax: "Query SECuser [userid]",
    summary: "Shows the secondary user.",
    run: secuser,
};
/// `QUERY OBSERVER`.
pub(in crate::command) const OBSERVER: CpCommand = CpCommand {
    name: "OBSERVER",
    min: 3,
    classes: "ABCG",
    syntax: "Query OBServer [userid]",
    summary: "Shows the observer.",
    run: observer,
};

fn secuser(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(show(call, "SECUSER"))
}

fn observer(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(show(call, "OBSERVER"))
}

fn show(call: CpCall<'_>, what: &str) -> CpResult {
    let vm = if call.operands.is_empty() {
        call.vm.clone()
    } else {
        let (user, rest) = userid_operand("CQU", call.vm, call.operands)?;
        no_more("CQU", rest)?;
        let others = ['A', 'B', 'C'].iter().any(|c| call.vm.entry.classes.contains(*c));
        if user != call.vm.userid && !others {
            return Err(hcp("CQV", 3, &[user.as_str()]));
        }
        machine("CQU", call.cp, user)?
    };
    let settings = vm.settings.lock();
    let user = if what == "SECUSER" { settings.secuser } else { settings.observer };
    call.out.push(match user {
        None => format!("{what} IS UNDEFINED"),
        Some(user) => match call.cp.machine(user) {
            None => format!("{what} {user} IS NOT LOGGED ON"),
            Some(vm) if vm.console.is_connected() => format!("{what} {user} IS LOGGED ON"),
            Some(_) => format!("{what} {user} IS DISCONNECTED"),
        },
    });
    Ok(())
}
