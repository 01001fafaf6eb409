//! HELP: what a command does, from the tables.

use cp::command::Family;

use super::{COMMANDS, CmsCall, CmsCommand, CmsResult, find};
use crate::message::dms;

const MODULE: &str = "HLP";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "HELP",
    min: 1,
    syntax: "Help [CMS|CP] [command]",
    summary: "Explains a command",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let upper = call.args.to_ascii_uppercase();
    let words: Vec<&str> = upper.split_ascii_whitespace().collect();
    match words[..] {
        [] => {
            overview(&call).await;
            Ok(0)
        }
        ["CP"] => {
            cp_list(&call).await;
            Ok(0)
        }
        ["CP", word] => cp_topic(&call, word).await,
        ["CMS"] => {
            cms_list(&call).await;
            Ok(0)
        }
        ["CMS", word] | [word] => match find(word) {
            Some(row) => {
                call.cms.say(row.syntax).await;
                call.cms.say(&format!("  {}", row.summary)).await;
                Ok(0)
            }
            None => match call.cms.programs.find(word) {
                Some(program) => {
                    call.cms.say(&format!("{word}: {}", program.summary())).await;
                    Ok(0)
                }
                None => cp_topic(&call, word).await,
            },
        },
        [_, extra, ..] => Err(dms(MODULE, 70, 24, &[extra])),
    }
}

async fn overview(call: &CmsCall<'_>) {
    let lines = [
        "HELP CMS           lists the CMS commands and programs",
        "HELP CP            lists the CP commands",
        "HELP command       explains one, for example HELP LISTFILE",
        "HELP CP command    explains a CP command, for example HELP CP QUERY",
    ];
    for line in lines {
        call.cms.say(line).await;
    }
}

async fn cms_list(call: &CmsCall<'_>) {
    for row in COMMANDS {
        call.cms.say(&format!("{:<10} {}", row.name, row.summary)).await;
    }
    for (name, summary) in call.cms.programs.list() {
        call.cms.say(&format!("{name:<10} {summary}")).await;
    }
}

async fn cp_list(call: &CmsCall<'_>) {
    let cp = call.cms.guest.cp();
    for row in cp.commands.all(Family::Command) {
        if row.allowed(&call.cms.guest.vm().entry) {
            call.cms.say(&format!("{:<10} {}", row.name, row.summary)).await;
        }
    }
}

async fn cp_topic(call: &CmsCall<'_>, word: &str) -> CmsResult {
    let cp = call.cms.guest.cp();
    let Some(row) = cp.commands.find(Family::Command, word, &call.cms.guest.vm().entry) else {
        return Err(dms(MODULE, 2, 28, &[&format!("HELP {word}")]));
    };
    call.cms.say(row.syntax).await;
    call.cms.say(&format!("  {}", row.summary)).await;
    let family = match row.name {
        "QUERY" => Family::Query,
        "SET" => Family::Set,
        _ => return Ok(0),
    };
    for operand in cp.commands.all(family) {
        call.cms.say(&format!("  {:<12} {}", operand.name, operand.summary)).await;
    }
    Ok(0)
}
