//! QUERY AUTHORITY, ALIAS and LOCK: what is known of the objects of a file pool.

use sfs::csl::{FilePattern, SfsObject, WorkUnitId};
use sfs::types::{LockDuration, Rights};

use super::create::csl_message;
use super::object::{directory, objects, shown};
use super::options::Output;
use super::query_filepool::lock_word;
use super::{CmsCall, CmsResult};
use crate::files::NamePattern;
use crate::message::dms;

const MODULE: &str = "QRY";

/// `QUERY AUTHORITY [fn ft] dirid`.
pub(super) async fn authority(call: &CmsCall<'_>, operands: &[&str], output: Output) -> CmsResult {
    for target in objects(call.cms, MODULE, operands).await? {
        let grants = call.cms.csl.dmsgetdt(&target, WorkUnitId::DEFAULT).await;
        let grants = grants.map_err(|e| csl_message(MODULE, &e, &shown(&target)))?;
        output.line(call.cms, MODULE, &about(&target)).await?;
        output.heading(call.cms, "Grantee   R  W  NR NW DR DW").await;
        for (grantee, rights) in grants {
            let columns = [
                Rights::READ,
                Rights::WRITE,
                Rights::NEWREAD,
                Rights::NEWWRITE,
                Rights::DIRREAD,
                Rights::DIRWRITE,
            ];
            let marks: Vec<&str> = columns.iter().map(|r| if rights.has(*r) { "X" } else { "-" }).collect();
            let line = format!("{:<9} {}", grantee.to_string(), marks.join("  "));
            output.line(call.cms, MODULE, &line).await?;
        }
    }
    Ok(0)
}

/// `QUERY ALIAS [fn ft] [dirid]`.
pub(super) async fn alias(call: &CmsCall<'_>, operands: &[&str], output: Output) -> CmsResult {
    let (name, kind, place) = match *operands {
        [] => ("*", "*", "."),
        [place] => ("*", "*", place),
        [name, kind] => (name, kind, "."),
        [name, kind, place] => (name, kind, place),
        [_, _, _, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
    };
    let (names, kinds) = (NamePattern::new(name), NamePattern::new(kind));
    let dir = directory(call.cms, MODULE, place)?;
    let found = call.cms.csl.dmsgetdl(&dir, FilePattern::ALL, WorkUnitId::DEFAULT).await;
    let mut found = found.map_err(|e| csl_message(MODULE, &e, &dir.to_string()))?;
    found.retain(|record| {
        let id = record.status.id;
        names.matches(id.name.as_str()) && kinds.matches(id.kind.as_str())
    });
    if found.is_empty() {
        return Err(dms(MODULE, 2, 28, &[&format!("{} {} {dir}", names.as_str(), kinds.as_str())]));
    }
    output.line(call.cms, MODULE, &format!("Directory = {dir}")).await?;
    output.heading(call.cms, "Filename Filetype Type    Base file").await;
    for record in found {
        let kind = record.status.entry.word();
        let base = record.base.map_or("-".to_owned(), |b| format!("{} {}", b.id, b.dir));
        let id = record.status.id;
        output.line(call.cms, MODULE, &format!("{:<8} {:<8} {kind:<7} {base}", id.name, id.kind)).await?;
    }
    Ok(0)
}

/// `QUERY LOCK [fn ft] dirid`; with a pattern, of each file that has a lock.
pub(super) async fn lock(call: &CmsCall<'_>, operands: &[&str], output: Output) -> CmsResult {
    let named = operands.join(" ").to_ascii_uppercase();
    let targets = objects(call.cms, MODULE, operands).await?;
    let is_pattern =
        matches!(operands, [name, kind, _] if [name, kind].iter().any(|w| w.contains(['*', '%'])));
    let mut any = false;
    for target in targets {
        let locks = call.cms.csl.dmsgetdk(&target, WorkUnitId::DEFAULT).await;
        let locks = locks.map_err(|e| csl_message(MODULE, &e, &shown(&target)))?;
        if locks.is_empty() {
            continue;
        }
        any = true;
        if is_pattern {
            output.line(call.cms, MODULE, &about(&target)).await?;
        }
        output.heading(call.cms, "Userid   Type       Duration").await;
        for lock in locks {
            let kind = lock_word(lock.kind);
            let duration = if lock.duration == LockDuration::Lasting { "LASTING" } else { "SESSION" };
            output.line(call.cms, MODULE, &format!("{:<8} {kind:<10} {duration}", lock.user)).await?;
        }
    }
    if !any {
        output.heading(call.cms, &format!("No explicit locks on {named}")).await;
    }
    Ok(0)
}

/// The line that says what the lines behind it are about.
fn about(target: &SfsObject) -> String {
    match target {
        SfsObject::Directory(dir) => format!("Directory = {dir}"),
        SfsObject::File(file) => format!("Directory = {}    File = {}", file.dir, file.id),
    }
}
