//! `LANGUAGE [range ...]` (RFC 5255 section 3.2).

use bytes::Bytes;
use nom::Parser;
use nom::multi::many_m_n;
use nom::sequence::preceded;

use super::{Input, Parsed, prim};
use crate::syntax::ast::Command;

/// Most ranges in one command: more than anybody speaks.
const MAX_RANGES: usize = 50;

/// Parses the arguments.
///
/// # Errors
/// Where the grammar is broken.
pub fn language<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, ranges) = many_m_n(0, MAX_RANGES, preceded(prim::sp, prim::astring)).parse(input)?;
    Ok((rest, Command::Language(ranges)))
}
