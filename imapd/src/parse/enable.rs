//! `ENABLE capability ...` (RFC 5161).

use bytes::Bytes;
use nom::Parser;
use nom::combinator::map;
use nom::multi::many1;
use nom::sequence::preceded;

use super::{Input, Parsed, prim};
use crate::syntax::ast::Command;

/// Parses the arguments.
///
/// # Errors
/// Where the grammar is broken.
pub fn enable<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let names = many1(preceded(prim::sp, map(prim::atom, <[u8]>::to_ascii_uppercase)));
    map(names, Command::Enable).parse(input)
}
