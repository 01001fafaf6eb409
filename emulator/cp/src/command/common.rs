//! What several commands share: reading operands, and times in CP's form.

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Zoned;

use super::messages::hcp;
use super::{CpResult, split_word};
use crate::message::HcpMessage;
use crate::name::UserId;
use crate::system::Cp;
use crate::vm::{TerminalName, Vm};

/// A command that needs no waiting.
pub(crate) fn done<'a>(result: CpResult) -> BoxFuture<'a, CpResult> {
    Box::pin(std::future::ready(result))
}

/// Whether `given` is `word` or an abbreviation of it that has at least `least` characters; case does not count.
pub fn is_word(given: &str, word: &str, least: usize) -> bool {
    given.len() >= least
        && word.len() >= given.len()
        && word.as_bytes()[..given.len()].eq_ignore_ascii_case(given.as_bytes())
}

/// Fails when anything is left of the operands.
///
/// # Errors
/// Message 003 with the first word that is left.
pub fn no_more(module: &'static str, rest: &str) -> CpResult {
    match split_word(rest).0 {
        "" => Ok(()),
        extra => Err(hcp(module, 3, &[&extra.to_ascii_uppercase()])),
    }
}

/// The first operand as a user id, `*` being the machine itself, and what follows it.
pub(crate) fn userid_operand<'a>(
    module: &'static str,
    vm: &Vm,
    operands: &'a str,
) -> Result<(UserId, &'a str), HcpMessage> {
    let (word, rest) = split_word(operands);
    match word {
        "" => Err(hcp(module, 20, &[])),
        "*" => Ok((vm.userid, rest)),
        _ => match UserId::new(word) {
            Ok(userid) => Ok((userid, rest)),
            Err(_) => Err(hcp(module, 7, &[&word.to_ascii_uppercase()])),
        },
    }
}

/// The machine of `userid`, or message 045.
pub(crate) fn machine(module: &'static str, cp: &Cp, userid: UserId) -> Result<Arc<Vm>, HcpMessage> {
    cp.machine(userid).ok_or_else(|| hcp(module, 45, &[userid.as_str()]))
}

/// `ON` or `OFF`.
pub(crate) fn on_off(module: &'static str, word: &str) -> Result<bool, HcpMessage> {
    match word.to_ascii_uppercase().as_str() {
        "ON" => Ok(true),
        "OFF" => Ok(false),
        "" => Err(hcp(module, 26, &[])),
        other => Err(hcp(module, 3, &[other])),
    }
}

/// `hh:mm:ss`.
pub fn clock_time(now: &Zoned) -> String {
    now.strftime("%H:%M:%S").to_string()
}

/// `hh:mm:ss zone WEEKDAY mm/dd/yy`, as in `LOGON AT`.
pub fn full_time(now: &Zoned) -> String {
    now.strftime("%H:%M:%S %Z %A %m/%d/%y").to_string().to_uppercase()
}

/// `CONNECT= hh:mm:ss VIRTCPU= mmm:ss.hh TOTCPU= mmm:ss.hh`, the accounting line of a session.
pub(crate) fn session_times(cp: &Cp, vm: &Vm) -> String {
    let connect = cp.clock.now().duration_since(vm.logon_at).as_secs().max(0);
    let cpu = vm.cpu_time();
    let hundredths = cpu.as_millis() / 10;
    let time = format!("{:03}:{:02}.{:02}", hundredths / 6000, hundredths / 100 % 60, hundredths % 100);
    let (hours, minutes, seconds) = (connect / 3600, connect / 60 % 60, connect % 60);
    format!("CONNECT= {hours:02}:{minutes:02}:{seconds:02} VIRTCPU= {time} TOTCPU= {time}")
}

/// The four characters by which QUERY NAMES shows a terminal.
pub(crate) fn terminal_name(vm: &Vm) -> String {
    match &*vm.terminal.lock() {
        TerminalName::Disconnected => "DSC".into(),
        TerminalName::SystemConsole => "SYSC".into(),
        TerminalName::Line(line) => line.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations() {
        assert!(is_word("discon", "DISCONNECT", 4) && is_word("DISC", "DISCONNECT", 4));
        assert!(!is_word("DIS", "DISCONNECT", 4) && !is_word("DISCONNECTED", "DISCONNECT", 4));
        assert!(!is_word("DISX", "DISCONNECT", 4));
    }
}
