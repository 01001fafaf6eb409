//! `LIST` and `LSUB`: `reference SP pattern` (RFC 3501 sections 6.3.8 and 6.3.9).

use bytes::Bytes;
use nom::Parser;
use nom::sequence::preceded;

use super::{Input, Parsed, prim};
use crate::syntax::ast::Command;

/// `LIST`
///
/// # Errors
/// Where the grammar is broken.
pub fn list<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    arguments(input, false)
}

/// `LSUB`
///
/// # Errors
/// Where the grammar is broken.
pub fn lsub<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    arguments(input, true)
}

fn arguments(input: Input<'_>, subscribed: bool) -> Parsed<'_, Command> {
    let (rest, reference) = preceded(prim::sp, prim::astring).parse(input)?;
    let (rest, pattern) = preceded(prim::sp, prim::list_mailbox).parse(rest)?;
    Ok((rest, Command::List { reference, pattern, subscribed }))
}
