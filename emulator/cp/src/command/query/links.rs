//! `QUERY LINKS`.

use futures::future::BoxFuture;

use crate::command::common::{done, no_more};
use crate::command::messages::hcp;
use crate::command::{CpCall, CpCommand, CpResult, split_word};
use crate::minidisk;
use crate::name::Vdev;

/// Users on one line.
const A_LINE: usize = 4;

/// `QUERY LINKS`.
pub(in crate::command) const ROW: CpCommand = CpCommand {
    name: "LINKS",
    min: 5,
    classes: "G",
    syntax: "Query LINKS vdev",
    summary: "Shows who has a minidisk of one's machine, and how.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(show(call))
}

fn show(call: CpCall<'_>) -> CpResult {
    let (word, rest) = split_word(call.operands);
    no_more("CQU", rest)?;
    let vdev = word.parse::<Vdev>().map_err(|_| hcp("CQU", 22, &[]))?;
    let device = minidisk::device(call.vm, vdev).ok_or_else(|| hcp("QVD", 40, &[&vdev.to_string()]))?;
    let who = minidisk::links(call.cp, device.owner, device.owner_vdev);
    let who: Vec<String> =
        who.iter().map(|(user, d)| format!("{user:<8} {} {}", d.vdev, d.access())).collect();
    call.out.extend(who.chunks(A_LINE).map(|line| line.join(", ")));
    Ok(())
}
