//! QUERY BLOCKS: the blocks that files of a directory take.
//!
//! An alias shows the data blocks of its base file and one system block, an external object one system block; directories, erased and
//! revoked aliases show dashes. Source: "QUERY BLOCKS".

use cp::name::DirName;
use sfs::csl::{DirIntent, DirRecord, FilePattern, FileStatus, WorkUnitId};
use sfs::types::{DirControl, EntryType};

use super::create::csl_message;
use super::object::directory;
use super::options::Output;
use super::{CmsCall, CmsResult};
use crate::files::{NamePattern, Place};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "QRY";

/// `QUERY BLOCKS [fn ft [dirid]]`.
pub(super) async fn run(call: &CmsCall<'_>, operands: &[&str], output: Output) -> CmsResult {
    let (name, kind, place) = match *operands {
        [] => ("*", "*", "A"),
        [name, kind] => (name, kind, "A"),
        [name, kind, place] => (name, kind, place),
        [_] => return Err(dms(MODULE, 54, 24, &[])),
        [.., extra] => return Err(dms(MODULE, 70, 24, &[extra])),
    };
    let (name, kind) = (NamePattern::new(name), NamePattern::new(kind));
    let dir = directory(call.cms, MODULE, place)?;
    let mut rows = Vec::new();
    for record in entries(call, &dir).await? {
        let fits = |n: &str, k: &str| name.matches(n) && kind.matches(k);
        match record {
            DirRecord::File(status) if fits(status.id.name.as_str(), status.id.kind.as_str()) => {
                rows.push(file_row(call, &dir, &status));
            }
            // Those that fit, as one would name them: with no type.
            DirRecord::Directory(status) if fits(&status.level, "") => {
                let word = if status.control == DirControl::Directory { "DIRC" } else { "DIR" };
                let mode = dir.child(&status.level).map_or("-".to_owned(), |below| mode_of(call, &below));
                rows.push(row(&status.level, "", &mode, word, "-", "-"));
            }
            _ => {}
        }
    }
    if rows.is_empty() {
        return Err(dms(MODULE, 2, 28, &[&format!("{} {} {dir}", name.as_str(), kind.as_str())]));
    }
    output.line(call.cms, MODULE, &format!("Directory = {dir}")).await?;
    output.heading(call.cms, "Filename Filetype Fm Type    Datablocks  Systemblocks").await;
    for line in rows {
        output.line(call.cms, MODULE, &line).await?;
    }
    Ok(0)
}

/// Files, aliases and external objects, then directories.
async fn entries(call: &CmsCall<'_>, dir: &DirName) -> Result<Vec<DirRecord>, DmsMessage> {
    let csl = &call.cms.csl;
    let fail = |e: sfs::csl::CslError| csl_message(MODULE, &e, &dir.to_string());
    let mut all = Vec::new();
    for intent in [DirIntent::Entries(FilePattern::ALL), DirIntent::Dir] {
        let token = csl.dmsopdir(dir, intent, WorkUnitId::DEFAULT).await.map_err(fail)?;
        let found = csl.dmsgetdi_all(token).await;
        csl.dmscldir(token).await.map_err(fail)?;
        all.extend(found.map_err(fail)?);
    }
    Ok(all)
}

/// The letter behind which a directory is accessed.
fn mode_of(call: &CmsCall<'_>, dir: &DirName) -> String {
    let behind = call.cms.modes.all().into_iter().find(|a| a.place == Place::Directory(dir.clone()));
    behind.map_or("-".to_owned(), |a| a.mode.to_string())
}

fn file_row(call: &CmsCall<'_>, dir: &DirName, status: &FileStatus) -> String {
    let (data, system) = match status.entry {
        EntryType::Base => (status.blocks.to_string(), "0"),
        EntryType::Alias => (status.blocks.to_string(), "1"),
        EntryType::External => ("-".to_owned(), "1"),
        EntryType::Erased | EntryType::Revoked => ("-".to_owned(), "-"),
    };
    let mode = match mode_of(call, dir) {
        dash if dash == "-" => dash,
        letter => format!("{letter}{}", status.mode.get()),
    };
    let word = status.entry.word();
    row(status.id.name.as_str(), status.id.kind.as_str(), &mode, word, &data, system)
}

fn row(name: &str, kind: &str, mode: &str, word: &str, data: &str, system: &str) -> String {
    format!("{name:<8} {kind:<8} {mode:<2} {word:<7} {data:<11} {system}")
}
