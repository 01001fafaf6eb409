//! `QUERY`: one file per operand or group of operands.
//!
//! An operand that is in no table is taken for a user id.

use futures::future::BoxFuture;

use super::common::terminal_name;
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, Family, split_word};
use crate::name::UserId;

pub(super) mod commands;
pub(super) mod cplevel;
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
        let upper = word.to_ascii_uppercase();
        let userid = UserId::new(word).map_err(|_| hcp("CQV", 3, &[&upper]))?;
        super::common::no_more("CQU", rest)?;
        let found = super::common::machine("CQU", cp, userid)?;
        out.push(format!("{userid:<8} - {}", terminal_name(&found)));
        Ok(())
    })
}
