//! QUERY ACCESSORS: who has accessed DIRCONTROL directories.
//!
//! Source: "QUERY ACCESSORS"; whether the mode of an access is shown as R/O and R/W is ours.

use super::create::csl_message;
use super::object::directory;
use super::options::Output;
use super::{CmsCall, CmsResult};
use crate::message::dms;

const MODULE: &str = "QRY";

/// `QUERY ACCESSORS [dirid] [filepoolid:]`.
pub(super) async fn run(call: &CmsCall<'_>, operands: &[&str], output: Output) -> CmsResult {
    let (place, pool) = match operands {
        [] => (None, None),
        [pool] if pool.ends_with(':') => (None, Some(*pool)),
        [place] => (Some(*place), None),
        [place, pool] if pool.ends_with(':') => (Some(*place), Some(*pool)),
        [.., extra] => return Err(dms(MODULE, 70, 24, &[extra])),
    };
    let dir = place.map(|place| directory(call.cms, MODULE, place)).transpose()?;
    let pool = match (&dir, pool) {
        (Some(dir), _) => dir.pool,
        (None, Some(token)) => {
            token.trim_end_matches(':').parse().map_err(|_| dms(MODULE, 29, 24, &[token]))?
        }
        (None, None) => call.cms.settings.lock().filepool.ok_or_else(|| dms(MODULE, 1223, 40, &[]))?,
    };
    let found = call.cms.csl.accessors(pool, dir.as_ref()).await;
    let found = found.map_err(|e| csl_message(MODULE, &e, pool.as_str()))?;
    output.heading(call.cms, "Accessors  Mode  Directory Name").await;
    for accessor in found {
        let mode = if accessor.writes { "R/W" } else { "R/O" };
        let line = format!("{:<10} {mode:<5} {}", accessor.user, accessor.dir);
        output.line(call.cms, MODULE, &line).await?;
    }
    Ok(0)
}
