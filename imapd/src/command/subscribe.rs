//! SUBSCRIBE and UNSUBSCRIBE

use super::{Done, name, place, user};
use crate::mailstore::{Attributes, StoreError};
use crate::session::{Failure, Reply, Session};
use crate::syntax::ast::MailboxArg;
use crate::syntax::mailbox_name::MailboxName;

/// Subscribes to a name or ends that. The name need not exist (RFC 3501 section 6.3.6).
///
/// # Errors
/// When the mail store fails.
pub async fn run(session: &Session, mailbox: MailboxArg, on: bool) -> Done {
    let mut name = name(session, &mailbox)?;
    let subscribed = |name: &MailboxName| {
        let user = user(session)?;
        let catalog = user.catalog();
        Ok::<_, Failure>(catalog.get(name).is_some_and(|r| r.attributes.has(Attributes::SUBSCRIBED)))
    };
    if !session.remote(&name).is_empty() && (on || !subscribed(&name)?) {
        // That system keeps the subscription.
        place::of_name(session, name.clone()).await?;
    }
    if place::is_foreign(&name) {
        // Kept as LIST shows it; a name that leads nowhere is kept as it is.
        name = match place::of_name(session, name.clone()).await {
            Ok(place) => place.name,
            Err(Failure::Store(StoreError::NoSuchMailbox)) => name,
            Err(e) => return Err(e),
        };
    }
    // The subscription is the user's, whosever the mailbox is.
    user(session)?.subscribe(name, on, session.id).await?;
    Ok(Reply::ok(if on { "SUBSCRIBE completed" } else { "UNSUBSCRIBE completed" }))
}
