//! Messages from the mailboxes of one user into those of another, and where `\Seen` is each reader's own.
//!
//! File spaces share no blocks, so that messages are read and added, within the limits of the target's owner. What is moved or
//! replaced goes in the same work unit ([`Exchange`]), so that a message is in one mailbox or in the other whatever happens.

use std::sync::Arc;

use bytes::Bytes;

use crate::mailstore::user::{CopyHow, Untouchable};
use crate::mailstore::{
    Asker, EmailId, Exchange, MessageRecord, Moved, NewMessage, OpenMailbox, StoreError, Terms, Uid,
};
use crate::session::{Server, View};
use crate::syntax::flag::Keyword;
use crate::vm::UserId;
use crate::wire::MAX_MESSAGE;

/// Octets that one command may carry over, since they are all in memory: four of the largest messages.
const MAX_OCTETS: u64 = 4 * MAX_MESSAGE as u64;
/// Messages read together.
const BATCH: usize = 64;

/// Copies or moves messages; gives back source and new UIDs. Flags that the user may not set there are left out.
///
/// # Errors
/// [`StoreError`]; nothing is copied then.
pub(super) async fn copy(
    server: &Server,
    view: &View,
    uids: &[Uid],
    (to, reader): (&Arc<OpenMailbox>, Option<UserId>),
    CopyHow { remove, kept, all }: CopyHow,
    by: Asker,
) -> Result<Vec<(Uid, Uid)>, StoreError> {
    let from = &view.mailbox;
    let (records, keywords): (Vec<MessageRecord>, Vec<Option<Keyword>>) = {
        let state = from.state();
        let records = uids.iter().filter_map(|uid| state.columns.get(*uid)).map(|r| view.as_read(r));
        (records.collect(), state.keywords.clone())
    };
    let octets: u64 = records.iter().map(|r| r.size).sum();
    if octets > MAX_OCTETS {
        return Err(StoreError::Limit("too much to be copied to another user at once"));
    }
    let stopping = || StoreError::Unavailable("server is stopping".into());
    let room = u32::try_from(octets.div_ceil(1024)).unwrap_or(u32::MAX);
    let _room = server.literal_room.acquire_many(room).await.map_err(|_| stopping())?;
    let (mut sources, mut messages) = (Vec::with_capacity(records.len()), Vec::with_capacity(records.len()));
    for batch in records.chunks(BATCH) {
        for (record, octets) in batch.iter().zip(from.read_several(batch).await?) {
            let octets = match octets {
                Some(octets) => octets,
                None => match from.read(record).await {
                    Ok(octets) => octets,
                    // Expunged meanwhile.
                    Err(_) if from.is_gone(record.uid).await => continue,
                    Err(e) => return Err(e),
                },
            };
            sources.push(record.uid);
            let email = record.email.seen_from(from.user.id(), to.user.id());
            messages.push(message(record, &keywords, (octets, email), kept));
        }
    }
    if all && messages.len() < uids.len() {
        return Err(StoreError::Expunged);
    }
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    if remove {
        let messages = sources.into_iter().zip(messages).collect();
        let moved = Some(Moved { reader: view.reader, kept });
        let Asker { session: by, leave } = by;
        let exchange = Exchange { from: from.clone(), messages, to: to.clone(), reader, moved, by };
        return exchange.run_on(Terms { leave, all }).await;
    }
    let added = to.user.append_for(to, messages, reader, by).await?;
    Ok(sources.into_iter().zip(added).collect())
}

fn message(
    record: &MessageRecord,
    keywords: &[Option<Keyword>],
    (octets, email): (Bytes, EmailId),
    kept: Untouchable,
) -> NewMessage {
    let bits = if kept.keywords { 0 } else { record.keywords };
    let named = keywords.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    NewMessage {
        flags: record.flags.without(kept.system),
        keywords: named.filter_map(|(_, keyword)| keyword.clone()).collect(),
        date: record.date,
        email: Some(email),
        octets,
    }
}

/// Adds a message to a mailbox of another user and removes one; gives back the new UID, `None` when the other is gone.
///
/// # Errors
/// [`StoreError`]; the other is still there then.
pub(super) async fn replace(
    from: &Arc<OpenMailbox>,
    uid: Uid,
    (to, reader): (&Arc<OpenMailbox>, Option<UserId>),
    message: NewMessage,
    Asker { session: by, leave }: Asker,
) -> Result<Option<Uid>, StoreError> {
    let (from, to, messages) = (from.clone(), to.clone(), vec![(uid, message)]);
    let exchange = Exchange { from, messages, to, reader, moved: None, by };
    Ok(exchange.run_on(Terms { leave, all: false }).await?.first().map(|(_, new)| *new))
}
