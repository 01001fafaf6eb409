//! CREATE DIRECTORY, and the erasing of directories.

use std::sync::Arc;

use cp::name::DirName;
use sfs::csl::{CommitOption, CslError, EraseScope, ReasonCode, SfsObject, WorkUnitId};

use super::options::{abbreviates, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::cms::Cms;
use crate::message::{DmsMessage, dms};

const MODULE: &str = "CRD";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "CREATE",
    min: 3,
    syntax: "CREate DIRectory dirid",
    summary: "Creates a directory in a file pool",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    match words.operands[..] {
        [] => Err(dms(MODULE, 47, 24, &[])),
        [what, dir] if abbreviates(what, "DIRECTORY", 3) => {
            let dir = call.cms.dir_name(MODULE, dir)?;
            let created = call.cms.csl.dmscrdir(&dir, CommitOption::Commit, WorkUnitId::DEFAULT).await;
            created.map(|_| 0).map_err(|e| csl_message(MODULE, &e, &dir.to_string()))
        }
        [what] if abbreviates(what, "DIRECTORY", 3) => Err(dms(MODULE, 5, 24, &["directory name"])),
        [what, ..] => Err(dms(MODULE, 14, 24, &[what])),
    }
}

/// ERASE of a directory.
pub(super) async fn erase_directory(cms: &Arc<Cms>, dir: &DirName) -> CmsResult {
    let object = SfsObject::Directory(dir.clone());
    let erased =
        cms.csl.dmserase(&object, EraseScope::Entire, CommitOption::Commit, WorkUnitId::DEFAULT).await;
    erased.map(|_| 0).map_err(|e| csl_message("ERS", &e, &dir.to_string()))
}

/// The message for a CSL error about `object`.
pub(super) fn csl_message(module: &'static str, error: &CslError, object: &str) -> DmsMessage {
    use ReasonCode as R;
    let pool = error.pool.map_or_else(String::new, |p| p.to_string());
    match error.reason {
        R::FileNotFound | R::DirectoryNotFound | R::NotAuthorized => dms(module, 1184, 28, &[object]),
        R::SpaceNotFound => dms(module, 1206, 28, &[object, &pool]),
        R::FileExists | R::DirectoryExists => dms(module, 1179, 28, &[object]),
        R::SpaceExists => dms(module, 1205, 28, &[object, &pool]),
        R::DirectoryNotEmpty => dms(module, 1144, 88, &[object]),
        R::NotAdministrator => dms(module, 1258, 76, &[]),
        R::SpaceLimit => dms(module, 1151, 13, &[object]),
        R::Locked | R::FileOpen => dms(module, 1138, 70, &[object]),
        R::PoolUnknown | R::PoolOffline | R::PoolDisabled | R::ConnectionRefused | R::ConnectionLost => {
            dms(module, 1153, 99, &[&pool])
        }
        reason => dms(
            module,
            1285,
            104,
            &[&error.rc.code().to_string(), &format!("{} ({reason})", reason.number())],
        ),
    }
}
