//! `LIST` and `LSUB`: `reference SP pattern` (RFC 3501 sections 6.3.8 and 6.3.9), with the options of RFC 5258; `RLIST` and
//! `RLSUB` (RFC 2193).

use bytes::Bytes;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag_no_case;
use nom::combinator::map;
use nom::sequence::{preceded, terminated};

use super::{Input, Parsed, metadata, prim, status};
use crate::syntax::ast::{Command, ListArgs, ListReturn, ListSelect, StatusItem};

/// Most patterns in one command; each is matched with every name.
const MAX_PATTERNS: usize = 32;

/// `LSUB`
///
/// # Errors
/// Where the grammar is broken.
pub fn lsub<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, (reference, pattern)) = plain(input)?;
    Ok((rest, Command::Lsub { reference, pattern, remote: false }))
}

/// `RLSUB`
///
/// # Errors
/// Where the grammar is broken.
pub fn rlsub<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, (reference, pattern)) = plain(input)?;
    Ok((rest, Command::Lsub { reference, pattern, remote: true }))
}

/// `RLIST`
///
/// # Errors
/// Where the grammar is broken.
pub fn rlist<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, (reference, pattern)) = plain(input)?;
    let select = ListSelect { remote: true, ..ListSelect::default() };
    Ok((rest, Command::List(ListArgs { select, reference, patterns: vec![pattern], ..ListArgs::default() })))
}

fn plain(input: Input<'_>) -> Parsed<'_, (Vec<u8>, Vec<u8>)> {
    (preceded(prim::sp, prim::astring), preceded(prim::sp, prim::list_mailbox)).parse(input)
}

/// `LIST`
///
/// # Errors
/// Where the grammar is broken.
pub fn list<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, _) = prim::sp(input)?;
    let (rest, select) = prim::maybe(0, terminated(selection, prim::sp)).parse(rest)?;
    let (rest, reference) = terminated(prim::astring, prim::sp).parse(rest)?;
    let (rest, (patterns, many)) = patterns(rest)?;
    let (rest, returns) = prim::maybe(1, preceded(prim::sp, returns)).parse(rest)?;
    let (rest, _) = prim::trailing_space(rest)?;
    let extended = select.is_some() || many || returns.is_some();
    let (select, returns) = (select.unwrap_or_default(), returns.unwrap_or_default());
    Ok((rest, Command::List(ListArgs { select, reference, patterns, returns, extended })))
}

fn patterns(input: Input<'_>) -> Parsed<'_, (Vec<Vec<u8>>, bool)> {
    let many = prim::list1(prim::list_mailbox);
    let (rest, found) =
        alt((map(many, |p| (p, true)), map(prim::list_mailbox, |p| (vec![p], false)))).parse(input)?;
    if found.0.len() > MAX_PATTERNS { prim::fail(input) } else { Ok((rest, found)) }
}

fn selection(input: Input<'_>) -> Parsed<'_, ListSelect> {
    let (rest, words) = prim::list0(prim::atom).parse(input)?;
    let mut select = ListSelect::default();
    for word in words {
        match word.to_ascii_uppercase().as_slice() {
            b"SUBSCRIBED" => select.subscribed = true,
            b"RECURSIVEMATCH" => select.recursive = true,
            b"SPECIAL-USE" => select.special_use = true,
            b"REMOTE" => select.remote = true,
            _ => return prim::fail(input),
        }
    }
    // RECURSIVEMATCH says where to look, not for what (RFC 5258 section 3.1).
    if select.recursive && !select.subscribed && !select.special_use {
        return prim::fail(input);
    }
    Ok((rest, select))
}

enum Return {
    Nothing,
    Subscribed,
    MyRights,
    Status(Vec<StatusItem>),
    Metadata(Vec<String>),
}

fn returns(input: Input<'_>) -> Parsed<'_, ListReturn> {
    let option = alt((
        map(tag_no_case("CHILDREN"), |_| Return::Nothing),
        map(tag_no_case("SPECIAL-USE"), |_| Return::Nothing),
        map(tag_no_case("SUBSCRIBED"), |_| Return::Subscribed),
        map(tag_no_case("MYRIGHTS"), |_| Return::MyRights),
        map(preceded((tag_no_case("STATUS"), prim::sp), status::items), Return::Status),
        map(preceded((tag_no_case("METADATA"), prim::sp), metadata::entries), Return::Metadata),
    ));
    let (rest, options) = preceded((tag_no_case("RETURN"), prim::sp), prim::list0(option)).parse(input)?;
    let mut returns = ListReturn::default();
    for option in options {
        match option {
            Return::Nothing => {}
            Return::Subscribed => returns.subscribed = true,
            Return::MyRights => returns.my_rights = true,
            Return::Status(items) => returns.status = Some(items),
            Return::Metadata(entries) => returns.metadata = entries,
        }
    }
    Ok((rest, returns))
}
