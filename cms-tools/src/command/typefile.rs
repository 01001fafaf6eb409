//! TYPE: shows the records of a file.

use cp::codepage;

use super::options::{abbreviates, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::cms::store_message;
use crate::files::{FilePattern, records};
use crate::message::dms;

const MODULE: &str = "TYP";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "TYPE",
    min: 1,
    syntax: "Type fn ft [fm] [rec1 [recn]] [( HEX]",
    summary: "Shows the records of a file",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let hex = match words.options.as_slice() {
        [] => false,
        [word] if abbreviates(word, "HEX", 3) => true,
        [word, ..] => return Err(dms(MODULE, 3, 24, &[word])),
    };
    if words.operands.len() < 2 {
        return Err(dms(MODULE, 54, 24, &[]));
    }
    if let Some(extra) = words.operands.get(5) {
        return Err(dms(MODULE, 70, 24, &[extra]));
    }
    let ids = words.operands.len().min(3);
    let pattern = FilePattern::parse(MODULE, &words.operands[..ids], None)?;
    let id = pattern.file_id().ok_or_else(|| dms(MODULE, 62, 20, &["*", &words.operands.join(" ")]))?;
    let first = record_number(words.operands.get(3), 1)?;
    let last = record_number(words.operands.get(4), u64::MAX)?;
    let shown = words.operands[..ids].join(" ").to_ascii_uppercase();
    let found = call.cms.modes.find(id, pattern.mode).await.map_err(|e| store_message(MODULE, &e, &shown))?;
    let (accessed, status) = found.ok_or_else(|| dms(MODULE, 2, 28, &[&shown]))?;
    let mut file = accessed.store.open(id).await.map_err(|e| store_message(MODULE, &e, &shown))?;
    call.cms.say("").await;
    let mut number = 0u64;
    loop {
        let image = file.next().await.map_err(|e| store_message(MODULE, &e, &shown))?;
        if image.is_empty() || number >= last {
            break;
        }
        for record in records(&image, status.recfm, status.lrecl) {
            number += 1;
            if (first..=last).contains(&number) {
                let line = if hex { hex_line(record) } else { codepage::to_text(codepage::trim_end(record)) };
                call.cms.say(&line).await;
            }
        }
    }
    if first > number && first > 1 {
        return Err(dms(MODULE, 156, 32, &[&first.to_string(), &shown, &number.to_string()]));
    }
    call.cms.say("").await;
    Ok(0)
}

fn record_number(word: Option<&&str>, default: u64) -> Result<u64, crate::message::DmsMessage> {
    match word {
        None | Some(&"*") => Ok(default),
        Some(w) => w.parse::<u64>().ok().filter(|n| *n > 0).ok_or_else(|| dms(MODULE, 29, 24, &[w])),
    }
}

/// Words of four octets in hexadecimal.
fn hex_line(record: &[u8]) -> String {
    let words = record.chunks(4).map(|w| w.iter().map(|b| format!("{b:02X}")).collect::<String>());
    words.collect::<Vec<_>>().join(" ")
}
