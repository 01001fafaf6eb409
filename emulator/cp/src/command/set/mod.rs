//! `SET`: one file per operand or group of operands.

use futures::future::BoxFuture;

use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, Family, split_word};

pub(super) mod emsg;
pub(super) mod logmsg;
pub(super) mod routing;
pub(super) mod secuser;
pub(super) mod switches;

/// `SET`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "SET",
    min: 3,
    classes: "*",
    syntax: "SET operand value",
    summary: "Sets how CP treats the virtual machine.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let CpCall { cp, vm, operands, out } = call;
        let (word, rest) = split_word(operands);
        if word.is_empty() {
            return Err(hcp("CFS", 26, &[]));
        }
        if let Some(row) = cp.commands.find(Family::Set, word, &vm.entry) {
            return (row.run)(CpCall { cp, vm, operands: rest, out }).await;
        }
        let upper = word.to_ascii_uppercase();
        match upper.strip_prefix("PF").and_then(|n| n.parse::<u8>().ok()) {
            Some(key @ 1..=24) => {
                // The terminal that has the key looks it up; CP keeps it.
                vm.settings.lock().kept.insert(format!("PF{key:02}"), rest.into());
                Ok(())
            }
            _ => Err(hcp("CFS", 3, &[&upper])),
        }
    })
}
