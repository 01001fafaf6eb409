//! `UIDBATCHES size [first:last]` (RFC 10022).

use bytes::Bytes;
use nom::Parser;
use nom::character::complete::char;
use nom::combinator::opt;
use nom::sequence::{preceded, separated_pair};

use super::{Input, Parsed, prim};
use crate::syntax::ast::Command;

/// Parses the arguments.
///
/// # Errors
/// Where the grammar is broken.
pub fn uidbatches<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, size) = preceded(prim::sp, prim::nz_number).parse(input)?;
    let range = separated_pair(prim::nz_number, char(':'), prim::nz_number);
    let (rest, range) = opt(preceded(prim::sp, range)).parse(rest)?;
    Ok((rest, Command::UidBatches { size, range }))
}
