//! STATE: return code 0 when a file exists, 28 when it does not.

use super::options::{none, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::cms::store_message;
use crate::files::FilePattern;
use crate::message::dms;

const MODULE: &str = "STT";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "STATE",
    min: 4,
    syntax: "STATe fn ft [fm]",
    summary: "Tells whether a file exists",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    none(MODULE, &words.options)?;
    match words.operands[..] {
        [] | [_] => return Err(dms(MODULE, 54, 24, &[])),
        [_, _, _, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
        _ => {}
    }
    let shown = words.operands.join(" ").to_ascii_uppercase();
    let pattern = FilePattern::parse(MODULE, &words.operands, None)?;
    for accessed in call.cms.modes.select(pattern.mode) {
        let files = accessed.store.list().await.map_err(|e| store_message(MODULE, &e, &shown))?;
        if files.iter().any(|f| pattern.fits(f)) {
            return Ok(0);
        }
    }
    Err(dms(MODULE, 2, 28, &[&shown]))
}
