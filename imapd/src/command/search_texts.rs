//! Texts that SEARCH looks for, answered for a whole mailbox at once from its text columns.
//!
//! Columns that lack messages are filled first: messages are read and decoded in pieces, several at once, within the bound
//! of what computes at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, Semaphore};

use crate::mail::scan::scan;
use crate::mail::summary::keeps;
use crate::mailstore::texts::MAX_COLUMN;
use crate::mailstore::{MessageRecord, OpenMailbox, StoreError, Uid};
use crate::search::column::{ColumnKey, TextColumn, texts};
use crate::search::program::{Answer, Program, Wanted};
use crate::session::Server;
use crate::session::server::compute;
use crate::syntax::seqset::NumberSet;

/// Messages of one piece.
const PIECE_MESSAGES: usize = 128;
/// The same where summaries tell all: so little work each that fewer would only change threads.
const PIECE_SUMMARIES: usize = 1024;
/// Octets of one piece, more only for a single message.
const PIECE_OCTETS: u64 = 1024 * 1024;
/// Octets of a message that is read whole although its header is all that is asked for.
const SMALL: u64 = 32 * 1024;
/// Pieces read and decoded at once.
const PIECES: usize = 4;
/// Octets of texts that are looked through without changing to another thread.
const INLINE: usize = 2 * 1024 * 1024;
/// When fewer than one in so many messages are to be judged, they are read, unless the columns are there already.
const FEW: usize = 4;

/// Answers the texts of a program from columns where that pays. `candidates` is how many messages are to be judged, `upto`
/// the greatest UID among them; `done` counts the messages that were read for it. A task of its own: it holds columns that other
/// searches wait for, and must not wait for a client.
///
/// # Errors
/// When the mail store fails.
pub(super) async fn settle(
    server: Arc<Server>,
    mailbox: Arc<OpenMailbox>,
    program: Program,
    (candidates, upto): (usize, Uid),
    done: Arc<AtomicU32>,
) -> Result<Program, StoreError> {
    let (server, mailbox) = (&*server, &mailbox);
    let mut asked = Vec::new();
    program.texts(&mut asked);
    if asked.is_empty() || candidates == 0 {
        return Ok(program);
    }
    let keys: BTreeSet<ColumnKey> = asked.iter().flat_map(|(columns, _)| columns.iter().cloned()).collect();
    let few = candidates * FEW < mailbox.state().columns.len();
    if few && !are_there(mailbox, &keys, upto) {
        return Ok(program);
    }
    fill(server, mailbox, keys, upto, &done).await?;
    let mut answers = Vec::new();
    for (columns, wanted) in asked {
        answers.push(match wanted {
            Wanted::Exact(needle) => {
                let find = move |column: &TextColumn| column.find(&needle);
                let uids = look_all(server, mailbox, &columns, find, upto).await?;
                uids.map(|uids| Answer::Uids(NumberSet::from_ranges(uids.into_iter().map(|u| (u, u)))))
            }
            Wanted::Fuzzy(query) => {
                let of = query.clone();
                let find = move |column: &TextColumn| column.find_like(&of);
                let found = look_all(server, mailbox, &columns, find, upto).await?;
                found.map(|found| Answer::Scores(query.scores(found)))
            }
        });
    }
    Ok(program.settle(&mut answers.into_iter()))
}

/// Whether all columns have all messages already.
fn are_there(mailbox: &OpenMailbox, keys: &BTreeSet<ColumnKey>, upto: Uid) -> bool {
    keys.iter().all(|key| {
        let column = mailbox.text_column(key);
        column.is_some_and(|c| c.try_read().is_ok_and(|c| c.upto() >= upto))
    })
}

/// What is found in all of the columns together; `None` when one of them is not kept.
async fn look_all<T: Send + 'static>(
    server: &Server,
    mailbox: &OpenMailbox,
    columns: &[ColumnKey],
    find: impl Fn(&TextColumn) -> Vec<T> + Clone + Send + 'static,
    upto: Uid,
) -> Result<Option<Vec<T>>, StoreError> {
    let mut all = Vec::new();
    for key in columns {
        match look(server, mailbox, key, find.clone(), upto).await? {
            Some(found) => all.extend(found),
            None => return Ok(None),
        }
    }
    Ok(Some(all))
}

/// What is found in a column; `None` when it is not kept.
async fn look<T: Send + 'static>(
    server: &Server,
    mailbox: &OpenMailbox,
    key: &ColumnKey,
    find: impl Fn(&TextColumn) -> Vec<T> + Send + 'static,
    upto: Uid,
) -> Result<Option<Vec<T>>, StoreError> {
    let Some(column) = mailbox.text_column(key) else { return Ok(None) };
    let column: OwnedRwLockReadGuard<TextColumn> = column.read_owned().await;
    if column.upto() < upto {
        // Dropped since it was filled, for want of room.
        return Ok(None);
    }
    if column.weight() <= INLINE {
        return Ok(Some(find(&column)));
    }
    server.compute(move || find(&column)).await.map(Some)
}

/// Brings columns up to date. Guards are taken in the order of the keys, so that two searches never wait for each other.
async fn fill(
    server: &Server,
    mailbox: &Arc<OpenMailbox>,
    keys: BTreeSet<ColumnKey>,
    upto: Uid,
    done: &AtomicU32,
) -> Result<(), StoreError> {
    let mut open: Vec<(ColumnKey, OwnedRwLockWriteGuard<TextColumn>)> = Vec::new();
    for key in keys {
        let Some(column) = mailbox.text_column(&key) else { continue };
        if column.read().await.upto() >= upto {
            continue;
        }
        let mut column = column.write_owned().await;
        if column.len() > 1_000 + 64 * mailbox.state().columns.len() {
            // Nearly all of it is of expunged messages.
            *column = TextColumn::default();
        }
        if column.upto() < upto {
            open.push((key, column));
        }
    }
    let Some(from) = open.iter().map(|(_, c)| c.upto()).min() else { return Ok(()) };
    let keys: Arc<[(ColumnKey, Uid)]> = open.iter().map(|(key, c)| (key.clone(), c.upto())).collect();
    let in_summary = tell_all(&keys);
    let pieces = pieces(mailbox, from, upto, in_summary).into_iter().map(|piece| {
        let count = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        // A task each, so that reading is not bound to this session's thread either.
        let task = tokio::spawn(decode(server.cpu.clone(), mailbox.clone(), piece, keys.clone()));
        async move {
            let columns =
                task.await.map_err(|e| StoreError::Defect(format!("computation failed: {e}")))??;
            Ok::<_, StoreError>((count, columns))
        }
    });
    let mut decoded = stream::iter(pieces).buffered(PIECES);
    while let Some((count, columns)) = decoded.try_next().await? {
        done.fetch_add(count, Ordering::Relaxed);
        let mut full = false;
        for ((_, column), part) in open.iter_mut().zip(columns) {
            column.append(&part);
            full |= column.weight() > MAX_COLUMN;
        }
        if full {
            // What fits is filled by the next search: these pieces are made for all of the columns.
            refuse(mailbox, open);
            return Ok(());
        }
    }
    open.iter_mut().for_each(|(_, column)| column.seal(upto));
    drop(open);
    mailbox.text_columns_grew();
    Ok(())
}

/// Gives up columns that are too large to keep.
fn refuse(mailbox: &OpenMailbox, open: Vec<(ColumnKey, OwnedRwLockWriteGuard<TextColumn>)>) {
    for (key, column) in open {
        let full = column.weight() > MAX_COLUMN;
        drop(column);
        if full {
            mailbox.refuse_text_column(&key);
        }
    }
    mailbox.text_columns_grew();
}

/// Whether summaries tell all that is asked for.
fn tell_all(keys: &[(ColumnKey, Uid)]) -> bool {
    keys.iter().all(|(key, _)| matches!(key, ColumnKey::Field(name) if keeps(name)))
}

/// Messages after `from` up to `upto` in pieces.
fn pieces(mailbox: &OpenMailbox, from: Uid, upto: Uid, in_summary: bool) -> Vec<Vec<MessageRecord>> {
    let (messages, most) =
        if in_summary { (PIECE_SUMMARIES, u64::MAX) } else { (PIECE_MESSAGES, PIECE_OCTETS) };
    let state = mailbox.state();
    let uids = state.columns.uids();
    let range = uids.partition_point(|u| *u <= from.0)..uids.partition_point(|u| *u <= upto.0);
    let mut out: Vec<Vec<MessageRecord>> = Vec::new();
    let mut octets = 0;
    for record in range.map(|i| state.columns.at(i)) {
        match out.last_mut() {
            Some(piece) if piece.len() < messages && octets + record.size <= most => {
                octets += record.size;
                piece.push(record);
            }
            _ => {
                octets = record.size;
                out.push(vec![record]);
            }
        }
    }
    out
}

/// The texts of some messages, a column for each key.
async fn decode(
    cpu: Arc<Semaphore>,
    mailbox: Arc<OpenMailbox>,
    piece: Vec<MessageRecord>,
    keys: Arc<[(ColumnKey, Uid)]>,
) -> Result<Vec<TextColumn>, StoreError> {
    let whole = keys.iter().any(|(key, _)| *key == ColumnKey::Body);
    let in_summary = tell_all(&keys);
    let summaries = match in_summary {
        true => mailbox.summaries(&cpu, &piece).await?,
        false => vec![None; piece.len()],
    };
    // A small one is read whole, with the others, sooner than its header by itself. Hardly one has no summary.
    let is_read = |i: &usize| whole || (!in_summary && piece[*i].size <= SMALL);
    let together: Vec<usize> = (0..piece.len()).filter(is_read).collect();
    let records: Vec<MessageRecord> = together.iter().map(|i| piece[*i]).collect();
    let mut wholes = vec![None; piece.len()];
    if !records.is_empty() {
        for (i, octets) in together.into_iter().zip(mailbox.read_several(&records).await?) {
            wholes[i] = octets;
        }
    }
    let mut messages = Vec::with_capacity(piece.len());
    for ((record, summary), read) in piece.iter().zip(summaries).zip(wholes) {
        if let Some(known) = read.or_else(|| summary.map(|s| s.kept_fields())) {
            messages.push((record.uid, known));
            continue;
        }
        let read = if whole { mailbox.read(record).await } else { mailbox.read_header(record).await };
        match read {
            Ok(octets) => messages.push((record.uid, octets)),
            // Gone since the index was looked at: no match.
            Err(_) if mailbox.state().columns.position(record.uid).is_none() => {}
            Err(e) => return Err(e),
        }
    }
    let decode = move || {
        let mut columns: Vec<TextColumn> = keys.iter().map(|_| TextColumn::default()).collect();
        for (uid, octets) in messages {
            let structure = whole.then(|| scan(&octets));
            for ((key, have), column) in keys.iter().zip(&mut columns) {
                if uid > *have {
                    texts(column, uid, key, &octets, structure.as_ref());
                }
            }
        }
        columns
    };
    compute(&cpu, decode).await
}
