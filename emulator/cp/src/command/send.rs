//! `SEND`: input for somebody else's console.

use futures::future::BoxFuture;

use super::common::is_word;
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, execute, split_word};
use crate::console::MAX_INPUT_LINES;

/// `SEND`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "SEND",
    min: 3,
    classes: "CG",
    syntax: "SENd [CP] userid [text]",
    summary: "Gives a line, or with CP a command, to a machine whose secondary user one is; class C to any.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (first, after) = split_word(call.operands);
        let to_cp = is_word(first, "CP", 2);
        let operands = if to_cp { after } else { call.operands };
        let (user, text) = super::common::userid_operand("SEN", call.vm, operands)?;
        let vm = super::common::machine("SEN", call.cp, user)?;
        let secondary = vm.settings.lock().secuser == Some(call.vm.userid) && !vm.console.is_connected();
        if !secondary && !call.vm.entry.classes.contains('C') && user != call.vm.userid {
            return Err(hcp("SEN", 68, &[]));
        }
        if to_cp {
            let answer = execute(call.cp, &vm, text).await;
            for line in answer.lines {
                vm.console.write(&line);
            }
            return Ok(());
        }
        let limit = MAX_INPUT_LINES.to_string();
        vm.console.input(text).map_err(|_| hcp("SEN", 410, &[user.as_str(), &limit]))
    })
}
