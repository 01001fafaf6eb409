//! `MESSAGE`, `MSGNOH`, `WARNING` and `SMSG`.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::common::{clock_time, done, is_word};
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, split_word};
use crate::message::HcpMessage;
use crate::msg_service::{MsgClass, deliver};
use crate::name::UserId;
use crate::system::Cp;
use crate::vm::{Routing, Vm};

/// `MESSAGE`.
pub(super) const MESSAGE: CpCommand = CpCommand {
    name: "MESSAGE",
    min: 1,
    classes: "*",
    syntax: "Message|MSG {userid|*|OPerator|ALL} text",
    summary: "Sends a message to a user's console; ALL needs class A or B.",
    run: message,
};
/// `MSG`, the other name.
pub(super) const MSG: CpCommand = CpCommand { name: "MSG", min: 3, ..MESSAGE };
/// `MSGNOH`.
pub(super) const MSGNOH: CpCommand = CpCommand {
    name: "MSGNOH",
    min: 6,
    classes: "B",
    syntax: "MSGNOH {userid|*|OPerator|ALL} text",
    summary: "Sends a message without the line that says from whom it is.",
    run: msgnoh,
};
/// `WARNING`.
pub(super) const WARNING: CpCommand = CpCommand {
    name: "WARNING",
    min: 4,
    classes: "ABC",
    syntax: "WARNing|WNG {userid|*|OPerator|ALL} text",
    summary: "Sends a message with priority.",
    run: warning,
};
/// `WNG`, the other name.
pub(super) const WNG: CpCommand = CpCommand { name: "WNG", min: 3, ..WARNING };
/// `SMSG`.
pub(super) const SMSG: CpCommand = CpCommand {
    name: "SMSG",
    min: 2,
    classes: "G",
    syntax: "SMsg userid text",
    summary: "Sends a special message to a program in a virtual machine.",
    run: smsg,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Message,
    NoHeader,
    Warning,
}

fn message(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(send(&call, Kind::Message))
}

fn msgnoh(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(send(&call, Kind::NoHeader))
}

fn warning(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(send(&call, Kind::Warning))
}

fn send(call: &CpCall<'_>, kind: Kind) -> CpResult {
    let (to, text) = split_word(call.operands);
    if to.is_empty() {
        return Err(hcp("MSG", 20, &[]));
    }
    if text.is_empty() {
        return Err(hcp("MSG", 26, &[]));
    }
    let from = call.vm.userid;
    let all = to.eq_ignore_ascii_case("ALL");
    if all && (call.vm.entry.classes.contains('A') || call.vm.entry.classes.contains('B')) {
        for vm in call.cp.machines() {
            // Those who do not listen are passed over, as the command has no one answer for all.
            let _not_receiving = tell(call.cp, &vm, from, kind, text);
        }
        return Ok(());
    }
    let target = receiver(call.cp, call.vm, to)?;
    tell(call.cp, &target, from, kind, text)
}

/// The machine named by `to`: a user id, `*` for oneself, or OPERATOR.
fn receiver(cp: &Arc<Cp>, own: &Arc<Vm>, to: &str) -> Result<Arc<Vm>, HcpMessage> {
    let userid = match to {
        "*" => return Ok(own.clone()),
        _ if is_word(to, "OPERATOR", 2) => cp.config.operator,
        _ => UserId::new(to).map_err(|_| hcp("MSG", 45, &[&to.to_ascii_uppercase()]))?,
    };
    super::common::machine("MSG", cp, userid)
}

fn tell(cp: &Arc<Cp>, to: &Arc<Vm>, from: UserId, kind: Kind, text: &str) -> CpResult {
    let (routing, class, word, off) = {
        let settings = to.settings.lock();
        match kind {
            Kind::Warning => (settings.wng, MsgClass::Warning, "WNG", "WNG off"),
            _ => (settings.msg, MsgClass::Message, "MSG", "MSG off"),
        }
    };
    if deliver(to, class, from, text, routing) {
        return Ok(());
    }
    if routing == Routing::Off {
        return Err(hcp("MFS", 57, &[to.userid.as_str(), off]));
    }
    let secondary = to.settings.lock().secuser.and_then(|user| cp.machine(user));
    if !to.console.is_connected() && !secondary.is_some_and(|vm| vm.console.is_connected()) {
        return Err(hcp("MFS", 57, &[to.userid.as_str(), "disconnected"]));
    }
    let now = clock_time(&cp.clock.local());
    to.console.write_asynchronous(&match kind {
        Kind::NoHeader => text.to_owned(),
        _ => format!("{now}  * {word} FROM {from:<8}: {text}"),
    });
    Ok(())
}

/// Sends a message as CP does for somebody who is not logged on at a terminal of his own.
///
/// # Errors
/// The message that MSG would end with.
pub(crate) fn message_from(cp: &Arc<Cp>, from: UserId, to: &str, text: &str) -> CpResult {
    let userid = if is_word(to, "OPERATOR", 2) {
        cp.config.operator
    } else {
        UserId::new(to).map_err(|_| hcp("MSG", 45, &[&to.to_ascii_uppercase()]))?
    };
    let target = super::common::machine("MSG", cp, userid)?;
    tell(cp, &target, from, Kind::Message, text)
}

fn smsg(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(special(&call))
}

fn special(call: &CpCall<'_>) -> CpResult {
    let (to, text) = super::common::userid_operand("SMG", call.vm, call.operands)?;
    if text.is_empty() {
        return Err(hcp("SMG", 26, &[]));
    }
    let target = super::common::machine("SMG", call.cp, to)?;
    let routing = target.settings.lock().smsg;
    // ON means VMCF, which has no buffer here; a program that asked for *MSG has asked for special messages.
    let routing = if routing == Routing::On { Routing::Iucv } else { routing };
    if deliver(&target, MsgClass::Special, call.vm.userid, text, routing) {
        return Ok(());
    }
    Err(hcp("MFS", 57, &[to.as_str(), "SMSG off"]))
}
