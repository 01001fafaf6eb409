//! `IPL`.

use futures::future::BoxFuture;

use super::common::{done, is_word};
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, split_word};

/// `IPL`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "IPL",
    min: 1,
    classes: "G",
    syntax: "Ipl system [CLEAR | NOCLEAR] [PARM text]",
    summary: "Resets the virtual machine and starts a system in it.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(ipl(&call))
}

fn ipl(call: &CpCall<'_>) -> CpResult {
    let (name, mut rest) = split_word(call.operands);
    if name.is_empty() {
        return Err(hcp("IPL", 26, &[]));
    }
    let mut parm = "";
    loop {
        let (word, after) = split_word(rest);
        rest = after;
        match word {
            "" => break,
            _ if is_word(word, "CLEAR", 2) || is_word(word, "NOCLEAR", 3) => {}
            _ if is_word(word, "PARM", 4) => {
                parm = std::mem::take(&mut rest);
            }
            other => return Err(hcp("IPL", 3, &[&other.to_ascii_uppercase()])),
        }
    }
    let name = name.to_ascii_uppercase();
    call.cp.ipl(call.vm, &name, parm).map_err(|name| hcp("CFG", 44, &[&name]))
}
