//! SET: the options of CMS itself; everything else goes to CP's SET.

use cp::command::split_word;
use cp::name::{FilePoolId, UserId};

use sfs::pool::MAX_THRESHOLD;

use super::create::csl_message;
use super::enroll::pool_or_default;
use super::options::abbreviates;
use super::{CmsCall, CmsCommand, CmsResult, namefind};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "SET";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "SET",
    min: 3,
    syntax: "SET RDYMSG LMSG|SMSG | IMPCP ON|OFF | IMPEX ON|OFF | FILEPOOL id|NONE | FILESPace userid | FILEWait ON|OFF | RORESPect ON|OFF | THREShold n [FOR userid|nickname] [filepoolid:]",
    summary: "Sets options of CMS; other functions are CP's",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let (function, operand) = split_word(call.args);
    let value = operand.to_ascii_uppercase();
    let bad = || dms(MODULE, 29, 24, &[operand]);
    let on_off = || match value.as_str() {
        "ON" => Ok(true),
        "OFF" => Ok(false),
        _ => Err(bad()),
    };
    if function.is_empty() {
        return Err(dms(MODULE, 47, 24, &[]));
    }
    if abbreviates(function, "RDYMSG", 3) {
        let short = match value.as_str() {
            "SMSG" => true,
            "LMSG" => false,
            _ => return Err(bad()),
        };
        call.cms.settings.lock().short_ready = short;
    } else if abbreviates(function, "IMPCP", 4) {
        let on = on_off()?;
        call.cms.settings.lock().imp_cp = on;
    } else if abbreviates(function, "IMPEX", 4) {
        let on = on_off()?;
        call.cms.settings.lock().imp_ex = on;
    } else if abbreviates(function, "FILEPOOL", 5) {
        let pool = match value.as_str() {
            "NONE" | "" => None,
            id => Some(FilePoolId::new(id.trim_end_matches(':')).map_err(|_| bad())?),
        };
        call.cms.settings.lock().filepool = pool;
    } else if abbreviates(function, "FILESPACE", 5) {
        let space = match value.as_str() {
            "" => call.cms.userid(),
            id => UserId::new(id).map_err(|_| bad())?,
        };
        call.cms.settings.lock().filespace = space;
    } else if abbreviates(function, "FILEWAIT", 5) {
        call.cms.csl.set_filewait(on_off()?);
    } else if abbreviates(function, "RORESPECT", 6) {
        let on = on_off()?;
        call.cms.settings.lock().ro_respect = on;
    } else if abbreviates(function, "THRESHOLD", 5) {
        threshold(&call, &operand.split_ascii_whitespace().collect::<Vec<_>>()).await?;
    } else {
        return Ok(call.cms.cp_command(&format!("SET {}", call.args)).await);
    }
    Ok(0)
}

/// `SET THRESHOLD n [FOR userid|nickname] [filepoolid:]`: at how many percent of the limit commits warn; 0 for never.
async fn threshold(call: &CmsCall<'_>, operands: &[&str]) -> Result<(), DmsMessage> {
    let [percent, rest @ ..] = operands else { return Err(dms(MODULE, 5, 24, &["percentage"])) };
    let number = percent.parse().ok().filter(|n| *n <= MAX_THRESHOLD);
    let number = number.ok_or_else(|| dms(MODULE, 29, 24, &[percent]))?;
    let (who, pool) = match rest {
        [word, who, pool @ ..] if word.eq_ignore_ascii_case("FOR") => (Some(*who), pool),
        [word] if word.eq_ignore_ascii_case("FOR") => return Err(dms(MODULE, 5, 24, &["userid"])),
        pool => (None, pool),
    };
    if let [_, extra, ..] = pool {
        return Err(dms(MODULE, 70, 24, &[extra]));
    }
    let pool = pool_or_default(call.cms, MODULE, pool.first().copied())?;
    let names = match who {
        Some(who) => namefind::resolve_all(call.cms, who).await,
        None => vec![call.cms.userid().to_string()],
    };
    for name in names {
        let user = UserId::new(&name).map_err(|e| dms(MODULE, 1020, 24, &[&e.to_string()]))?;
        let done = call.cms.csl.set_threshold(user, pool, number).await;
        done.map_err(|e| csl_message(MODULE, &e, user.as_str()))?;
    }
    Ok(())
}
