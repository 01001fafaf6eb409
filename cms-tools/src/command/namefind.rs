//! NAMEFIND: looks an entry up in a NAMES file.

use super::options::split;
use super::{CmsCall, CmsCommand, CmsResult};
use crate::message::{DmsMessage, dms};
use crate::names::{self, NamesEntry};

const MODULE: &str = "NAM";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "NAMEFIND",
    min: 5,
    syntax: "NAMEFind :tag value [:tag ...] [( FILE fn STACK TYPE]",
    summary: "Shows tags of an entry of a NAMES file",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let mut file = call.cms.userid().to_string();
    let mut stack = false;
    let mut options = words.options.iter();
    while let Some(option) = options.next() {
        match option.as_str() {
            "FILE" => file = options.next().cloned().ok_or_else(|| dms(MODULE, 5, 24, &["FILE name"]))?,
            "STACK" | "FIFO" => stack = true,
            "TYPE" => {}
            other => return Err(dms(MODULE, 3, 24, &[other])),
        }
    }
    let [tag, value, wanted @ ..] = &words.operands[..] else {
        return Err(dms(MODULE, 5, 24, &["tag and value"]));
    };
    let entries = read(call.cms, &file).await?;
    let tag = tag.trim_start_matches(':').trim_end_matches('.');
    let found = entries.iter().find(|e| e.tag(tag).is_some_and(|v| v.eq_ignore_ascii_case(value)));
    let Some(entry) = found else { return Ok(32) };
    let lines: Vec<String> = if wanted.is_empty() {
        entry.tags().map(|(_, v)| v.to_owned()).collect()
    } else {
        wanted.iter().map(|w| entry.tag(w.trim_start_matches(':')).unwrap_or("").to_owned()).collect()
    };
    for line in lines {
        if stack {
            call.cms.stack.queue(line).map_err(|e| dms(MODULE, 1020, 104, &[&e.to_string()]))?;
        } else {
            call.cms.say(&line).await;
        }
    }
    Ok(0)
}

/// Reads `name NAMES` from the accessed modes.
pub(super) async fn read(cms: &crate::Cms, name: &str) -> Result<Vec<NamesEntry>, DmsMessage> {
    let lines = cms.read_text(MODULE, name, "NAMES", None).await?;
    Ok(names::parse(lines.iter().map(String::as_str)))
}

/// Lists of nicknames that are followed: a list may name lists.
const MAX_LIST_DEPTH: u32 = 8;

/// The user ids behind a user id, a nickname, or a nickname with a list (`:list.`), each once.
pub(super) async fn resolve_all(cms: &crate::Cms, word: &str) -> Vec<String> {
    let entries = read(cms, cms.userid().as_str()).await.unwrap_or_default();
    let mut found = Vec::new();
    add_names(&entries, word, 0, &mut found);
    found
}

fn add_names(entries: &[NamesEntry], word: &str, depth: u32, found: &mut Vec<String>) {
    let entry = names::find(entries, word);
    if let Some(list) = entry.filter(|e| e.tag("list").is_some() && depth < MAX_LIST_DEPTH) {
        list.words("list").for_each(|member| add_names(entries, member, depth + 1, found));
        return;
    }
    let user = entry.and_then(|e| e.tag("userid")).filter(|u| !u.is_empty()).unwrap_or(word);
    let user = user.to_ascii_uppercase();
    if !found.contains(&user) {
        found.push(user);
    }
}

/// The user id behind a nickname or user id: the user's NAMES file first, then the word itself.
pub(super) async fn resolve(cms: &crate::Cms, word: &str) -> String {
    let entries = read(cms, cms.userid().as_str()).await.unwrap_or_default();
    let user = names::find(&entries, word).and_then(|e| e.tag("userid")).filter(|u| !u.is_empty());
    user.unwrap_or(word).to_ascii_uppercase()
}
