//! RDRLIST: the files in the virtual reader, a line each.

use spool::UnitRecord;

use super::options::split;
use super::{CmsCall, CmsCommand, CmsResult};
use crate::message::dms;

const MODULE: &str = "RDR";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "RDRLIST",
    min: 4,
    syntax: "RDRList",
    summary: "Lists the files in your reader",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    if let Some(extra) = words.operands.first() {
        return Err(dms(MODULE, 70, 24, &[extra]));
    }
    let reader =
        UnitRecord::of(&call.cms.guest).map_err(|e| dms(MODULE, 124, 100, &["*", &e.to_string()]))?;
    let files = reader.reader_files();
    if files.is_empty() {
        return Err(dms(MODULE, 672, 28, &[]));
    }
    let zone = call.cms.guest.cp().clock.zone();
    call.cms.say("Spid Filename Filetype Class User     Hold Records  Date     Time").await;
    for file in files {
        let when = file.created.to_zoned(zone.clone());
        let line = format!(
            "{} {:<8} {:<8} {} {:<3} {:<8} {:<4} {:>7}  {}",
            file.id,
            file.name,
            file.ftype,
            file.device,
            file.class,
            file.origin,
            file.hold.as_str(),
            file.records,
            when.strftime("%m/%d/%y %H:%M:%S"),
        );
        call.cms.say(line.trim_end()).await;
    }
    Ok(0)
}
