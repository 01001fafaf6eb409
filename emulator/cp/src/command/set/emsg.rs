//! `SET EMSG`.

use futures::future::BoxFuture;

use crate::command::common::{done, no_more};
use crate::command::messages::hcp;
use crate::command::{CpCall, CpCommand, CpResult, split_word};
use crate::vm::EmsgSetting;

/// `SET EMSG`.
pub(in crate::command) const ROW: CpCommand = CpCommand {
    name: "EMSG",
    min: 2,
    classes: "*",
    syntax: "SET EMsg {ON | CODE | TEXT | OFF}",
    summary: "Which parts of error messages are shown.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    let (word, rest) = split_word(call.operands);
    let emsg = match word.to_ascii_uppercase().as_str() {
        "ON" => Ok(EmsgSetting::On),
        "CODE" => Ok(EmsgSetting::Code),
        "TEXT" => Ok(EmsgSetting::Text),
        "OFF" => Ok(EmsgSetting::Off),
        "" => Err(hcp("CFS", 26, &[])),
        other => Err(hcp("CFS", 3, &[other])),
    };
    done(no_more("CFS", rest).and(emsg).map(|emsg| call.vm.settings.lock().emsg = emsg))
}
