//! QUERY ACCESSORS: who has accessed DIRCONTROL directories.
//!
//! One's own directories, or one that is named, if one may write in it or is an administrator. Source: "QUERY ACCESSORS".

use super::create::csl_message;
use super::object::directory;
use super::options::Output;
use super::{CmsCall, CmsResult};
use crate::files::parse_mode;
use crate::message::dms;

const MODULE: &str = "QRY";

/// Whether a token is a file pool: neither a directory id nor a file mode.
fn is_pool(call: &CmsCall<'_>, token: &str) -> bool {
    let pool = token.strip_suffix(':').unwrap_or(token);
    let mode = parse_mode(token).is_some() || call.cms.csl.namedef_directory(token).is_some();
    !pool.contains(['.', ':']) && (token.ends_with(':') || !mode)
}

/// `QUERY ACCESSORS [dirid|filepoolid:]`: a directory id says which file pool.
pub(super) async fn run(call: &CmsCall<'_>, operands: &[&str], output: Output) -> CmsResult {
    let (place, pool) = match operands {
        [] => (None, None),
        // The colon of a file pool may be left out.
        [token] if is_pool(call, token) => (None, Some(*token)),
        [place] => (Some(*place), None),
        [_, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
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
    let found = found.map_err(|e| {
        let named = dir.as_ref().map_or_else(|| pool.to_string(), ToString::to_string);
        csl_message(MODULE, &e, &named)
    })?;
    output.heading(call.cms, "Accessors  Mode  Directory Name").await;
    for accessor in found {
        let mode = if accessor.writes { "R/W" } else { "R/O" };
        let line = format!("{:<10} {mode:<5} {}", accessor.user, accessor.dir);
        output.line(call.cms, MODULE, &line).await?;
    }
    Ok(0)
}
