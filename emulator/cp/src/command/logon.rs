//! `LOGON` from a machine that is logged on already: the dialogue itself is in [`crate::terminal`].

use futures::future::BoxFuture;

use super::common::{done, terminal_name};
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult};

/// `LOGON`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "LOGON",
    min: 1,
    classes: "*",
    syntax: "Logon|LOGIn userid [password] [BY userid] [HERE] [Ipl name | NOIpl] [QUIET]",
    summary: "Begins a session at a terminal that has none.",
    run,
};
/// `LOGIN`, the other name.
pub(super) const LOGIN: CpCommand = CpCommand { name: "LOGIN", min: 4, ..ROW };

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(Err(hcp("LOG", 54, &[&terminal_name(call.vm)])))
}
