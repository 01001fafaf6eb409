//! IDENTIFY: user id, node, date and time.

use super::options::{flags, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::message::dms;

const MODULE: &str = "IDE";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "IDENTIFY",
    min: 2,
    syntax: "IDentify [( STack FIFO LIFO TYPE]",
    summary: "Shows user id, node, RSCS id, date, time, zone and weekday",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let options = flags(MODULE, &words.options, &[("STACK", 2), ("FIFO", 4), ("LIFO", 4), ("TYPE", 4)])?;
    if let Some(extra) = words.operands.first() {
        return Err(dms(MODULE, 70, 24, &[extra]));
    }
    let cms = call.cms;
    let node = &cms.guest.cp().config.system_id;
    let now = cms.guest.local_time();
    let line = format!(
        "{:<8} AT {node:<8} VIA RSCS     {} {:<8} {}",
        cms.userid(),
        now.strftime("%m/%d/%y %H:%M:%S"),
        now.strftime("%Z").to_string(),
        now.strftime("%A").to_string().to_ascii_uppercase(),
    );
    let stacked = if options.contains(&"LIFO") {
        cms.stack.push(line)
    } else if options.contains(&"STACK") || options.contains(&"FIFO") {
        cms.stack.queue(line)
    } else {
        cms.say(&line).await;
        Ok(())
    };
    stacked.map(|()| 0).map_err(|e| dms(MODULE, 1020, 104, &[&e.to_string()]))
}
