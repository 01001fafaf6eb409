//! APPEND, also of several messages (RFC 3502)

use super::{Done, place};
use crate::mailstore::NewMessage;
use crate::session::{Failure, Reply, Session};
use crate::syntax::ast::{AppendMessage, Carrier, MailboxArg};
use crate::syntax::date::InternalDate;
use crate::syntax::rights::Rights;
use crate::syntax::seqset::NumberSet;

/// Adds messages, all or none; they are on disk when the answer says so.
///
/// # Errors
/// When the client is gone.
pub async fn run(session: &Session, mailbox: MailboxArg, messages: Vec<AppendMessage>) -> Done {
    let messages: Result<Vec<_>, _> = messages.into_iter().map(|m| new_message(session, m)).collect();
    let mut messages = messages?;
    let place = place::place(session, &mailbox).await.map_err(try_create)?;
    let (mailbox, rights) = place.open(Rights::INSERT).await.map_err(|e| Reply::try_create(&e))?;
    messages.iter_mut().for_each(|message| allow(message, rights));
    match place.owner.append_for(&mailbox, messages, place.reader(), session.id).await {
        Ok(uids) => {
            session.meter.appended.add(uids.len());
            let set = NumberSet::from_sorted(uids.iter().map(|u| u.0));
            Ok(Reply::ok_code(format!("APPENDUID {} {set}", mailbox.uid_validity), "APPEND completed"))
        }
        Err(e) => Ok(Reply::try_create(&e)),
    }
}

/// The answer to a target that leads nowhere.
pub(super) fn try_create(failure: Failure) -> Failure {
    match failure {
        Failure::Store(e) => Reply::try_create(&e).into(),
        failure => failure,
    }
}

/// Takes away the flags that the user may not set in the target; that is no failure (RFC 4314 section 4).
pub(super) fn allow(message: &mut NewMessage, rights: Rights) {
    let kept = place::untouchable(rights);
    message.flags = message.flags.without(kept.system);
    if kept.keywords {
        message.keywords.clear();
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
