//! What a session is told beside the answers to its commands: changes of the selected mailbox, of searches that are kept up (RFC
//! 5267 section 4.3), and of what NOTIFY asked for (RFC 5465).
//!
//! Of one change the responses come in this order: searches lose what is expunged, EXPUNGE, EXISTS, FETCH of flags, FETCH of new
//! messages, then what searches gain and lose by it. RFC 5465 says in section 5.2 that new messages are shown after searches, in
//! section 7 that they are before; it is section 7 that servers follow.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use bytes::Bytes;

use super::search::SearchKeys;
use super::{fetch, news, place, search, select, sort};
use crate::mailstore::Uid;
use crate::session::context::{Matches, UpdateContext, write_refused};
use crate::session::notify::Events;
use crate::session::view::{Changes, Telling};
use crate::session::{Failure, Out, Reply, Session, View};
use crate::syntax::ast::FetchItem;
use crate::syntax::rights::Rights;
use crate::syntax::search_key::SearchReturn;

/// Tells what changed. EXPUNGE only when `expunge`.
///
/// What is seldom needed is in boxes, for every idle client has the room for what it waits in here.
///
/// # Errors
/// When the client cannot be written to.
pub async fn tell(session: &mut Session, expunge: bool, out: &mut Out<'_>) -> io::Result<()> {
    if let Some(changes) = in_selected(session, expunge, out.buf) {
        Box::pin(after(session, changes, out)).await?;
    }
    if session.notify.is_some() {
        Box::pin(news::tell(session, out)).await?;
    }
    Ok(())
}

/// Tells that the selected mailbox can be changed no more, or can be from now on, for rights on it have changed (RFC 9051 section
/// 7.1, READ-ONLY and READ-WRITE), and which flags can be kept (RFC 4314 section 5.1.1).
fn rights(session: &mut Session, out: &mut Vec<u8>) {
    let (Some(user), Some(view)) = (&session.user, &mut session.view) else { return };
    let rights = view.mailbox.user.rights(view.mailbox.id, user.id());
    let read_only = view.examined || place::is_read_only(rights, view.has_own_seen());
    let state = view.mailbox.state();
    let is_told = read_only == view.told_read_only;
    if (rights == view.rights && is_told) || state.deleted {
        return;
    }
    let former = std::mem::replace(&mut view.rights, rights);
    if view.examined {
        return;
    }
    (view.read_only, view.told_read_only) = (!place::can_change(rights), read_only);
    if !is_told {
        let (code, text) = match read_only {
            true => ("READ-ONLY", "Rights to change anything are gone"),
            false => ("READ-WRITE", "There are rights to change something"),
        };
        out.extend_from_slice(format!("* OK [{code}] {text}\r\n").as_bytes());
    } else if !place::keeps_other_flags(rights, former) {
        return;
    }
    let kept = if view.read_only { Rights::default() } else { rights };
    select::write_permanent(out, kept, &state);
}

/// Tells what changed in the selected mailbox, as far as that is wanted; what there is more to say of.
fn in_selected(session: &mut Session, expunge: bool, out: &mut Vec<u8>) -> Option<Changes> {
    rights(session, out);
    let highest_first = session.command_limit().is_some();
    let view = session.view.as_mut()?;
    let selected = session.notify.as_ref().map(|notify| &notify.wanted.selected);
    let how = Telling {
        expunge,
        messages: selected.is_none_or(|s| s.events.has(Events::MESSAGES)),
        flags: selected.is_none_or(|s| s.events.has(Events::FLAGS)),
        details: !view.contexts.is_empty() || selected.is_some_and(|s| !s.attributes.is_empty()),
        highest_first,
    };
    let changes = view.sync(out, session.id, session.enabled, how);
    (changes != Changes::default()).then_some(changes)
}

/// Tells what there is to say beside the changes themselves.
async fn after(session: &mut Session, changes: Changes, out: &mut Out<'_>) -> io::Result<()> {
    let Some(mut view) = session.view.take() else { return Ok(()) };
    let selected = session.notify.as_ref().map(|notify| &notify.wanted.selected);
    let shown = selected.map(|selected| &selected.attributes[..]).unwrap_or_default();
    let told = of_messages(session, &mut view, &changes, shown, out).await;
    session.view = Some(view);
    told
}

/// Shows new messages, and what becomes of the searches that are kept up.
async fn of_messages(
    session: &Session,
    view: &mut View,
    changes: &Changes,
    wanted: &[FetchItem],
    out: &mut Out<'_>,
) -> io::Result<()> {
    let mut contexts = std::mem::take(&mut view.contexts);
    let mut lines = Vec::new();
    let mut shown: BTreeMap<u32, Vec<FetchItem>> = BTreeMap::new();
    let foreign = changes.added.difference(&changes.own);
    if !wanted.is_empty() {
        shown.extend(foreign.clone().map(|uid| (*uid, wanted.to_vec())));
    }
    let changed: BTreeSet<u32> = changes.added.union(&changes.flagged).copied().collect();
    let mut lost = BTreeSet::new();
    for context in contexts.iter_mut() {
        match keep_up(session, view, context, &changed, &mut lines, out).await {
            Ok(joined) if !context.attributes.is_empty() => {
                for uid in foreign.clone().filter(|uid| joined.contains(uid)) {
                    let items = shown.entry(*uid).or_default();
                    let more = context.attributes.iter().filter(|item| !items.contains(item));
                    let more: Vec<FetchItem> = more.cloned().collect();
                    items.extend(more);
                }
            }
            Ok(_) => {}
            Err(Failure::Io(e)) => return Err(e),
            Err(e) => {
                tracing::warn!(error = ?e, "a search is kept up no more");
                lost.insert(context.tag.clone());
            }
        }
    }
    show(session, view, shown, out).await?;
    out.buf.append(&mut lines);
    contexts.shed(|c| lost.contains(&c.tag), out.buf);
    view.contexts = contexts;
    out.room().await
}

/// Judges messages that changed; which of them have come to match.
async fn keep_up(
    session: &Session,
    view: &View,
    context: &mut UpdateContext,
    changed: &BTreeSet<u32>,
    lines: &mut Vec<u8>,
    out: &mut Out<'_>,
) -> Result<BTreeSet<u32>, Failure> {
    let asked =
        SearchKeys { charset: context.charset.as_deref(), key: &context.key, uid: context.by_uid, tag: b"" };
    let hits = search::find_among(session, view, &asked, changed, out).await?;
    let uids: Vec<u32> = changed.iter().copied().collect();
    let before = context.matches.among(&uids);
    // What is not there any more is told with its expunge.
    let there = |uid: &u32| view.mailbox.state().columns.position(Uid(*uid)).is_some();
    let left: BTreeSet<u32> = before.difference(&hits).copied().filter(there).collect();
    let joined: BTreeSet<u32> = hits.difference(&before).copied().collect();
    let sorted = match &context.matches {
        Matches::Sorted { keys, order } if !joined.is_empty() => {
            let stay: Vec<u32> = order.iter().copied().filter(|uid| !left.contains(uid)).collect();
            sort::inserted(session, view, &stay, &joined, keys).await?
        }
        _ => Vec::new(),
    };
    // One that went while it was put in its place is not in the order.
    let joined: BTreeSet<u32> = match context.matches {
        Matches::Sorted { .. } => sorted.iter().copied().filter(|uid| joined.contains(uid)).collect(),
        Matches::Plain(_) => joined,
    };
    let number = |uid: u32| view.number_of(Uid(uid));
    context.change(&left, &joined, sorted, number, lines);
    Ok(joined)
}

/// Shows new messages, those together of which the same is wanted.
async fn show(
    session: &Session,
    view: &View,
    mut shown: BTreeMap<u32, Vec<FetchItem>>,
    out: &mut Out<'_>,
) -> io::Result<()> {
    while let Some((_, mut items)) = shown.first_key_value().map(|(uid, items)| (*uid, items.clone())) {
        let alike = shown.iter().take_while(|(_, i)| **i == items);
        let uids: Vec<u32> = alike.map(|(uid, _)| *uid).collect();
        uids.iter().for_each(|uid| drop(shown.remove(uid)));
        let hits: Vec<(u32, Uid)> =
            uids.iter().filter_map(|uid| Some((view.number_of(Uid(*uid))?, Uid(*uid)))).collect();
        if session.enabled.condstore {
            // RFC 7162 section 3.2.4: whoever keeps modification sequences gets them with every change.
            let more = [(session.enabled.adds_uid(), FetchItem::Uid), (true, FetchItem::ModSeq)];
            let more = more.into_iter().filter(|(wanted, item)| *wanted && !items.contains(item));
            let more: Vec<FetchItem> = more.map(|(_, item)| item).collect();
            items.extend(more);
        }
        match fetch::unasked(session, view, &items, &hits, out).await {
            Err(Failure::Io(e)) => return Err(e),
            Err(e) => tracing::warn!(error = ?e, "a new message could not be shown"),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// The answer to a search with updates whose tag has updates already (RFC 5267 section 4.3).
pub(super) fn refused(
    session: &Session,
    asked: &SearchKeys<'_>,
    returns: Option<SearchReturn>,
) -> Option<Reply> {
    let again = session.view.as_ref().is_some_and(|view| view.contexts.has(asked.tag));
    (again && returns.is_some_and(|r| r.update)).then(|| Reply::bad("Tag is that of a search with updates"))
}

/// Keeps a search up from now on, or tells that it is not; `correlator` is what its results were told with.
pub(super) fn begin(
    session: &mut Session,
    asked: &SearchKeys<'_>,
    correlator: Vec<u8>,
    matches: Matches,
    attributes: Vec<FetchItem>,
    out: &mut Vec<u8>,
) {
    let Some(view) = &mut session.view else { return };
    if !view.contexts.has_room(&matches) {
        write_refused(out, asked.tag);
        return;
    }
    let key = asked.key.settled(view.uids(), view.saved());
    view.contexts.add(UpdateContext {
        tag: Bytes::copy_from_slice(asked.tag),
        correlator,
        key,
        charset: asked.charset.map(<[u8]>::to_vec),
        by_uid: asked.uid,
        attributes,
        matches,
    });
}
