//! SEARCH (RFC 3501 section 6.4.4), its extended form (RFC 4731) and the saved result (RFC 5182)

use std::sync::Arc;

use bytes::Bytes;

use super::{Done, view};
use crate::mailstore::{MessageRecord, ModSeq, OpenMailbox, Uid};
use crate::search::{Content, Context, Program, Row};
use crate::session::{Failure, Out, Reply, Session, View};
use crate::syntax::quote;
use crate::syntax::search_key::{SearchKey, SearchReturn};
use crate::syntax::seqset::NumberSet;

/// Messages read before they are judged together.
const BATCH_MESSAGES: usize = 64;
/// Octets read before they are judged.
const BATCH_OCTETS: usize = 4 * 1024 * 1024;

struct Candidate {
    number: u32,
    record: MessageRecord,
    recent: bool,
}

/// What the command asks for.
pub struct Asked<'a> {
    /// What is to be given back; `None` for the form of RFC 3501.
    pub returns: Option<SearchReturn>,
    /// Charset of the texts.
    pub charset: Option<&'a [u8]>,
    /// What messages must match.
    pub key: &'a SearchKey,
    /// Whether UIDs are shown.
    pub uid: bool,
}

/// Shows which messages match.
///
/// # Errors
/// When the mail store fails or the client is gone.
pub async fn run(session: &mut Session, asked: &Asked<'_>, tag: &[u8], out: &mut Out<'_>) -> Done {
    let save = asked.returns.is_some_and(|r| r.save);
    let hits = match find(session, asked.charset, asked.key).await {
        Ok(Ok(hits)) => hits,
        failed => {
            // A search that was to be saved and failed leaves nothing saved (RFC 5182 section 2.1).
            if save && let Some(view) = &mut session.view {
                view.save(NumberSet::default());
            }
            return failed.map(|r| r.err().unwrap_or_else(unknown_charset));
        }
    };
    let with_modseq = asked.key.uses_modseq();
    session.enabled.condstore |= with_modseq;
    let modseq = with_modseq.then(|| highest(session, &hits, asked.returns)).flatten();
    let Some(returns) = asked.returns else {
        out.buf.extend_from_slice(b"* SEARCH");
        for (number, uid) in hits {
            let n = if asked.uid { uid.0 } else { number };
            out.buf.extend_from_slice(format!(" {n}").as_bytes());
            out.room().await?;
        }
        if let Some(modseq) = modseq {
            out.buf.extend_from_slice(format!(" (MODSEQ {modseq})").as_bytes());
        }
        out.buf.extend_from_slice(b"\r\n");
        return Ok(Reply::ok("SEARCH completed"));
    };
    if returns.shows() {
        esearch(out.buf, tag, &hits, returns, asked.uid, modseq);
    }
    if returns.save
        && let Some(view) = &mut session.view
    {
        view.save(saved(&hits, returns));
    }
    Ok(Reply::ok("SEARCH completed"))
}

/// Appends the ESEARCH response (RFC 4731 section 3.1) for hits in ascending order.
fn esearch(
    out: &mut Vec<u8>,
    tag: &[u8],
    hits: &[(u32, Uid)],
    returns: SearchReturn,
    by_uid: bool,
    modseq: Option<ModSeq>,
) {
    let shown = |hit: &(u32, Uid)| if by_uid { hit.1.0 } else { hit.0 };
    out.extend_from_slice(b"* ESEARCH (TAG ");
    // A tag holds nothing that a string could not; it is shown as one whatever it is made of.
    quote::string(out, tag);
    out.extend_from_slice(if by_uid { b") UID" } else { b")" });
    if let (Some(first), Some(last)) = (hits.first(), hits.last()) {
        if returns.min {
            out.extend_from_slice(format!(" MIN {}", shown(first)).as_bytes());
        }
        if returns.max {
            out.extend_from_slice(format!(" MAX {}", shown(last)).as_bytes());
        }
    }
    if returns.count {
        out.extend_from_slice(format!(" COUNT {}", hits.len()).as_bytes());
    }
    if returns.all && !hits.is_empty() {
        out.extend_from_slice(format!(" ALL {}", NumberSet::from_sorted(hits.iter().map(shown))).as_bytes());
    }
    if let Some(modseq) = modseq {
        out.extend_from_slice(format!(" MODSEQ {modseq}").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// The highest modification sequence of the messages that are shown (RFC 7162 section 3.1.5, RFC 4731 section 3.2).
fn highest(session: &Session, hits: &[(u32, Uid)], returns: Option<SearchReturn>) -> Option<ModSeq> {
    let shown = returns.map_or_else(|| uids(hits), |returns| saved(hits, returns));
    let state = session.view.as_ref()?.mailbox.state();
    shown.iter().filter_map(|uid| state.columns.get(Uid(uid))).map(|r| r.modseq).max()
}

fn uids(hits: &[(u32, Uid)]) -> NumberSet {
    NumberSet::from_sorted(hits.iter().map(|(_, uid)| uid.0))
}

/// What becomes `$`: the lowest or highest match when only they were asked for (RFC 5182 section 2.4).
fn saved(hits: &[(u32, Uid)], returns: SearchReturn) -> NumberSet {
    let ends = (returns.min || returns.max) && !returns.all && !returns.count;
    let kept: &[&[(u32, Uid)]] = &match (hits, ends) {
        ([], _) => [&hits[..0], &hits[..0]],
        (_, false) => [hits, &hits[..0]],
        (_, true) => [
            &hits[..usize::from(returns.min)],
            &hits[hits.len() - usize::from(returns.max && (hits.len() > 1 || !returns.min))..],
        ],
    };
    NumberSet::from_sorted(kept.iter().flat_map(|part| part.iter()).map(|(_, uid)| uid.0))
}

fn unknown_charset() -> Reply {
    Reply::no("BADCHARSET (US-ASCII UTF-8)", "Charset is not known")
}

/// Messages that match, ascending, as number and UID; or the answer to an unknown charset.
pub(super) async fn find(
    session: &Session,
    charset: Option<&[u8]>,
    key: &SearchKey,
) -> Result<Result<Vec<(u32, Uid)>, Reply>, Failure> {
    let view = view(session)?;
    let program = {
        let state = view.mailbox.state();
        let context = Context {
            keyword_bit: &|k| state.keyword_bit(k),
            greatest_seq: view.len(),
            greatest_uid: view.uids().last().copied().unwrap_or(0),
            saved: view.saved(),
            now: session.server.store.now(),
        };
        Program::new(key, charset, &context)
    };
    let Ok(program) = program else { return Ok(Err(unknown_charset())) };
    let program = Arc::new(program);
    let (mut hits, unknown) = by_index(view, &program);
    hits.extend(by_content(session, &view.mailbox, &program, unknown).await?);
    hits.sort_unstable();
    Ok(Ok(hits))
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
