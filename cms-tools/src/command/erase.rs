//! ERASE: erases files, or an SFS directory that is empty or, with FILES, holds no directories.
//!
//! DATAONLY leaves the file without records, with its aliases and authorities; of an alias it empties the base file.
//! Source: "Erasing Files".

use std::sync::Arc;

use cp::name::DirName;
use sfs::csl::{CommitOption, EraseScope, FileRef, SfsObject, WorkUnitId};
use sfs::types::FileId;

use super::create::csl_message;
use super::object::{Where, matching, place, store_error};
use super::options::{Output, flags, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::Cms;
use crate::cms::store_message;
use crate::files::{FilePattern, parse_mode};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "ERS";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "ERASE",
    min: 4,
    syntax: "ERASe fn ft [fm|dirid] | dirid [( Type|NOType|STACK [FIFO|LIFO] FILes|NOFILes DATAonly]",
    summary: "Erases files or a directory",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let mut words = split(call.args);
    let output = Output::take(MODULE, &mut words.options, Output::Nowhere)?;
    let options = flags(MODULE, &words.options, &[("DATAONLY", 4), ("FILES", 3), ("NOFILES", 5)])?;
    let has = |option: &str| options.contains(&option);
    for pair in [["FILES", "NOFILES"], ["FILES", "DATAONLY"]] {
        if pair.into_iter().all(has) {
            return Err(dms(MODULE, 66, 24, &pair));
        }
    }
    let data_only = has("DATAONLY");
    let (names, token) = match words.operands[..] {
        [dir] if dir.contains(['.', ':']) || call.cms.csl.namedef_directory(dir).is_some() => {
            if data_only {
                return Err(dms(MODULE, 3, 24, &["DATAONLY"]));
            }
            let dir = call.cms.dir_name(MODULE, dir)?;
            erase_directory(call.cms, &dir, has("FILES")).await?;
            output.line(call.cms, MODULE, &dir.to_string()).await?;
            return Ok(0);
        }
        // A file has none.
        _ if has("FILES") => return Err(dms(MODULE, 3, 24, &["FILES"])),
        [name, kind] => ([name, kind], "A"),
        [name, kind, token] => ([name, kind], token),
        [_, _, _, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
        _ => return Err(dms(MODULE, 54, 24, &[])),
    };
    if token == "*" {
        return Err(dms(MODULE, 48, 24, &["*"]));
    }
    let place = place(call.cms, MODULE, token, true)?;
    let pattern = FilePattern::parse(MODULE, &names, None)?;
    let pattern = FilePattern { number: parse_mode(token).and_then(|(_, n)| n), ..pattern };
    let found = matching(MODULE, call.cms, &pattern, &place).await?;
    if found.is_empty() {
        return Err(dms(MODULE, 2, 28, &[&words.operands.join(" ").to_ascii_uppercase()]));
    }
    for status in found {
        erase_one(call.cms, &place, status.id, data_only).await?;
        let shown = match place.mode() {
            Some(mode) => format!("{} {mode}{}", status.id, status.mode.get()),
            None => format!("{} {}", status.id, place.shown()),
        };
        output.line(call.cms, MODULE, &shown).await?;
    }
    Ok(0)
}

async fn erase_directory(cms: &Arc<Cms>, dir: &DirName, files: bool) -> Result<(), DmsMessage> {
    let scope = if files { EraseScope::WithFiles } else { EraseScope::Entire };
    let object = SfsObject::Directory(dir.clone());
    let erased = cms.csl.dmserase(&object, scope, CommitOption::Commit, WorkUnitId::DEFAULT).await;
    erased.map(|_| ()).map_err(|e| csl_message(MODULE, &e, &dir.to_string()))
}

async fn erase_one(cms: &Arc<Cms>, place: &Where, id: FileId, data_only: bool) -> Result<(), DmsMessage> {
    let shown = format!("{id} {}", place.shown());
    match place {
        Where::Minidisk(_) if data_only => Err(dms(MODULE, 3, 24, &["DATAONLY"])),
        Where::Minidisk(accessed) => {
            accessed.store.erase(id).await.map_err(|e| store_message(MODULE, &e, &shown))
        }
        Where::Directory { dir, .. } => {
            let scope = if data_only { EraseScope::DataOnly } else { EraseScope::Entire };
            let object = SfsObject::File(FileRef::new(id, dir.clone()));
            let done = cms.csl.dmserase(&object, scope, CommitOption::Commit, WorkUnitId::DEFAULT).await;
            done.map(|_| ()).map_err(|e| match store_error(&e) {
                Some(error) => store_message(MODULE, &error, &shown),
                None => csl_message(MODULE, &e, &shown),
            })
        }
    }
}
