//! QUERY: what CMS itself can tell; everything else goes to CP's QUERY.

use std::sync::Arc;

use cp::command::split_word;
use cp::name::{FilePoolId, UserId};
use sfs::csl::SpaceStatus;

use super::create::csl_message;
use super::enroll::{PUBLIC, pool_or_default};
use super::options::{Output, abbreviates, none, split};
use super::{
    CmsCall, CmsCommand, CmsResult, fileattr, namedef, namefind, query_accessors, query_blocks,
    query_filepool, query_sfs,
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
    syntax: "Query DISK [fm|*|R/W] | ACCESSED [fm] | LIMITS [FOR userid|nickname|ALL] [filepoolid:] | ENROLL [USER|ADMinistrator] [FOR userid|nickname|ALL] [filepoolid:] | ENROLL PUBlic [filepoolid:] | AUTHority [fn ft] dirid|fm | ALIas [fn ft] [dirid|fm] | LOCK [fn ft] dirid|fm | NAMEDef [namedef] | ACCESSORs [dirid|fm|filepoolid:] | BLOCKS [fn ft [dirid|fm]] | FILEAttr fn ft dirid|fm | FILESPace | FILEWait | RORESPect | FILEPOOL [LIst|filepoolid:|CONNect [FOR ALL|userid] [filepoolid:]|CONFlict [userid] filepoolid:|{AGent|CATalog|COUnter|DISAble|LOG|MINIdisk|OVERview|REPort|STATus|STORgrp} [filepoolid:]] | CMSLEVEL | RDYMSG | IMPCP | IMPEX | SEARCH | ... ; of file pools with [( STACK [FIFO|LIFO]]",
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
        match of_file_pools(&call, function, operands).await {
            Some(done) => done,
            None => Ok(call.cms.cp_command(&format!("QUERY {}", call.args)).await),
        }
    }
}

/// What concerns file pools: all of it may go to the program stack. `None` when it is something else.
async fn of_file_pools(call: &CmsCall<'_>, function: &str, operands: &str) -> Option<CmsResult> {
    const FUNCTIONS: [(&str, usize); 12] = [
        ("LIMITS", 6),
        ("ENROLL", 6),
        ("AUTHORITY", 4),
        ("ALIAS", 3),
        ("NAMEDEF", 5),
        ("LOCK", 4),
        ("ACCESSORS", 8),
        ("BLOCKS", 6),
        ("FILEATTR", 5),
        ("FILESPACE", 6),
        ("FILEWAIT", 5),
        ("RORESPECT", 6),
    ];
    let found = FUNCTIONS.iter().find(|(name, min)| abbreviates(function, name, *min)).map(|(name, _)| *name);
    let function = found.or_else(|| abbreviates(function, "FILEPOOL", 8).then_some("FILEPOOL"))?;
    Some(file_pool_query(call, function, operands).await)
}

async fn file_pool_query(call: &CmsCall<'_>, function: &str, operands: &str) -> CmsResult {
    let mut words = split(operands);
    let output = Output::take(MODULE, &mut words.options, Output::Terminal)?;
    none(MODULE, &words.options)?;
    if output == Output::Nowhere {
        return Err(dms(MODULE, 3, 24, &["NOTYPE"]));
    }
    let on_off = |name: &str, on: bool| format!("{name:<9} = {}", if on { "ON" } else { "OFF" });
    let operands = &words.operands[..];
    let setting = match function {
        "LIMITS" => return limits(call, operands, output).await,
        "ENROLL" => return enrolled(call, operands, output).await,
        "AUTHORITY" => return query_sfs::authority(call, operands, output).await,
        "ALIAS" => return query_sfs::alias(call, operands, output).await,
        "NAMEDEF" => return namedef::query(call.cms, operands, output).await,
        "LOCK" => return query_sfs::lock(call, operands, output).await,
        "ACCESSORS" => return query_accessors::run(call, operands, output).await,
        "BLOCKS" => return query_blocks::run(call, operands, output).await,
        "FILEATTR" => return fileattr::query(call, operands, output).await,
        "FILEPOOL" => {
            return match operands {
                [what, rest @ ..] => match query_filepool::find(what) {
                    Some(report) => query_filepool::run(call, report, rest, output).await,
                    None => identified(call, operands, output).await,
                },
                [] => identified(call, operands, output).await,
            };
        }
        "FILESPACE" => format!("FILESPACE = {}", call.cms.settings.lock().filespace),
        "FILEWAIT" => on_off("FILEWAIT", call.cms.csl.filewait()),
        _ => on_off("RORESPECT", call.cms.settings.lock().ro_respect),
    };
    if let [extra, ..] = operands {
        return Err(dms(MODULE, 70, 24, &[extra]));
    }
    output.line(call.cms, MODULE, &setting).await?;
    Ok(0)
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

/// `[FOR userid|nickname|ALL] [filepoolid:]`: who is meant, nothing for all, and where.
async fn who_and_where(
    call: &CmsCall<'_>,
    operands: &[&str],
) -> Result<(Option<Vec<UserId>>, bool, FilePoolId), DmsMessage> {
    let (who, rest) = match operands {
        [word, who, rest @ ..] if word.eq_ignore_ascii_case("FOR") => (Some(*who), rest),
        [word] if word.eq_ignore_ascii_case("FOR") => return Err(dms(MODULE, 5, 24, &["userid"])),
        // A user id alone is understood as well.
        [who, rest @ ..] if !who.ends_with(':') => (Some(*who), rest),
        rest => (None, rest),
    };
    let pool = match rest {
        [] => None,
        [pool] if pool.ends_with(':') => Some(*pool),
        [extra] | [_, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
    };
    let pool = pool_or_default(call.cms, MODULE, pool)?;
    let Some(who) = who else { return Ok((None, false, pool)) };
    if who == "*" || who.eq_ignore_ascii_case("ALL") {
        return Ok((None, true, pool));
    }
    let mut users = Vec::new();
    for name in namefind::resolve_all(call.cms, who).await {
        users.push(UserId::new(&name).map_err(|e| dms(MODULE, 1020, 24, &[&e.to_string()]))?);
    }
    Ok((Some(users), true, pool))
}

/// `QUERY LIMITS [FOR userid|nickname|ALL] [filepoolid:]`.
async fn limits(call: &CmsCall<'_>, operands: &[&str], output: Output) -> CmsResult {
    let csl = &call.cms.csl;
    let (users, said, pool) = who_and_where(call, operands).await?;
    let rows: Vec<(UserId, SpaceStatus)> = match users {
        None if said => csl.enrolled_users(pool).await.map_err(|e| csl_message(MODULE, &e, "ALL"))?,
        users => {
            let mut rows = Vec::new();
            for user in users.unwrap_or_else(|| vec![call.cms.userid()]) {
                let space = csl.dmsqlimu(user, pool).await;
                rows.push((user, space.map_err(|e| csl_message(MODULE, &e, user.as_str()))?));
            }
            rows
        }
    };
    let heading = "Userid   Storage Group  4K Block Limit  4K Blocks Committed  Threshold";
    output.heading(call.cms, heading).await;
    for (user, space) in rows {
        output.line(call.cms, MODULE, &limits_row(user, &space)).await?;
    }
    Ok(0)
}

/// `QUERY ENROLL [USER|ADMINISTRATOR] [FOR userid|nickname|ALL] [filepoolid:]`.
async fn enrolled(call: &CmsCall<'_>, operands: &[&str], output: Output) -> CmsResult {
    let csl = &call.cms.csl;
    let (administrators, rest) = match operands {
        [what, rest @ ..] if abbreviates(what, PUBLIC, 3) => return public(call, rest, output).await,
        [what, rest @ ..] if abbreviates(what, "USER", 3) => (false, rest),
        [what, rest @ ..] if abbreviates(what, "ADMINISTRATOR", 3) => (true, rest),
        rest => (false, rest),
    };
    let (users, _, pool) = who_and_where(call, rest).await?;
    let failed = |e| csl_message(MODULE, &e, pool.as_str());
    let mut found: Vec<UserId> = match administrators {
        true => csl.filepool_report(pool).await.map_err(failed)?.administrators,
        false => csl.enrolled_users(pool).await.map_err(failed)?.into_iter().map(|(user, _)| user).collect(),
    };
    if let Some(users) = users {
        found.retain(|user| users.contains(user));
        if found.is_empty() {
            return Err(dms(MODULE, 1206, 28, &[users.first().map_or("", |u| u.as_str()), pool.as_str()]));
        }
    }
    output.heading(call.cms, "Userid").await;
    for user in found {
        output.line(call.cms, MODULE, user.as_str()).await?;
    }
    Ok(0)
}

/// `QUERY ENROLL PUBLIC [filepoolid:]`.
async fn public(call: &CmsCall<'_>, operands: &[&str], output: Output) -> CmsResult {
    let pool = match operands {
        [] => None,
        [pool] if pool.ends_with(':') => Some(*pool),
        [extra] | [_, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
    };
    let pool = pool_or_default(call.cms, MODULE, pool)?;
    let enrolled = call.cms.csl.public_enrolled(pool).await;
    if !enrolled.map_err(|e| csl_message(MODULE, &e, PUBLIC))? {
        return Err(dms(MODULE, 1206, 28, &[PUBLIC, pool.as_str()]));
    }
    output.heading(call.cms, "Userid").await;
    output.line(call.cms, MODULE, PUBLIC).await?;
    Ok(0)
}

fn limits_row(user: UserId, space: &SpaceStatus) -> String {
    let percent = (space.used * 100).checked_div(space.limit).unwrap_or(0);
    let committed = format!("{}-{percent:02}%", space.used);
    format!("{user:<8} {:<13} {:>15} {committed:>20} {:>9}%", space.group.get(), space.limit, space.threshold)
}

/// `QUERY FILEPOOL [LIST|*|filepoolid:]`: the default pool and file space, or who has identified pools.
async fn identified(call: &CmsCall<'_>, operands: &[&str], output: Output) -> CmsResult {
    let word = match operands {
        [] => {
            let settings = call.cms.settings.lock().clone();
            let shown = settings.filepool.map_or("NONE".to_owned(), |p| format!("{p}:"));
            let line = format!("File pool = {shown}    File space = {}", settings.filespace);
            output.line(call.cms, MODULE, &line).await?;
            return Ok(0);
        }
        [word] => *word,
        [_, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
    };
    let all = word == "*" || abbreviates(word, "LIST", 2);
    if !all && !word.ends_with(':') {
        return Err(dms(MODULE, 29, 24, &[word]));
    }
    let wanted = word.trim_end_matches(':');
    let mut found = call.cms.guest.cp().exchange().resources();
    found.retain(|(pool, _)| all || wanted.eq_ignore_ascii_case(pool.as_str()));
    if !all && found.is_empty() {
        return Err(dms(MODULE, 1153, 99, &[&word.to_ascii_uppercase()]));
    }
    output.heading(call.cms, "Filepool  Server").await;
    for (pool, owner) in found {
        output.line(call.cms, MODULE, &format!("{:<9} {owner}", format!("{pool}:"))).await?;
    }
    Ok(0)
}
