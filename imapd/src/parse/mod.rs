//! The command grammar (RFC 3501 section 9 and the extensions in the capability table), one file a command.
//!
//! Parsers are complete ones: they see a whole framed command and either take all of it or say where it went wrong.
//! None recurses deeper than a named limit and none backtracks over more than one token.

pub mod prim;

mod acl;
mod append;
mod authenticate;
mod cancelupdate;
mod compress;
mod copy;
mod enable;
mod esearch;
mod fetch;
mod id;
mod language;
mod list;
mod login;
mod mailbox;
mod metadata;
mod notify;
mod quota;
mod replace;
mod search;
mod section;
mod select;
mod sort;
mod status;
mod store;
mod uid_expunge;
mod uidbatches;

use bytes::Bytes;
use nom::IResult;
use nom::error::{ErrorKind, ParseError};

use crate::session::table::{self, CommandRow};
use crate::syntax::ast::Command;
use crate::wire::trailing_literal;

pub use acl::{deleteacl, getacl, listrights, myrights, setacl};
pub use append::append;
pub use authenticate::authenticate;
pub use cancelupdate::cancelupdate;
pub use compress::compress;
pub use copy::{copy, move_, uid_copy, uid_move};
pub use enable::enable;
pub use esearch::esearch;
pub use fetch::{fetch, uid_fetch};
pub use id::id;
pub use language::language;
pub use list::{list, lsub, rlist, rlsub};
pub use login::login;
pub use mailbox::{create, delete, rename, subscribe, unsubscribe};
pub use metadata::{getmetadata, setmetadata};
pub use notify::notify;
pub use quota::{getquota, getquotaroot, setquota};
pub use replace::{replace, uid_replace};
pub use search::{search, uid_search};
pub use section::section_spec;
pub use select::{examine, select};
pub use sort::{sort, thread, uid_sort, uid_thread};
pub use status::status;
pub use store::{store, uid_store};
pub use uid_expunge::uid_expunge;
pub use uidbatches::uidbatches;

/// The input of a parser: what is left of the command.
pub type Input<'a> = &'a [u8];
/// What a parser gives back.
pub type Parsed<'a, T> = IResult<Input<'a>, T, Broken<'a>>;

/// Where the grammar is broken: of several readings of which none is good, where the one ended that came farthest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken<'a>(pub Input<'a>);

impl<'a> ParseError<Input<'a>> for Broken<'a> {
    fn from_error_kind(input: Input<'a>, _: ErrorKind) -> Self {
        Self(input)
    }

    fn append(_: Input<'a>, _: ErrorKind, other: Self) -> Self {
        other
    }

    fn or(self, other: Self) -> Self {
        if other.0.len() < self.0.len() { other } else { self }
    }
}

/// The parser of a command's arguments, with the space before them. The frame is there to take large literals from
/// without a copy.
pub type ArgsParser = for<'a> fn(&'a Bytes, Input<'a>) -> Parsed<'a, Command>;

/// A command and what the table says of it.
#[derive(Debug)]
pub struct TaggedCommand {
    /// The client's tag.
    pub tag: Bytes,
    /// Its row in the command table.
    pub row: &'static CommandRow,
    /// The command.
    pub command: Command,
}

/// A command that could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// The tag, when there was one.
    pub tag: Option<Bytes>,
    /// What is wrong and where, as shown to the client.
    pub text: String,
}

/// Parses one framed command.
///
/// # Errors
/// [`SyntaxError`] for an unknown command or arguments that break the grammar.
pub fn command(frame: &Bytes) -> Result<TaggedCommand, SyntaxError> {
    let input: &[u8] = frame;
    // What goes on behind it was no tag, and an answer with a part of it would be nobody's.
    let whole = |(rest, _): &(&[u8], &[u8])| rest.first().is_none_or(|b| *b == b' ');
    let Some((rest, tag)) = prim::tag(input).ok().filter(whole) else {
        return Err(SyntaxError { tag: None, text: "A command begins with a tag".into() });
    };
    let tag = frame.slice_ref(tag);
    let fail = |text: String| SyntaxError { tag: Some(tag.clone()), text };
    let Ok((rest, _)) = prim::sp(rest) else {
        return Err(fail("A command name must follow the tag".into()));
    };
    let name_len = rest.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let (mut name, mut rest) = rest.split_at(name_len);
    let uid = name.eq_ignore_ascii_case(b"UID");
    if uid {
        let Ok((after, _)) = prim::sp(rest) else {
            return Err(fail("A command name must follow UID".into()));
        };
        let len = after.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(after.len());
        (name, rest) = after.split_at(len);
    }
    let Some(row) = table::find(name, uid) else {
        let shown = String::from_utf8_lossy(&name[..name.len().min(40)]).into_owned();
        return Err(fail(format!("Unknown command {shown}")));
    };
    match (row.parse)(frame, rest) {
        Ok(([], command)) => Ok(TaggedCommand { tag, row, command }),
        Ok((left, _)) => Err(fail(where_(row, frame, left))),
        Err(nom::Err::Error(e) | nom::Err::Failure(e)) => Err(fail(where_(row, frame, e.0))),
        Err(nom::Err::Incomplete(_)) => Err(fail(where_(row, frame, &[]))),
    }
}

/// Whether a line is not for this server: the first one of a request of HTTP (RFC 9112 section 3), a method, a target and a version.
pub fn is_http_request(line: &[u8]) -> bool {
    let mut words = line.trim_ascii_end().split(|b| *b == b' ');
    words.next().is_some_and(|method| method.iter().all(u8::is_ascii_uppercase))
        && words.next().is_some()
        && matches!(words.next(), Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']))
        && words.next().is_none()
}

/// Whether all that stands in quotes is UTF-8, which clients may send whether they have enabled anything or not (RFC 9755 section 3,
/// RFC 9051 section 9, `QUOTED-CHAR`). The command is one that could be parsed.
pub fn quotes_are_utf8(frame: &[u8]) -> bool {
    let mut rest = frame;
    while let Some(at) = memchr::memchr2(b'"', b'\n', rest) {
        let after = &rest[at + 1..];
        if rest[at] == b'\n' {
            let line = rest[..at].strip_suffix(b"\r").unwrap_or(&rest[..at]);
            let octets = trailing_literal(line).map_or(0, |literal| literal.octets);
            rest = after.get(octets..).unwrap_or_default();
            continue;
        }
        let mut end = 0;
        while let Some(stop) = memchr::memchr2(b'"', b'\\', &after[end..]) {
            end += stop;
            if after[end] == b'"' {
                break;
            }
            end = after.len().min(end + 2);
        }
        if std::str::from_utf8(&after[..end]).is_err() {
            return false;
        }
        rest = after.get(end + 1..).unwrap_or_default();
    }
    true
}

/// Names the place of an error: the octet and the token there.
fn where_(row: &CommandRow, frame: &Bytes, left: &[u8]) -> String {
    // What the blank announces is wrong, not the blank.
    let left = match left {
        [b' ', after @ ..] if !after.is_empty() => after,
        left => left,
    };
    let token: String = left
        .iter()
        .take_while(|b| !matches!(b, b'\r' | b'\n'))
        .take(24)
        .map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '?' })
        .collect();
    if left.is_empty() {
        return format!("{}: an argument is missing at the end", row.name);
    }
    // Passwords must not come back in an answer that may be logged.
    if matches!(row.name, "LOGIN" | "AUTHENTICATE") {
        return format!("{}: syntax error at octet {}", row.name, frame.len() - left.len() + 1);
    }
    format!("{}: syntax error at octet {} near '{token}'", row.name, frame.len() - left.len() + 1)
}

/// For commands without arguments.
macro_rules! bare {
    ($($(#[$doc:meta])* $name:ident => $command:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
            let (rest, _) = prim::trailing_space(input)?;
            Ok((rest, Command::$command))
        }
    )*};
}

bare! {
    /// `CAPABILITY`
    capability => Capability;
    /// `NOOP`
    noop => Noop;
    /// `LOGOUT`
    logout => Logout;
    /// `STARTTLS`
    starttls => StartTls;
    /// `NAMESPACE` (RFC 2342)
    namespace => Namespace;
    /// `UNAUTHENTICATE` (RFC 8437)
    unauthenticate => Unauthenticate;
    /// `IDLE` (RFC 2177)
    idle => Idle;
    /// `CHECK`
    check => Check;
    /// `CLOSE`
    close => Close;
    /// `UNSELECT` (RFC 3691)
    unselect => Unselect;
    /// `EXPUNGE`
    expunge => Expunge;
}

#[cfg(test)]
mod tests;
