//! DELETE

use super::{Done, name, user};
use crate::session::{Reply, Session};
use crate::syntax::ast::MailboxArg;

/// Deletes a mailbox; one that is selected here is left first.
///
/// # Errors
/// When it cannot be deleted.
pub async fn run(session: &mut Session, mailbox: MailboxArg) -> Done {
    let name = match name(session, &mailbox) {
        Ok(name) => name,
        Err(reply) => return Ok(reply),
    };
    user(session)?.delete(name).await?;
    if session.view.as_ref().is_some_and(|v| v.mailbox.state().deleted) {
        session.view = None;
    }
    Ok(Reply::ok("DELETE completed"))
}
