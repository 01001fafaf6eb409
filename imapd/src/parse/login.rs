//! `LOGIN userid password` (RFC 3501 section 6.2.3).

use bytes::Bytes;
use nom::Parser;
use nom::sequence::preceded;

use super::{Input, Parsed, prim};
use crate::syntax::ast::Command;

/// Parses the arguments.
///
/// # Errors
/// Where the grammar is broken.
pub fn login<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, user) = preceded(prim::sp, prim::astring).parse(input)?;
    let (rest, password) = preceded(prim::sp, prim::astring).parse(rest)?;
    Ok((rest, Command::Login { user, password }))
}
