//! CREATE DIRECTORY, ALIAS and LOCK.

use std::sync::Arc;

use sfs::csl::{CommitOption, CslError, FileRef, ReasonCode, WorkUnitId};
use sfs::types::{DirControl, LockDuration, LockType};

use super::object::{file, objects, shown};
use super::options::{abbreviates, flags, split};
use super::{CmsCall, CmsCommand, CmsResult, namedef};
use crate::cms::Cms;
use crate::message::{DmsMessage, dms};

const MODULE: &str = "CRD";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "CREATE",
    min: 3,
    syntax: "CREate DIRectory dirid [( FILEControl|DIRControl] | ALIas fn ft dirid fn ft dirid | LOCk [fn ft] dirid|fm SHAre|UPDate|EXClusive SESsion|LASting | NAMEDef {dirid|fn ft} namedef [( REPlace]",
    summary: "Creates a directory, an alias or a lock in a file pool, or a namedef",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    match words.operands[..] {
        [] => Err(dms(MODULE, 47, 24, &[])),
        [what, dir] if abbreviates(what, "DIRECTORY", 3) => {
            let dir = call.cms.dir_name(MODULE, dir)?;
            let control = match flags(MODULE, &words.options, &[("FILECONTROL", 5), ("DIRCONTROL", 4)])?[..] {
                [] | ["FILECONTROL"] => DirControl::File,
                ["DIRCONTROL"] => DirControl::Directory,
                [.., extra] => return Err(dms(MODULE, 3, 24, &[extra])),
            };
            let (csl, unit) = (&call.cms.csl, WorkUnitId::DEFAULT);
            let created = csl.dmscrdir_as(&dir, control, CommitOption::Commit, unit).await;
            created.map(|_| 0).map_err(|e| csl_message(MODULE, &e, &dir.to_string()))
        }
        [what, ..] if !abbreviates(what, "NAMEDEF", 5) && !words.options.is_empty() => {
            Err(dms(MODULE, 3, 24, &[&words.options[0]]))
        }
        [what, name, kind, place, alias_name, alias_kind, alias_place] if abbreviates(what, "ALIAS", 3) => {
            create_alias(call.cms, [name, kind, place], [alias_name, alias_kind, alias_place]).await
        }
        [what, ref meaning @ .., name] if abbreviates(what, "NAMEDEF", 5) && !meaning.is_empty() => {
            let replace = !flags(MODULE, &words.options, &[("REPLACE", 3)])?.is_empty();
            namedef::create(call.cms, meaning, name, replace)
        }
        [what, ref named @ .., lock, duration] if abbreviates(what, "LOCK", 3) && !named.is_empty() => {
            create_lock(call.cms, named, lock, duration).await
        }
        [what, ..] if abbreviates(what, "ALIAS", 3) || abbreviates(what, "LOCK", 3) => {
            Err(dms(MODULE, 54, 24, &[]))
        }
        [what] if abbreviates(what, "DIRECTORY", 3) => Err(dms(MODULE, 5, 24, &["directory name"])),
        [what, _, extra, ..] if abbreviates(what, "DIRECTORY", 3) => Err(dms(MODULE, 70, 24, &[extra])),
        [what, ..] if abbreviates(what, "NAMEDEF", 5) => Err(dms(MODULE, 5, 24, &["namedef"])),
        [what, ..] => Err(dms(MODULE, 14, 24, &[what])),
    }
}

/// `CREATE ALIAS fn ft dirid fn ft dirid`; `=` keeps the name or type of the base.
async fn create_alias(cms: &Arc<Cms>, base: [&str; 3], alias: [&str; 3]) -> CmsResult {
    let pick = |i: usize| if alias[i] == "=" { base[i] } else { alias[i] };
    let base_file = file(cms, MODULE, base)?;
    let alias_file = file(cms, MODULE, [pick(0), pick(1), alias[2]])?;
    let done = cms.csl.dmscrali(&base_file, &alias_file, CommitOption::Commit, WorkUnitId::DEFAULT).await;
    match done {
        Ok(_) => Ok(0),
        Err(error) => {
            // The routine does not say which of the two it means.
            let about =
                if is_missing(&error) && !is_there(cms, &base_file).await { base_file } else { alias_file };
            Err(csl_message(MODULE, &error, &about.to_string()))
        }
    }
}

fn is_missing(error: &CslError) -> bool {
    use ReasonCode as R;
    matches!(error.reason, R::FileNotFound | R::DirectoryNotFound | R::SpaceNotFound | R::NotAuthorized)
}

async fn is_there(cms: &Cms, file: &FileRef) -> bool {
    cms.csl.dmsexifi(file, WorkUnitId::DEFAULT).await.is_ok()
}

async fn create_lock(cms: &Arc<Cms>, named: &[&str], lock: &str, duration: &str) -> CmsResult {
    let kind = match lock {
        w if abbreviates(w, "SHARE", 3) => LockType::Share,
        w if abbreviates(w, "UPDATE", 3) => LockType::Update,
        w if abbreviates(w, "EXCLUSIVE", 3) => LockType::Exclusive,
        other => return Err(dms(MODULE, 29, 24, &[other])),
    };
    let duration = match duration {
        w if abbreviates(w, "SESSION", 3) => LockDuration::Session,
        w if abbreviates(w, "LASTING", 3) => LockDuration::Lasting,
        other => return Err(dms(MODULE, 29, 24, &[other])),
    };
    for target in objects(cms, MODULE, named).await? {
        let done = cms.csl.dmscrloc(&target, kind, duration, WorkUnitId::DEFAULT).await;
        done.map_err(|e| csl_message(MODULE, &e, &shown(&target)))?;
    }
    Ok(0)
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
        R::PoolFull => dms(module, 107, 40, &[object]),
        R::GroupUnknown | R::MinidiskExists | R::Disabled | R::NotDisabled => {
            dms(module, 2616, 40, &[&error.reason.to_string()])
        }
        R::DirectoryInvalid => dms(module, 1187, 24, &[object]),
        R::WrongControl | R::DifferentSpace => dms(module, 2616, 40, &[&error.reason.to_string()]),
        R::NamedefExists | R::NamedefUnknown => dms(module, 2616, 28, &[&error.reason.to_string()]),
        R::SpaceLimit => dms(module, 1151, 13, &[object]),
        R::Locked | R::FileOpen | R::ExplicitLock => dms(module, 1138, 70, &[object]),
        R::NoAdministrator | R::NoLock | R::LockExists | R::NoAuthority => {
            dms(module, 2616, 40, &[&error.reason.to_string()])
        }
        R::NotEnrolled => dms(module, 1240, 76, &[&pool]),
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
