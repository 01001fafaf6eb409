//! SORT and THREAD (RFC 5256), the extended SORT (RFC 5267)

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::search::{self, Found, Hits, SearchKeys};
use super::{Done, updates, view};
use crate::mail::head::{Head, Wanted};
use crate::mailstore::{MessageRecord, ModSeq, StoreError, Uid};
use crate::search::sort::{Sortable, order_of, sort};
use crate::search::thread::threads;
use crate::session::context::{Matches, write_refused};
use crate::session::view::write_number;
use crate::session::{Failure, Out, Reply, Session, View};
use crate::syntax::ast::FetchItem;
use crate::syntax::search_key::SearchReturn;
use crate::syntax::sort_key::{SortField, SortKey, ThreadAlgorithm};

/// Shows the messages that match, in the order of the keys.
///
/// # Errors
/// When the mail store fails or the client is gone.
pub async fn run(
    session: &mut Session,
    asked: &SearchKeys<'_>,
    keys: Vec<SortKey>,
    (returns, attributes): (Option<SearchReturn>, Vec<FetchItem>),
    out: &mut Out<'_>,
) -> Done {
    let by_relevancy = has_relevancy(&keys);
    if let Some(refusal) = search::other_charset_refused(session, asked)
        .or_else(|| updates::refused(session, asked, returns))
        .or_else(|| search::relevancy_refused(asked, returns, by_relevancy))
    {
        return Ok(refusal);
    }
    let found = match search::find_or_forget(session, asked, returns, out).await {
        Ok(Ok(found)) => found,
        Ok(Err(reply)) => return Ok(reply),
        Err(e) => return Err(e),
    };
    let updated = returns.is_some_and(|r| r.update);
    // Scores are not kept, so that nothing can be put in its place later.
    let kept_keys = (updated && !by_relevancy).then(|| keys.clone());
    let hits = ordered(session, view(session)?, &found, keys).await?;
    let order = Found { hits, ..found };
    let modseq = search::modseq_of(session, asked, &order.hits, returns, out.buf);
    match returns {
        Some(returns) => {
            if returns.shows() {
                search::esearch(
                    out.buf,
                    &search::correlator(asked.tag, None),
                    &order,
                    returns,
                    asked.uid,
                    false,
                    modseq,
                );
            }
            search::keep(session, &order.hits, returns);
            if updated && by_relevancy {
                write_refused(out.buf, asked.tag);
            }
            if let Some(keys) = kept_keys {
                let order = order.hits.iter().map(|(_, uid)| uid.0).collect();
                let matches = Matches::Sorted { keys, order };
                let correlator = search::correlator(asked.tag, None);
                updates::begin(session, asked, correlator, matches, attributes, out.buf);
            }
        }
        None => plain(&order.hits, asked.uid, modseq, out).await?,
    }
    Ok(Reply::ok("SORT completed"))
}

fn has_relevancy(keys: &[SortKey]) -> bool {
    keys.iter().any(|key| key.field == SortField::Relevancy)
}

/// The hits in the order of the keys.
async fn ordered(
    session: &Session,
    view: &View,
    found: &Found,
    keys: Vec<SortKey>,
) -> Result<Hits, StoreError> {
    let (hits, uids) = (&found.hits, view.uids());
    // An order that another search would have made otherwise is not kept.
    let lasting = !has_relevancy(&keys);
    if lasting
        && hits.len() * FEW >= uids.len()
        && let Some(order) = view.mailbox.known_order(&keys, uids)
    {
        let mut wanted = vec![false; uids.len()];
        hits.iter().for_each(|(number, _)| wanted[*number as usize - 1] = true);
        let shown = order.iter().filter(|i| wanted[**i as usize]);
        return Ok(shown.map(|i| (i + 1, Uid(uids[*i as usize]))).collect());
    }
    let in_index = keys.iter().all(|k| k.field.is_in_index());
    let wanted = if in_index { None } else { Some(Wanted::by(&keys)) };
    let mut messages = gather(session, view, hits, wanted).await?;
    messages.iter_mut().for_each(|m| m.score = found.score(m.record.uid));
    let sorted = move || {
        sort(&mut messages, &keys);
        (messages, keys)
    };
    let (messages, keys) = session.server.compute(sorted).await?;
    if lasting && messages.len() == uids.len() {
        let order = messages.iter().map(|m| m.number - 1).collect();
        view.mailbox.keep_order(keys, uids, Arc::new(order));
    }
    Ok(messages.iter().map(|m| (m.number, m.record.uid)).collect())
}

/// Where messages that have come to match belong: results in the order of the keys, with the new ones among them. What is gone of
/// the old ones stays until the session is told.
///
/// # Errors
/// What the store says.
pub(super) async fn inserted(
    session: &Session,
    view: &View,
    order: &[u32],
    new: &BTreeSet<u32>,
    keys: &[SortKey],
) -> Result<Vec<u32>, StoreError> {
    let hit = |uid: &u32| number(view, *uid);
    if new.len() > FEW_NEW {
        let hits: Hits = order.iter().chain(new).filter_map(hit).collect();
        let found = Found { hits, ..Found::default() };
        let sorted = ordered(session, view, &found, keys.to_vec()).await?;
        return Ok(merged(order, sorted.into_iter().map(|(_, uid)| uid.0), new));
    }
    let wanted = (!keys.iter().all(|k| k.field.is_in_index())).then(|| Wanted::by(keys));
    let mut order = order.to_vec();
    for uid in new {
        let Some(hit) = hit(uid) else { continue };
        let Some(message) = gather(session, view, &[hit], wanted).await?.pop() else { continue };
        let (mut low, mut high) = (0, order.len());
        while low < high {
            let middle = low + (high - low) / 2;
            // One that is gone tells nothing; the next one behind it does.
            let mut at = middle;
            let known = loop {
                if at == high {
                    break None;
                }
                let Some(hit) = number(view, order[at]) else {
                    at += 1;
                    continue;
                };
                match gather(session, view, &[hit], wanted).await?.pop() {
                    Some(known) => break Some(known),
                    None => at += 1,
                }
            };
            match known {
                Some(known) if order_of(&known, &message, keys).is_lt() => low = at + 1,
                _ => high = middle,
            }
        }
        order.insert(low, *uid);
    }
    Ok(order)
}

/// The number and UID of a message of the view.
fn number(view: &View, uid: u32) -> Option<(u32, Uid)> {
    view.number_of(Uid(uid)).map(|number| (number, Uid(uid)))
}

/// The results with the new messages behind those that they follow in `sorted`, which may lack some of the old ones.
fn merged(order: &[u32], sorted: impl Iterator<Item = u32>, new: &BTreeSet<u32>) -> Vec<u32> {
    let mut rest = order.iter().copied();
    let mut out = Vec::with_capacity(order.len() + new.len());
    for uid in sorted {
        if new.contains(&uid) {
            out.push(uid);
            continue;
        }
        for old in rest.by_ref() {
            out.push(old);
            if old == uid {
                break;
            }
        }
    }
    out.extend(rest);
    out
}

/// Of so few new messages each is put in its place by itself.
const FEW_NEW: usize = 32;

/// When fewer than one in so many messages match, they are sorted by themselves.
const FEW: usize = 4;

async fn plain(
    order: &[(u32, Uid)],
    uid: bool,
    modseq: Option<ModSeq>,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    out.buf.extend_from_slice(b"* SORT");
    for (number, own) in order {
        let n = if uid { own.0 } else { *number };
        out.buf.push(b' ');
        write_number(out.buf, n.into());
        out.room().await?;
    }
    if let Some(modseq) = modseq {
        out.buf.extend_from_slice(format!(" (MODSEQ {modseq})").as_bytes());
    }
    out.buf.extend_from_slice(b"\r\n");
    Ok(())
}

/// Shows the messages that match as threads.
///
/// # Errors
/// When the mail store fails or the client is gone.
pub async fn thread(
    session: &mut Session,
    asked: &SearchKeys<'_>,
    algorithm: ThreadAlgorithm,
    out: &mut Out<'_>,
) -> Done {
    if let Some(refusal) = search::other_charset_refused(session, asked) {
        return Ok(refusal);
    }
    let hits = match search::find_or_forget(session, asked, None, out).await {
        Ok(Ok(found)) => found.hits,
        Ok(Err(reply)) => return Ok(reply),
        Err(e) => return Err(e),
    };
    let uid = asked.uid;
    let view = view(session)?;
    let whole = hits.len() == view.uids().len();
    let known = if whole { view.mailbox.known_threads(algorithm, uid, view.uids()) } else { None };
    let text: Bytes = match known {
        Some(text) => text,
        None => {
            let messages = gather(session, view, &hits, Some(Wanted::ALL)).await?;
            let whole = whole && messages.len() == hits.len();
            let shown =
                move || threads(algorithm, &messages, |m| if uid { m.record.uid.0 } else { m.number });
            let text: Bytes = session.server.compute(shown).await?.into();
            if whole {
                view.mailbox.keep_threads(algorithm, uid, view.uids(), text.clone());
            }
            text
        }
    };
    out.buf.extend_from_slice(b"* THREAD");
    if !text.is_empty() {
        out.buf.push(b' ');
        out.octets(text).await?;
    }
    out.buf.extend_from_slice(b"\r\n");
    Ok(Reply::ok("THREAD completed"))
}

/// Messages whose summaries are read together, and looked at by one thread.
const PIECE: usize = 1024;

/// Pieces of that many messages read and looked at at once.
const PIECES: usize = 4;

/// The messages with what is wanted of their headers. One that went meanwhile is left out.
async fn gather(
    session: &Session,
    view: &View,
    hits: &[(u32, Uid)],
    wanted: Option<Wanted>,
) -> Result<Vec<Sortable>, StoreError> {
    let mailbox = &view.mailbox;
    let none = Arc::new(Head::default());
    let mut out = Vec::with_capacity(hits.len());
    // Those whose headers are not in memory, by position in `out`.
    let mut lacking = Vec::new();
    {
        let state = mailbox.state();
        for (number, uid) in hits {
            let Some(record) = state.columns.get(*uid) else { continue };
            let head = wanted.and_then(|_| mailbox.cached_head(*uid));
            if wanted.is_some() && head.is_none() {
                lacking.push(out.len());
            }
            let head = head.unwrap_or_else(|| none.clone());
            out.push(Sortable { number: *number, record, score: 100, head });
        }
    }
    let mut gone = Vec::new();
    let wanted = wanted.unwrap_or(Wanted::ALL);
    let piece = |piece: &[usize]| piece.iter().map(|i| out[*i].record).collect();
    let pieces: Vec<Vec<MessageRecord>> = lacking.chunks(PIECE).map(piece).collect();
    let (cpu, of) = (session.server.cpu.clone(), mailbox.clone());
    let pieces = pieces.into_iter().map(move |piece| {
        // A task each, so that reading is not bound to this session's thread either.
        let (cpu, of) = (cpu.clone(), of.clone());
        let made = tokio::spawn(async move { of.heads(&cpu, &piece, wanted).await });
        async { made.await.map_err(|e| StoreError::Damaged(format!("computation failed: {e}")))? }
    });
    let mut made = stream::iter(pieces).buffered(PIECES);
    let mut positions = lacking.iter();
    while let Some(heads) = made.try_next().await? {
        for (head, i) in heads.into_iter().zip(&mut positions) {
            let record = out[*i].record;
            out[*i].head = match head {
                Some(head) => head,
                None => match mailbox.head(&record).await {
                    Ok(head) => head,
                    Err(_) if mailbox.is_gone(record.uid).await => {
                        gone.push(record.uid);
                        continue;
                    }
                    Err(e) => return Err(e),
                },
            };
        }
    }
    out.retain(|m| !gone.contains(&m.record.uid));
    Ok(out)
}
