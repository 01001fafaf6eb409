//! ENROLL USER: gives a user a file space in a file pool.

use cp::name::{FilePoolId, UserId};

use sfs::types::StorageGroup;

use super::create::csl_message;
use super::options::{abbreviates, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::Cms;
use crate::message::{DmsMessage, dms};

const MODULE: &str = "ENR";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "ENROLL",
    min: 3,
    syntax: "ENRoll USEr userid [filepoolid:] [( BLOcks n STOrgroup n NOType TYPe]",
    summary: "Gives a user a file space in a file pool",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let (user, pool) = user_and_pool(call.cms, MODULE, &words.operands)?;
    let (mut blocks, mut group, mut show) = (0u64, StorageGroup::FIRST, false);
    let mut options = words.options.iter();
    while let Some(option) = options.next() {
        if abbreviates(option, "BLOCKS", 3) {
            let value = options.next().map_or("", String::as_str);
            blocks = value.parse().map_err(|_| dms(MODULE, 26, 24, &[value, "BLOCKS"]))?;
        } else if abbreviates(option, "STORGROUP", 3) {
            let value = options.next().map_or("", String::as_str);
            let number = value.parse().ok().and_then(StorageGroup::new);
            group = number.ok_or_else(|| dms(MODULE, 26, 24, &[value, "STORGROUP"]))?;
        } else if abbreviates(option, "TYPE", 3) {
            show = true;
        } else if !abbreviates(option, "NOTYPE", 3) {
            return Err(dms(MODULE, 3, 24, &[option]));
        }
    }
    let enrolled = call.cms.csl.dmsenusr_in(&[user], pool, blocks, group).await;
    enrolled.map_err(|e| csl_message(MODULE, &e, user.as_str()))?;
    if show {
        call.cms.say(user.as_str()).await;
    }
    Ok(0)
}

/// `USER userid [filepoolid:]`, with the default pool.
pub(super) fn user_and_pool(
    cms: &Cms,
    module: &'static str,
    operands: &[&str],
) -> Result<(UserId, FilePoolId), DmsMessage> {
    let (user, pool) = match operands {
        [] => return Err(dms(module, 47, 24, &[])),
        [what, ..] if !abbreviates(what, "USER", 3) => return Err(dms(module, 14, 24, &[what])),
        [_] => return Err(dms(module, 5, 24, &["userid"])),
        [_, user] => (user, None),
        [_, user, pool] => (user, Some(*pool)),
        [_, _, _, extra, ..] => return Err(dms(module, 70, 24, &[extra])),
    };
    let user = UserId::new(user).map_err(|e| dms(module, 1020, 24, &[&e.to_string()]))?;
    let pool = match pool {
        Some(token) => {
            FilePoolId::new(token.trim_end_matches(':')).map_err(|_| dms(module, 29, 24, &[token]))?
        }
        None => cms.settings.lock().filepool.ok_or_else(|| dms(module, 1223, 40, &[]))?,
    };
    Ok((user, pool))
}
