//! FETCH
//!
//! Figures come from the index, ENVELOPE and structures from the view of the message that is kept in memory, and of
//! bodies only the octets that are sent are read once the view is known. `\Seen` is set for all messages of the
//! command in one work unit before anything is shown, and shown with the item that caused it.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::source::Source;
use super::{Done, no_such_number, object_id, place, some_expunged, view};
use crate::mail::section::partial;
use crate::mail::summary::{Summary, keeps};
use crate::mailstore::open::State;
use crate::mailstore::user::{FlagsAsked, Untouchable};
use crate::mailstore::{MessageRecord, StoreError, Uid};
use crate::session::message_limit;
use crate::session::view::{write_flags, write_modseq, write_number};
use crate::session::{Failure, Out, Reply, Session, View};
use crate::syntax::ast::{ChangedSince, FetchItem, FlagChange};
use crate::syntax::flag::{FlagList, SystemFlags};
use crate::syntax::mailbox_name::NameForm;
use crate::syntax::partial_range::PartialRange;
use crate::syntax::quote;
use crate::syntax::rights::Rights;
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
    // UID FETCH shows the UID (RFC 3501 section 6.4.8).
    let adds = by_uid && session.enabled.adds_uid() && !items.contains(&FetchItem::Uid);
    let with_uid = adds.then(|| [&[FetchItem::Uid], items].concat());
    let items = with_uid.as_deref().unwrap_or(items);
    if asked.since.is_some_and(|s| s.vanished) && !session.enabled.qresync {
        return Ok(Reply::client_bug("VANISHED needs QRESYNC to be enabled"));
    }
    let Some(mut selected) = view(session)?.select(set, by_uid) else { return Ok(no_such_number()) };
    // Not before: what is answered BAD changes nothing (RFC 9051 section 6).
    if items.contains(&FetchItem::ModSeq) {
        session.keeps_modseqs(out.buf);
    }
    let session = &*session;
    let view = view(session)?;
    if let (Some(range), Some(limit)) = (asked.partial, session.command_limit())
        && range.from.abs_diff(range.to) >= limit.messages
    {
        return Ok(limit.refusal(None));
    }
    if let Some(range) = asked.partial {
        selected = range.of(&selected).to_vec();
    }
    // Of the page those that changed (RFC 9394 section 3.4).
    if let Some(since) = asked.since {
        let state = view.mailbox.state();
        selected.retain(|(_, uid)| state.columns.get(*uid).is_none_or(|r| r.modseq > since.modseq));
        if since.vanished {
            vanished(view, &state, set, since, out.buf);
        }
    }
    let limited = session.limit(&mut selected);
    session.meter.fetched.add(selected.len());
    let seen = mark_seen(session, view, items, &selected).await?;
    if limited.is_some() {
        message_limit::highest_first(&mut selected);
    }
    let (missing, unknown) = each(session, view, &plan(items), &selected, &seen, out).await?;
    if unknown {
        return Ok(Reply::no("UNKNOWN-CTE", "A part is in an encoding that is not known"));
    }
    // A message that is gone is no error for UID FETCH (RFC 3501 section 6.4.8).
    let reply = if missing && !by_uid { some_expunged() } else { Reply::ok("FETCH completed") };
    Ok(match limited {
        Some(limited) => limited.tell(reply, out.buf),
        None => reply,
    })
}

/// Shows messages that the client did not ask for by a command (RFC 5465 section 5.2). `\Seen` is set by none of it, and what is
/// gone or cannot be decoded is passed over.
///
/// # Errors
/// When the mail store fails or the client is gone.
pub(super) async fn unasked(
    session: &Session,
    view: &View,
    items: &[FetchItem],
    selected: &[(u32, Uid)],
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    each(session, view, &plan(items), selected, &BTreeSet::new(), out).await.map(drop)
}

/// Shows what is planned of each message; whether one was not there, and whether one could not be decoded.
async fn each(
    session: &Session,
    view: &View,
    items: &[Planned],
    selected: &[(u32, Uid)],
    seen: &BTreeSet<u32>,
    out: &mut Out<'_>,
) -> Result<(bool, bool), Failure> {
    let (mut missing, mut unknown) = (false, false);
    let mut rest = selected;
    if items.iter().all(Planned::is_in_index) {
        for piece in std::mem::take(&mut rest).chunks(FIGURES) {
            missing |= figures(session, view, items, piece, seen, out.buf);
            out.room().await?;
        }
    }
    while !rest.is_empty() {
        let ahead = Ahead::read(session, view, items, &mut rest).await?;
        for (number, uid, source) in ahead.messages {
            let Some(source) = source else {
                missing = true;
                continue;
            };
            let show_flags = seen.contains(&uid.0);
            match message(session, view, number, source, items, show_flags, out).await {
                Ok(shown) => unknown |= shown == Shown::UnknownEncoding,
                // Expunged by another session while it was read.
                Err(Failure::Store(_)) if view.mailbox.is_gone(uid).await => missing = true,
                Err(e) => return Err(e),
            }
            out.room().await?;
        }
    }
    Ok((missing, unknown))
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
    let may_see = place::rights_in(session, view)?.has(Rights::SEEN);
    if view.read_only || !may_see || !items.iter().any(FetchItem::sets_seen) {
        return Ok(BTreeSet::new());
    }
    let unseen: Vec<Uid> = {
        let state = view.mailbox.state();
        let seen = |uid: &Uid| {
            state.columns.get(*uid).is_none_or(|r| view.as_read(r).flags.contains(SystemFlags::SEEN))
        };
        selected.iter().map(|(_, uid)| *uid).filter(|uid| !seen(uid)).collect()
    };
    if unseen.is_empty() {
        return Ok(BTreeSet::new());
    }
    let flags = FlagList { system: SystemFlags::SEEN, keywords: Vec::new() };
    let (kept, reader) = (Untouchable::default(), view.reader);
    let asked = FlagsAsked { change: FlagChange::Add, flags, unchanged_since: None, kept, reader };
    let by = place::asker(session, &view.mailbox, Rights::NONE)?;
    match view.mailbox.user.store_within(&view.mailbox, unseen, asked, by).await {
        Ok((uids, _)) => Ok(uids.into_iter().map(|u| u.0).collect()),
        // Reading must work when nothing can be written; the flag is set another time.
        Err(
            StoreError::OverQuota
            | StoreError::PoolFull
            | StoreError::Limit(_)
            | StoreError::InUse
            | StoreError::NoRight,
        ) => Ok(BTreeSet::new()),
        Err(e) => Err(e.into()),
    }
}

/// One item as it is carried out: how it is called in the response, and where it comes from.
enum Planned {
    Figure(FetchItem),
    Octets { label: Vec<u8>, section: Section, partial: Option<(u64, u64)> },
    Binary { label: Vec<u8>, path: Vec<u32>, partial: Option<(u64, u64)> },
    BinarySize { label: Vec<u8>, path: Vec<u32> },
    Preview { lazy: bool },
}

impl Planned {
    /// Whether the index answers it.
    fn is_in_index(&self) -> bool {
        matches!(self, Self::Figure(figure)
            if !matches!(figure, FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure))
    }

    /// Whether it shows flags.
    fn is_flags(&self) -> bool {
        matches!(self, Self::Figure(FetchItem::Flags))
    }

    /// Whether a summary answers it, or makes it cheaper.
    fn is_in_summary(&self) -> bool {
        match self {
            Self::Figure(FetchItem::Envelope | FetchItem::BodyStructure) => true,
            Self::Octets { section, .. } if section.path.is_empty() => match &section.text {
                SectionText::Header => true,
                SectionText::HeaderFields { not, names } => !not && names.iter().all(|n| keeps(n)),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether it shows the whole message.
    fn is_whole(&self) -> bool {
        matches!(self, Self::Octets { section, partial: None, .. }
            if section.path.is_empty() && section.text == SectionText::All)
    }
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
fn label(word: &[u8], section: &Section, partial: Option<(u64, u64)>) -> Vec<u8> {
    let mut label = word.to_vec();
    section.write(&mut label);
    label.push(b']');
    if let Some((offset, _)) = partial {
        label.extend_from_slice(format!("<{offset}>").as_bytes());
    }
    label
}

/// Messages of which figures are shown before the client is written to: some tens of kilobytes.
const FIGURES: usize = 512;

/// Shows messages of which nothing but the index is asked; whether one was not there.
fn figures(
    session: &Session,
    view: &View,
    items: &[Planned],
    selected: &[(u32, Uid)],
    seen: &BTreeSet<u32>,
    out: &mut Vec<u8>,
) -> bool {
    let state = view.mailbox.state();
    if !seen.is_empty() || items.iter().any(Planned::is_flags) {
        view.tell_keywords(&state, out);
    }
    let mut missing = false;
    for (number, uid) in selected {
        let Some(record) = state.columns.get(*uid).map(|r| view.as_read(r)) else {
            missing = true;
            continue;
        };
        session.enabled.write_fetch(out, *number, *uid);
        let mut shown = Figures::default();
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            if let Planned::Figure(figure) = item {
                shown.note(figure);
                write_figure(out, view, &state, &record, figure, None);
            }
        }
        if seen.contains(&uid.0) {
            write_seen(session, view, &state, &record, &shown, out);
        }
        out.extend_from_slice(b")\r\n");
    }
    missing
}

/// Figures that a response has already.
#[derive(Default)]
struct Figures {
    flags: bool,
    uid: bool,
    modseq: bool,
}

impl Figures {
    fn note(&mut self, figure: &FetchItem) {
        self.flags |= *figure == FetchItem::Flags;
        self.uid |= *figure == FetchItem::Uid;
        self.modseq |= *figure == FetchItem::ModSeq;
    }
}

/// Appends what is to be told of a message whose `\Seen` is new, as far as it was not `shown`: flags, and to those who keep
/// modification sequences UID and MODSEQ (RFC 7162 section 3.2.4).
fn write_seen(
    session: &Session,
    view: &View,
    state: &State,
    record: &MessageRecord,
    shown: &Figures,
    out: &mut Vec<u8>,
) {
    let kept = session.enabled.condstore;
    let wanted = [
        (!shown.flags, FetchItem::Flags),
        (kept && !shown.uid && session.enabled.adds_uid(), FetchItem::Uid),
        (kept && !shown.modseq, FetchItem::ModSeq),
    ];
    for (_, item) in wanted.iter().filter(|(wanted, _)| *wanted) {
        out.push(b' ');
        write_figure(out, view, state, record, item, None);
    }
}

/// What is known of the next messages before they are shown: read together, since that costs less than one by one.
struct Ahead<'a> {
    messages: Vec<(u32, Uid, Option<Source<'a>>)>,
}

impl<'a> Ahead<'a> {
    /// Most messages read ahead.
    const MESSAGES: usize = 64;
    /// Octets of bodies read ahead; a larger message is read when its turn comes.
    const OCTETS: u64 = 128 * 1024;

    /// Takes the next messages from `rest`.
    async fn read(
        session: &'a Session,
        view: &'a View,
        items: &[Planned],
        rest: &mut &[(u32, Uid)],
    ) -> Result<Self, StoreError> {
        let summaries = items.iter().any(Planned::is_in_summary);
        let bodies = items.iter().any(Planned::is_whole);
        let (mut taken, mut octets) = (Vec::with_capacity(rest.len().min(Self::MESSAGES)), 0);
        {
            let state = view.mailbox.state();
            for (number, uid) in rest.iter().take(Self::MESSAGES) {
                let record = state.columns.get(*uid).map(|r| view.as_read(r));
                octets += record.filter(|_| bodies).map_or(0, |r| r.size);
                if octets > Self::OCTETS && !taken.is_empty() {
                    break;
                }
                taken.push((*number, *uid, record));
            }
        }
        *rest = &rest[taken.len()..];
        let source = |record| Source::new(&session.server, &view.mailbox, record);
        let mut messages: Vec<_> = taken.into_iter().map(|(n, uid, r)| (n, uid, r.map(source))).collect();
        let mut there: Vec<&mut Source<'a>> =
            messages.iter_mut().filter_map(|(_, _, s)| s.as_mut()).collect();
        let records: Vec<MessageRecord> = there.iter().map(|s| s.record).collect();
        if summaries {
            let all = view.mailbox.summaries(&session.server.cpu, &records).await?;
            there.iter_mut().zip(all).for_each(|(source, summary)| source.summary = summary);
        }
        // One message alone is read as well later.
        if bodies && records.len() > 1 {
            let all = view.mailbox.read_several(&records).await?;
            there.iter_mut().zip(all).for_each(|(source, whole)| source.whole = whole);
        }
        Ok(Self { messages })
    }
}

impl Source<'_> {
    /// Makes ready what an item needs to be read for; `None` when it cannot be decoded.
    async fn ready(&mut self, item: &Planned, rev1: bool) -> Result<Option<Ready>, StoreError> {
        let ready = self.read_for(item).await?;
        if rev1 && matches!(item, Planned::Figure(FetchItem::Body | FetchItem::BodyStructure)) {
            self.for_rev1().await?;
        }
        Ok(ready)
    }

    async fn read_for(&mut self, item: &Planned) -> Result<Option<Ready>, StoreError> {
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
            Planned::Figure(FetchItem::Envelope | FetchItem::BodyStructure) if self.summary.is_some() => {
                Ready::Octets(None)
            }
            Planned::Figure(FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure) => {
                self.view().await?;
                Ready::Octets(None)
            }
            Planned::Figure(_) => Ready::Octets(None),
        }))
    }
}

async fn message(
    session: &Session,
    view: &View,
    number: u32,
    mut source: Source<'_>,
    items: &[Planned],
    show_flags: bool,
    out: &mut Out<'_>,
) -> Result<Shown, Failure> {
    let record = &source.record.clone();
    let rev1 = session.enabled.name_form() == NameForm::Utf7;
    // What can fail is read before the response begins, so that a response is never left half said.
    let mut bodies = Vec::new();
    for item in items {
        if item.is_in_index() {
            continue;
        }
        match source.ready(item, rev1).await? {
            Some(ready) if !matches!(item, Planned::Figure(_)) => bodies.push(ready),
            Some(_) => {}
            None => return Ok(Shown::UnknownEncoding),
        }
    }
    if show_flags || items.iter().any(Planned::is_flags) {
        view.tell_keywords(&view.mailbox.state(), out.buf);
    }
    session.enabled.write_fetch(out.buf, number, record.uid);
    let mut bodies = bodies.into_iter();
    let mut shown = Figures::default();
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.buf.push(b' ');
        }
        match item {
            Planned::Figure(figure) => {
                shown.note(figure);
                write_figure(out.buf, view, &view.mailbox.state(), record, figure, Some(&source));
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
    if show_flags {
        let state = view.mailbox.state();
        write_seen(session, view, &state, record, &shown, out.buf);
    }
    out.buf.extend_from_slice(b")\r\n");
    Ok(Shown::Whole)
}

async fn write_ready(ready: Option<Ready>, out: &mut Out<'_>) -> std::io::Result<()> {
    out.buf.push(b' ');
    match ready {
        Some(Ready::Octets(Some(octets))) => {
            out.buf.extend_from_slice(format!("{{{}}}\r\n", octets.len()).as_bytes());
            out.octets(quote::without_nul(octets)).await?;
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
    state: &State,
    record: &MessageRecord,
    item: &FetchItem,
    source: Option<&Source<'_>>,
) {
    match item {
        FetchItem::Flags => {
            out.extend_from_slice(b"FLAGS ");
            write_flags(out, record, state, view.is_recent(record.uid));
        }
        FetchItem::InternalDate => {
            out.extend_from_slice(format!("INTERNALDATE \"{}\"", record.date).as_bytes());
        }
        FetchItem::Rfc822Size => {
            out.extend_from_slice(b"RFC822.SIZE ");
            write_number(out, record.size);
        }
        FetchItem::ModSeq => write_modseq(out, record),
        FetchItem::EmailId => {
            out.extend_from_slice(
                format!("EMAILID ({})", object_id::email_id(view, record.email)).as_bytes(),
            );
        }
        // No threads are kept, which RFC 8474 section 4 has NIL for.
        FetchItem::ThreadId => out.extend_from_slice(b"THREADID NIL"),
        FetchItem::SaveDate => {
            out.extend_from_slice(format!("SAVEDATE \"{}\"", record.save_date()).as_bytes());
        }
        FetchItem::Uid => {
            out.extend_from_slice(b"UID ");
            write_number(out, record.uid.0.into());
        }
        item => {
            let note = source.and_then(|s| s.view.as_deref());
            let summary = source.and_then(|s| s.summary.as_ref());
            let rev1 = source.and_then(|s| s.rev1.as_ref());
            let (label, text): (&[u8], Option<&[u8]>) = match item {
                FetchItem::Envelope => {
                    (b"ENVELOPE ", summary.map(Summary::envelope).or(note.map(|n| &*n.envelope)))
                }
                FetchItem::Body => (b"BODY ", rev1.map(|r| &*r.0).or(note.map(|n| &*n.body))),
                _ => {
                    let made = summary.map(Summary::body_structure).or(note.map(|n| &*n.body_structure));
                    (b"BODYSTRUCTURE ", rev1.map(|r| &*r.1).or(made))
                }
            };
            out.extend_from_slice(label);
            out.extend_from_slice(text.unwrap_or(b"NIL"));
        }
    }
}
