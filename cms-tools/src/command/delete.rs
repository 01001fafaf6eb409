//! DELETE USER: takes a user's file space out of a file pool, with everything in it. DELETE LOCK: ends an explicit lock.

use sfs::csl::WorkUnitId;

use super::create::csl_message;
use super::enroll::user_and_pool;
use super::object::object;
use super::options::{abbreviates, flags, split};
use super::{CmsCall, CmsCommand, CmsResult, namedef};

const MODULE: &str = "DEL";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "DELETE",
    min: 3,
    syntax: "DELete USEr userid [filepoolid:] [( NOType TYPe] | LOCk [fn ft] dirid | NAMEDef {namedef|*}",
    summary: "Takes a user's file space out of a file pool, with all files; ends an explicit lock",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    if let [what, name] = words.operands[..]
        && abbreviates(what, "NAMEDEF", 5)
    {
        return namedef::delete(call.cms, name);
    }
    if let [what, named @ ..] = &words.operands[..]
        && abbreviates(what, "LOCK", 3)
    {
        let target = object(call.cms, MODULE, named)?;
        let done = call.cms.csl.dmsdeloc(&target, None, WorkUnitId::DEFAULT).await;
        return done.map(|()| 0).map_err(|e| csl_message(MODULE, &e, &named.join(" ").to_ascii_uppercase()));
    }
    let options = flags(MODULE, &words.options, &[("TYPE", 3), ("NOTYPE", 3)])?;
    let (user, pool) = user_and_pool(call.cms, MODULE, &words.operands)?;
    let deleted = call.cms.csl.dmsdeusr(user, pool).await;
    deleted.map_err(|e| csl_message(MODULE, &e, user.as_str()))?;
    if options.contains(&"TYPE") {
        call.cms.say(user.as_str()).await;
    }
    Ok(0)
}
