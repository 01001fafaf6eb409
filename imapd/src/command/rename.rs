//! RENAME

use super::place::{Place, of_name};
use super::{Done, list, name, old_name};
use crate::mailstore::{Asker, StoreError};
use crate::session::mailbox_referrals::referral;
use crate::session::{Failure, Out, Reply, Session};
use crate::syntax::ast::MailboxArg;
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::rights::Rights;

/// Renames a mailbox and all below it; of INBOX, moves its messages.
///
/// # Errors
/// When it cannot be renamed.
pub async fn run(session: &Session, from: MailboxArg, to: MailboxArg, out: &mut Out<'_>) -> Done {
    let names = (name(session, &from)?, name(session, &to)?);
    let supplied = from;
    let found = (of_name(session, names.0.clone()).await, of_name(session, names.1.clone()).await);
    let (from, to) = match found {
        (Ok(from), Ok(to)) => (from, to),
        // Both names are told where one is on another system (RFC 2193 section 4.3).
        (from @ Err(Failure::Answer(_)), to) | (from @ Ok(_), to @ Err(Failure::Answer(_))) => {
            let url = |name: &MailboxName, found: &Result<Place, Failure>| match found {
                Err(Failure::Answer(_)) => session.remote(name).into_iter().next(),
                _ => Some(session.url_of(name)),
            };
            let urls = [url(&names.0, &from), url(&names.1, &to)];
            return match (urls, from.err().or(to.err())) {
                ([Some(from), Some(to)], _) => Ok(referral(&[from, to])),
                // IMAP CONFIG says something else by now, and the answer is that of the name that was there.
                (_, Some(e)) => Err(e),
                (_, None) => Err(StoreError::NoSuchMailbox.into()),
            };
        }
        (Err(e), _) | (_, Err(e)) => return Err(e),
    };
    let (row, _) = from.need(Rights::DELETE_MAILBOX)?;
    to.may_create()?;
    if from.owner.id() != to.owner.id() {
        return Err(StoreError::Cannot("mailbox cannot be renamed to one of another user").into());
    }
    if from.inner.is_inbox() && !from.is_own() {
        return Err(StoreError::Cannot("INBOX of another user cannot be renamed").into());
    }
    let leave = from.leave(&row, Rights::DELETE_MAILBOX).to_make(to.who(), &to.inner);
    let by = Asker { session: session.id, leave };
    from.owner.rename(from.inner.clone(), to.inner.clone(), by).await?;
    if session.enabled.rev2 && !from.inner.is_inbox() {
        // As the client called it (RFC 9051 section 6.3.6).
        let old = old_name(&supplied, &from.name);
        let old = if old.is_empty() { from.name.as_str().as_bytes() } else { old };
        list::named(session, out.buf, &to, old)?;
    }
    Ok(Reply::ok("RENAME completed"))
}
