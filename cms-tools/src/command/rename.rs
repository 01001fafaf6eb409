//! RENAME: gives files other names, or a directory another one. `*` and `%` in the old id select, `=` in the new id keeps.
//!
//! Files stay in their directory (RELOCATE moves them); aliases and external objects are renamed as files are, directories that fit
//! are passed over. UPDIRT and NOUPDIRT make no difference, since a directory is up to date at once. Source: "RENAME".

use std::sync::Arc;

use cp::name::{FileName, FileType};
use sfs::csl::{CommitOption, FileChanges, FileRef, SfsObject, WorkUnitId};
use sfs::types::{FileId, FileStatus, ModeNumber};

use super::create::csl_message;
use super::object::{Where, directory, matching, place};
use super::options::{Output, flags, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::Cms;
use crate::cms::store_message;
use crate::files::{FilePattern, parse_mode};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "RNM";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "RENAME",
    min: 1,
    syntax: "Rename fn1 ft1 fm1|dirid1 fn2 ft2 fm2|dirid2 | dirid1 dirid2 [( Type|NOType|STACK [FIFO|LIFO] UPdirt|NOUPdirt]",
    summary: "Renames files, or a directory",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let mut words = split(call.args);
    let output = Output::take(MODULE, &mut words.options, Output::Nowhere)?;
    flags(MODULE, &words.options, &[("UPDIRT", 2), ("NOUPDIRT", 4)])?;
    match words.operands[..] {
        [old, new] => rename_directory(call.cms, old, new).await,
        [a, b, c, d, e, f] => rename_files(call.cms, [a, b, c], [d, e, f], output).await,
        [_, _, _, _, _, _, extra, ..] => Err(dms(MODULE, 70, 24, &[extra])),
        _ => Err(dms(MODULE, 54, 24, &[])),
    }
}

async fn rename_directory(cms: &Arc<Cms>, old: &str, new: &str) -> CmsResult {
    let from = directory(cms, MODULE, old)?;
    // A file mode names a directory that is there, so it cannot be a new name.
    let to = cms.dir_name(MODULE, new)?;
    let (old, new) = (SfsObject::Directory(from), SfsObject::Directory(to));
    let done = cms.csl.dmsrenam(&old, &new, CommitOption::Commit, WorkUnitId::DEFAULT).await;
    done.map(|_| 0).map_err(|e| csl_message(MODULE, &e, &super::object::shown(&old)))
}

/// The new id of a file.
struct New<'a> {
    tokens: [&'a str; 3],
    number: Option<ModeNumber>,
}

impl New<'_> {
    fn of(&self, old: FileId) -> Result<FileId, DmsMessage> {
        let [name, kind, _] = self.tokens;
        let bad = |t: &str| dms(MODULE, 62, 20, &[t, &self.tokens.join(" ").to_ascii_uppercase()]);
        let name = if name == "=" { old.name } else { FileName::new(name).map_err(|_| bad(name))? };
        let kind = if kind == "=" { old.kind } else { FileType::new(kind).map_err(|_| bad(kind))? };
        Ok(FileId::new(name, kind))
    }
}

async fn rename_files(cms: &Arc<Cms>, old: [&str; 3], new: [&str; 3], output: Output) -> CmsResult {
    let source = place(cms, MODULE, old[2], true)?;
    let (number, same) = match new[2] {
        "=" => (None, true),
        token => match parse_mode(token).filter(|_| cms.csl.namedef_directory(token).is_none()) {
            // A mode that is not accessed is another one, too.
            Some((letter, number)) => (number, source.mode() == Some(letter)),
            None => (None, place(cms, MODULE, token, true)?.is(&source)),
        },
    };
    if !same {
        return Err(dms(MODULE, 51, 24, &[]));
    }
    let pattern = FilePattern::parse(MODULE, &old[..2], None)?;
    let pattern = FilePattern { number: parse_mode(old[2]).and_then(|(_, n)| n), ..pattern };
    let found = matching(MODULE, cms, &pattern, &source).await?;
    let shown = old.join(" ").to_ascii_uppercase();
    if found.is_empty() {
        return Err(dms(MODULE, 2, 28, &[&shown]));
    }
    let several = !(pattern.name.is_plain() && pattern.kind.is_plain());
    let new = New { tokens: new, number };
    for status in found {
        let id = new.of(status.id)?;
        rename_one(cms, &source, &status, id, new.number).await?;
        if several {
            output.line(cms, MODULE, &format!("{id} {}", source.shown())).await?;
        }
    }
    Ok(0)
}

async fn rename_one(
    cms: &Arc<Cms>,
    source: &Where,
    old: &FileStatus,
    new: FileId,
    number: Option<ModeNumber>,
) -> Result<(), DmsMessage> {
    let shown = format!("{new} {}", source.shown());
    let number = number.filter(|n| *n != old.mode);
    match source {
        Where::Minidisk(accessed) => {
            if number.is_some() {
                // What is on a minidisk keeps its mode number.
                return Err(dms(MODULE, 51, 24, &[]));
            }
            accessed.store.rename(old.id, new).await.map_err(|e| store_message(MODULE, &e, &shown))
        }
        Where::Directory { dir, .. } => {
            let (csl, unit) = (&cms.csl, WorkUnitId::DEFAULT);
            let failed = |e| match super::object::store_error(&e) {
                Some(error) => store_message(MODULE, &error, &shown),
                None => csl_message(MODULE, &e, &shown),
            };
            let file = |id| FileRef::new(id, dir.clone());
            if new != old.id {
                let (from, to) = (SfsObject::File(file(old.id)), SfsObject::File(file(new)));
                csl.dmsrenam(&from, &to, CommitOption::Commit, unit).await.map_err(failed)?;
            } else if number.is_none() {
                return Err(dms(MODULE, 24, 28, &[&shown]));
            }
            if let Some(mode) = number {
                let changes = FileChanges { mode: Some(mode), ..FileChanges::default() };
                csl.dmscattr(&file(new), changes, CommitOption::Commit, unit).await.map_err(failed)?;
            }
            Ok(())
        }
    }
}
