//! RELOCATE: moves a file or directory to another directory of the same file space.

use sfs::csl::{CommitOption, WorkUnitId};

use super::create::csl_message;
use super::object::{directory, object};
use super::options::split;
use super::{CmsCall, CmsCommand, CmsResult};
use crate::message::dms;

const MODULE: &str = "REL";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "RELOCATE",
    min: 4,
    syntax: "RELOcate [fn ft] dirid|fm TO dirid|fm",
    summary: "Moves a file or directory to another directory",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let mut operands = words.operands.clone();
    operands.retain(|w| !w.eq_ignore_ascii_case("TO"));
    let Some((target, from)) = operands.split_last() else { return Err(dms(MODULE, 54, 24, &[])) };
    let moved = object(call.cms, MODULE, from)?;
    let target = directory(call.cms, MODULE, target)?;
    let done = call.cms.csl.dmsreloc(&moved, &target, CommitOption::Commit, WorkUnitId::DEFAULT).await;
    done.map(|_| 0).map_err(|e| csl_message(MODULE, &e, &from.join(" ").to_ascii_uppercase()))
}
