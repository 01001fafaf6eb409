//! `APPEND mailbox [flags] [date-time] literal ...` (RFC 3501 section 6.3.11), several messages at once (RFC 3502), with
//! `UTF8 (~{n}...)` for a message (RFC 6855 section 4).

use bytes::Bytes;
use nom::Parser;
use nom::bytes::complete::tag_no_case;
use nom::character::complete::char;
use nom::combinator::opt;
use nom::sequence::{preceded, terminated};

use super::{Input, Parsed, prim};
use crate::syntax::ast::{AppendMessage, Carrier, Command};

/// Parses the arguments. The messages are slices of the frame, not copies.
///
/// # Errors
/// Where the grammar is broken.
pub fn append<'a>(frame: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, mailbox) = preceded(prim::sp, prim::mailbox).parse(input)?;
    let (mut rest, first) = message(frame, rest)?;
    let mut messages = vec![first];
    // How many there may be is the framer's limit of literals.
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
    let (rest, flags) = opt(terminated(prim::flag_list, prim::sp)).parse(rest)?;
    let (rest, date) = opt(terminated(prim::date_time, prim::sp)).parse(rest)?;
    let (rest, utf8) = opt(tag_no_case("UTF8 (")).parse(rest)?;
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
    let octets = frame.slice_ref(octets);
    Ok((rest, AppendMessage { flags: flags.unwrap_or_default(), date, octets, carrier }))
}
