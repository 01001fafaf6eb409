//! DELETE USER: takes users' file spaces out of a file pool, with everything in them. DELETE ADMINISTRATOR: undoes ENROLL
//! ADMINISTRATOR. DELETE PUBLIC: undoes ENROLL PUBLIC. DELETE LOCK: ends explicit locks.

use std::sync::Arc;

use sfs::csl::WorkUnitId;

use super::create::csl_message;
use super::enroll::{Kind, PUBLIC, of_public, users_and_pool};
use super::object::{objects, shown};
use super::options::{Output, abbreviates, none, split};
use super::{CmsCall, CmsCommand, CmsResult, namedef};
use crate::Cms;
use crate::message::dms;

const MODULE: &str = "DEL";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "DELETE",
    min: 3,
    syntax: "DELete {USEr|ADMinistrator} userid|nickname [filepoolid:] [( NOType|TYPe|STACK [FIFO|LIFO]] | PUBlic [filepoolid:] | LOCk [fn ft] dirid|fm | NAMEDef {namedef|*}",
    summary: "Takes a user's file space out of a file pool, with all files; ends administration, the enrollment of PUBLIC, explicit locks, namedefs",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    if let Some(pool) = of_public(call.cms, MODULE, &words)? {
        let deleted = call.cms.csl.dmsdeusr_public(pool).await;
        return deleted.map(|()| 0).map_err(|e| csl_message(MODULE, &e, PUBLIC));
    }
    match &words.operands[..] {
        [what, names @ ..] if abbreviates(what, "NAMEDEF", 5) => {
            none(MODULE, &words.options)?;
            match names {
                [] => Err(dms(MODULE, 5, 24, &["namedef"])),
                [name] => namedef::delete(call.cms, name),
                [_, extra, ..] => Err(dms(MODULE, 70, 24, &[extra])),
            }
        }
        [what, named @ ..] if abbreviates(what, "LOCK", 3) => {
            none(MODULE, &words.options)?;
            delete_locks(call.cms, named).await
        }
        operands => {
            let mut options = words.options.clone();
            let output = Output::take(MODULE, &mut options, Output::Nowhere)?;
            none(MODULE, &options)?;
            let (what, users, pool) = users_and_pool(call.cms, MODULE, operands).await?;
            for user in users {
                let deleted = match what {
                    Kind::User => call.cms.csl.dmsdeusr(user, pool).await,
                    Kind::Administrator => call.cms.csl.delete_administrator(user, pool).await,
                };
                deleted.map_err(|e| csl_message(MODULE, &e, user.as_str()))?;
                output.line(call.cms, MODULE, user.as_str()).await?;
            }
            Ok(0)
        }
    }
}

async fn delete_locks(cms: &Arc<Cms>, named: &[&str]) -> CmsResult {
    for target in objects(cms, MODULE, named).await? {
        let done = cms.csl.dmsdeloc(&target, None, WorkUnitId::DEFAULT).await;
        done.map_err(|e| csl_message(MODULE, &e, &shown(&target)))?;
    }
    Ok(0)
}
