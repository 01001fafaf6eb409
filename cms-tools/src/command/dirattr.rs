//! DIRATTR: makes a directory FILECONTROL or DIRCONTROL.

use sfs::csl::{CommitOption, WorkUnitId};
use sfs::types::DirControl;

use super::create::csl_message;
use super::object::directory;
use super::options::{flags, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::message::dms;

const MODULE: &str = "DAT";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "DIRATTR",
    min: 7,
    syntax: "DIRATTR dirid ( {FILEControl|DIRControl}",
    summary: "Makes a directory FILECONTROL or DIRCONTROL",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let dir = match words.operands[..] {
        [] => return Err(dms(MODULE, 5, 24, &["directory name"])),
        [dir] => directory(call.cms, MODULE, dir)?,
        [_, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
    };
    let control = match flags(MODULE, &words.options, &[("FILECONTROL", 5), ("DIRCONTROL", 4)])?[..] {
        ["FILECONTROL"] => DirControl::File,
        ["DIRCONTROL"] => DirControl::Directory,
        [] => return Err(dms(MODULE, 5, 24, &["directory attribute"])),
        [_, extra, ..] => return Err(dms(MODULE, 3, 24, &[extra])),
        [other] => return Err(dms(MODULE, 3, 24, &[other])),
    };
    let done = call.cms.csl.dmsdirat(&dir, control, CommitOption::Commit, WorkUnitId::DEFAULT).await;
    done.map(|_| 0).map_err(|e| csl_message(MODULE, &e, &dir.to_string()))
}
