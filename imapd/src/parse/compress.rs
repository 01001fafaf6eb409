//! `COMPRESS algorithm` (RFC 4978).

use bytes::Bytes;
use nom::Parser;
use nom::sequence::preceded;

use super::{Input, Parsed, prim};
use crate::syntax::ast::Command;

/// Parses the arguments.
///
/// # Errors
/// Where the grammar is broken.
pub fn compress<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, algorithm) = preceded(prim::sp, prim::atom).parse(input)?;
    Ok((rest, Command::Compress(algorithm.to_ascii_uppercase())))
}
