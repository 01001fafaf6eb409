//! `ID` (RFC 2971): a list of field and value, or NIL. The values are read and dropped; nothing depends on them.

use bytes::Bytes;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag_no_case;
use nom::character::complete::char;
use nom::combinator::value;

use super::{Input, Parsed, prim};
use crate::syntax::ast::Command;

/// Most pairs a client may send (RFC 2971 section 3.3).
const MAX_PAIRS: usize = 30;

/// Parses the arguments. An empty list is taken as well: clients send it.
///
/// # Errors
/// Where the grammar is broken.
pub fn id<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, _) = prim::sp(input)?;
    value(Command::Id, alt((value((), tag_no_case("NIL")), pairs))).parse(rest)
}

fn pairs(input: Input<'_>) -> Parsed<'_, ()> {
    let (mut rest, _) = char('(').parse(input)?;
    for _ in 0..MAX_PAIRS {
        if let Some(after) = rest.strip_prefix(b")") {
            return Ok((after, ()));
        }
        let (after, _) = prim::string(rest)?;
        let (after, _) = prim::sp(after)?;
        let (after, _) = prim::nstring(after)?;
        rest = after.strip_prefix(b" ").unwrap_or(after);
    }
    match rest.strip_prefix(b")") {
        Some(after) => Ok((after, ())),
        None => prim::fail(rest),
    }
}
