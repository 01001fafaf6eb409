//! SETMETADATA (RFC 5464 section 4.3).

use bytes::Bytes;

use super::getmetadata::{TOUCH, kept_as};
use super::place::place;
use super::{Done, getmetadata, user};
use crate::mailstore::entries::{MAX_NAME, MAX_VALUE, SPECIAL_USE};
use crate::mailstore::{Asker, Attributes, StoreError};
use crate::session::{Reply, Session};
use crate::syntax::ast::MailboxArg;
use crate::syntax::rights::Rights;

/// Sets annotations of a mailbox, or with an empty name the user's own of the server, all or none.
///
/// # Errors
/// When the mailbox does not exist, or too much is kept already.
pub async fn run(session: &mut Session, mailbox: MailboxArg, values: Vec<(String, Option<Bytes>)>) -> Done {
    for (entry, value) in &values {
        if let Err(reply) = getmetadata::check(entry) {
            return Ok(reply);
        }
        if value.as_ref().is_some_and(|v| v.len() > MAX_VALUE) {
            return Ok(Reply::no(format!("METADATA MAXSIZE {MAX_VALUE}"), "Value is too long"));
        }
        if entry.len() > MAX_NAME {
            return Ok(Reply::no("LIMIT", "Name of the entry is too long"));
        }
        if matches!(entry.as_str(), "/private" | "/shared") {
            return Ok(Reply::bad("A scope alone is no entry"));
        }
        let uses = || Attributes::uses_in(value.as_deref().unwrap_or_default());
        if entry == SPECIAL_USE && !mailbox.0.is_empty() && uses().is_none() {
            return Ok(Reply::no("USEATTR", "Special use is not known here"));
        }
        if mailbox.0.is_empty() && entry.starts_with("/shared/") {
            return Ok(Reply::no("NOPERM", "The configuration says what the server's shared entries are"));
        }
    }
    if mailbox.0.is_empty() {
        user(session)?.annotate(None, values, session.id).await?;
        return Ok(Reply::ok("SETMETADATA completed"));
    }
    let place = place(session, &mailbox).await?;
    let (row, rights) = place.need(Rights::LOOKUP)?;
    if !rights.has_any(TOUCH) {
        return Err(StoreError::NoRight.into());
    }
    if !place.is_own() && values.iter().any(|(entry, _)| entry == SPECIAL_USE) {
        return Ok(Reply::no("USEATTR", "Special uses are for mailboxes of one's own"));
    }
    let values = values.into_iter().map(|(entry, value)| (kept_as(&place, &entry), value)).collect();
    // One of those that are enough is enough when the turn comes.
    let leave = place.leave(&row, Rights::LOOKUP).any_on_name(place.who(), &row, TOUCH);
    let by = Asker { session: session.id, leave };
    place.owner.annotate(Some(place.inner), values, by).await?;
    Ok(Reply::ok("SETMETADATA completed"))
}
