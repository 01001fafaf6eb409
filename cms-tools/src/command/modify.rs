//! MODIFY USER: changes the block limit of a file space, to a number of blocks or by so many more or fewer.

use cp::name::UserId;

use super::create::csl_message;
use super::enroll::MAX_BLOCKS;
use super::options::{Output, abbreviates, none, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "MOD";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "MODIFY",
    min: 4,
    syntax: "MODIfy USEr [+|-]blocks FOR userid|nickname [filepoolid:] [( NOType|TYPe|STACK [FIFO|LIFO]]",
    summary: "Changes how many blocks a user may have in a file pool",
    run: |call| Box::pin(run(call)),
};

/// What the limit becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Limit {
    Set(u64),
    More(u64),
    Fewer(u64),
}

impl Limit {
    fn parse(word: &str) -> Option<Self> {
        match word.as_bytes().first()? {
            b'+' => word[1..].parse().ok().map(Self::More),
            b'-' => word[1..].parse().ok().map(Self::Fewer),
            _ => word.parse().ok().map(Self::Set),
        }
    }

    fn applied_to(self, limit: u64) -> u64 {
        match self {
            Self::Set(blocks) => blocks,
            Self::More(blocks) => limit.saturating_add(blocks),
            Self::Fewer(blocks) => limit.saturating_sub(blocks),
        }
    }
}

async fn run(call: CmsCall<'_>) -> CmsResult {
    let mut words = split(call.args);
    let output = Output::take(MODULE, &mut words.options, Output::Nowhere)?;
    none(MODULE, &words.options)?;
    let (blocks, users, pool) = match &words.operands[..] {
        [] => return Err(dms(MODULE, 47, 24, &[])),
        [what, ..] if !abbreviates(what, "USER", 3) => return Err(dms(MODULE, 14, 24, &[what])),
        [_] => return Err(dms(MODULE, 5, 24, &["number of blocks"])),
        [_, blocks, rest @ ..] => {
            let limit = Limit::parse(blocks).ok_or_else(|| dms(MODULE, 29, 24, &[blocks]))?;
            let (users, pool) = for_users(&call, rest).await?;
            (limit, users, pool)
        }
    };
    let csl = &call.cms.csl;
    for user in users {
        let failed = |e| csl_message(MODULE, &e, user.as_str());
        let limit = match blocks {
            Limit::Set(limit) => limit,
            change => change.applied_to(csl.dmsqlimu(user, pool).await.map_err(failed)?.limit),
        };
        if limit > MAX_BLOCKS {
            return Err(dms(MODULE, 29, 24, &[&limit.to_string()]));
        }
        csl.modify_user(user, pool, limit).await.map_err(failed)?;
        output.line(call.cms, MODULE, user.as_str()).await?;
    }
    Ok(0)
}

/// `FOR userid|nickname [filepoolid:]`, with the default pool.
async fn for_users(
    call: &CmsCall<'_>,
    words: &[&str],
) -> Result<(Vec<UserId>, cp::name::FilePoolId), DmsMessage> {
    match words {
        [] => Err(dms(MODULE, 5, 24, &["userid"])),
        [word, ..] if !word.eq_ignore_ascii_case("FOR") => Err(dms(MODULE, 70, 24, &[word])),
        [_, rest @ ..] => {
            let operands: Vec<&str> = std::iter::once("USER").chain(rest.iter().copied()).collect();
            let (_, users, pool) = super::enroll::users_and_pool(call.cms, MODULE, &operands).await?;
            Ok((users, pool))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!(Limit::parse("100").map(|l| l.applied_to(7)), Some(100));
        assert_eq!(Limit::parse("+100").map(|l| l.applied_to(7)), Some(107));
        assert_eq!(Limit::parse("-100").map(|l| l.applied_to(7)), Some(0));
        assert_eq!(Limit::parse("+x"), None);
        assert_eq!(Limit::parse(""), None);
    }
}
