//! DELETE

use super::place::place;
use super::{Done, list};
use crate::mailstore::{Asker, StoreError};
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::MailboxArg;
use crate::syntax::rights::Rights;

/// Deletes a mailbox; one that is selected here is left first.
///
/// # Errors
/// When it cannot be deleted.
pub async fn run(session: &mut Session, mailbox: MailboxArg, out: &mut Out<'_>) -> Done {
    let place = place(session, &mailbox).await?;
    let (row, _) = place.need(Rights::DELETE_MAILBOX)?;
    if place.inner.is_inbox() && !place.is_own() {
        return Err(StoreError::Cannot("INBOX cannot be deleted").into());
    }
    let by = Asker { session: session.id, leave: place.leave(&row, Rights::DELETE_MAILBOX) };
    place.owner.delete(place.inner.clone(), by).await?;
    list::gone(session, &mailbox, &place, out.buf);
    if session.view.as_ref().is_some_and(|v| v.mailbox.state().deleted) {
        session.view = None;
    }
    Ok(Reply::ok("DELETE completed"))
}
