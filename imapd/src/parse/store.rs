//! `STORE` and `UID STORE` (RFC 3501 section 6.4.6), with UNCHANGEDSINCE (RFC 7162 section 3.1.3).

use bytes::Bytes;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag_no_case;
use nom::character::complete::char;
use nom::combinator::{map, opt, value};
use nom::sequence::{delimited, preceded};

use super::{Input, Parsed, prim};
use crate::syntax::ast::{Command, FlagChange, StoreArgs};

/// `STORE`
///
/// # Errors
/// Where the grammar is broken.
pub fn store<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    arguments(input, false)
}

/// `UID STORE`
///
/// # Errors
/// Where the grammar is broken.
pub fn uid_store<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    arguments(input, true)
}

fn arguments(input: Input<'_>, uid: bool) -> Parsed<'_, Command> {
    let (rest, set) = preceded(prim::sp, prim::sequence_set).parse(input)?;
    let (rest, _) = prim::sp(rest)?;
    let unchanged =
        delimited((tag_no_case("(UNCHANGEDSINCE"), prim::sp), prim::mod_sequence, (char(')'), prim::sp));
    let (rest, unchanged_since) = prim::maybe(0, unchanged).parse(rest)?;
    let sign = alt((value(FlagChange::Add, char('+')), value(FlagChange::Remove, char('-'))));
    let (rest, change) = map(opt(sign), |c| c.unwrap_or(FlagChange::Replace)).parse(rest)?;
    let (rest, _) = tag_no_case("FLAGS").parse(rest)?;
    let (rest, silent) = map(opt(tag_no_case(".SILENT")), |s| s.is_some()).parse(rest)?;
    let (rest, flags) = preceded(prim::sp, prim::store_flags).parse(rest)?;
    let (rest, _) = prim::trailing_space(rest)?;
    Ok((rest, Command::Store { set, args: StoreArgs { change, silent, flags, unchanged_since }, uid }))
}
