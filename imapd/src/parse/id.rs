//! `ID` (RFC 2971): a list of field and value, or NIL. Name and version are kept for the administrator; nothing depends on
//! them.

use bytes::Bytes;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag_no_case;
use nom::character::complete::char;
use nom::combinator::value;

use super::{Input, Parsed, prim};
use crate::syntax::ast::{ClientId, Command};

/// Most pairs a client may send (RFC 2971 section 3.3).
const MAX_PAIRS: usize = 30;

/// Parses the arguments. An empty list is taken as well: clients send it.
///
/// # Errors
/// Where the grammar is broken.
pub fn id<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, _) = prim::sp(input)?;
    let nil = value(ClientId::default(), tag_no_case("NIL"));
    alt((nil, pairs)).map(Command::Id).parse(rest)
}

fn pairs(input: Input<'_>) -> Parsed<'_, ClientId> {
    let (mut rest, _) = char('(').parse(input)?;
    let mut client = ClientId::default();
    for _ in 0..MAX_PAIRS {
        if let Some(after) = rest.strip_prefix(b")") {
            return Ok((after, client));
        }
        let (after, field) = prim::string(rest)?;
        let (after, _) = prim::sp(after)?;
        let (after, said) = prim::nstring(after)?;
        if field.eq_ignore_ascii_case(b"name") {
            client.name = said.map(Bytes::from);
        } else if field.eq_ignore_ascii_case(b"version") {
            client.version = said.map(Bytes::from);
        }
        rest = after.strip_prefix(b" ").unwrap_or(after);
    }
    match rest.strip_prefix(b")") {
        Some(after) => Ok((after, client)),
        None => prim::fail(rest),
    }
}
