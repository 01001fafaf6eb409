//! How many messages one command may work on (RFC 9738), for servers that want it limited.
//!
//! A command that names more works on those with the highest UIDs, the highest first, and says where it stopped; one that is all or
//! nothing, and one whose result makes sense only as a whole, is refused. EXPUNGE, CLOSE and STATUS are not limited, and
//! neither is a user for whom the token is switched off. Whoever is limited is told of expunged messages from the highest on.

use super::capability::Token;
use super::reply::{Reply, Status};
use super::{Session, View};
use crate::mailstore::Uid;
use crate::syntax::search_key::SearchKey;

/// `MessageLimit` of IMAP CONFIG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLimit {
    /// Messages in one command.
    pub messages: u32,
    /// Whether only COPY and APPEND are limited: SAVELIMIT is shown then.
    pub saves_only: bool,
}

impl MessageLimit {
    /// Greatest limit that can be configured; more is none.
    pub const MAX: u32 = 1_000_000;

    /// The answer to a command that does nothing because it names too much. Where it would have had to stop is `lowest`, for who
    /// would send it again in parts (RFC 9738 section 3.1, command 05 there).
    pub fn refusal(self, lowest: Option<Uid>) -> Reply {
        let Self { messages, .. } = self;
        let code = match lowest {
            Some(lowest) => format!("MESSAGELIMIT {messages} {lowest}"),
            None => format!("MESSAGELIMIT {messages}"),
        };
        Reply::no(code, format!("One command may be about {messages} messages"))
    }
}

/// A command that worked on a part of its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// The limit.
    pub limit: MessageLimit,
    /// The lowest UID that was worked on.
    pub lowest: Uid,
}

impl Limited {
    /// The answer with the response code, or behind an untagged one when it has a code of its own.
    pub fn tell(self, mut reply: Reply, out: &mut Vec<u8>) -> Reply {
        let Self { limit: MessageLimit { messages, .. }, lowest } = self;
        let code = format!("MESSAGELIMIT {messages} {lowest}");
        match (reply.status, &reply.code) {
            (Status::Ok, None) => {
                reply.text = format!("{} for {messages} messages", reply.text).into();
                reply.code = Some(code.into());
            }
            (Status::Ok | Status::No, _) => {
                Reply::no(code, format!("Done for {messages} messages")).write(out, None);
            }
            (Status::Bad | Status::Wait, _) => {}
        }
        reply
    }
}

impl Session {
    /// The limit of commands that save messages.
    pub(crate) fn save_limit(&self) -> Option<MessageLimit> {
        let limit = self.message_limit?;
        let token = if limit.saves_only { Token::SaveLimit } else { Token::MessageLimit };
        self.offers(token).then_some(limit)
    }

    /// The limit of all commands.
    pub(crate) fn command_limit(&self) -> Option<MessageLimit> {
        self.save_limit().filter(|limit| !limit.saves_only)
    }

    /// Cuts messages, which ascend, down to as many as one command may work on.
    pub(crate) fn limit(&self, selected: &mut Vec<(u32, Uid)>) -> Option<Limited> {
        let limit = self.command_limit()?;
        let more = selected.len().checked_sub(limit.messages as usize).filter(|more| *more > 0)?;
        selected.drain(..more);
        Some(Limited { limit, lowest: selected.first()?.1 })
    }

    /// Where a search stops that looks at more messages than it may.
    pub(crate) fn limit_search(&self, key: &SearchKey) -> Option<Limited> {
        let limit = self.command_limit()?;
        let (looked_at, lowest) = looked_at(self.view.as_ref()?, key, limit.messages as usize);
        (looked_at > limit.messages as usize).then_some(Limited { limit, lowest: Uid(lowest) })
    }
}

/// The order in which messages are shown where a command stops (RFC 9738 section 3.1).
pub(crate) fn highest_first(selected: &mut [(u32, Uid)]) {
    selected.sort_unstable_by(|a, b| b.cmp(a));
}

/// How many messages of a mailbox a search looks at, as the sets at its top say; and the UID that `most` of them are not below.
pub(crate) fn looked_at(view: &View, key: &SearchKey, most: usize) -> (usize, u32) {
    let keys = match key {
        SearchKey::And(keys) => &keys[..],
        key => std::slice::from_ref(key),
    };
    let greatest = view.uids().last().copied().unwrap_or(0);
    let mut sets = Vec::new();
    let (mut above, mut below) = (0, u32::MAX);
    for key in keys {
        match key {
            SearchKey::Sequence(set) if !set.is_saved() => sets.push((true, set.resolve(view.len()))),
            SearchKey::Sequence(_) => sets.push((false, view.saved().clone())),
            SearchKey::Uid(set) if set.is_saved() => sets.push((false, view.saved().clone())),
            SearchKey::Uid(set) => sets.push((false, set.resolve(greatest))),
            SearchKey::UidAfter(uid) => above = above.max(*uid),
            SearchKey::UidBefore(uid) => below = below.min(*uid),
            _ => {}
        }
    }
    let named = |(i, uid): &(usize, &u32)| {
        **uid > above
            && **uid < below
            && sets
                .iter()
                .all(|(by_number, set)| set.contains(if *by_number { *i as u32 + 1 } else { **uid }))
    };
    let uids: Vec<u32> = view.uids().iter().enumerate().filter(named).map(|(_, uid)| *uid).collect();
    (uids.len(), uids.get(uids.len().saturating_sub(most)).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_stands_where_there_is_room() {
        let limit = MessageLimit { messages: 5, saves_only: false };
        let limited = Limited { limit, lowest: Uid(70) };
        let mut out = Vec::new();
        let told = limited.tell(Reply::ok("STORE completed"), &mut out);
        assert_eq!(told.code.as_deref(), Some("MESSAGELIMIT 5 70"));
        assert!(out.is_empty());
        let kept = Reply::ok_code("MODIFIED 3", "STORE completed");
        assert_eq!(limited.tell(kept.clone(), &mut out), kept);
        assert_eq!(out, b"* NO [MESSAGELIMIT 5 70] Done for 5 messages\r\n");
    }
}
