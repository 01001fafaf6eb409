//! GLOBAL: names the libraries that programs are loaded from. Kept for the PROFILE EXECs that say it; native programs
//! need no library.

use super::{CmsCall, CmsCommand, CmsResult};
use crate::message::dms;

const MODULE: &str = "GLB";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "GLOBAL",
    min: 6,
    syntax: "GLOBAL LOADLIB|MACLIB|TXTLIB [libname ...]",
    summary: "Names libraries; programs here are native and need none",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let kind = call.args.split_ascii_whitespace().next().unwrap_or("").to_ascii_uppercase();
    match kind.as_str() {
        "LOADLIB" | "MACLIB" | "TXTLIB" => Ok(0),
        "" => Err(dms(MODULE, 47, 24, &[])),
        other => Err(dms(MODULE, 14, 24, &[other])),
    }
}
