//! `SLEEP`.

use std::time::Duration;

use futures::future::BoxFuture;

use super::common::is_word;
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, split_word};

/// Longest sleep: 99 hours, the most that two digits say.
const LONGEST: u64 = 99;

/// `SLEEP`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "SLEEP",
    min: 2,
    classes: "G",
    syntax: "SLeep [nn [SEC | MIN | HRS]]",
    summary: "Waits for a time, or for the next line of input.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (count, rest) = split_word(call.operands);
        let (unit, extra) = split_word(rest);
        super::common::no_more("SLP", extra)?;
        let until_input = call.vm.console.input_waits();
        if count.is_empty() {
            until_input.await;
            return Ok(());
        }
        let bad = || hcp("SLP", 2, &[&call.operands.to_ascii_uppercase()]);
        let count = count.parse::<u64>().ok().filter(|n| *n <= LONGEST).ok_or_else(bad)?;
        let seconds = match unit {
            _ if is_word(unit, "SEC", 1) => 1,
            "" => 60,
            _ if is_word(unit, "MIN", 1) => 60,
            _ if is_word(unit, "HRS", 1) => 3600,
            _ => return Err(bad()),
        };
        // Whichever comes first; either way the sleep is over.
        let _woken = tokio::time::timeout(Duration::from_secs(count * seconds), until_input).await;
        Ok(())
    })
}
