//! RENAME

use super::place::place;
use super::{Done, list};
use crate::mailstore::StoreError;
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::MailboxArg;
use crate::syntax::rights::Rights;

/// Renames a mailbox and all below it; of INBOX, moves its messages.
///
/// # Errors
/// When it cannot be renamed.
pub async fn run(session: &Session, from: MailboxArg, to: MailboxArg, out: &mut Out<'_>) -> Done {
    let (from, to) = (place(session, &from).await?, place(session, &to).await?);
    from.need(Rights::DELETE_MAILBOX)?;
    to.may_create()?;
    if from.owner.id() != to.owner.id() {
        return Err(StoreError::Cannot("mailbox cannot be renamed to one of another user").into());
    }
    if from.inner.is_inbox() && !from.is_own() {
        return Err(StoreError::Cannot("INBOX of another user cannot be renamed").into());
    }
    from.owner.rename(from.inner.clone(), to.inner.clone(), session.id).await?;
    if session.enabled.rev2 && !from.inner.is_inbox() {
        list::named(out.buf, &to, from.name.as_str().as_bytes());
    }
    Ok(Reply::ok("RENAME completed"))
}
