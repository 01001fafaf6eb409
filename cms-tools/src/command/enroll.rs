//! ENROLL USER: gives users a file space in a file pool. ENROLL ADMINISTRATOR: makes users administrators of one, until its server
//! stops. ENROLL PUBLIC: lets everybody connect to one.
//!
//! A nickname may stand for one user or, with a list, for several. A byte file system space cannot be had here: BFS, USER and GROUP
//! are refused. PUBLIC is no user: it gets no file space, and there are no options. Source: "ENROLL USER", "ENROLL ADMINISTRATOR".

use cp::name::{FilePoolId, UserId};

use sfs::types::StorageGroup;

use super::create::csl_message;
use super::options::{Output, Words, abbreviates, none, split};
use super::{CmsCall, CmsCommand, CmsResult, namefind};
use crate::Cms;
use crate::message::{DmsMessage, dms};

const MODULE: &str = "ENR";

/// Who is no user, but everybody.
pub(super) const PUBLIC: &str = "PUBLIC";

/// Greatest limit of a file space. Source: ENROLL USER.
pub(super) const MAX_BLOCKS: u64 = 2_147_483_647;

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "ENROLL",
    min: 3,
    syntax: "ENRoll USEr userid|nickname [filepoolid:] [( BLOcks n STOrgroup n SFS NOType|TYPe|STACK [FIFO|LIFO]] | ADMinistrator userid|nickname [filepoolid:] [( NOType|TYPe|STACK [FIFO|LIFO]] | PUBlic [filepoolid:]",
    summary: "Gives a user a file space in a file pool, makes him an administrator of it, or lets everybody connect to it",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    if let Some(pool) = of_public(call.cms, MODULE, &words)? {
        let enrolled = call.cms.csl.dmsenusr_public(pool).await;
        return enrolled.map(|()| 0).map_err(|e| csl_message(MODULE, &e, PUBLIC));
    }
    let mut options = words.options;
    let output = Output::take(MODULE, &mut options, Output::Nowhere)?;
    let (what, users, pool) = users_and_pool(call.cms, MODULE, &words.operands).await?;
    match what {
        Kind::Administrator => {
            none(MODULE, &options)?;
            for user in &users {
                let enrolled = call.cms.csl.enroll_administrator(*user, pool).await;
                enrolled.map_err(|e| csl_message(MODULE, &e, user.as_str()))?;
            }
        }
        Kind::User => {
            let (blocks, group) = space_options(&options)?;
            if let Some(public) = users.iter().find(|user| user.as_str() == PUBLIC) {
                return Err(dms(MODULE, 29, 24, &[public.as_str()]));
            }
            let enrolled = call.cms.csl.dmsenusr_in(&users, pool, blocks, group).await;
            enrolled.map_err(|e| {
                let culprit = (e.index as usize).checked_sub(1).and_then(|n| users.get(n)).or(users.first());
                csl_message(MODULE, &e, culprit.map_or("", |u| u.as_str()))
            })?;
        }
    }
    for user in users {
        output.line(call.cms, MODULE, user.as_str()).await?;
    }
    Ok(0)
}

fn space_options(options: &[String]) -> Result<(u64, StorageGroup), DmsMessage> {
    let (mut blocks, mut group) = (0u64, StorageGroup::FIRST);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        if abbreviates(option, "BLOCKS", 3) {
            let value = options.next().map_or("", String::as_str);
            let number = value.parse().ok().filter(|n| *n <= MAX_BLOCKS);
            blocks = number.ok_or_else(|| dms(MODULE, 26, 24, &[value, "BLOCKS"]))?;
        } else if abbreviates(option, "STORGROUP", 3) {
            let value = options.next().map_or("", String::as_str);
            let number = value.parse().ok().and_then(StorageGroup::new);
            group = number.ok_or_else(|| dms(MODULE, 26, 24, &[value, "STORGROUP"]))?;
        } else if option != "SFS" {
            return Err(dms(MODULE, 3, 24, &[option]));
        }
    }
    Ok((blocks, group))
}

/// The file pool of `PUBLIC [filepoolid:]`; `None` for something else than PUBLIC.
///
/// # Errors
/// 003E for options, 070E for a further operand, and those of the pool.
pub(super) fn of_public(
    cms: &Cms,
    module: &'static str,
    words: &Words<'_>,
) -> Result<Option<FilePoolId>, DmsMessage> {
    let rest = match &words.operands[..] {
        [what, rest @ ..] if abbreviates(what, PUBLIC, 3) => rest,
        _ => return Ok(None),
    };
    none(module, &words.options)?;
    match *rest {
        [] => pool_or_default(cms, module, None).map(Some),
        [pool] => pool_or_default(cms, module, Some(pool)).map(Some),
        [_, extra, ..] => Err(dms(module, 70, 24, &[extra])),
    }
}

/// What is enrolled or deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    User,
    Administrator,
}

/// `{USER|ADMINISTRATOR} userid|nickname [filepoolid:]`, with the default pool.
pub(super) async fn users_and_pool(
    cms: &Cms,
    module: &'static str,
    operands: &[&str],
) -> Result<(Kind, Vec<UserId>, FilePoolId), DmsMessage> {
    let (what, rest) = match operands {
        [] => return Err(dms(module, 47, 24, &[])),
        [what, rest @ ..] if abbreviates(what, "USER", 3) => (Kind::User, rest),
        [what, rest @ ..] if abbreviates(what, "ADMINISTRATOR", 3) => (Kind::Administrator, rest),
        [what, ..] => return Err(dms(module, 14, 24, &[what])),
    };
    let (word, pool) = match rest {
        [] => return Err(dms(module, 5, 24, &["userid"])),
        [user] => (user, None),
        [user, pool] => (user, Some(*pool)),
        [_, _, extra, ..] => return Err(dms(module, 70, 24, &[extra])),
    };
    let mut users = Vec::new();
    for name in namefind::resolve_all(cms, word).await {
        users.push(UserId::new(&name).map_err(|e| dms(module, 1020, 24, &[&e.to_string()]))?);
    }
    Ok((what, users, pool_or_default(cms, module, pool)?))
}

/// The file pool that a token names, or the default one.
pub(super) fn pool_or_default(
    cms: &Cms,
    module: &'static str,
    token: Option<&str>,
) -> Result<FilePoolId, DmsMessage> {
    match token {
        Some(token) => {
            FilePoolId::new(token.trim_end_matches(':')).map_err(|_| dms(module, 29, 24, &[token]))
        }
        None => cms.settings.lock().filepool.ok_or_else(|| dms(module, 1223, 40, &[])),
    }
}
