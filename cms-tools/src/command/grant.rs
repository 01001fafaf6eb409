//! GRANT AUTHORITY and REVOKE AUTHORITY: who may read and write a file or directory of a file pool.
//!
//! `GRANT AUTHORITY [fn ft] dirid TO userid|PUBLIC|nickname ... (READ|WRITE|NEWREAD|NEWWRITE|DIRREAD|DIRWRITE`. Name and type may be
//! patterns, a nickname may have a list of users; TYPE and STACK tell for whom it was done.

use cp::name::UserId;
use sfs::csl::{CommitOption, WorkUnitId};
use sfs::types::{Grantee, Rights};

use super::create::csl_message;
use super::object::{objects, shown};
use super::options::{Output, abbreviates, flags, split};
use super::{CmsCall, CmsCommand, CmsResult, namefind};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "GRA";

pub(super) const GRANT: CmsCommand = CmsCommand {
    name: "GRANT",
    min: 5,
    syntax: "GRANT AUThority [fn ft] dirid|fm TO userid|PUBLIC|nickname ... [( READ WRITE NEWRead NEWWrite DIRRead DIRWrite NOType|TYPe|STACK [FIFO|LIFO]]",
    summary: "Lets others use a file or directory of a file pool",
    run: |call| Box::pin(grant(call)),
};

pub(super) const REVOKE: CmsCommand = CmsCommand {
    name: "REVOKE",
    min: 6,
    syntax: "REVOKE AUThority [fn ft] dirid|fm FROM userid|PUBLIC|nickname ... [( KEEPRead NOType|TYPe|STACK [FIFO|LIFO]]",
    summary: "Takes back what GRANT AUTHORITY gave",
    run: |call| Box::pin(revoke(call)),
};

async fn grant(call: CmsCall<'_>) -> CmsResult {
    let mut words = split(call.args);
    let output = Output::take(MODULE, &mut words.options, Output::Nowhere)?;
    let known = [("READ", 4), ("WRITE", 5), ("NEWREAD", 4), ("NEWWRITE", 4), ("DIRREAD", 4), ("DIRWRITE", 4)];
    let options = flags(MODULE, &words.options, &known)?;
    let (place, users) = parts(&words.operands, "TO")?;
    let targets = objects(call.cms, MODULE, place).await?;
    let rights = options.iter().fold(Rights::NONE, |rights, option| {
        rights.and(match *option {
            "WRITE" => Rights::WRITE,
            "NEWREAD" => Rights::NEWREAD,
            "NEWWRITE" => Rights::NEWWRITE,
            "DIRREAD" => Rights::DIRREAD,
            "DIRWRITE" => Rights::DIRWRITE,
            _ => Rights::READ,
        })
    });
    let rights = if options.is_empty() { Rights::READ } else { rights };
    let users = grantees(&call, users).await?;
    for target in targets {
        let (csl, unit) = (&call.cms.csl, WorkUnitId::DEFAULT);
        let done = csl.dmsgrant(&target, &users, rights, CommitOption::Commit, unit).await;
        done.map_err(|e| csl_message(MODULE, &e, &shown(&target)))?;
    }
    tell(&call, output, &users).await
}

async fn revoke(call: CmsCall<'_>) -> CmsResult {
    let mut words = split(call.args);
    let output = Output::take(MODULE, &mut words.options, Output::Nowhere)?;
    let keep = !flags(MODULE, &words.options, &[("KEEPREAD", 5)])?.is_empty();
    let (place, users) = parts(&words.operands, "FROM")?;
    let targets = objects(call.cms, MODULE, place).await?;
    let users = grantees(&call, users).await?;
    for target in targets {
        let (csl, unit) = (&call.cms.csl, WorkUnitId::DEFAULT);
        let done = csl.dmsrevok(&target, &users, keep, CommitOption::Commit, unit).await;
        done.map_err(|e| csl_message(MODULE, &e, &shown(&target)))?;
    }
    tell(&call, output, &users).await
}

/// TYPE and STACK: the users that were meant.
async fn tell(call: &CmsCall<'_>, output: Output, users: &[Grantee]) -> CmsResult {
    for user in users {
        output.line(call.cms, MODULE, &user.to_string()).await?;
    }
    Ok(0)
}

/// What stands between AUTHORITY and TO or FROM, and what stands after it.
fn parts<'a, 'b>(operands: &'b [&'a str], word: &str) -> Result<(&'b [&'a str], &'b [&'a str]), DmsMessage> {
    match operands {
        [] => Err(dms(MODULE, 47, 24, &[])),
        [what, rest @ ..] if abbreviates(what, "AUTHORITY", 3) => {
            let at = rest.iter().position(|w| w.eq_ignore_ascii_case(word));
            let (place, users) = at.map(|at| (&rest[..at], &rest[at + 1..])).unwrap_or((rest, &[]));
            if users.is_empty() { Err(dms(MODULE, 5, 24, &["userid"])) } else { Ok((place, users)) }
        }
        [what, ..] => Err(dms(MODULE, 14, 24, &[what])),
    }
}

async fn grantees(call: &CmsCall<'_>, words: &[&str]) -> Result<Vec<Grantee>, DmsMessage> {
    let mut users = Vec::with_capacity(words.len());
    for word in words {
        if word.eq_ignore_ascii_case("PUBLIC") {
            users.push(Grantee::Public);
            continue;
        }
        for name in namefind::resolve_all(call.cms, word).await {
            let user = match name.as_str() {
                "PUBLIC" => Grantee::Public,
                name => Grantee::User(UserId::new(name).map_err(|_| dms(MODULE, 657, 32, &[word]))?),
            };
            users.push(user);
        }
    }
    Ok(users)
}
