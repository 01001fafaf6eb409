//! APPEND, also of several messages (RFC 3502)

use super::{Done, name, user};
use crate::mailstore::NewMessage;
use crate::session::{Reply, Session};
use crate::syntax::ast::{AppendMessage, Carrier, MailboxArg};
use crate::syntax::date::InternalDate;
use crate::syntax::seqset::NumberSet;

/// Adds messages, all or none; they are on disk when the answer says so.
///
/// # Errors
/// When the client is gone.
pub async fn run(session: &Session, mailbox: MailboxArg, messages: Vec<AppendMessage>) -> Done {
    let name = match name(session, &mailbox) {
        Ok(name) => name,
        Err(reply) => return Ok(reply),
    };
    let messages: Result<Vec<_>, _> = messages.into_iter().map(|m| new_message(session, m)).collect();
    let messages = match messages {
        Ok(messages) => messages,
        Err(reply) => return Ok(reply),
    };
    let user = user(session)?;
    let mailbox = match user.open(&name).await {
        Ok(mailbox) => mailbox,
        Err(e) => return Ok(Reply::try_create(&e)),
    };
    match user.append(&mailbox, messages, session.id).await {
        Ok(uids) => {
            session.meter.appended.add(uids.len());
            let set = NumberSet::from_sorted(uids.iter().map(|u| u.0));
            Ok(Reply::ok_code(format!("APPENDUID {} {set}", mailbox.uid_validity), "APPEND completed"))
        }
        Err(e) => Ok(Reply::try_create(&e)),
    }
}

/// A message ready for the mail store, or the answer to an empty one.
pub(super) fn new_message(session: &Session, message: AppendMessage) -> Result<NewMessage, Reply> {
    let AppendMessage { flags, date, octets, carrier } = message;
    if carrier == Carrier::Utf8 && !session.enabled.utf8 {
        return Err(Reply::bad("UTF8=ACCEPT must be enabled first"));
    }
    if octets.is_empty() {
        return Err(Reply::no("CANNOT", "A message must not be empty"));
    }
    let now = InternalDate { seconds: session.server.store.now(), zone_minutes: 0 };
    Ok(NewMessage { flags: flags.system, keywords: flags.keywords, date: date.unwrap_or(now), octets })
}
