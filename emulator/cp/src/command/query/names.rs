//! `QUERY NAMES` and `QUERY USERS`.

use futures::future::BoxFuture;

use crate::command::common::{done, machine, no_more, terminal_name};
use crate::command::messages::hcp;
use crate::command::{CpCall, CpCommand, CpResult, split_word};
use crate::name::UserId;
use crate::system::Cp;

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
    syntax: "Query Users [userid]",
    summary: "Shows how many users are logged on, or where one is.",
    run: users,
};

fn names(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    if let Err(extra) = no_more("CQU", call.operands) {
        return done(Err(extra));
    }
    let entries: Vec<String> =
        call.cp.machines().iter().map(|vm| format!("{:<8} - {:<4}", vm.userid, terminal_name(vm))).collect();
    let lines: Vec<String> = entries.chunks(NAMES_A_LINE).map(|line| line.join(", ")).collect();
    call.out.push(lines.join(",\n"));
    let joined = call.out.pop().unwrap_or_default();
    call.out.extend(joined.split('\n').map(|line| line.trim_end().to_owned()));
    done(Ok(()))
}

fn users(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(show_users(call))
}

fn show_users(call: CpCall<'_>) -> CpResult {
    let (word, rest) = split_word(call.operands);
    no_more("CQU", rest)?;
    if word.is_empty() {
        call.out.push(format!("{:>5} USERS,     0 DIALED,     0 NET", call.cp.machines().len()));
        return Ok(());
    }
    show_user(call.cp, word, call.out)
}

/// `userid   - DSC`: where one user is logged on.
pub(super) fn show_user(cp: &Cp, word: &str, out: &mut Vec<String>) -> CpResult {
    let userid = UserId::new(word).map_err(|_| hcp("CQV", 3, &[&word.to_ascii_uppercase()]))?;
    let found = machine("CQU", cp, userid)?;
    out.push(format!("{userid:<8} - {}", terminal_name(&found)));
    Ok(())
}
