//! `QUERY`: one file per operand or group of operands.
//!
//! An operand that is in no table is taken for a user id.

use futures::future::BoxFuture;

use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, Family, split_word};

pub(super) mod commands;
pub(super) mod cplevel;
pub(super) mod links;
pub(super) mod logmsg;
pub(super) mod names;
pub(super) mod resource;
pub(super) mod secuser;
pub(super) mod settings;
pub(super) mod time;
pub(super) mod userid;
pub mod virt;

pub use cplevel::CP_LEVEL;

/// `QUERY`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "QUERY",
    min: 1,
    classes: "*",
    syntax: "Query operand ...",
    summary: "Shows the state of the system or of the virtual machine.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let CpCall { cp, vm, operands, out } = call;
        let (word, rest) = split_word(operands);
        if word.is_empty() {
            return Err(hcp("CQU", 26, &[]));
        }
        if let Some(row) = cp.commands.find(Family::Query, word, &vm.entry) {
            return (row.run)(CpCall { cp, vm, operands: rest, out }).await;
        }
        super::common::no_more("CQU", rest)?;
        names::show_user(cp, word, out)
    })
}
