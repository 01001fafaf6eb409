//! `APPEND mailbox [flags] [date-time] literal` (RFC 3501 section 6.3.11).

use bytes::Bytes;
use nom::Parser;
use nom::combinator::opt;
use nom::sequence::{preceded, terminated};

use super::{Input, Parsed, prim};
use crate::syntax::ast::Command;

/// Parses the arguments. The message is a slice of the frame, not a copy.
///
/// # Errors
/// Where the grammar is broken.
pub fn append<'a>(frame: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, mailbox) = preceded(prim::sp, prim::mailbox).parse(input)?;
    let (rest, _) = prim::sp(rest)?;
    let (rest, flags) = opt(terminated(prim::flag_list, prim::sp)).parse(rest)?;
    let (rest, date) = opt(terminated(prim::date_time, prim::sp)).parse(rest)?;
    let (rest, message) = prim::literal(rest)?;
    let message = frame.slice_ref(message);
    Ok((rest, Command::Append { mailbox, flags: flags.unwrap_or_default(), date, message }))
}
