//! SETQUOTA (RFC 9208 section 4.1.3), for administrators.

use super::Done;
use super::getquota::{UNITS, show, user_of};
use crate::mailstore::entries::Limits;
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::QuotaResource;

/// Sets the limits of a quota root. A limit in messages or mailboxes that is not named is none; the blocks of a file space are
/// never without a limit, so that STORAGE stays as it is when it is not named.
///
/// # Errors
/// When the file pool does not answer.
pub async fn run(
    session: &mut Session,
    root: &[u8],
    limits: &[(QuotaResource, u64)],
    out: &mut Out<'_>,
) -> Done {
    if !session.is_administrator() {
        return Ok(Reply::no("NOPERM", "Only administrators set quotas"));
    }
    let user = match user_of(session, root).await {
        Ok(user) => user,
        Err(reply) => return Ok(reply),
    };
    let mut wanted = Limits::default();
    let mut blocks = None;
    for (resource, limit) in limits {
        match resource {
            QuotaResource::Storage => blocks = Some(limit.div_ceil(UNITS)),
            QuotaResource::Message => wanted.messages = Some(*limit),
            QuotaResource::Mailbox => wanted.mailboxes = Some(*limit),
            QuotaResource::Unknown => {
                return Ok(Reply::no("CANNOT", "The resources are STORAGE, MESSAGE and MAILBOX"));
            }
        }
    }
    user.limit(wanted, blocks).await?;
    show(out.buf, &user).await?;
    Ok(Reply::ok("SETQUOTA completed"))
}
