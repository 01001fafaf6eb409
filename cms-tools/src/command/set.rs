//! SET: the options of CMS itself; everything else goes to CP's SET.

use cp::command::split_word;
use cp::name::{FilePoolId, UserId};

use super::options::abbreviates;
use super::{CmsCall, CmsCommand, CmsResult};
use crate::message::dms;

const MODULE: &str = "SET";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "SET",
    min: 3,
    syntax: "SET RDYMSG LMSG|SMSG | IMPCP ON|OFF | IMPEX ON|OFF | FILEPOOL id|NONE | FILESPACE userid | FILEWAIT ON|OFF",
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
    } else {
        return Ok(call.cms.cp_command(&format!("SET {}", call.args)).await);
    }
    Ok(0)
}
