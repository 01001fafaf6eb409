//! CREATE

use super::{Done, name, user};
use crate::session::{Reply, Session};
use crate::syntax::ast::MailboxArg;

/// Makes a mailbox and its missing superiors.
///
/// # Errors
/// When it cannot be made.
pub async fn run(session: &Session, mailbox: MailboxArg) -> Done {
    match name(mailbox) {
        Ok(name) => user(session)?.create(name).await?,
        Err(reply) => return Ok(reply),
    }
    Ok(Reply::ok("CREATE completed"))
}
