//! SORT and THREAD (RFC 5256), the extended SORT (RFC 5267)

use std::sync::Arc;

use super::search::{self, SearchKeys};
use super::{Done, view};
use crate::mail::head::Head;
use crate::mailstore::{ModSeq, StoreError, Uid};
use crate::search::sort::{Sortable, sort};
use crate::search::thread::threads;
use crate::session::{Failure, Out, Reply, Session};
use crate::syntax::search_key::SearchReturn;
use crate::syntax::sort_key::{SortKey, ThreadAlgorithm};

/// Shows the messages that match, in the order of the keys.
///
/// # Errors
/// When the mail store fails or the client is gone.
pub async fn run(
    session: &mut Session,
    asked: &SearchKeys<'_>,
    keys: Vec<SortKey>,
    returns: Option<SearchReturn>,
    out: &mut Out<'_>,
) -> Done {
    let hits = match search::find_or_forget(session, asked, returns, out).await {
        Ok(Ok(hits)) => hits,
        Ok(Err(reply)) => return Ok(reply),
        Err(e) => return Err(e),
    };
    let modseq = search::modseq_of(session, asked, &hits, None);
    let in_index = keys.iter().all(|k| k.field.is_in_index());
    let mut messages = gather(session, &hits, !in_index).await?;
    messages = session
        .server
        .compute(move || {
            sort(&mut messages, &keys);
            messages
        })
        .await?;
    let order: Vec<(u32, Uid)> = messages.iter().map(|m| (m.number, m.record.uid)).collect();
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
            search::keep(session, &order, returns);
        }
        None => plain(&order, asked.uid, modseq, out).await?,
    }
    Ok(Reply::ok("SORT completed"))
}

async fn plain(
    order: &[(u32, Uid)],
    uid: bool,
    modseq: Option<ModSeq>,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    out.buf.extend_from_slice(b"* SORT");
    for (number, own) in order {
        let n = if uid { own.0 } else { *number };
        out.buf.extend_from_slice(format!(" {n}").as_bytes());
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
    let hits = match search::find_or_forget(session, asked, None, out).await {
        Ok(Ok(hits)) => hits,
        Ok(Err(reply)) => return Ok(reply),
        Err(e) => return Err(e),
    };
    let messages = gather(session, &hits, true).await?;
    let uid = asked.uid;
    let shown = move || threads(algorithm, &messages, |m| if uid { m.record.uid.0 } else { m.number });
    let text = session.server.compute(shown).await?;
    out.buf.extend_from_slice(b"* THREAD");
    if !text.is_empty() {
        out.buf.push(b' ');
        out.octets(text.into()).await?;
    }
    out.buf.extend_from_slice(b"\r\n");
    Ok(Reply::ok("THREAD completed"))
}

/// The messages with their headers, when `heads`. One that went meanwhile is left out.
async fn gather(session: &Session, hits: &[(u32, Uid)], heads: bool) -> Result<Vec<Sortable>, StoreError> {
    let Ok(view) = view(session) else { return Ok(Vec::new()) };
    let none = Arc::new(Head::default());
    let mut out = Vec::with_capacity(hits.len());
    for (number, uid) in hits {
        let record = view.mailbox.state().columns.get(*uid);
        let Some(record) = record else { continue };
        let head = match heads {
            false => none.clone(),
            true => match view.mailbox.head(&record).await {
                Ok(head) => head,
                Err(_) if view.mailbox.state().columns.position(*uid).is_none() => continue,
                Err(e) => return Err(e),
            },
        };
        out.push(Sortable { number: *number, record, head });
    }
    Ok(out)
}
