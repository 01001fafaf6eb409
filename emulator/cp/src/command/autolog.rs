//! `AUTOLOG` and `XAUTOLOG`.

use futures::future::BoxFuture;

use super::common::{is_word, terminal_name};
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, split_word};
use crate::directory::Password;
use crate::message::HcpMessage;
use crate::name::UserId;
use crate::system::{Cp, LogonError, LogonKind, PasswordVerdict};

/// `AUTOLOG`.
pub(super) const AUTOLOG: CpCommand = CpCommand {
    name: "AUTOLOG",
    min: 5,
    classes: "ABG",
    syntax: "AUTOLog userid password [console data]",
    summary: "Logs a user on disconnected; class G needs an AUTOLOG statement of the target.",
    run: autolog,
};
/// `XAUTOLOG`.
pub(super) const XAUTOLOG: CpCommand = CpCommand {
    name: "XAUTOLOG",
    min: 5,
    classes: "ABG",
    syntax: "XAUTOlog userid [Ipl name | NOIpl] [SYNch] [# console data]",
    summary: "Logs a user on disconnected, without his password.",
    run: xautolog,
};

fn listed(call: &CpCall<'_>, user: UserId) -> bool {
    call.cp.entry(user).is_some_and(|entry| entry.autolog.contains(&call.vm.userid))
}

fn operator_class(call: &CpCall<'_>) -> bool {
    call.vm.entry.classes.contains('A') || call.vm.entry.classes.contains('B')
}

/// The message for a logon that failed.
fn refused(module: &'static str, cp: &Cp, error: &LogonError) -> HcpMessage {
    match error {
        LogonError::NotInDirectory(user) => hcp(module, 53, &[user.as_str()]),
        LogonError::AlreadyLoggedOn { userid, connected } => {
            let place = cp.machine(*userid).filter(|_| *connected).map(|vm| terminal_name(&vm));
            hcp(module, 54, &[&place.unwrap_or_else(|| "DISCONNECT".into())])
        }
        LogonError::NotAllowed(user) => hcp(module, 56, &[user.as_str()]),
        LogonError::ShuttingDown => hcp(module, 59, &["LOGON", "all users", "system shutdown has started"]),
    }
}

fn autolog(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (user, rest) = super::common::userid_operand("AUT", call.vm, call.operands)?;
        let listed = listed(&call, user);
        if !listed && !operator_class(&call) {
            return Err(hcp("AUT", 59, &["AUTOLOG", user.as_str(), "not authorized"]));
        }
        let (password, data) = split_word(rest);
        let open = call
            .cp
            .entry(user)
            .is_some_and(|e| e.password == Password::NoPass || e.password == Password::AutoOnly);
        if !listed && !open {
            if password.is_empty() {
                return Err(hcp("AUT", 26, &[]));
            }
            if call.cp.verify_password(user.as_str(), password).await != PasswordVerdict::Valid(user) {
                return Err(hcp("AUT", 59, &["AUTOLOG", user.as_str(), "incorrect password"]));
            }
        }
        let data = Some(data).filter(|d| !d.is_empty());
        call.cp.autolog(user, data).map_err(|e| refused("AUT", call.cp, &e))?;
        call.out.push("Command accepted".into());
        Ok(())
    })
}

/// What XAUTOLOG is to do besides.
#[derive(Default)]
struct Wishes<'a> {
    ipl: Option<&'a str>,
    noipl: bool,
    data: Option<&'a str>,
}

fn wishes(rest: &str) -> Result<Wishes<'_>, HcpMessage> {
    let (options, data) = match rest.split_once('#') {
        Some((options, data)) => (options, Some(data.trim_start())),
        None => (rest, None),
    };
    let mut wishes = Wishes { data, ..Wishes::default() };
    let mut rest = options;
    loop {
        let (word, after) = split_word(rest);
        rest = after;
        match word {
            "" => return Ok(wishes),
            _ if is_word(word, "NOIPL", 4) => wishes.noipl = true,
            _ if is_word(word, "SYNCH", 3) => {}
            _ if is_word(word, "IPL", 1) => {
                let (name, after) = split_word(rest);
                if name.is_empty() {
                    return Err(hcp("XAU", 26, &[]));
                }
                wishes.ipl = Some(name);
                rest = after;
            }
            other => return Err(hcp("XAU", 3, &[&other.to_ascii_uppercase()])),
        }
    }
}

fn xautolog(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    Box::pin(async move {
        let (user, rest) = super::common::userid_operand("XAU", call.vm, call.operands)?;
        if !listed(&call, user) && !operator_class(&call) {
            return Err(hcp("XAU", 59, &["XAUTOLOG", user.as_str(), "not authorized"]));
        }
        let wishes = wishes(rest)?;
        let vm = call.cp.logon(user, &LogonKind::Autolog).map_err(|e| refused("XAU", call.cp, &e))?;
        call.out.push("Command accepted".into());
        if let Some(data) = wishes.data {
            // The queue of a machine that was logged on just now has room.
            let _accepted = vm.console.input(data);
        }
        match wishes.ipl {
            Some(name) => {
                call.out.push(hcp("CLS", 6056, &[user.as_str()]).to_string());
                call.cp.ipl(&vm, name, "").map_err(|name| hcp("CFG", 44, &[&name.to_ascii_uppercase()]))?;
            }
            None if wishes.noipl => vm.console.set_state(crate::console::ConsoleState::CpRead),
            None => call.cp.ipl_directory(&vm),
        }
        Ok(())
    })
}
