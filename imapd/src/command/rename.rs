//! RENAME

use super::{Done, name, user};
use crate::session::{Reply, Session};
use crate::syntax::ast::MailboxArg;

/// Renames a mailbox and all below it; of INBOX, moves its messages.
///
/// # Errors
/// When it cannot be renamed.
pub async fn run(session: &Session, from: MailboxArg, to: MailboxArg) -> Done {
    match (name(session, &from), name(session, &to)) {
        (Ok(from), Ok(to)) => user(session)?.rename(from, to, session.id).await?,
        (Err(reply), _) | (_, Err(reply)) => return Ok(reply),
    }
    Ok(Reply::ok("RENAME completed"))
}
