//! SEARCH (RFC 3501 section 6.4.4), its extended form (RFC 4731) and the saved result (RFC 5182)

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::{Done, object_id, search_texts, updates, view};
use crate::mailstore::open::State;
use crate::mailstore::{MessageRecord, ModSeq, OpenMailbox, StoreError, Uid, UidValidity};
use crate::search::{Content, Context, Program, ProgramError, Row};
use crate::session::context::Matches;
use crate::session::progress::Progress;
use crate::session::view::write_number;
use crate::session::{Failure, Out, Reply, Session, View};
use crate::syntax::ast::FetchItem;
use crate::syntax::mailbox_name::{MailboxName, NameForm};
use crate::syntax::quote;
use crate::syntax::search_key::{SearchKey, SearchReturn};
use crate::syntax::seqset::NumberSet;

/// Messages read before they are judged together.
const BATCH_MESSAGES: usize = 64;
/// Least time between looks at how far the reading for a search is.
const LOOK: Duration = Duration::from_secs(5);
/// Octets read before they are judged.
const BATCH_OCTETS: usize = 4 * 1024 * 1024;

struct Candidate {
    number: u32,
    record: MessageRecord,
    recent: bool,
}

/// What SEARCH, SORT and THREAD look for.
pub struct SearchKeys<'a> {
    /// Charset of the texts.
    pub charset: Option<&'a [u8]>,
    /// What messages must match.
    pub key: &'a SearchKey,
    /// Whether UIDs are shown.
    pub uid: bool,
    /// The command's tag.
    pub tag: &'a [u8],
}

/// Messages as number and UID.
pub(super) type Hits = Vec<(u32, Uid)>;

/// Messages that match.
#[derive(Default)]
pub(super) struct Found {
    /// These.
    pub hits: Hits,
    /// How well they do by UID, as far as FUZZY has to do with it: all others match as well as can be.
    pub scores: BTreeMap<u32, u8>,
}

impl Found {
    /// How well a message matches, 1 to 100.
    pub fn score(&self, uid: Uid) -> u8 {
        self.scores.get(&uid.0).copied().unwrap_or(100)
    }
}

/// Shows which messages match.
///
/// # Errors
/// When the mail store fails or the client is gone.
pub async fn run(
    session: &mut Session,
    asked: &SearchKeys<'_>,
    returns: Option<SearchReturn>,
    attributes: Vec<FetchItem>,
    out: &mut Out<'_>,
) -> Done {
    if let Some(refusal) = charset_refused(session, asked)
        .or_else(|| updates::refused(session, asked, returns))
        .or_else(|| relevancy_refused(asked, returns, false))
    {
        return Ok(refusal);
    }
    // IMAP4rev2 has the extended response only (RFC 9051 section 6.4.4).
    let returns =
        returns.or(session.enabled.rev2.then(|| SearchReturn { all: true, ..SearchReturn::default() }));
    let found = match find_or_forget(session, asked, returns, out).await? {
        Ok(found) => found,
        Err(reply) => return Ok(reply),
    };
    let modseq = modseq_of(session, asked, &found.hits, returns, out.buf);
    let Some(returns) = returns else {
        out.buf.extend_from_slice(b"* SEARCH");
        for (number, uid) in found.hits {
            let n = if asked.uid { uid.0 } else { number };
            out.buf.push(b' ');
            write_number(out.buf, n.into());
            out.room().await?;
        }
        if let Some(modseq) = modseq {
            out.buf.extend_from_slice(format!(" (MODSEQ {modseq})").as_bytes());
        }
        out.buf.extend_from_slice(b"\r\n");
        return Ok(Reply::ok("SEARCH completed"));
    };
    if returns.shows() {
        esearch(out.buf, &correlator(asked.tag, None), &found, returns, asked.uid, true, modseq);
    }
    keep(session, &found.hits, returns);
    if returns.update {
        let matches = Matches::Plain(uids(&found.hits));
        updates::begin(session, asked, correlator(asked.tag, None), matches, attributes, out.buf);
    }
    Ok(Reply::ok("SEARCH completed"))
}

/// The answer to CHARSET when the client has enabled UTF8=ACCEPT: texts are in UTF-8, and nothing else may be said (RFC 9755
/// section 3).
pub(super) fn charset_refused(session: &Session, asked: &SearchKeys<'_>) -> Option<Reply> {
    let refused = asked.charset.is_some() && session.enabled.utf8;
    refused.then(|| Reply::client_bug("CHARSET is not allowed after ENABLE UTF8=ACCEPT"))
}

/// The answer to the charset that SORT and THREAD must name, when the client has enabled UTF8=ACCEPT and it is another one (RFC
/// 9755 section 3).
pub(super) fn other_charset_refused(session: &Session, asked: &SearchKeys<'_>) -> Option<Reply> {
    let other = asked.charset.is_some_and(|charset| !charset.eq_ignore_ascii_case(b"UTF-8"));
    (other && session.enabled.utf8)
        .then(|| Reply::client_bug("The charset must be UTF-8 after ENABLE UTF8=ACCEPT"))
}

/// The answer to RELEVANCY, asked for or `sorted` by, without FUZZY (RFC 6203 sections 4 and 6).
pub(super) fn relevancy_refused(
    asked: &SearchKeys<'_>,
    returns: Option<SearchReturn>,
    sorted: bool,
) -> Option<Reply> {
    let wanted = sorted || returns.is_some_and(|r| r.relevancy);
    (wanted && !asked.key.uses_fuzzy()).then(|| Reply::client_bug("RELEVANCY needs a FUZZY search key"))
}

/// Finds messages, ascending; or the answer to a search that cannot be made. A search that was to be saved and failed leaves
/// nothing saved (RFC 5182 section 2.1).
pub(super) async fn find_or_forget(
    session: &mut Session,
    asked: &SearchKeys<'_>,
    returns: Option<SearchReturn>,
    out: &mut Out<'_>,
) -> Result<Result<Found, Reply>, Failure> {
    let found = match view(session) {
        Ok(view) => find_in(session, view, asked, out).await,
        Err(e) => Err(e),
    };
    if !matches!(found, Ok(Ok(_)))
        && returns.is_some_and(|r| r.save)
        && let Some(view) = &mut session.view
    {
        view.save(NumberSet::default());
    }
    found
}

/// Makes the hits `$` when that was asked for.
pub(super) fn keep(session: &mut Session, hits: &[(u32, Uid)], returns: SearchReturn) {
    if returns.save
        && let Some(view) = &mut session.view
    {
        view.save(saved(hits, returns));
    }
}

/// The modification sequence to be told: the highest of the messages that are shown, when the keys name one (RFC 7162
/// section 3.1.5, RFC 4731 section 3.2). That switches CONDSTORE on.
pub(super) fn modseq_of(
    session: &mut Session,
    asked: &SearchKeys<'_>,
    hits: &[(u32, Uid)],
    returns: Option<SearchReturn>,
    out: &mut Vec<u8>,
) -> Option<ModSeq> {
    if asked.key.uses_modseq() {
        session.keeps_modseqs(out);
    }
    modseq_in(session.view.as_ref()?, asked, hits, returns)
}

/// The same in a view.
pub(super) fn modseq_in(
    view: &View,
    asked: &SearchKeys<'_>,
    hits: &[(u32, Uid)],
    returns: Option<SearchReturn>,
) -> Option<ModSeq> {
    if !asked.key.uses_modseq() {
        return None;
    }
    let shown = returns.map_or_else(|| uids(hits), |returns| saved(hits, returns));
    let state = view.mailbox.state();
    shown.iter().filter_map(|uid| state.columns.get(Uid(uid))).map(|r| r.modseq).max()
}

/// What tells the client to which command, and with ESEARCH to which mailbox, results belong (RFC 7377 section 2.1).
pub(super) fn correlator(tag: &[u8], place: Option<(&MailboxName, UidValidity, NameForm)>) -> Vec<u8> {
    let mut out = b"(TAG ".to_vec();
    // A tag holds nothing that a string could not; it is shown as one whatever it is made of.
    quote::string(&mut out, tag);
    if let Some((name, uid_validity, form)) = place {
        out.extend_from_slice(b" MAILBOX ");
        name.write(&mut out, form);
        out.extend_from_slice(format!(" UIDVALIDITY {uid_validity}").as_bytes());
    }
    out.push(b')');
    out
}

/// Appends the ESEARCH response (RFC 4731 section 3.1). Hits that are not `ascending` are in an order that counts (RFC
/// 5267 section 3), so that they are shown one by one.
pub(super) fn esearch(
    out: &mut Vec<u8>,
    correlator: &[u8],
    found: &Found,
    returns: SearchReturn,
    by_uid: bool,
    ascending: bool,
    modseq: Option<ModSeq>,
) {
    let hits = &found.hits[..];
    let shown = |hit: &(u32, Uid)| if by_uid { hit.1.0 } else { hit.0 };
    out.extend_from_slice(b"* ESEARCH ");
    out.extend_from_slice(correlator);
    if by_uid {
        out.extend_from_slice(b" UID");
    }
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
    let list = |hits: &[(u32, Uid)]| match ascending {
        true => NumberSet::from_sorted(hits.iter().map(shown)).to_string(),
        false => hits.iter().map(|h| shown(h).to_string()).collect::<Vec<_>>().join(","),
    };
    if returns.all && !hits.is_empty() {
        out.extend_from_slice(format!(" ALL {}", list(hits)).as_bytes());
    }
    if let Some(range) = returns.partial {
        let page = range.of(hits);
        let page = if page.is_empty() { "NIL".to_owned() } else { list(page) };
        out.extend_from_slice(format!(" PARTIAL ({range} {page})").as_bytes());
    }
    if returns.relevancy && !hits.is_empty() {
        // Of the messages that are shown, in their order: of a page, where that is all that is asked for.
        let shown = returns.partial.filter(|_| !returns.all).map_or(hits, |range| range.of(hits));
        let scores: Vec<String> = shown.iter().map(|(_, uid)| found.score(*uid).to_string()).collect();
        out.extend_from_slice(format!(" RELEVANCY ({})", scores.join(" ")).as_bytes());
    }
    if let Some(modseq) = modseq {
        out.extend_from_slice(format!(" MODSEQ {modseq}").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

pub(super) fn uids<'a>(hits: impl IntoIterator<Item = &'a (u32, Uid)>) -> NumberSet {
    NumberSet::from_ranges(hits.into_iter().map(|(_, uid)| (uid.0, uid.0)))
}

/// What becomes `$`: the lowest and highest match and the page when only they were asked for (RFC 5182 section 2.4, RFC 9394
/// section 3.2).
fn saved(hits: &[(u32, Uid)], returns: SearchReturn) -> NumberSet {
    let some = returns.min || returns.max || returns.partial.is_some();
    if !some || returns.all || returns.count {
        return uids(hits);
    }
    let first = hits.first().filter(|_| returns.min);
    let last = hits.last().filter(|_| returns.max);
    let page = returns.partial.map(|range| range.of(hits)).unwrap_or_default();
    uids(first.into_iter().chain(page).chain(last))
}

fn cannot_search(error: ProgramError) -> Reply {
    match error {
        ProgramError::UnknownCharset => Reply::no("BADCHARSET (US-ASCII UTF-8)", "Charset is not known"),
        ProgramError::TooManyWords => Reply::no("LIMIT", "Too many words in a FUZZY text"),
    }
}

/// Messages that match, ascending; or the answer to a search that cannot be made.
pub(super) async fn find_in(
    session: &Session,
    view: &View,
    asked: &SearchKeys<'_>,
    out: &mut Out<'_>,
) -> Result<Result<Found, Reply>, Failure> {
    let (program, (mut hits, unknown)) = loop {
        let program = match program(session, view, asked) {
            Ok(program) => program,
            Err(e) => return Ok(Err(cannot_search(e))),
        };
        // Made anew where a keyword that is looked for has another bit by now.
        let Some(judged) = settled(session, view, program, asked.tag, out).await? else { continue };
        break judged;
    };
    let mut scores = if asked.key.uses_fuzzy() { scores(view, &program, &hits) } else { BTreeMap::new() };
    for read in by_content(session, &view.mailbox, &Arc::new(program), unknown, asked.tag, out).await? {
        hits.push((read.number, read.uid));
        scores.extend(read.score.map(|score| (read.uid.0, score)));
    }
    hits.sort_unstable();
    Ok(Ok(Found { hits, scores }))
}

/// The scores of hits that were judged without reading them.
fn scores(view: &View, program: &Program, hits: &[(u32, Uid)]) -> BTreeMap<u32, u8> {
    let state = view.mailbox.state();
    let score = |(number, uid): &(u32, Uid)| {
        let record = view.as_read(state.columns.get(*uid)?);
        let row = Row { seq: *number, record: &record, recent: view.is_recent(*uid) };
        Some((uid.0, program.relevancy(&row, None)?))
    };
    hits.iter().filter_map(score).collect()
}

/// Which of a few messages match, ascending; none when the search cannot be made, which it could when it began.
pub(super) async fn find_among(
    session: &Session,
    view: &View,
    asked: &SearchKeys<'_>,
    uids: &BTreeSet<u32>,
    out: &mut Out<'_>,
) -> Result<BTreeSet<u32>, Failure> {
    let (mut hits, mut unknown) = (BTreeSet::new(), Vec::new());
    let program = {
        let state = view.mailbox.state();
        let Ok((program, _)) = program_at(session, view, &state, asked) else { return Ok(BTreeSet::new()) };
        for uid in uids {
            let uid = Uid(*uid);
            let (Some(number), Some(record)) = (view.number_of(uid), state.columns.get(uid)) else {
                continue;
            };
            let (record, recent) = (view.as_read(record), view.is_recent(uid));
            match program.by_index(&Row { seq: number, record: &record, recent }) {
                Some(true) => drop(hits.insert(uid.0)),
                Some(false) => {}
                None => unknown.push(Candidate { number, record, recent }),
            }
        }
        program
    };
    let read = by_content(session, &view.mailbox, &Arc::new(program), unknown, asked.tag, out).await?;
    hits.extend(read.into_iter().map(|hit| hit.uid.0));
    Ok(hits)
}

/// A search made ready, and the change of the mailbox's keywords after which it is not, when it looks for one: bits are given to
/// others.
type Ready = (Program, Option<u64>);

fn program(session: &Session, view: &View, asked: &SearchKeys<'_>) -> Result<Ready, ProgramError> {
    program_at(session, view, &view.mailbox.state(), asked)
}

fn program_at(
    session: &Session,
    view: &View,
    state: &State,
    asked: &SearchKeys<'_>,
) -> Result<Ready, ProgramError> {
    let context = Context {
        keyword_bit: &|k| state.keyword_bit(k),
        greatest_seq: view.len(),
        greatest_uid: view.uids().last().copied().unwrap_or(0),
        saved: view.saved(),
        email_id: &|text| object_id::read_email_id(view, text),
        now: session.server.store.now(),
    };
    let keywords = asked.key.uses_keywords().then_some(state.keyword_changes);
    Ok((Program::new(asked.key, asked.charset, &context)?, keywords))
}

/// Judges by the index, and by the text columns of the mailbox where that pays: hits, and messages that must be read. Nothing when
/// keywords changed meanwhile.
async fn settled(
    session: &Session,
    view: &View,
    (program, keywords): Ready,
    tag: &[u8],
    out: &mut Out<'_>,
) -> Result<Option<(Program, (Hits, Vec<Candidate>))>, Failure> {
    if program.asks_for_texts_alone() {
        let program = settle(session, view, program, view.uids().len(), tag, out).await?;
        let judged = by_index(view, &program, keywords);
        return Ok(judged.map(|judged| (program, judged)));
    }
    let Some(judged) = by_index(view, &program, keywords) else { return Ok(None) };
    if judged.1.is_empty() {
        return Ok(Some((program, judged)));
    }
    let program = settle(session, view, program, judged.1.len(), tag, out).await?;
    let judged = by_index(view, &program, keywords);
    Ok(judged.map(|judged| (program, judged)))
}

/// Answers the texts of a program, and tells the client now and then how far that is.
async fn settle(
    session: &Session,
    view: &View,
    program: Program,
    candidates: usize,
    tag: &[u8],
    out: &mut Out<'_>,
) -> Result<Program, Failure> {
    let upto = Uid(view.uids().last().copied().unwrap_or(0));
    let done = Arc::new(AtomicU32::new(0));
    let (server, mailbox) = (session.server.clone(), view.mailbox.clone());
    let mut work =
        tokio::spawn(search_texts::settle(server, mailbox, program, (candidates, upto), done.clone()));
    let (mut progress, goal) = (Progress::new(session, tag), view.len());
    let settled = loop {
        tokio::select! {
            settled = &mut work => break settled,
            () = tokio::time::sleep(session.server.progress_every.max(LOOK)) => {}
        }
        progress.report(session, done.load(Ordering::Relaxed), goal, out).await?;
    };
    settled.map_err(|e| StoreError::Defect(format!("computation failed: {e}")))?.map_err(Into::into)
}

/// Hits that the index tells, and the messages it cannot tell of; nothing when keywords changed since.
fn by_index(view: &View, program: &Program, keywords: Option<u64>) -> Option<(Hits, Vec<Candidate>)> {
    let state = view.mailbox.state();
    if keywords.is_some_and(|known| known != state.keyword_changes) {
        return None;
    }
    let (mut hits, mut unknown) = (Vec::new(), Vec::new());
    // Nearly always the session counts exactly the messages that are there.
    let same = view.uids() == state.columns.uids();
    for (i, uid) in view.uids().iter().enumerate() {
        let uid = Uid(*uid);
        let record = if same { Some(state.columns.at(i)) } else { state.columns.get(uid) };
        let Some(record) = record.map(|r| view.as_read(r)) else { continue };
        let recent = view.is_recent(uid);
        let number = i as u32 + 1;
        match program.by_index(&Row { seq: number, record: &record, recent }) {
            Some(true) => hits.push((number, uid)),
            Some(false) => {}
            None => unknown.push(Candidate { number, record, recent }),
        }
    }
    Some((hits, unknown))
}

/// A message that matches, as reading it has shown.
struct ReadHit {
    number: u32,
    uid: Uid,
    score: Option<u8>,
}

async fn by_content(
    session: &Session,
    mailbox: &Arc<OpenMailbox>,
    program: &Arc<Program>,
    candidates: Vec<Candidate>,
    tag: &[u8],
    out: &mut Out<'_>,
) -> Result<Vec<ReadHit>, Failure> {
    let mut hits = Vec::new();
    let mut batch: Vec<(Candidate, Bytes)> = Vec::new();
    let mut octets = 0;
    let (mut progress, goal) = (Progress::new(session, tag), candidates.len() as u32);
    let in_summary = program.asks_for_kept_fields_alone();
    let mut summaries = Vec::new();
    let mut rest = candidates.into_iter();
    while let Some(candidate) = rest.next() {
        if in_summary && summaries.is_empty() {
            let next = std::iter::once(&candidate).chain(rest.as_slice().iter().take(BATCH_MESSAGES - 1));
            let records: Vec<MessageRecord> = next.map(|c| c.record).collect();
            summaries = mailbox.summaries(&session.server.cpu, &records).await?;
            summaries.reverse();
        }
        let known = summaries.pop().flatten().map(|summary| summary.kept_fields());
        let read = match known {
            Some(fields) => Ok(fields),
            None => mailbox.read(&candidate.record).await,
        };
        match read {
            Ok(message) => {
                octets += message.len();
                batch.push((candidate, message));
            }
            // Gone since the index was looked at: no match.
            Err(_) if mailbox.is_gone(candidate.record.uid).await => {}
            Err(e) => return Err(e.into()),
        }
        if batch.len() >= BATCH_MESSAGES || octets >= BATCH_OCTETS || rest.as_slice().is_empty() {
            let judged = goal - (rest.len() + batch.len()) as u32;
            progress.report(session, judged, goal, out).await?;
            octets = 0;
            let program = program.clone();
            let work = std::mem::take(&mut batch);
            let judge = move || {
                let hit = |(c, message): &(Candidate, Bytes)| {
                    let row = Row { seq: c.number, record: &c.record, recent: c.recent };
                    let content = Content::new(message);
                    program.by_content(&row, &content).then(|| ReadHit {
                        number: c.number,
                        uid: c.record.uid,
                        score: program.relevancy(&row, Some(&content)),
                    })
                };
                work.iter().filter_map(hit).collect::<Vec<_>>()
            };
            hits.extend(session.server.compute(judge).await?);
        }
    }
    Ok(hits)
}
