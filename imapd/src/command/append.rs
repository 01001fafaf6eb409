//! APPEND, also of several messages (RFC 3502); what they are made of is in `catenate`

use super::{Done, catenate, list, place};
use crate::mailstore::user::Untouchable;
use crate::mailstore::{NewMessage, StoreError};
use crate::session::{Failure, Out, Reply, Session};
use crate::syntax::ast::{AppendMessage, MailboxArg};
use crate::syntax::rights::Rights;
use crate::syntax::seqset::NumberSet;

/// Adds messages, all or none; they are on disk when the answer says so.
///
/// # Errors
/// When the client is gone.
pub async fn run(
    session: &Session,
    mailbox: MailboxArg,
    messages: Vec<AppendMessage>,
    out: &mut Out<'_>,
) -> Done {
    if let Some(limit) = session.save_limit().filter(|limit| messages.len() > limit.messages as usize) {
        return Ok(limit.refusal(None));
    }
    let place = place::place(session, &mailbox).await.map_err(try_create)?;
    let arg = mailbox;
    let (mailbox, rights) = place.open(Rights::INSERT).await.map_err(|e| Reply::try_create(&e))?;
    let mut made = catenate::make(session, messages).await?;
    made.messages.iter_mut().for_each(|message| allow(message, rights));
    let messages = std::mem::take(&mut made.messages);
    let mut by = place::asker(session, &mailbox, Rights::INSERT)?;
    by.leave = made.leave(place.who(), by.leave);
    match place.owner.append_for(&mailbox, messages, place.reader(), by).await {
        Ok(uids) => {
            session.meter.appended.add(uids.len());
            list::normalized(session, &arg, &place, out.buf)?;
            let set = NumberSet::from_sorted(uids.iter().map(|u| u.0));
            // To one who may not select it, UIDs would tell of the mailbox (RFC 9051 section 6.3.12).
            Ok(match rights.has(Rights::READ) {
                true => {
                    Reply::ok_code(format!("APPENDUID {} {set}", mailbox.uid_validity), "APPEND completed")
                }
                false => Reply::ok("APPEND completed"),
            })
        }
        Err(StoreError::NoSource) => Ok(made.refused(place.who())),
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
    let kept = Untouchable::within(rights);
    message.flags = message.flags.without(kept.system);
    if kept.keywords {
        message.keywords.clear();
    }
}
