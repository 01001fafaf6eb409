//! What the messages of APPEND and REPLACE are made of, also put together from parts of others (RFC 4469).
//!
//! A URL is resolved with the rights of the user and changes nothing, neither `\Seen` nor what is selected. All parts are
//! located before any is read, so that a message that would be too large costs nothing. A message of one part is not copied;
//! others are written once into memory that is accounted for, their sources in pieces.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::SemaphorePermit;

use super::place::{self, OTHERS};
use super::source::{Located, Source};
use crate::mail::header;
use crate::mailstore::{Leave, MessageRecord, NewMessage, OpenMailbox, StoreError, Uid, leave};
use crate::parse::section_spec;
use crate::session::capability::Token;
use crate::session::{Failure, Reply, Session};
use crate::syntax::ast::{AppendData, AppendMessage, Carrier, CatPart};
use crate::syntax::date::InternalDate;
use crate::syntax::imap_url::{ImapServer, MAX_URL, MessagePart, UrlMailbox, UrlReference};
use crate::syntax::mailbox_name::{MailboxName, SEPARATOR};
use crate::syntax::rights::Rights;
use crate::syntax::section::{Section, SectionText};
use crate::vm::UserId;
use crate::wire::MAX_MESSAGE;

/// Octets of a source that are read at once.
const PIECE: u64 = 4 * 1024 * 1024;
/// Octets put together for which no share of the memory is needed, as for literals of that size.
const SMALL: u64 = 256 * 1024;
/// How long a command that holds memory for its literals waits for more: others may do the same.
const PATIENCE: Duration = Duration::from_secs(60);

/// Messages ready for the mail store, and their share of the memory for large messages.
pub(super) struct Made<'a> {
    /// The messages.
    pub(super) messages: Vec<NewMessage>,
    sources: Sources,
    _room: Option<SemaphorePermit<'a>>,
}

/// The URLs that messages are put together from, and the mailboxes to which they lead.
#[derive(Default)]
struct Sources(Vec<(Bytes, Arc<OpenMailbox>)>);

impl Made<'_> {
    /// What must be allowed besides when the messages are added: rights may be gone since the sources were read.
    pub(super) fn leave(&self, who: UserId, leave: Leave) -> Leave {
        self.sources.0.iter().fold(leave, |leave, (_, mailbox)| leave.to_read(who, mailbox))
    }

    /// The answer when it was not.
    pub(super) fn refused(&self, who: UserId) -> Reply {
        let gone = self.sources.0.iter().find(|(_, mailbox)| !leave::may_read(mailbox, who));
        let url = gone.or(self.sources.0.first()).map(|(url, _)| &url[..]);
        bad_url(url.unwrap_or_default(), NOWHERE)
    }
}

/// Why a URL cannot be used whose mailbox is not there, or not for this user.
const NOWHERE: &str = "there is no such mailbox";

/// A part whose octets are known or can be read.
enum Piece {
    Octets(Bytes),
    Stored { mailbox: Arc<OpenMailbox>, record: MessageRecord, range: std::ops::Range<u64>, line: u64 },
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Octets(octets) => octets.len() as u64,
            Self::Stored { range, .. } => range.end - range.start,
        }
    }
}

/// Makes the messages, or the answer to one that cannot be made.
///
/// # Errors
/// The answer, or what the mail store says.
pub(super) async fn make(session: &Session, messages: Vec<AppendMessage>) -> Result<Made<'_>, Failure> {
    let now = InternalDate { seconds: session.server.store.now(), zone_minutes: 0 };
    let mut located = Vec::with_capacity(messages.len());
    let mut sources = Sources::default();
    for AppendMessage { flags, date, data } in messages {
        let pieces = match data {
            AppendData::Octets(octets, carrier) => vec![text(session, octets, carrier)?],
            AppendData::Catenate(parts) => locate_all(session, parts, &mut sources).await?,
        };
        located.push((flags, date.unwrap_or(now), pieces));
    }
    // As of the literals of one APPEND, all together count: they are all in memory.
    let total: u64 = located.iter().flat_map(|(_, _, pieces)| pieces).map(Piece::len).sum();
    if total > MAX_MESSAGE as u64 {
        return Err(Reply::no("TOOBIG", "Message would be too large").into());
    }
    let copied = located.iter().filter(|(_, _, pieces)| !is_there(pieces));
    let room = room(session, copied.flat_map(|(_, _, pieces)| pieces).map(Piece::len).sum()).await?;
    let mut made = Vec::with_capacity(located.len());
    for (flags, date, pieces) in located {
        let octets = assemble(pieces).await?;
        if octets.is_empty() {
            return Err(Reply::no("CANNOT", "A message must not be empty").into());
        }
        may_have_its_header(session, &octets)?;
        made.push(NewMessage { flags: flags.system, keywords: flags.keywords, date, email: None, octets });
    }
    Ok(Made { messages: made, sources, _room: room })
}

/// Refuses a message with 8-bit octets in its header from a client that did not say that it knows such, where the administrator wants it
/// so (RFC 9755 section 4; the code is that of section 7). In IMAP4rev2 all clients do.
fn may_have_its_header(session: &Session, message: &[u8]) -> Result<(), Reply> {
    let knows = session.enabled.utf8 || session.enabled.rev2;
    if knows || session.server.eight_bit_headers() || header::octets(message).is_ascii() {
        return Ok(());
    }
    Err(Reply::no("CANNOT", "ENABLE UTF8=ACCEPT comes before messages with 8-bit headers"))
}

/// Whether nothing has to be read or copied.
fn is_there(pieces: &[Piece]) -> bool {
    matches!(pieces, [Piece::Octets(_)])
}

/// A share of the memory for large messages.
async fn room(session: &Session, octets: u64) -> Result<Option<SemaphorePermit<'_>>, Failure> {
    if octets <= SMALL {
        return Ok(None);
    }
    let units = u32::try_from(octets.div_ceil(1024)).unwrap_or(u32::MAX);
    match tokio::time::timeout(PATIENCE, session.server.literal_room.acquire_many(units)).await {
        Ok(Ok(permit)) => Ok(Some(permit)),
        Ok(Err(_)) => Err(StoreError::Unavailable("server is stopping".into()).into()),
        Err(_) => Err(Reply::no("UNAVAILABLE", "Too many large messages at once; try again later").into()),
    }
}

fn text(session: &Session, octets: Bytes, carrier: Carrier) -> Result<Piece, Reply> {
    if carrier == Carrier::Utf8 && !session.enabled.utf8 {
        return Err(Reply::client_bug("UTF8=ACCEPT must be enabled first"));
    }
    Ok(Piece::Octets(octets))
}

async fn locate_all(
    session: &Session,
    parts: Vec<CatPart>,
    sources: &mut Sources,
) -> Result<Vec<Piece>, Failure> {
    let mut pieces = Vec::with_capacity(parts.len());
    for part in parts {
        pieces.push(match part {
            CatPart::Text(octets, carrier) => text(session, octets, carrier)?,
            CatPart::Url(url) => match locate(session, &url).await? {
                Ok((mailbox, piece)) => {
                    sources.0.push((url, mailbox));
                    piece
                }
                Err(why) => return Err(bad_url(&url, &why).into()),
            },
        });
    }
    Ok(pieces)
}

/// The answer to a URL that leads nowhere. What could end the response code stands there encoded.
fn bad_url(url: &[u8], why: &str) -> Reply {
    let mut shown = String::new();
    for b in &url[..url.len().min(MAX_URL)] {
        match b {
            b']' | b'\\' | b'"' => shown.push_str(&format!("%{b:02X}")),
            b if b.is_ascii_graphic() => shown.push(char::from(*b)),
            b => shown.push_str(&format!("%{b:02X}")),
        }
    }
    // An empty one is a URL, too, that of where one is; the code cannot show it.
    let code = if shown.is_empty() { "BADURL /".to_owned() } else { format!("BADURL {shown}") };
    Reply::no(code, format!("URL cannot be used: {why}"))
}

/// What is wrong with a URL.
type Wrong = std::borrow::Cow<'static, str>;

/// Where the octets are that a URL names, and in which mailbox; inside, why it names none.
async fn locate(session: &Session, url: &[u8]) -> Result<Result<(Arc<OpenMailbox>, Piece), Wrong>, Failure> {
    let parsed = std::str::from_utf8(url).map_err(|_| Wrong::from("it is not UTF-8"));
    let parsed = parsed.and_then(|url| UrlReference::parse(url).map_err(|e| e.to_string().into()));
    let (mailbox, part) = match parsed {
        Ok(UrlReference::Message(part)) => (None, part),
        Ok(UrlReference::Path(UrlMailbox { message: Some(part), name, uid_validity })) => {
            (Some((name, uid_validity)), part)
        }
        Ok(UrlReference::Absolute(url)) => match (name_here(session, &url.server), url.mailbox) {
            (Err(why), _) => return Ok(Err(why)),
            (Ok(above), Some(UrlMailbox { message: Some(part), name, uid_validity })) => {
                let name = match above {
                    None => Some(name),
                    Some(above) => MailboxName::new(&format!("{above}{name}")).ok(),
                };
                let Some(name) = name else { return Ok(Err("the mailbox name is too long".into())) };
                (Some((name, uid_validity)), part)
            }
            _ => return Ok(Err("it names no message".into())),
        },
        Ok(_) => return Ok(Err("it names no message".into())),
        Err(why) => return Ok(Err(why)),
    };
    if part.partial.is_some() && !session.offers(Token::UrlPartial) {
        return Ok(Err("URL-PARTIAL is not offered".into()));
    }
    let mailbox = match open(session, mailbox).await {
        Ok(mailbox) => mailbox?,
        Err(why) => return Ok(Err(why)),
    };
    let piece = piece(session, mailbox.clone(), &part).await?;
    Ok(piece.map(|piece| (mailbox, piece)))
}

/// What stands before the names of mailboxes at that server as we see them; an error when it is not this one.
fn name_here(session: &Session, server: &ImapServer) -> Result<Option<String>, Wrong> {
    if !server.host.eq_ignore_ascii_case(&session.server.host) {
        return Err("it is on another server".into());
    }
    let me = session.user.as_ref().map(|user| user.id());
    match &server.user {
        None => Ok(None),
        Some(user) => match session.server.auth.user_id(user.as_bytes()) {
            Some(user) if Some(user) == me => Ok(None),
            // What is another's own is in our namespace of others.
            Some(user) => Ok(Some(format!("{OTHERS}{SEPARATOR}{user}{SEPARATOR}"))),
            None => Err("there is no such user".into()),
        },
    }
}

/// The mailbox of a URL, for one who may read it: the one of that name, or the one that is selected.
async fn open(
    session: &Session,
    named: Option<(MailboxName, Option<u32>)>,
) -> Result<Result<Arc<OpenMailbox>, Failure>, Wrong> {
    let nowhere = || Wrong::from(NOWHERE);
    let Some((name, uid_validity)) = named else {
        let view = session.view.as_ref().ok_or(Wrong::from("no mailbox is selected"))?;
        return match place::need_in(session, view, Rights::READ) {
            Ok(()) => Ok(Ok(view.mailbox.clone())),
            Err(_) => Err(nowhere()),
        };
    };
    let opened = match place::of_name(session, name).await {
        Ok(place) => place.open(Rights::READ).await.map_err(Failure::Store),
        Err(e) => Err(e),
    };
    match opened {
        Ok((mailbox, _)) if uid_validity.is_some_and(|wanted| wanted != mailbox.uid_validity.0) => {
            Err("UIDVALIDITY is another one".into())
        }
        Ok((mailbox, _)) => Ok(Ok(mailbox)),
        Err(Failure::Store(
            StoreError::NoSuchMailbox
            | StoreError::NoRight
            | StoreError::NotSelectable
            | StoreError::MailboxDeleted
            | StoreError::NotEnrolled,
        )) => Err(nowhere()),
        // It is on another system, to which URLs do not reach.
        Err(Failure::Answer(_)) => Err(nowhere()),
        Err(e) => Ok(Err(e)),
    }
}

async fn piece(
    session: &Session,
    mailbox: Arc<OpenMailbox>,
    part: &MessagePart,
) -> Result<Result<Piece, Wrong>, Failure> {
    let whole = Section { path: Vec::new(), text: SectionText::All };
    let section = match &part.section {
        None => whole,
        Some(text) => match section_spec(text) {
            Some(section) => section,
            None => return Ok(Err("the section is none of IMAP".into())),
        },
    };
    let Some(record) = mailbox.state().columns.get(Uid(part.uid)) else {
        return Ok(Err("there is no such message".into()));
    };
    let cut = part.partial.map(|(from, count)| (from.into(), count.unwrap_or(u32::MAX).into()));
    let located = Source::new(&session.server, &mailbox, record).locate(&section, cut).await;
    let located = match located {
        Ok(located) => located,
        Err(_) if mailbox.is_gone(record.uid).await => None,
        Err(e) => return Err(e.into()),
    };
    Ok(match located {
        None => Err("there is no such part".into()),
        Some(Located::Picked(octets)) => Ok(Piece::Octets(octets)),
        Some(Located::At { range, line }) => {
            let (range, line) = (range.start as u64..range.end as u64, line as u64);
            Ok(Piece::Stored { mailbox, record, range, line })
        }
    })
}

/// The octets of all pieces.
async fn assemble(mut pieces: Vec<Piece>) -> Result<Bytes, Failure> {
    if is_there(&pieces)
        && let Some(Piece::Octets(octets)) = pieces.pop()
    {
        return Ok(octets);
    }
    let total: u64 = pieces.iter().map(Piece::len).sum();
    let mut out = BytesMut::with_capacity(usize::try_from(total).unwrap_or(MAX_MESSAGE));
    for piece in pieces {
        match piece {
            Piece::Octets(octets) => out.extend_from_slice(&octets),
            Piece::Stored { mailbox, record, range, mut line } => {
                let mut at = range.start;
                while at < range.end {
                    let to = range.end.min(at + PIECE);
                    let read = mailbox.read_range(&record, at..to, line).await;
                    let octets = match read {
                        Ok(octets) => octets,
                        Err(e) => return Err(gone(&mailbox, record.uid, e).await),
                    };
                    if let Some(end) = memchr::memmem::rfind(&octets, b"\r\n") {
                        line = at + end as u64 + 2;
                    }
                    at = to;
                    out.extend_from_slice(&octets);
                }
            }
        }
    }
    Ok(out.freeze())
}

/// What a source that could not be read comes to.
async fn gone(mailbox: &OpenMailbox, uid: Uid, error: StoreError) -> Failure {
    if !mailbox.is_gone(uid).await {
        return error.into();
    }
    bad_url(format!(";UID={uid}").as_bytes(), "the message was expunged meanwhile").into()
}
