//! QUERY AUTHORITY, ALIAS and LOCK: what is known of the objects of a file pool.

use sfs::csl::{FilePattern, SfsObject, WorkUnitId};
use sfs::types::{LockDuration, Rights};

use super::create::csl_message;
use super::object::{directory, object};
use super::query_filepool::lock_word;
use super::{CmsCall, CmsResult};
use crate::message::dms;

const MODULE: &str = "QRY";

/// `QUERY AUTHORITY [fn ft] dirid`.
pub(super) async fn authority(call: &CmsCall<'_>, operands: &[&str]) -> CmsResult {
    let target = object(call.cms, MODULE, operands)?;
    let shown = operands.join(" ").to_ascii_uppercase();
    let grants = call.cms.csl.dmsgetdt(&target, WorkUnitId::DEFAULT).await;
    let grants = grants.map_err(|e| csl_message(MODULE, &e, &shown))?;
    match &target {
        SfsObject::Directory(dir) => call.cms.say(&format!("Directory = {dir}")).await,
        SfsObject::File(file) => {
            call.cms.say(&format!("Directory = {}    File = {}", file.dir, file.id)).await
        }
    }
    call.cms.say("Grantee   R  W  NR NW DR DW").await;
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
        let grantee = grantee.to_string();
        call.cms.say(&format!("{grantee:<9} {}", marks.join("  "))).await;
    }
    Ok(0)
}

/// `QUERY ALIAS [dirid]`.
pub(super) async fn alias(call: &CmsCall<'_>, operands: &[&str]) -> CmsResult {
    let place = operands.last().copied().unwrap_or(".");
    let dir = directory(call.cms, MODULE, place)?;
    let found = call.cms.csl.dmsgetdl(&dir, FilePattern::ALL, WorkUnitId::DEFAULT).await;
    let found = found.map_err(|e| csl_message(MODULE, &e, &dir.to_string()))?;
    if found.is_empty() {
        return Err(dms(MODULE, 2, 28, &[&format!("* * {dir}")]));
    }
    call.cms.say(&format!("Directory = {dir}")).await;
    call.cms.say("Filename Filetype Type    Base file").await;
    for record in found {
        let kind = record.status.entry.word();
        let base = record.base.map_or("-".to_owned(), |b| format!("{} {}", b.id, b.dir));
        call.cms
            .say(&format!("{:<8} {:<8} {kind:<7} {base}", record.status.id.name, record.status.id.kind))
            .await;
    }
    Ok(0)
}

/// `QUERY LOCK [fn ft] dirid`.
pub(super) async fn lock(call: &CmsCall<'_>, operands: &[&str]) -> CmsResult {
    let target = object(call.cms, MODULE, operands)?;
    let shown = operands.join(" ").to_ascii_uppercase();
    let locks = call.cms.csl.dmsgetdk(&target, WorkUnitId::DEFAULT).await;
    let locks = locks.map_err(|e| csl_message(MODULE, &e, &shown))?;
    if locks.is_empty() {
        call.cms.say(&format!("No explicit locks on {shown}")).await;
        return Ok(0);
    }
    call.cms.say("Userid   Type       Duration").await;
    for lock in locks {
        let kind = lock_word(lock.kind);
        let duration = if lock.duration == LockDuration::Lasting { "LASTING" } else { "SESSION" };
        call.cms.say(&format!("{:<8} {kind:<10} {duration}", lock.user)).await;
    }
    Ok(0)
}
