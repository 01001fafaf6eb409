//! DELETE USER: takes a user's file space out of a file pool, with everything in it.

use super::create::csl_message;
use super::enroll::user_and_pool;
use super::options::{flags, split};
use super::{CmsCall, CmsCommand, CmsResult};

const MODULE: &str = "DEL";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "DELETE",
    min: 3,
    syntax: "DELete USEr userid [filepoolid:] [( NOType TYPe]",
    summary: "Takes a user's file space out of a file pool, with all files",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let options = flags(MODULE, &words.options, &[("TYPE", 3), ("NOTYPE", 3)])?;
    let (user, pool) = user_and_pool(call.cms, MODULE, &words.operands)?;
    let deleted = call.cms.csl.dmsdeusr(user, pool).await;
    deleted.map_err(|e| csl_message(MODULE, &e, user.as_str()))?;
    if options.contains(&"TYPE") {
        call.cms.say(user.as_str()).await;
    }
    Ok(0)
}
