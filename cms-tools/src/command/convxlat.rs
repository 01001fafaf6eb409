//! CONVXLAT: makes a translate table, `fn TCPXLBIN`, of its source, `fn TCPXLATE`.
//!
//! The source is looked for on all accessed disks, the table replaces one of its name on file mode A. Source: "CONVXLAT" as the
//! sibling system documents it (a name in, a name out); the digits of the source as there. Tables of double-byte characters are absent.

use cp::name::{FileName, FileType, ModeLetter};
use cp::translate_table::{CODES, TranslateTable};
use sfs::types::{Attributes, FileId};

use super::options::{none, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::cms::store_message;
use crate::files::write_all;
use crate::message::{DmsMessage, dms};
use crate::tables::{SOURCE_TYPE, TABLE_TYPE};

const MODULE: &str = "CVX";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "CONVXLAT",
    min: 8,
    syntax: "CONVXLAT fn [fn-of-table]",
    summary: "Makes a TCP/IP translate table of its source",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    none(MODULE, &words.options)?;
    let (source, table) = match words.operands[..] {
        [] => return Err(dms(MODULE, 54, 24, &[])),
        [source] => (source, source),
        [source, table] => (source, table),
        [_, _, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
    };
    let lines = call.cms.read_text(MODULE, source, SOURCE_TYPE, None).await?;
    let name = file_name(table)?;
    let made = TranslateTable::read_source(name, lines.iter().map(String::as_str));
    let made = made
        .map_err(|e| dms(MODULE, 2619, 32, &[&source.to_ascii_uppercase(), SOURCE_TYPE, &e.to_string()]))?;
    let mode = ModeLetter::new('A').ok_or_else(|| dms(MODULE, 48, 24, &["A"]))?;
    let accessed = call.cms.writable(MODULE, mode)?;
    let kind = FileType::new(TABLE_TYPE).map_err(|_| dms(MODULE, 54, 24, &[]))?;
    let id = FileId::new(name, kind);
    write_all(&*accessed.store, id, Attributes::fixed(CODES as u32), made.image())
        .await
        .map_err(|e| store_message(MODULE, &e, &format!("{id} {mode}")))?;
    Ok(0)
}

fn file_name(word: &str) -> Result<FileName, DmsMessage> {
    let odd = word.chars().find(|c| FileName::new(&c.to_string()).is_err()).map_or(word.into(), String::from);
    FileName::new(word).map_err(|_| dms(MODULE, 62, 20, &[&odd, word]))
}
