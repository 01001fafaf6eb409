//! `HELP`: what the command tables say.

use futures::future::BoxFuture;

use super::common::done;
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, Family, split_word};

/// `HELP`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "HELP",
    min: 1,
    classes: "*",
    syntax: "Help [command [operand]]",
    summary: "Shows the CP commands one may use, or what one of them does.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(show(call))
}

fn describe(out: &mut Vec<String>, row: &CpCommand) {
    let classes = if row.classes == "*" { "Any" } else { row.classes };
    out.push(format!("{}   (class {classes})", row.syntax));
    out.push(format!("  {}", row.summary));
}

fn show(call: CpCall<'_>) -> CpResult {
    let CpCall { cp, vm, operands, out } = call;
    let (word, rest) = split_word(operands);
    let allowed =
        |family| cp.commands.all(family).into_iter().filter(|row| row.allowed(&vm.entry)).collect::<Vec<_>>();
    if word.is_empty() {
        for row in allowed(Family::Command) {
            out.push(format!("{:<11} {}", row.name, row.summary));
        }
        out.push("HELP command shows how a command is written.".into());
        return Ok(());
    }
    let row = cp.commands.find(Family::Command, word, &vm.entry).ok_or_else(|| super::unknown(word))?;
    let family = match row.name {
        "QUERY" => Family::Query,
        "SET" => Family::Set,
        _ => {
            describe(out, row);
            return super::common::no_more("HLP", rest);
        }
    };
    let (operand, _) = split_word(rest);
    if operand.is_empty() {
        describe(out, row);
        for operand in allowed(family) {
            out.push(format!("  {}", operand.syntax));
        }
        return Ok(());
    }
    let found = cp.commands.find(family, operand, &vm.entry);
    describe(out, found.ok_or_else(|| hcp("HLP", 3, &[&operand.to_ascii_uppercase()]))?);
    Ok(())
}
