//! `UID EXPUNGE sequence-set` (RFC 4315 section 2.1).

use bytes::Bytes;
use nom::Parser;
use nom::combinator::map;
use nom::sequence::preceded;

use super::{Input, Parsed, prim};
use crate::syntax::ast::Command;

/// Parses the arguments.
///
/// # Errors
/// Where the grammar is broken.
pub fn uid_expunge<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    map(preceded(prim::sp, prim::sequence_set), Command::UidExpunge).parse(input)
}
