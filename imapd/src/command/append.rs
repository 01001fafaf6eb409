//! APPEND

use bytes::Bytes;

use super::{Done, name, user};
use crate::mailstore::NewMessage;
use crate::session::{Reply, Session};
use crate::syntax::ast::MailboxArg;
use crate::syntax::date::InternalDate;
use crate::syntax::flag::FlagList;
use crate::syntax::seqset::NumberSet;

/// Adds a message; it is on disk when the answer says so.
///
/// # Errors
/// When the client is gone.
pub async fn run(
    session: &Session,
    mailbox: MailboxArg,
    flags: FlagList,
    date: Option<InternalDate>,
    octets: Bytes,
) -> Done {
    let name = match name(mailbox) {
        Ok(name) => name,
        Err(reply) => return Ok(reply),
    };
    if octets.is_empty() {
        return Ok(Reply::no("CANNOT", "A message must not be empty"));
    }
    let user = user(session)?;
    let now = InternalDate { seconds: session.server.store.now(), zone_minutes: 0 };
    let message =
        NewMessage { flags: flags.system, keywords: flags.keywords, date: date.unwrap_or(now), octets };
    let mailbox = match user.open(&name).await {
        Ok(mailbox) => mailbox,
        Err(e) => return Ok(Reply::try_create(&e)),
    };
    match user.append(&mailbox, vec![message], session.id).await {
        Ok(uids) => {
            let set = NumberSet::from_sorted(uids.iter().map(|u| u.0));
            Ok(Reply::ok_code(format!("APPENDUID {} {set}", mailbox.uid_validity), "APPEND completed"))
        }
        Err(e) => Ok(Reply::try_create(&e)),
    }
}
