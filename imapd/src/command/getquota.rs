//! GETQUOTA and GETQUOTAROOT (RFC 9208): the file space of a user is a quota root, named as he is.
//!
//! STORAGE is what the file pool counts, blocks of 4 KB, in the units of 1024 octets that the protocol has; searchable texts, which
//! give way to mail, are in it only where an eighth of the limit is free ([`crate::mailstore::text_room`]). MESSAGE and MAILBOX
//! have limits when an administrator has set some.

use std::sync::Arc;

use super::Done;
use super::place::place;
use crate::mailstore::{StoreError, UserStore};
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::MailboxArg;
use crate::syntax::quote;
use crate::syntax::rights::Rights;
use crate::vm::UserId;

/// Units of 1024 octets in a block.
pub(super) const UNITS: u64 = 4;

/// Shows a quota root.
///
/// # Errors
/// When the file pool does not answer.
pub async fn run(session: &mut Session, root: &[u8], out: &mut Out<'_>) -> Done {
    match user_of(session, root).await {
        Ok(user) => {
            show(out.buf, &user).await?;
            Ok(Reply::ok("GETQUOTA completed"))
        }
        Err(reply) => Ok(reply),
    }
}

/// Shows the quota root of a mailbox. One of the user's own need not exist: it would have that quota root (RFC 9208 section 4.1.2).
///
/// # Errors
/// When the file pool does not answer.
pub async fn of_mailbox(session: &mut Session, mailbox: MailboxArg, out: &mut Out<'_>) -> Done {
    let place = place(session, &mailbox).await?;
    if !place.is_own() || place.look().is_some() {
        place.need(Rights::READ)?;
    }
    let user = place.owner;
    out.buf.extend_from_slice(b"* QUOTAROOT ");
    place.name.write(out.buf, session.enabled.name_form());
    out.buf.push(b' ');
    quote::astring(out.buf, user.id().as_str().as_bytes());
    out.buf.extend_from_slice(b"\r\n");
    show(out.buf, &user).await?;
    Ok(Reply::ok("GETQUOTAROOT completed"))
}

/// The user whose quota root that is: oneself, or for administrators anybody.
pub(super) async fn user_of(session: &Session, root: &[u8]) -> Result<Arc<UserStore>, Reply> {
    let none = || Reply::no("NONEXISTENT", "There is no such quota root");
    let own = session.user.clone().ok_or_else(none)?;
    let id = std::str::from_utf8(root).ok().and_then(|text| UserId::new(text).ok()).ok_or_else(none)?;
    if id == own.id() {
        return Ok(own);
    }
    if !session.is_administrator() {
        return Err(none());
    }
    session.server.store.user(id).await.map_err(|error| match error {
        StoreError::NotEnrolled => none(),
        error => Reply::from_store(&error),
    })
}

/// Appends the QUOTA response.
pub(super) async fn show(out: &mut Vec<u8>, user: &UserStore) -> Result<(), StoreError> {
    let space = user.space().await?;
    let (limits, messages, mailboxes) = {
        let catalog = user.catalog();
        (catalog.entries.limits, catalog.messages(), catalog.mailboxes())
    };
    let mut resources = vec![format!("STORAGE {} {}", space.used * UNITS, space.limit * UNITS)];
    resources.extend(limits.messages.map(|most| format!("MESSAGE {messages} {most}")));
    resources.extend(limits.mailboxes.map(|most| format!("MAILBOX {mailboxes} {most}")));
    out.extend_from_slice(b"* QUOTA ");
    quote::astring(out, user.id().as_str().as_bytes());
    out.extend_from_slice(format!(" ({})\r\n", resources.join(" ")).as_bytes());
    Ok(())
}
