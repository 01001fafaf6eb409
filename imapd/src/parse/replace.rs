//! `REPLACE number mailbox [flags] [date-time] literal` and `UID REPLACE` (RFC 8508).

use bytes::Bytes;
use nom::Parser;
use nom::sequence::preceded;

use super::{Input, Parsed, append, prim};
use crate::syntax::ast::Command;
use crate::syntax::seqset::SequenceSet;

/// `REPLACE`
///
/// # Errors
/// Where the grammar is broken.
pub fn replace<'a>(frame: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    arguments(frame, input, false)
}

/// `UID REPLACE`
///
/// # Errors
/// Where the grammar is broken.
pub fn uid_replace<'a>(frame: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    arguments(frame, input, true)
}

fn arguments<'a>(frame: &'a Bytes, input: Input<'a>, uid: bool) -> Parsed<'a, Command> {
    let (rest, number) = preceded(prim::sp, prim::seq_number).parse(input)?;
    let (rest, mailbox) = preceded(prim::sp, prim::mailbox).parse(rest)?;
    let (rest, message) = append::message(frame, rest)?;
    let (rest, _) = prim::trailing_space(rest)?;
    Ok((rest, Command::Replace { message: SequenceSet(vec![(number, number)]), mailbox, by: message, uid }))
}
