//! RENAME: gives files other names. `*` in the old id selects, `=` in the new id keeps.

use cp::name::{FileName, FileType};
use sfs::types::FileId;

use super::options::{flags, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::cms::store_message;
use crate::files::FilePattern;
use crate::message::dms;

const MODULE: &str = "RNM";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "RENAME",
    min: 1,
    syntax: "Rename fn1 ft1 fm1 fn2 ft2 fm2 [( Type NOType UPdirt NOUPdirt]",
    summary: "Renames files",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let options =
        flags(MODULE, &words.options, &[("TYPE", 1), ("NOTYPE", 3), ("UPDIRT", 2), ("NOUPDIRT", 4)])?;
    if words.operands.len() != 6 {
        return Err(dms(MODULE, 54, 24, &[]));
    }
    let shown = words.operands[..3].join(" ").to_ascii_uppercase();
    let pattern = FilePattern::parse(MODULE, &words.operands[..3], None)?;
    let Some(mode) = pattern.mode else { return Err(dms(MODULE, 48, 24, &["*"])) };
    let (new_name, new_kind, new_mode) = (words.operands[3], words.operands[4], words.operands[5]);
    let same_mode =
        new_mode == "=" || new_mode.chars().next().map(|c| c.to_ascii_uppercase()) == Some(mode.as_char());
    if !same_mode {
        return Err(dms(MODULE, 48, 24, &[new_mode]));
    }
    let accessed = call.cms.writable(MODULE, mode)?;
    let files = accessed.store.list().await.map_err(|e| store_message(MODULE, &e, &shown))?;
    let matching: Vec<FileId> = files.iter().map(|f| f.id).filter(|id| pattern.matches(*id)).collect();
    if matching.is_empty() {
        return Err(dms(MODULE, 2, 28, &[&shown]));
    }
    let several = !(pattern.name.is_plain() && pattern.kind.is_plain());
    for old in matching {
        let bad = |t: &str| dms(MODULE, 62, 20, &[t, &words.operands[3..].join(" ").to_ascii_uppercase()]);
        let name =
            if new_name == "=" { old.name } else { FileName::new(new_name).map_err(|_| bad(new_name))? };
        let kind =
            if new_kind == "=" { old.kind } else { FileType::new(new_kind).map_err(|_| bad(new_kind))? };
        let new = FileId::new(name, kind);
        let target = format!("{new} {mode}");
        accessed.store.rename(old, new).await.map_err(|e| store_message(MODULE, &e, &target))?;
        if several && options.contains(&"TYPE") {
            call.cms.say(&target).await;
        }
    }
    Ok(0)
}
