//! `APPEND mailbox [flags] [date-time] literal ...` (RFC 3501 section 6.3.11), several messages at once (RFC 3502), with
//! `UTF8 (~{n}...)` for a message (RFC 6855 section 4), or `CATENATE (TEXT {n}... URL url ...)` (RFC 4469 section 5).

use bytes::Bytes;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while1};
use nom::character::complete::char;
use nom::combinator::{map, opt};
use nom::sequence::{preceded, terminated};

use super::{Input, Parsed, prim};
use crate::syntax::ast::{AppendData, AppendMessage, Carrier, CatPart, Command};

/// Most parts of one message that is put together: as many as there may be literals.
pub(super) const MAX_PARTS: usize = 1000;

/// Parses the arguments. The messages are slices of the frame, not copies.
///
/// # Errors
/// Where the grammar is broken.
pub fn append<'a>(frame: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, mailbox) = preceded(prim::sp, prim::mailbox).parse(input)?;
    let (mut rest, first) = message(frame, rest)?;
    let mut messages = vec![first];
    // How many there may be is the framer's limit of literals, and of a line's length.
    while rest.len() > 1 && rest[0] == b' ' && rest[1] != b' ' {
        let (after, next) = message(frame, rest)?;
        messages.push(next);
        rest = after;
    }
    let (rest, _) = prim::trailing_space(rest)?;
    Ok((rest, Command::Append { mailbox, messages }))
}

/// One message with its flags and date, from the space before them.
pub(super) fn message<'a>(frame: &'a Bytes, input: Input<'a>) -> Parsed<'a, AppendMessage> {
    let (rest, _) = prim::sp(input)?;
    let (rest, flags) = prim::maybe(0, terminated(prim::flag_list, prim::sp)).parse(rest)?;
    let (rest, date) = prim::maybe(0, terminated(prim::date_time, prim::sp)).parse(rest)?;
    let (rest, catenate) = opt(tag_no_case("CATENATE (")).parse(rest)?;
    let (rest, data) = match catenate {
        Some(_) => map(|input| parts(frame, input), AppendData::Catenate).parse(rest)?,
        None => map(|input| octets(frame, input), |(octets, c)| AppendData::Octets(octets, c)).parse(rest)?,
    };
    Ok((rest, AppendMessage { flags: flags.unwrap_or_default(), date, data }))
}

/// A literal of either kind, or `UTF8 (~{n}...)`.
fn octets<'a>(frame: &'a Bytes, input: Input<'a>) -> Parsed<'a, (Bytes, Carrier)> {
    let (rest, utf8) = opt(tag_no_case("UTF8 (")).parse(input)?;
    let carrier = match (utf8, rest.first()) {
        (Some(_), Some(b'~')) => Carrier::Utf8,
        (Some(_), _) => return prim::fail(rest),
        (None, Some(b'~')) => Carrier::Literal8,
        (None, _) => Carrier::Literal,
    };
    let (mut rest, octets) = prim::literal(rest)?;
    if carrier == Carrier::Utf8 {
        (rest, _) = char(')').parse(rest)?;
    }
    Ok((rest, (frame.slice_ref(octets), carrier)))
}

/// `cat-part *(SP cat-part)` and the parenthesis behind them.
fn parts<'a>(frame: &'a Bytes, input: Input<'a>) -> Parsed<'a, Vec<CatPart>> {
    let mut parts = Vec::new();
    let mut rest = input;
    loop {
        let (after, part) = part(frame, rest)?;
        parts.push(part);
        match after.split_first() {
            Some((b' ', next)) if parts.len() < MAX_PARTS => rest = next,
            Some((b')', next)) => return Ok((next, parts)),
            _ => return prim::fail(after),
        }
    }
}

fn part<'a>(frame: &'a Bytes, input: Input<'a>) -> Parsed<'a, CatPart> {
    let (rest, url) = opt(tag_no_case("URL ")).parse(input)?;
    if url.is_some() {
        // However long a literal is, it is not copied.
        let plain = alt((take_while1(prim::is_astring_char), prim::literal));
        let plain = map(plain, |url: &[u8]| frame.slice_ref(url));
        return map(alt((plain, map(prim::string, Bytes::from))), CatPart::Url).parse(rest);
    }
    let (rest, text) = opt(tag_no_case("TEXT ")).parse(input)?;
    let (rest, (octets, carrier)) = octets(frame, rest)?;
    // UTF8 (...) is a part by itself.
    match (text.is_some(), carrier) {
        (true, Carrier::Literal | Carrier::Literal8) | (false, Carrier::Utf8) => {
            Ok((rest, CatPart::Text(octets, carrier)))
        }
        _ => prim::fail(input),
    }
}
