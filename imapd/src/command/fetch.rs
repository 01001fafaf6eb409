//! FETCH
//!
//! Figures come from the index, ENVELOPE and structures from the view of the message that is kept in memory, and of
//! bodies only the octets that are sent are read once the view is known. `\Seen` is set for all messages of the
//! command in one work unit before anything is shown, and shown with the item that caused it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::{Done, no_such_number, some_expunged, user, view};
use crate::mail::NoteView;
use crate::mail::section::{Resolved, part, partial, pick_fields, resolve};
use crate::mail::{decode, header};
use crate::mailstore::open::State;
use crate::mailstore::{MessageRecord, OpenMailbox, StoreError, Uid};
use crate::session::view::{write_flags, write_modseq};
use crate::session::{Failure, Out, Reply, Server, Session, View};
use crate::syntax::ast::{ChangedSince, FetchItem, FlagChange};
use crate::syntax::flag::{FlagList, SystemFlags};
use crate::syntax::partial_range::PartialRange;
use crate::syntax::quote;
use crate::syntax::section::{Section, SectionText};
use crate::syntax::seqset::SequenceSet;

/// What the command asks for, its messages apart.
pub struct Asked<'a> {
    /// What is shown.
    pub items: &'a [FetchItem],
    /// Only messages changed after this.
    pub since: Option<ChangedSince>,
    /// The page of them that is shown.
    pub partial: Option<PartialRange>,
    /// Whether it is UID FETCH.
    pub uid: bool,
}

/// Shows what is asked of each message.
///
/// # Errors
/// When the mail store fails or the client is gone.
pub async fn run(session: &mut Session, set: &SequenceSet, asked: &Asked<'_>, out: &mut Out<'_>) -> Done {
    let (items, by_uid) = (asked.items, asked.uid);
    if asked.since.is_some_and(|s| s.vanished) && !session.enabled.qresync {
        return Ok(Reply::bad("VANISHED needs QRESYNC to be enabled"));
    }
    session.enabled.condstore |= items.contains(&FetchItem::ModSeq);
    let session = &*session;
    let view = view(session)?;
    let Some(mut selected) = view.select(set, by_uid) else { return Ok(no_such_number()) };
    if let Some(since) = asked.since {
        let state = view.mailbox.state();
        selected.retain(|(_, uid)| state.columns.get(*uid).is_none_or(|r| r.modseq > since.modseq));
        if since.vanished {
            vanished(view, &state, set, since, out.buf);
        }
    }
    if let Some(range) = asked.partial {
        selected = range.of(&selected).to_vec();
    }
    let seen = mark_seen(session, view, items, &selected).await?;
    let items = plan(items);
    let (mut missing, mut unknown) = (false, false);
    for (number, uid) in selected {
        let record = view.mailbox.state().columns.get(uid);
        let Some(record) = record else {
            missing = true;
            continue;
        };
        let show_flags = seen.contains(&uid.0);
        match message(session, view, number, &record, &items, show_flags, out).await {
            Ok(shown) => unknown |= shown == Shown::UnknownEncoding,
            // Expunged by another session while it was read.
            Err(Failure::Store(_)) if view.mailbox.state().columns.position(uid).is_none() => missing = true,
            Err(e) => return Err(e),
        }
        out.room().await?;
    }
    if unknown {
        return Ok(Reply::no("UNKNOWN-CTE", "A part is in an encoding that is not known"));
    }
    // A message that is gone is no error for UID FETCH (RFC 3501 section 6.4.8).
    Ok(if missing && !by_uid { some_expunged() } else { Reply::ok("FETCH completed") })
}

/// Tells of expunged messages of the set. Those the session still counts are told when their numbers go.
fn vanished(view: &View, state: &State, set: &SequenceSet, since: ChangedSince, out: &mut Vec<u8>) {
    let asked = if set.is_saved() { view.saved().clone() } else { set.resolve(state.uid_next.0 - 1) };
    let gone = state.vanished(since.modseq, Some(&asked)).without(view.uids());
    if !gone.is_empty() {
        out.extend_from_slice(format!("* VANISHED (EARLIER) {gone}\r\n").as_bytes());
    }
}

/// Sets `\Seen` where an item asks for it; gives back the messages for which it is new.
async fn mark_seen(
    session: &Session,
    view: &View,
    items: &[FetchItem],
    selected: &[(u32, Uid)],
) -> Result<BTreeSet<u32>, Failure> {
    if view.read_only || !items.iter().any(FetchItem::sets_seen) {
        return Ok(BTreeSet::new());
    }
    let unseen: Vec<Uid> = {
        let state = view.mailbox.state();
        let seen = |uid: &Uid| state.columns.get(*uid).is_none_or(|r| r.flags.contains(SystemFlags::SEEN));
        selected.iter().map(|(_, uid)| *uid).filter(|uid| !seen(uid)).collect()
    };
    if unseen.is_empty() {
        return Ok(BTreeSet::new());
    }
    let flags = FlagList { system: SystemFlags::SEEN, keywords: Vec::new() };
    match user(session)?.store(&view.mailbox, unseen, FlagChange::Add, flags, session.id).await {
        Ok(uids) => Ok(uids.into_iter().map(|u| u.0).collect()),
        // Reading must work when nothing can be written; the flag is set another time.
        Err(StoreError::OverQuota | StoreError::Limit(_)) => Ok(BTreeSet::new()),
        Err(e) => Err(e.into()),
    }
}

/// One item as it is carried out: how it is called in the response, and where it comes from.
enum Planned {
    Figure(FetchItem),
    Octets { label: Vec<u8>, section: Section, partial: Option<(u32, u32)> },
    Binary { label: Vec<u8>, path: Vec<u32>, partial: Option<(u32, u32)> },
    BinarySize { label: Vec<u8>, path: Vec<u32> },
    Preview { lazy: bool },
}

/// What was made ready for an item that is not a figure.
enum Ready {
    Octets(Option<Bytes>),
    Binary(Option<Bytes>),
    Size(usize),
    Preview(Option<String>),
}

/// How showing a message went.
#[derive(PartialEq, Eq)]
enum Shown {
    Whole,
    /// Nothing of it, for a part cannot be decoded (RFC 3516 section 4.3).
    UnknownEncoding,
}

fn plan(items: &[FetchItem]) -> Vec<Planned> {
    let whole = |text| Section { path: Vec::new(), text };
    let named =
        |label: &[u8], text| Planned::Octets { label: label.to_vec(), section: whole(text), partial: None };
    items
        .iter()
        .map(|item| match item {
            FetchItem::Rfc822 => named(b"RFC822", SectionText::All),
            FetchItem::Rfc822Header => named(b"RFC822.HEADER", SectionText::Header),
            FetchItem::Rfc822Text => named(b"RFC822.TEXT", SectionText::Text),
            FetchItem::BodySection { section, partial, .. } => {
                let label = label(b"BODY[", section, *partial);
                Planned::Octets { label, section: section.clone(), partial: *partial }
            }
            FetchItem::Binary { path, partial, .. } => {
                let section = Section { path: path.clone(), text: SectionText::All };
                let label = label(b"BINARY[", &section, *partial);
                Planned::Binary { label, path: section.path, partial: *partial }
            }
            FetchItem::BinarySize { path } => {
                let section = Section { path: path.clone(), text: SectionText::All };
                Planned::BinarySize { label: label(b"BINARY.SIZE[", &section, None), path: section.path }
            }
            FetchItem::Preview { lazy } => Planned::Preview { lazy: *lazy },
            figure => Planned::Figure(figure.clone()),
        })
        .collect()
}

/// How an item with a section is called in the response.
fn label(word: &[u8], section: &Section, partial: Option<(u32, u32)>) -> Vec<u8> {
    let mut label = word.to_vec();
    section.write(&mut label);
    label.push(b']');
    if let Some((offset, _)) = partial {
        label.extend_from_slice(format!("<{offset}>").as_bytes());
    }
    label
}

/// Octets from which on a message is scanned off the session's thread.
const LARGE_MESSAGE: usize = 256 * 1024;

/// The message's octets and view, read at most once a message.
struct Source<'a> {
    server: &'a Server,
    mailbox: &'a OpenMailbox,
    record: &'a MessageRecord,
    whole: Option<Bytes>,
    view: Option<Arc<NoteView>>,
}

impl Source<'_> {
    async fn view(&mut self) -> Result<Arc<NoteView>, StoreError> {
        if let Some(view) = &self.view {
            return Ok(view.clone());
        }
        let view = match self.mailbox.cached_view(self.record.uid) {
            Some(view) => view,
            None => {
                let octets = self.mailbox.read(self.record).await?;
                let view = if octets.len() < LARGE_MESSAGE {
                    NoteView::new(&octets)
                } else {
                    let octets = octets.clone();
                    self.server.compute(move || NoteView::new(&octets)).await?
                };
                let view = Arc::new(view);
                self.mailbox.keep_view(self.record.uid, &view);
                self.whole = Some(octets);
                view
            }
        };
        self.view = Some(view.clone());
        Ok(view)
    }

    /// What is cut out of a section that begins with a line, as all do.
    async fn octets(
        &mut self,
        section: std::ops::Range<usize>,
        cut: Option<(u32, u32)>,
    ) -> Result<Bytes, StoreError> {
        let line = section.start as u64;
        let range = partial(section, cut);
        if let Some(whole) = &self.whole {
            return Ok(whole.slice(range));
        }
        self.mailbox.read_range(self.record, range.start as u64..range.end as u64, line).await
    }

    /// The whole message.
    async fn whole(&mut self) -> Result<Bytes, StoreError> {
        if self.whole.is_none() {
            self.whole = Some(self.mailbox.read(self.record).await?);
        }
        Ok(self.whole.clone().unwrap_or_default())
    }

    /// A part without its transfer encoding; inside, `None` for a part that is not there. Outside, `None` when it cannot
    /// be decoded.
    async fn binary(&mut self, path: &[u32]) -> Result<Option<Option<Bytes>>, StoreError> {
        if path.is_empty() {
            // The message itself is in no encoding: its parts are.
            return Ok(Some(Some(self.whole().await?)));
        }
        let view = self.view().await?;
        let Some(found) = part(&view.structure, path) else { return Ok(Some(None)) };
        let head = self.octets(found.header.clone(), None).await?;
        let body = self.octets(found.body.clone(), None).await?;
        let decode = move || {
            let encoding = header::find(&head, b"Content-Transfer-Encoding").map(|f| f.value.to_vec());
            decode::binary(encoding.as_deref(), &body).map(Bytes::from)
        };
        let decoded =
            if found.body.len() < LARGE_MESSAGE { decode() } else { self.server.compute(decode).await? };
        Ok(decoded.map(Some))
    }

    async fn preview(&mut self, lazy: bool) -> Result<Option<String>, StoreError> {
        if lazy {
            // What is not in memory takes a moment, which the client asked not to wait for.
            let view = self.view.clone().or_else(|| self.mailbox.cached_view(self.record.uid));
            return Ok(view.and_then(|v| v.known_preview().map(str::to_owned)));
        }
        let view = self.view().await?;
        if let Some(known) = view.known_preview() {
            return Ok(Some(known.to_owned()));
        }
        let whole = self.whole().await?;
        Ok(Some(view.preview(&whole).to_owned()))
    }

    /// Makes ready what an item needs to be read for; `None` when it cannot be decoded.
    async fn ready(&mut self, item: &Planned) -> Result<Option<Ready>, StoreError> {
        Ok(Some(match item {
            Planned::Octets { section, partial, .. } => Ready::Octets(self.section(section, *partial).await?),
            Planned::Binary { path, partial: cut, .. } => match self.binary(path).await? {
                Some(octets) => Ready::Binary(octets.map(|o| o.slice(partial(0..o.len(), *cut)))),
                None => return Ok(None),
            },
            Planned::BinarySize { path, .. } => match self.binary(path).await? {
                Some(octets) => Ready::Size(octets.map_or(0, |o| o.len())),
                None => return Ok(None),
            },
            Planned::Preview { lazy } => Ready::Preview(self.preview(*lazy).await?),
            Planned::Figure(FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure) => {
                self.view().await?;
                return Ok(Some(Ready::Octets(None)));
            }
            Planned::Figure(_) => Ready::Octets(None),
        }))
    }

    /// The octets of a section, `None` for a part that is not there.
    async fn section(
        &mut self,
        section: &Section,
        cut: Option<(u32, u32)>,
    ) -> Result<Option<Bytes>, StoreError> {
        if section.path.is_empty() && section.text == SectionText::All {
            let size = usize::try_from(self.record.size).unwrap_or(usize::MAX);
            return self.octets(0..size, cut).await.map(Some);
        }
        let view = self.view().await?;
        match resolve(&view.structure, section) {
            Resolved::Missing => Ok(None),
            Resolved::Octets(range) => self.octets(range, cut).await.map(Some),
            Resolved::Fields { header, not, names } => {
                let header = self.octets(header, None).await?;
                let picked = Bytes::from(pick_fields(&header, not, names));
                Ok(Some(picked.slice(partial(0..picked.len(), cut))))
            }
        }
    }
}

async fn message(
    session: &Session,
    view: &View,
    number: u32,
    record: &MessageRecord,
    items: &[Planned],
    show_flags: bool,
    out: &mut Out<'_>,
) -> Result<Shown, Failure> {
    // What can fail is read before the response begins, so that a response is never left half said.
    let mut source =
        Source { server: &session.server, mailbox: &view.mailbox, record, whole: None, view: None };
    let mut bodies = Vec::new();
    for item in items {
        // Figures of the index are by far the most, and need no more.
        if let Planned::Figure(figure) = item
            && !matches!(figure, FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure)
        {
            continue;
        }
        match source.ready(item).await? {
            Some(ready) if !matches!(item, Planned::Figure(_)) => bodies.push(ready),
            Some(_) => {}
            None => return Ok(Shown::UnknownEncoding),
        }
    }
    session.enabled.write_fetch(out.buf, number, record.uid);
    let mut bodies = bodies.into_iter();
    let (mut flags_shown, mut modseq_shown) = (false, false);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.buf.push(b' ');
        }
        match item {
            Planned::Figure(figure) => {
                flags_shown |= *figure == FetchItem::Flags;
                modseq_shown |= *figure == FetchItem::ModSeq;
                write_figure(out.buf, view, record, figure, source.view.as_deref());
            }
            Planned::Octets { label, .. }
            | Planned::Binary { label, .. }
            | Planned::BinarySize { label, .. } => {
                out.buf.extend_from_slice(label);
                write_ready(bodies.next(), out).await?;
            }
            Planned::Preview { .. } => {
                out.buf.extend_from_slice(b"PREVIEW");
                write_ready(bodies.next(), out).await?;
            }
        }
    }
    if show_flags && !flags_shown {
        out.buf.push(b' ');
        write_figure(out.buf, view, record, &FetchItem::Flags, None);
    }
    if show_flags && !modseq_shown && session.enabled.condstore {
        out.buf.push(b' ');
        write_modseq(out.buf, record);
    }
    out.buf.extend_from_slice(b")\r\n");
    Ok(Shown::Whole)
}

async fn write_ready(ready: Option<Ready>, out: &mut Out<'_>) -> std::io::Result<()> {
    out.buf.push(b' ');
    match ready {
        Some(Ready::Octets(Some(octets))) => {
            out.buf.extend_from_slice(format!("{{{}}}\r\n", octets.len()).as_bytes());
            out.octets(octets).await?;
        }
        Some(Ready::Binary(Some(octets))) => {
            // literal8 only where it is needed: NUL is all that a literal cannot hold (RFC 3516 section 3).
            let mark = if memchr::memchr(0, &octets).is_some() { "~" } else { "" };
            out.buf.extend_from_slice(format!("{mark}{{{}}}\r\n", octets.len()).as_bytes());
            out.octets(octets).await?;
        }
        Some(Ready::Size(size)) => out.buf.extend_from_slice(size.to_string().as_bytes()),
        Some(Ready::Preview(Some(text))) => quote::string(out.buf, text.as_bytes()),
        _ => out.buf.extend_from_slice(b"NIL"),
    }
    Ok(())
}

fn write_figure(
    out: &mut Vec<u8>,
    view: &View,
    record: &MessageRecord,
    item: &FetchItem,
    note: Option<&NoteView>,
) {
    match item {
        FetchItem::Flags => {
            out.extend_from_slice(b"FLAGS ");
            write_flags(out, record, &view.mailbox.state(), view.is_recent(record.uid));
        }
        FetchItem::InternalDate => {
            out.extend_from_slice(format!("INTERNALDATE \"{}\"", record.date).as_bytes());
        }
        FetchItem::Rfc822Size => out.extend_from_slice(format!("RFC822.SIZE {}", record.size).as_bytes()),
        FetchItem::ModSeq => write_modseq(out, record),
        FetchItem::EmailId => out.extend_from_slice(format!("EMAILID ({})", record.email.shown()).as_bytes()),
        // No threads are kept, which RFC 8474 section 4 has NIL for.
        FetchItem::ThreadId => out.extend_from_slice(b"THREADID NIL"),
        FetchItem::SaveDate => {
            out.extend_from_slice(format!("SAVEDATE \"{}\"", record.save_date()).as_bytes());
        }
        FetchItem::Uid => out.extend_from_slice(format!("UID {}", record.uid).as_bytes()),
        item => {
            let (label, text): (&[u8], _) = match item {
                FetchItem::Envelope => (b"ENVELOPE ", note.map(|n| &n.envelope)),
                FetchItem::Body => (b"BODY ", note.map(|n| &n.body)),
                _ => (b"BODYSTRUCTURE ", note.map(|n| &n.body_structure)),
            };
            out.extend_from_slice(label);
            out.extend_from_slice(text.map_or(b"NIL", |t| t));
        }
    }
}
