//! `GETMETADATA` and `SETMETADATA` (RFC 5464 section 5).

use bytes::Bytes;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag_no_case;
use nom::character::complete::char;
use nom::combinator::{map, opt};
use nom::sequence::{delimited, preceded, separated_pair, terminated};

use super::{Input, Parsed, prim};
use crate::syntax::ast::{Command, Depth, MetadataOptions};

/// Most entries in one command; each is looked for on its own.
const MAX_ENTRIES: usize = 100;

/// `GETMETADATA`; the options stand before the mailbox, or behind it as some clients send them.
///
/// # Errors
/// Where the grammar is broken.
pub fn getmetadata<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, _) = prim::sp(input)?;
    let (rest, before) = prim::maybe(0, terminated(options, prim::sp)).parse(rest)?;
    let (rest, mailbox) = terminated(prim::mailbox, prim::sp).parse(rest)?;
    let (rest, behind) = opt(terminated(options, prim::sp)).parse(rest)?;
    let (rest, entries) = entries(rest)?;
    let (rest, _) = prim::trailing_space(rest)?;
    let options = before.or(behind).unwrap_or_default();
    Ok((rest, Command::GetMetadata { mailbox, options, entries }))
}

/// `SETMETADATA`
///
/// # Errors
/// Where the grammar is broken.
pub fn setmetadata<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, mailbox) = delimited(prim::sp, prim::mailbox, prim::sp).parse(input)?;
    let value = map(prim::nstring, |value| value.map(Bytes::from));
    let (rest, values) = prim::list1(separated_pair(entry, prim::sp, value)).parse(rest)?;
    let (rest, _) = prim::trailing_space(rest)?;
    if values.len() > MAX_ENTRIES {
        return prim::fail(input);
    }
    Ok((rest, Command::SetMetadata { mailbox, values }))
}

/// `entries`: one, or several in parentheses.
pub(super) fn entries(input: Input<'_>) -> Parsed<'_, Vec<String>> {
    let many = prim::list1(entry);
    let (rest, found) = alt((many, map(entry, |one| vec![one]))).parse(input)?;
    if found.len() > MAX_ENTRIES { prim::fail(input) } else { Ok((rest, found)) }
}

/// A name; in lower case, since it means the same in any (RFC 5464 section 3.2).
fn entry(input: Input<'_>) -> Parsed<'_, String> {
    let (rest, name) = prim::astring(input)?;
    match String::from_utf8(name) {
        Ok(name) => Ok((rest, name.to_ascii_lowercase())),
        Err(_) => prim::fail(input),
    }
}

enum GetOption {
    MaxSize(u32),
    Depth(Depth),
}

fn options(input: Input<'_>) -> Parsed<'_, MetadataOptions> {
    let depth = alt((
        map(char('0'), |_| Depth::Zero),
        map(char('1'), |_| Depth::One),
        map(tag_no_case("infinity"), |_| Depth::Infinity),
    ));
    let option = alt((
        map(preceded((tag_no_case("MAXSIZE"), prim::sp), prim::number), GetOption::MaxSize),
        map(preceded((tag_no_case("DEPTH"), prim::sp), depth), GetOption::Depth),
    ));
    let (rest, all) = prim::list1(option).parse(input)?;
    let mut options = MetadataOptions::default();
    for option in all {
        match option {
            GetOption::MaxSize(size) => options.max_size = Some(size),
            GetOption::Depth(depth) => options.depth = depth,
        }
    }
    Ok((rest, options))
}
