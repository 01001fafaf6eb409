//! SUBSCRIBE and UNSUBSCRIBE

use super::{Done, name, user};
use crate::session::{Reply, Session};
use crate::syntax::ast::MailboxArg;

/// Subscribes to a name or ends that. The name need not exist (RFC 3501 section 6.3.6).
///
/// # Errors
/// When the mail store fails.
pub async fn run(session: &Session, mailbox: MailboxArg, on: bool) -> Done {
    match name(session, &mailbox) {
        // The subscription is the user's, whosever the mailbox is.
        Ok(name) => user(session)?.subscribe(name, on).await?,
        Err(reply) => return Ok(reply),
    }
    Ok(Reply::ok(if on { "SUBSCRIBE completed" } else { "UNSUBSCRIBE completed" }))
}
