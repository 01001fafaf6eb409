//! ERASE: erases files, or an SFS directory.

use cp::name::ModeLetter;

use super::options::{flags, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::cms::store_message;
use crate::files::FilePattern;
use crate::message::dms;

const MODULE: &str = "ERS";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "ERASE",
    min: 4,
    syntax: "ERASe fn ft [fm] | dirid [( Type NOType]",
    summary: "Erases files or a directory",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let options = flags(MODULE, &words.options, &[("TYPE", 1), ("NOTYPE", 3)])?;
    if let [place] = words.operands[..]
        && (place.contains('.') || place.contains(':'))
    {
        let dir = call.cms.dir_name(MODULE, place)?;
        return super::create::erase_directory(call.cms, &dir).await;
    }
    if words.operands.len() < 2 {
        return Err(dms(MODULE, 54, 24, &[]));
    }
    let shown = words.operands.join(" ").to_ascii_uppercase();
    let pattern = FilePattern::parse(MODULE, &words.operands, ModeLetter::new('A'))?;
    let Some(mode) = pattern.mode else { return Err(dms(MODULE, 48, 24, &["*"])) };
    let accessed = call.cms.writable(MODULE, mode)?;
    let files = accessed.store.list().await.map_err(|e| store_message(MODULE, &e, &shown))?;
    let matching: Vec<_> = files.iter().map(|f| f.id).filter(|id| pattern.matches(*id)).collect();
    if matching.is_empty() {
        return Err(dms(MODULE, 2, 28, &[&shown]));
    }
    for id in matching {
        accessed.store.erase(id).await.map_err(|e| store_message(MODULE, &e, &format!("{id} {mode}")))?;
        if options.contains(&"TYPE") {
            call.cms.say(&format!("{id} {mode}1")).await;
        }
    }
    Ok(0)
}
