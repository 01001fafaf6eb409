//! REPLACE and UID REPLACE (RFC 8508)

use super::append::{allow, try_create};
use super::copy::MOVES;
use super::{Done, across, catenate, expunge, list, no_such_number, place, read_only, some_expunged, view};
use crate::mailstore::StoreError;
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::{AppendMessage, MailboxArg};
use crate::syntax::rights::Rights;
use crate::syntax::seqset::SequenceSet;

/// Adds a message and expunges another, in one work unit.
///
/// # Errors
/// When the mail store fails.
pub async fn run(
    session: &Session,
    set: &SequenceSet,
    mailbox: MailboxArg,
    message: AppendMessage,
    by_uid: bool,
    out: &mut Out<'_>,
) -> Done {
    let place = place::place(session, &mailbox).await.map_err(try_create)?;
    let view = view(session)?;
    if view.read_only {
        return Ok(read_only());
    }
    // It is an APPEND, a STORE of \Deleted and an EXPUNGE together.
    place::need_in(session, view, MOVES)?;
    let Some(selected) = view.select(set, by_uid) else { return Ok(no_such_number()) };
    let Some((_, uid)) = selected.first().copied() else {
        return Ok(Reply::no("NONEXISTENT", "No message has that UID"));
    };
    let (to, rights) = place.open(Rights::INSERT).await.map_err(|e| Reply::try_create(&e))?;
    let mut made = catenate::make(session, vec![message]).await?;
    let Some(mut message) = made.messages.pop() else { return Ok(Reply::bad("REPLACE needs a message")) };
    allow(&mut message, rights);
    let own_seen = place.reader().is_some() && to.has_own_seen();
    let mut by = place::asker(session, &to, Rights::INSERT)?;
    by.leave = made.leave(place.who(), by.leave.on(place.who(), &view.mailbox, MOVES));
    let replaced = if place.owner.id() == view.mailbox.user.id() && !own_seen {
        place.owner.replace(&view.mailbox, uid, &to, message, by).await
    } else {
        across::replace(&view.mailbox, uid, (&to, place.reader()), message, by).await
    };
    match replaced {
        Ok(Some(new)) => {
            session.meter.appended.add(1);
            list::normalized(session, &mailbox, &place, out.buf)?;
            if rights.has(Rights::READ) {
                // Before the EXPUNGE, so that the client knows what took its place (RFC 8508 section 3.3).
                let line = format!("* OK [APPENDUID {} {new}] Replacement is there\r\n", to.uid_validity);
                out.buf.extend_from_slice(line.as_bytes());
            }
            Ok(expunge::done(session, &view.mailbox, 1, "REPLACE completed"))
        }
        Ok(None) => Ok(some_expunged()),
        Err(StoreError::NoSource) => Ok(made.refused(place.who())),
        // It is the source that went: making the target would not help.
        Err(e) if view.mailbox.state().deleted => Ok(Reply::from_store(&e)),
        Err(e) => Ok(Reply::try_create(&e)),
    }
}
