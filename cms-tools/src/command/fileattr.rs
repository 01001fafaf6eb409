//! FILEATTR: the extended attributes of files in a file pool; QUERY FILEATTR shows them.
//!
//! Source for the attributes: "Recoverability", "File Mode Number 6". Operands, abbreviations and columns are ours.

use sfs::csl::{CommitOption, FileChanges, FileRef, FileStatus, WorkUnitId};

use super::create::csl_message;
use super::object::{directory, selected};
use super::options::{Output, flags, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::message::dms;

const MODULE: &str = "FAT";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "FILEATTR",
    min: 5,
    syntax: "FILEAttr fn ft dirid|fm ( [RECover|NORecover] [NOTInplace|INPlace]",
    summary: "Makes files RECOVER or NORECOVER, INPLACE or NOTINPLACE",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let [name, kind, place] = words.operands[..] else { return Err(dms(MODULE, 54, 24, &[])) };
    let known = [("RECOVER", 3), ("NORECOVER", 3), ("NOTINPLACE", 4), ("INPLACE", 3)];
    let mut changes = FileChanges::default();
    for option in flags(MODULE, &words.options, &known)? {
        let (slot, other, value) = match option {
            "RECOVER" => (&mut changes.recover, "NORECOVER", true),
            "NORECOVER" => (&mut changes.recover, "RECOVER", false),
            "INPLACE" => (&mut changes.in_place, "NOTINPLACE", true),
            _ => (&mut changes.in_place, "INPLACE", false),
        };
        if slot.replace(value).is_some_and(|before| before != value) {
            return Err(dms(MODULE, 66, 24, &[other, option]));
        }
    }
    if (changes.recover, changes.in_place) == (Some(true), Some(true)) {
        return Err(dms(MODULE, 66, 24, &["RECOVER", "INPLACE"]));
    }
    if changes == FileChanges::default() {
        return Err(dms(MODULE, 5, 24, &["file attribute"]));
    }
    let dir = directory(call.cms, MODULE, place)?;
    for status in selected(call.cms, MODULE, [name, kind], &dir).await? {
        let file = FileRef::new(status.id, dir.clone());
        let (commit, unit) = (CommitOption::Commit, WorkUnitId::DEFAULT);
        let done = call.cms.csl.dmscattr(&file, changes, commit, unit).await;
        done.map_err(|e| csl_message(MODULE, &e, &file.to_string()))?;
    }
    Ok(0)
}

/// `QUERY FILEATTR fn ft dirid|fm`.
pub(super) async fn query(call: &CmsCall<'_>, operands: &[&str], output: Output) -> CmsResult {
    let [name, kind, place] = *operands else { return Err(dms("QRY", 54, 24, &[])) };
    let dir = directory(call.cms, "QRY", place)?;
    let found = selected(call.cms, "QRY", [name, kind], &dir).await?;
    output.line(call.cms, "QRY", &format!("Directory = {dir}")).await?;
    output.heading(call.cms, "Filename Filetype Fm Recoverability Overwrite").await;
    for status in found {
        output.line(call.cms, "QRY", &row(&status)).await?;
    }
    Ok(0)
}

fn row(status: &FileStatus) -> String {
    let recover = if status.recover { "RECOVER" } else { "NORECOVER" };
    let overwrite = if status.in_place { "INPLACE" } else { "NOTINPLACE" };
    let id = status.id;
    format!("{:<8} {:<8} {:<2} {recover:<14} {overwrite}", id.name, id.kind, status.mode.get())
}
