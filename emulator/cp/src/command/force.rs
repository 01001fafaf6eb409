//! `FORCE`.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::common::is_word;
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, split_word};
use crate::terminal::disconnect;

/// `FORCE`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "FORCE",
    min: 5,
    classes: "A",
    syntax: "FORCE userid [LOGOFF | DISConnect]",
    summary: "Logs another user off, or frees his terminal.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (user, rest) = super::common::userid_operand("FRC", call.vm, call.operands)?;
        let vm = super::common::machine("FRC", call.cp, user)?;
        let (how, extra) = split_word(rest);
        super::common::no_more("FRC", extra)?;
        if is_word(how, "DISCONNECT", 4) {
            disconnect(call.cp, &vm);
            return Ok(());
        }
        if !how.is_empty() && !is_word(how, "LOGOFF", 3) && !is_word(how, "IMMEDIATE", 5) {
            return Err(hcp("FRC", 3, &[&how.to_ascii_uppercase()]));
        }
        if vm.is_logging_off() {
            return Err(hcp("USO", 361, &[user.as_str()]));
        }
        if Arc::ptr_eq(&vm, call.vm) {
            call.cp.logoff_later(&vm, Some(call.vm.userid));
        } else {
            // A machine cannot see its own end; for another the answer comes when it is gone, so that the user id
            // can be logged on again at once. In a task of its own, so that the end of the issuer does not stop it.
            let (cp, by) = (call.cp.clone(), call.vm.userid);
            let _ended = tokio::spawn(async move { cp.logoff(&vm, Some(by)).await }).await;
            let users = call.cp.machines().len();
            if call.vm.userid != call.cp.config.operator {
                let by = call.vm.userid;
                call.out.push(format!("USER DSC   LOGOFF AS  {user:<8} USERS = {users} FORCED BY {by}"));
            }
        }
        Ok(())
    })
}
