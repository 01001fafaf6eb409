//! `CANCELUPDATE tag ...` (RFC 5267 section 4.3.5), the tags as strings.

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
pub fn cancelupdate<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    map(many1(preceded(prim::sp, prim::string)), Command::CancelUpdate).parse(input)
}
