//! RELOCATE: moves a file or directory to another directory of the same file space.

use sfs::csl::{CommitOption, WorkUnitId};

use super::create::csl_message;
use super::object::{directory, objects, shown};
use super::options::{none, split};
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
    none(MODULE, &words.options)?;
    let [from @ .., to, target] = &words.operands[..] else { return Err(dms(MODULE, 54, 24, &[])) };
    if !to.eq_ignore_ascii_case("TO") {
        return Err(dms(MODULE, 5, 24, &["TO"]));
    }
    let target = directory(call.cms, MODULE, target)?;
    for moved in objects(call.cms, MODULE, from).await? {
        let done = call.cms.csl.dmsreloc(&moved, &target, CommitOption::Commit, WorkUnitId::DEFAULT).await;
        done.map_err(|e| csl_message(MODULE, &e, &shown(&moved)))?;
    }
    Ok(0)
}
