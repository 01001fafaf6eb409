//! QUERY: what CMS itself can tell; everything else goes to CP's QUERY.

use std::sync::Arc;

use cp::command::split_word;
use cp::name::UserId;
use sfs::csl::SpaceStatus;

use super::create::csl_message;
use super::options::abbreviates;
use super::{
    CmsCall, CmsCommand, CmsResult, namedef, query_accessors, query_blocks, query_filepool, query_sfs,
};
use crate::cms::store_message;
use crate::files::{Accessed, Place};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "QRY";

/// Octets of a block.
const BLOCK: u64 = sfs::types::BLOCK;

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "QUERY",
    min: 1,
    syntax: "Query DISK [fm|*|R/W] | ACCESSED [fm] | LIMITS [FOR userid|ALL] [filepoolid:] | ENROLL USER [FOR ..] | AUTHority [fn ft] dirid | ALIas [dirid] | LOCK [fn ft] dirid | NAMEDef [namedef] | ACCESSORs [dirid] [filepoolid:] | BLOCKS [fn ft [dirid]] | FILEPOOL [LIst|filepoolid:|CONNect [FOR ALL|userid] [filepoolid:]|CONFlict [userid] filepoolid:|{AGent|CATalog|COUnter|DISAble|LOG|MINIdisk|OVERview|REPort|STATus|STORgrp} [filepoolid:]] | CMSLEVEL | RDYMSG | IMPCP | IMPEX | SEARCH | ...",
    summary: "Shows the state of CMS; other operands are CP's",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let (function, operands) = split_word(call.args);
    let is = |name: &str, min: usize| abbreviates(function, name, min);
    if function.is_empty() {
        return Err(dms(MODULE, 47, 24, &[]));
    }
    if is("DISK", 3) {
        disk(&call, operands).await
    } else if is("ACCESSED", 2) {
        accessed(&call, operands).await
    } else if is("SEARCH", 6) {
        search(&call).await
    } else if is("LIMITS", 6) {
        limits(&call, operands, false).await
    } else if is("ENROLL", 6) {
        limits(&call, operands.trim_start_matches(|c: char| c.is_ascii_alphabetic()), true).await
    } else if is("AUTHORITY", 4) {
        query_sfs::authority(&call, &words(operands)).await
    } else if is("ALIAS", 3) {
        query_sfs::alias(&call, &words(operands)).await
    } else if is("NAMEDEF", 5) {
        namedef::query(call.cms, &words(operands)).await
    } else if is("LOCK", 4) {
        query_sfs::lock(&call, &words(operands)).await
    } else if is("ACCESSORS", 8) {
        query_accessors::run(&call, &words(operands)).await
    } else if is("BLOCKS", 6) {
        query_blocks::run(&call, operands).await
    } else if let (true, [what, rest @ ..]) = (is("FILEPOOL", 8), &words(operands)[..])
        && let Some(report) = query_filepool::find(what)
    {
        query_filepool::run(&call, report, rest).await
    } else if is("FILEPOOL", 8) {
        identified(&call, operands).await
    } else if is("CMSLEVEL", 8) {
        call.cms.say("VM/CMS Level 15, Service Level 000").await;
        Ok(0)
    } else if is("RDYMSG", 6) {
        let short = call.cms.settings.lock().short_ready;
        call.cms.say(&format!("RDYMSG = {}", if short { "SMSG" } else { "LMSG" })).await;
        Ok(0)
    } else if is("IMPCP", 5) || is("IMPEX", 5) {
        let settings = call.cms.settings.lock().clone();
        let (name, on) = if is("IMPCP", 5) { ("IMPCP", settings.imp_cp) } else { ("IMPEX", settings.imp_ex) };
        call.cms.say(&format!("{name}     = {}", if on { "ON" } else { "OFF" })).await;
        Ok(0)
    } else {
        Ok(call.cms.cp_command(&format!("QUERY {}", call.args)).await)
    }
}

fn words(operands: &str) -> Vec<&str> {
    operands.split_ascii_whitespace().collect()
}

async fn disk(call: &CmsCall<'_>, operands: &str) -> CmsResult {
    let chosen = chosen(call, operands, true)?;
    call.cms.say("LABEL  VDEV M  STAT   CYL TYPE BLKSZ   FILES  BLKS USED-(%) BLKS LEFT  BLK TOTAL").await;
    for a in chosen {
        let files = a.store.list().await.map_err(|e| store_message(MODULE, &e, &a.mode.to_string()))?;
        let used: u64 = files.iter().map(|f| f.blocks).sum();
        let (label, vdev, kind) = match &a.place {
            Place::Minidisk { vdev, label } => (label.clone(), format!("{:03X}", vdev.0), "3390"),
            Place::Directory(_) => ("-".to_owned(), "DIR".to_owned(), "-"),
        };
        let line = format!(
            "{label:<6} {vdev:<4} {:<2} {:<4}     - {kind:<4} {BLOCK:>5} {:>7} {used:>10}            -          -",
            a.mode,
            a.access(),
            files.len(),
        );
        call.cms.say(&line).await;
    }
    Ok(0)
}

/// The accessed modes that an operand names: a mode letter, `*` or nothing for all, or those that are R/W.
fn chosen(call: &CmsCall<'_>, operands: &str, writable: bool) -> Result<Vec<Arc<Accessed>>, DmsMessage> {
    let (word, rest) = split_word(operands);
    let extra = split_word(rest).0;
    if !extra.is_empty() {
        return Err(dms(MODULE, 70, 24, &[extra]));
    }
    let wanted = word.to_ascii_uppercase();
    let mut modes = call.cms.modes.all();
    match wanted.as_str() {
        "" | "*" => return Ok(modes),
        "R/W" if writable => modes.retain(|a| a.access() == "R/W"),
        letter => modes.retain(|a| a.mode.to_string() == letter),
    }
    if modes.is_empty() { Err(dms(MODULE, 69, 36, &[&wanted])) } else { Ok(modes) }
}

async fn accessed(call: &CmsCall<'_>, operands: &str) -> CmsResult {
    let modes = chosen(call, operands, false)?;
    call.cms.say("Mode  Stat     Files  Vdev  Label/Directory").await;
    for a in modes {
        let files = a.store.list().await.map_err(|e| store_message(MODULE, &e, &a.mode.to_string()))?;
        let (vdev, label) = match &a.place {
            Place::Minidisk { vdev, label } => (format!("{:03X}", vdev.0), label.clone()),
            Place::Directory(dir) => ("DIR".to_owned(), dir.to_string()),
        };
        call.cms
            .say(&format!("{:<5} {:<4} {:>9}  {vdev:<4}  {label}", a.mode, a.access(), files.len()))
            .await;
    }
    Ok(0)
}

async fn search(call: &CmsCall<'_>) -> CmsResult {
    for a in call.cms.modes.all() {
        let (label, vdev) = match &a.place {
            Place::Minidisk { vdev, label } => (label.clone(), format!("{:03X}", vdev.0)),
            Place::Directory(dir) => ("-".to_owned(), dir.to_string()),
        };
        call.cms.say(&format!("{label:<6} {vdev:<4} {}  {}", a.mode, a.access())).await;
    }
    Ok(0)
}

/// QUERY LIMITS and QUERY ENROLL USER: `[FOR userid|ALL] [filepoolid:]`.
async fn limits(call: &CmsCall<'_>, operands: &str, names_only: bool) -> CmsResult {
    let (mut who, mut pool) = (None, call.cms.settings.lock().filepool);
    let mut words = operands.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case("FOR") {
            who = words.next();
        } else if let Some(id) = word.strip_suffix(':') {
            pool = Some(id.parse().map_err(|_| dms(MODULE, 29, 24, &[word]))?);
        } else {
            who = Some(word);
        }
    }
    let pool = pool.ok_or_else(|| dms(MODULE, 1223, 40, &[]))?;
    let who = who
        .map(str::to_ascii_uppercase)
        .unwrap_or_else(|| if names_only { "ALL".into() } else { call.cms.userid().to_string() });
    let rows: Vec<(UserId, SpaceStatus)> = if who == "ALL" || who == "*" {
        call.cms.csl.enrolled_users(pool).await.map_err(|e| csl_message(MODULE, &e, &who))?
    } else {
        let user = UserId::new(&who).map_err(|e| dms(MODULE, 1020, 24, &[&e.to_string()]))?;
        let space = call.cms.csl.dmsqlimu(user, pool).await.map_err(|e| csl_message(MODULE, &e, &who))?;
        vec![(user, space)]
    };
    if names_only {
        call.cms.say("Userid").await;
    } else {
        call.cms.say("Userid   Storage Group  4K Block Limit  4K Blocks Committed  Threshold").await;
    }
    for (user, space) in rows {
        if names_only {
            call.cms.say(user.as_str()).await;
        } else {
            call.cms.say(&limits_row(user, &space)).await;
        }
    }
    Ok(0)
}

fn limits_row(user: UserId, space: &SpaceStatus) -> String {
    let percent = (space.used * 100).checked_div(space.limit).unwrap_or(0);
    let committed = format!("{}-{percent:02}%", space.used);
    format!("{user:<8} {:<13} {:>15} {committed:>20} {:>9}%", space.group.get(), space.limit, space.threshold)
}

/// QUERY FILEPOOL: the pools this machine is connected to, or who has identified a pool.
async fn identified(call: &CmsCall<'_>, operands: &str) -> CmsResult {
    let word = operands.split_ascii_whitespace().next().unwrap_or("");
    if word.is_empty() {
        let settings = call.cms.settings.lock().clone();
        let shown = settings.filepool.map_or("NONE".to_owned(), |p| format!("{p}:"));
        call.cms.say(&format!("File pool = {shown}    File space = {}", settings.filespace)).await;
        return Ok(0);
    }
    let all = word == "*" || abbreviates(word, "LIST", 2);
    if !all && !word.ends_with(':') {
        return Err(dms(MODULE, 29, 24, &[word]));
    }
    let wanted = word.trim_end_matches(':');
    let mut found = call.cms.guest.cp().exchange().resources();
    found.retain(|(pool, _)| all || wanted.eq_ignore_ascii_case(pool.as_str()));
    if !all && found.is_empty() {
        return Err(dms(MODULE, 1240, 40, &[&word.to_ascii_uppercase()]));
    }
    call.cms.say("Filepool  Server").await;
    for (pool, owner) in found {
        call.cms.say(&format!("{pool:<8}: {owner}")).await;
    }
    Ok(0)
}
