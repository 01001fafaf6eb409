//! RENAME

use super::{Done, list, name, user};
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::MailboxArg;

/// Renames a mailbox and all below it; of INBOX, moves its messages.
///
/// # Errors
/// When it cannot be renamed.
pub async fn run(session: &Session, from: MailboxArg, to: MailboxArg, out: &mut Out<'_>) -> Done {
    match (name(session, &from), name(session, &to)) {
        (Ok(from), Ok(to)) => {
            let user = user(session)?;
            user.rename(from.clone(), to.clone(), session.id).await?;
            if session.enabled.rev2 && !from.is_inbox() {
                list::named(out.buf, &user.catalog(), &to, from.as_str().as_bytes());
            }
        }
        (Err(reply), _) | (_, Err(reply)) => return Ok(reply),
    }
    Ok(Reply::ok("RENAME completed"))
}
