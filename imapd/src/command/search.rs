//! SEARCH

use std::sync::Arc;

use bytes::Bytes;

use super::{Done, view};
use crate::mailstore::{MessageRecord, OpenMailbox, Uid};
use crate::search::{Content, Program, Row};
use crate::session::{Failure, Out, Reply, Session, View};
use crate::syntax::search_key::SearchKey;

/// Messages read before they are judged together.
const BATCH_MESSAGES: usize = 64;
/// Octets read before they are judged.
const BATCH_OCTETS: usize = 4 * 1024 * 1024;

struct Candidate {
    number: u32,
    record: MessageRecord,
    recent: bool,
}

/// Shows which messages match.
///
/// # Errors
/// When the mail store fails or the client is gone.
pub async fn run(
    session: &Session,
    charset: Option<&[u8]>,
    key: &SearchKey,
    by_uid: bool,
    out: &mut Out<'_>,
) -> Done {
    let view = view(session)?;
    let program = {
        let state = view.mailbox.state();
        let greatest = view.uids().last().copied().unwrap_or(0);
        Program::new(key, charset, &|k| state.keyword_bit(k), view.len(), greatest)
    };
    let Ok(program) = program else {
        return Ok(Reply::no("BADCHARSET (US-ASCII UTF-8)", "Charset is not known"));
    };
    let program = Arc::new(program);
    let (mut hits, unknown) = by_index(view, &program);
    hits.extend(by_content(session, &view.mailbox, &program, unknown).await?);
    hits.sort_unstable();
    out.buf.extend_from_slice(b"* SEARCH");
    for (number, uid) in hits {
        let n = if by_uid { uid.0 } else { number };
        out.buf.extend_from_slice(format!(" {n}").as_bytes());
        out.room().await?;
    }
    out.buf.extend_from_slice(b"\r\n");
    Ok(Reply::ok("SEARCH completed"))
}

/// Hits that the index tells, and the messages it cannot tell of.
fn by_index(view: &View, program: &Program) -> (Vec<(u32, Uid)>, Vec<Candidate>) {
    let state = view.mailbox.state();
    let (mut hits, mut unknown) = (Vec::new(), Vec::new());
    for (i, uid) in view.uids().iter().enumerate() {
        let uid = Uid(*uid);
        let Some(record) = state.columns.get(uid) else { continue };
        let recent = view.is_recent(uid);
        let number = i as u32 + 1;
        match program.by_index(&Row { seq: number, record: &record, recent }) {
            Some(true) => hits.push((number, uid)),
            Some(false) => {}
            None => unknown.push(Candidate { number, record, recent }),
        }
    }
    (hits, unknown)
}

async fn by_content(
    session: &Session,
    mailbox: &OpenMailbox,
    program: &Arc<Program>,
    candidates: Vec<Candidate>,
) -> Result<Vec<(u32, Uid)>, Failure> {
    let mut hits = Vec::new();
    let mut batch: Vec<(Candidate, Bytes)> = Vec::new();
    let mut octets = 0;
    let mut rest = candidates.into_iter().peekable();
    while let Some(candidate) = rest.next() {
        match mailbox.read(&candidate.record).await {
            Ok(message) => {
                octets += message.len();
                batch.push((candidate, message));
            }
            // Gone since the index was looked at: no match.
            Err(_) if mailbox.state().columns.position(candidate.record.uid).is_none() => {}
            Err(e) => return Err(e.into()),
        }
        if batch.len() >= BATCH_MESSAGES || octets >= BATCH_OCTETS || rest.peek().is_none() {
            octets = 0;
            let program = program.clone();
            let work = std::mem::take(&mut batch);
            let judge = move || {
                let matches = |(c, message): &(Candidate, Bytes)| {
                    let row = Row { seq: c.number, record: &c.record, recent: c.recent };
                    program.by_content(&row, &Content::new(message))
                };
                let found = work.iter().filter(|m| matches(m));
                found.map(|(c, _)| (c.number, c.record.uid)).collect::<Vec<_>>()
            };
            hits.extend(session.server.compute(judge).await?);
        }
    }
    Ok(hits)
}
