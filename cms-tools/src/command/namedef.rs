//! CREATE, DELETE and QUERY NAMEDEF: temporary names for a directory, or for a file name and file type.

use std::sync::Arc;

use cp::name::{FileName, FileType};
use sfs::csl::{Namedef, ReasonCode};
use sfs::types::FileId;

use super::CmsResult;
use super::create::csl_message;
use super::object::directory;
use super::options::Output;
use crate::cms::Cms;
use crate::message::dms;

const MODULE: &str = "NDF";

/// `CREATE NAMEDEF {dirid|fn ft} namedef`.
pub(super) fn create(cms: &Arc<Cms>, meaning: &[&str], name: &str, replace: bool) -> CmsResult {
    let meaning = match *meaning {
        [dir] => Namedef::Directory(directory(cms, MODULE, dir)?),
        [file, kind] => {
            let bad = |t: &str| dms(MODULE, 62, 20, &[t, &format!("{file} {kind}").to_ascii_uppercase()]);
            let file_name = FileName::new(file).map_err(|_| bad(file))?;
            Namedef::File(FileId::new(file_name, FileType::new(kind).map_err(|_| bad(kind))?))
        }
        [_, _, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
        [] => return Err(dms(MODULE, 5, 24, &["namedef"])),
    };
    let made = cms.csl.create_namedef(name, meaning, replace);
    made.map(|()| 0).map_err(|e| match e.reason {
        ReasonCode::NameInvalid => dms(MODULE, 29, 24, &[name]),
        _ => csl_message(MODULE, &e, name),
    })
}

/// `DELETE NAMEDEF {namedef|*}`.
pub(super) fn delete(cms: &Arc<Cms>, name: &str) -> CmsResult {
    if name == "*" {
        for (name, _) in cms.csl.namedefs() {
            // Somebody else in this machine may have been faster.
            let _ = cms.csl.delete_namedef(&name);
        }
        return Ok(0);
    }
    cms.csl.delete_namedef(name).map(|_| 0).map_err(|e| csl_message(MODULE, &e, name))
}

/// `QUERY NAMEDEF [namedef|*]`.
pub(super) async fn query(cms: &Arc<Cms>, operands: &[&str], output: Output) -> CmsResult {
    if let [_, extra, ..] = operands {
        return Err(dms(MODULE, 70, 24, &[extra]));
    }
    let wanted = operands.first().filter(|w| **w != "*").map(|w| w.to_ascii_uppercase());
    let mut found = cms.csl.namedefs();
    found.retain(|(name, _)| wanted.as_ref().is_none_or(|w| w == name));
    if found.is_empty() {
        return match wanted {
            Some(name) => Err(dms(MODULE, 2616, 28, &[&format!("namedef {name} does not exist")])),
            None => {
                output.heading(cms, "No namedefs are defined").await;
                Ok(0)
            }
        };
    }
    output.heading(cms, "Namedef           Type  Meaning").await;
    for (name, meaning) in found {
        let kind = if matches!(meaning, Namedef::Directory(_)) { "DIR" } else { "FILE" };
        output.line(cms, MODULE, &format!("{name:<16}  {kind:<4}  {meaning}")).await?;
    }
    Ok(0)
}
