//! Texts that SEARCH looks for, answered for a whole mailbox at once from its text columns, which are filled first
//! ([`crate::mailstore::text_fill`]).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use tokio::sync::OwnedRwLockReadGuard;

use crate::mailstore::{OpenMailbox, StoreError, Uid};
use crate::search::column::{ColumnKey, Counted, TextColumn};
use crate::search::program::{Answer, Program, Wanted};
use crate::session::Server;
use crate::syntax::seqset::NumberSet;

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
    mailbox.fill_texts(&server.cpu, keys, upto, &done).await?;
    let mut answers = Vec::new();
    for (columns, wanted) in asked {
        let counted = Counted::among(&columns);
        answers.push(match wanted {
            Wanted::Exact(needle) => {
                let find = move |column: &TextColumn| column.find(&needle, counted);
                let uids = look_all(server, mailbox, &columns, find, (upto, &done)).await?;
                uids.map(|uids| Answer::Uids(NumberSet::from_ranges(uids.into_iter().map(|u| (u, u)))))
            }
            Wanted::Fuzzy(query) => {
                let of = query.clone();
                let find = move |column: &TextColumn| column.find_like(&of, counted);
                let found = look_all(server, mailbox, &columns, find, (upto, &done)).await?;
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
    mailbox: &Arc<OpenMailbox>,
    columns: &[ColumnKey],
    find: impl Fn(&TextColumn) -> Vec<T> + Clone + Send + 'static,
    (upto, done): (Uid, &AtomicU32),
) -> Result<Option<Vec<T>>, StoreError> {
    let mut all = Vec::new();
    for key in columns {
        match look(server, mailbox, key, find.clone(), (upto, done)).await? {
            Some(found) => all.extend(found),
            None => return Ok(None),
        }
    }
    Ok(Some(all))
}

/// What is found in a column; `None` when it was dropped before it could be looked at.
async fn look<T: Send + 'static>(
    server: &Server,
    mailbox: &Arc<OpenMailbox>,
    key: &ColumnKey,
    find: impl Fn(&TextColumn) -> Vec<T> + Clone + Send + 'static,
    (upto, done): (Uid, &AtomicU32),
) -> Result<Option<Vec<T>>, StoreError> {
    let Some(column) = mailbox.text_column(key) else {
        return mailbox.scan_texts(&server.cpu, key.clone(), find, upto, done).await.map(Some);
    };
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
