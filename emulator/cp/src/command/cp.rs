//! `CP`: the command that follows, as a CP command.

use futures::future::BoxFuture;

use super::{CpCall, CpCommand, CpResult, dispatch, split_word, unknown};

/// `CP`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "CP",
    min: 2,
    classes: "*",
    syntax: "CP [command]",
    summary: "Runs a CP command, also from where another environment would take it.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (word, _) = split_word(call.operands);
        if word.eq_ignore_ascii_case("CP") {
            return Err(unknown(word));
        }
        dispatch(call.cp, call.vm, call.operands, call.out).await
    })
}
