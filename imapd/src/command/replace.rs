//! REPLACE and UID REPLACE (RFC 8508)

use super::append::new_message;
use super::{Done, name, no_such_number, read_only, some_expunged, user, view};
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::{AppendMessage, MailboxArg};
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
    let name = match name(session, &mailbox) {
        Ok(name) => name,
        Err(reply) => return Ok(reply),
    };
    let view = view(session)?;
    if view.read_only {
        return Ok(read_only());
    }
    let message = match new_message(session, message) {
        Ok(message) => message,
        Err(reply) => return Ok(reply),
    };
    let Some(selected) = view.select(set, by_uid) else { return Ok(no_such_number()) };
    let Some((_, uid)) = selected.first().copied() else {
        return Ok(Reply::no("NONEXISTENT", "No message has that UID"));
    };
    let user = user(session)?;
    let to = match user.open(&name).await {
        Ok(to) => to,
        Err(e) => return Ok(Reply::try_create(&e)),
    };
    match user.replace(&view.mailbox, uid, &to, message, session.id).await {
        Ok(Some(new)) => {
            session.meter.appended.add(1);
            session.meter.expunged.add(1);
            // Before the EXPUNGE, so that the client knows what took its place (RFC 8508 section 3.3).
            let line = format!("* OK [APPENDUID {} {new}] Replacement is there\r\n", to.uid_validity);
            out.buf.extend_from_slice(line.as_bytes());
            Ok(Reply::ok("REPLACE completed"))
        }
        Ok(None) => Ok(some_expunged()),
        Err(e) => Ok(Reply::try_create(&e)),
    }
}
