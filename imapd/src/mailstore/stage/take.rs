//! A change as it is asked for, into the work unit. The flags that may be set are those of the rights at this moment.

use std::borrow::Cow;

use super::Stage;
use crate::mailstore::error::StoreError;
use crate::mailstore::leave::Leave;
use crate::mailstore::types::NewMessage;
use crate::mailstore::user::{CopyHow, FlagsAsked, Outcome, Request, Untouchable};
use crate::syntax::flag::FlagList;

impl Stage<'_> {
    /// Stages what changes messages; anything else is none of a stage's.
    pub(in crate::mailstore) fn take(
        &mut self,
        request: &Request,
        leave: &Leave,
    ) -> Result<Outcome, StoreError> {
        match request {
            Request::Append { mailbox, messages, ready, origin, reader, by } => {
                let messages = allowed(messages, leave.untouchable(mailbox));
                self.append(mailbox, &messages, ready, (*origin, *reader), *by)
            }
            Request::Summarize { mailbox, made } => self.summarize(mailbox, made),
            Request::Store { mailbox, uids, asked, by } => {
                let kept = asked.kept.and(leave.untouchable(mailbox));
                if kept == asked.kept {
                    return self.store(mailbox, uids, asked, *by);
                }
                let before = asked.kept.of(asked.flags.clone());
                if before != FlagList::default() && kept.of(before) == FlagList::default() {
                    return Err(StoreError::NoRight);
                }
                self.store(mailbox, uids, &FlagsAsked { kept, ..asked.clone() }, *by)
            }
            Request::Expunge { mailbox, only, by } => self.expunge(mailbox, only.as_ref(), *by),
            Request::Replace { from, uid, to, message, ready, by } => {
                let message = allowed(std::slice::from_ref(message), leave.untouchable(to));
                let Some(message) = message.first() else { return Ok(Outcome::Uids(Vec::new())) };
                self.replace(from, *uid, to, (message, ready), *by)
            }
            Request::Remove { mailbox, uids, by } => self.remove(mailbox, uids, *by),
            Request::Copy { from, uids, to, how, by } => {
                let kept = how.kept.and(leave.untouchable(to));
                self.copy(from, uids, to, CopyHow { kept, ..*how }, *by)
            }
            _ => Ok(Outcome::Done),
        }
    }
}

/// Messages without the flags that must not be set.
pub(in crate::mailstore) fn allowed(messages: &[NewMessage], kept: Untouchable) -> Cow<'_, [NewMessage]> {
    if kept == Untouchable::default() {
        return messages.into();
    }
    let strip = |message: &NewMessage| NewMessage {
        flags: message.flags.without(kept.system),
        keywords: if kept.keywords { Vec::new() } else { message.keywords.clone() },
        ..message.clone()
    };
    messages.iter().map(strip).collect()
}
