//! `SET LOGMSG`.

use futures::future::BoxFuture;

use crate::command::common::done;
use crate::command::messages::hcp;
use crate::command::{CpCall, CpCommand, CpResult, split_word};
use crate::terminal::change_log_message;

/// Most lines of the log message; a screen has to hold them.
const MAX_LOG_MESSAGE_LINES: usize = 20;

/// `SET LOGMSG`.
pub(in crate::command) const ROW: CpCommand = CpCommand {
    name: "LOGMSG",
    min: 3,
    classes: "B",
    syntax: "SET LOGmsg [n] {text | NULL}",
    summary: "Sets, adds or deletes a line of the message that everybody sees at LOGON.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    let (first, rest) = split_word(call.operands);
    let (number, text) = match first.parse::<usize>() {
        Ok(number) => (Some(number), rest),
        Err(_) => (None, call.operands),
    };
    if text.is_empty() {
        return done(Err(hcp("CFS", 26, &[])));
    }
    let mut fits = true;
    change_log_message(call.cp, |lines| {
        let at = number.unwrap_or(lines.len() + 1);
        fits = (1..=MAX_LOG_MESSAGE_LINES).contains(&at);
        if !fits {
        } else if text.eq_ignore_ascii_case("NULL") && number.is_none() {
            lines.clear();
        } else if text.eq_ignore_ascii_case("NULL") {
            if at <= lines.len() {
                lines.remove(at - 1);
            }
        } else if at <= lines.len() {
            lines[at - 1] = text.into();
        } else {
            lines.push(text.into());
        }
    });
    done(if fits { Ok(()) } else { Err(hcp("CFS", 2, &[first])) })
}
