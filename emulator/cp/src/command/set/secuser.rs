//! `SET SECUSER` and `SET OBSERVER`.

use crate::command::common::{done, is_word, machine, no_more};
use crate::command::messages::hcp;
use crate::command::{CpCall, CpCommand, CpResult, split_word};
use crate::name::UserId;
use crate::vm::Settings;

/// `SET SECUSER`.
pub(in crate::command) const SECUSER: CpCommand = CpCommand {
    name: "SECUSER",
    min: 3,
    classes: "CG",
    syntax: "SET SECuser [userid2] {userid | * | OFF}",
    summary: "Who gets the console while it is disconnected; for another user's machine class C is needed.",
    run: |call| done(set(&call, |s, user| s.secuser = user)),
};
/// `SET OBSERVER`.
pub(in crate::command) const OBSERVER: CpCommand = CpCommand {
    name: "OBSERVER",
    min: 3,
    classes: "CG",
    syntax: "SET OBServer [userid2] {userid | * | OFF}",
    summary: "Who sees the console as well.",
    run: |call| done(set(&call, |s, user| s.observer = user)),
};

fn set(call: &CpCall<'_>, put: fn(&mut Settings, Option<UserId>)) -> CpResult {
    let (first, rest) = split_word(call.operands);
    let (second, extra) = split_word(rest);
    no_more("CFS", extra)?;
    let (target, who) = if second.is_empty() {
        (call.vm.clone(), first)
    } else {
        if !call.vm.entry.classes.contains('C') {
            return Err(hcp("CFS", 3, &[&second.to_ascii_uppercase()]));
        }
        let user = UserId::new(first).map_err(|_| hcp("CFS", 7, &[&first.to_ascii_uppercase()]))?;
        (machine("CFS", call.cp, user)?, second)
    };
    let user = match who {
        "" => return Err(hcp("CFS", 26, &[])),
        "*" => Some(call.vm.userid),
        _ if is_word(who, "OFF", 3) => None,
        _ => Some(UserId::new(who).map_err(|_| hcp("CFS", 7, &[&who.to_ascii_uppercase()]))?),
    };
    if let Some(user) = user
        && call.cp.entry(user).is_none()
    {
        return Err(hcp("CFS", 53, &[user.as_str()]));
    }
    put(&mut target.settings.lock(), user);
    call.cp.route_secondary(&target);
    Ok(())
}
