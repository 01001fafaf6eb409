//! IMAP: sends a request to the IMAP server's administration, as the sample exec named after the server does.
//!
//! The server's user id is the name of the command; the request travels by VMIPC, and the server's `$SERVER$ NAMES` says
//! who may send one.

use cp::name::UserId;

use super::{CmsCall, CmsCommand, CmsResult};
use crate::message::dms;
use crate::vmipc;

const MODULE: &str = "IMP";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "IMAP",
    min: 4,
    syntax: "IMAP request [operands]     (IMAP HELP lists the requests)",
    summary: "Sends an administrative request to the IMAP server",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let server = UserId::new(call.name).map_err(|e| dms(MODULE, 1020, 24, &[&e.to_string()]))?;
    let text = if call.args.is_empty() { "HELP" } else { call.args };
    let answer = vmipc::request(&call.cms.guest, server, text).await;
    let answer = answer.map_err(|e| dms(MODULE, 1133, 55, &[server.as_str(), &e.to_string()]))?;
    for line in &answer.lines {
        call.cms.say(line).await;
    }
    Ok(answer.rc)
}
