//! `SORT [RETURN (...)] (key ...) charset criteria`, `THREAD algorithm charset criteria` and their UID forms (RFC 5256,
//! RFC 5267, RFC 5957).

use bytes::Bytes;
use nom::Parser;
use nom::bytes::complete::tag_no_case;
use nom::combinator::{map_opt, opt};
use nom::sequence::{delimited, preceded, terminated};

use super::search::{criteria, returns};
use super::{Input, Parsed, prim};
use crate::syntax::ast::Command;
use crate::syntax::sort_key::{SortField, SortKey, ThreadAlgorithm};

/// `SORT`
///
/// # Errors
/// Where the grammar is broken.
pub fn sort<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    sort_arguments(input, false)
}

/// `UID SORT`
///
/// # Errors
/// Where the grammar is broken.
pub fn uid_sort<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    sort_arguments(input, true)
}

/// `THREAD`
///
/// # Errors
/// Where the grammar is broken.
pub fn thread<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    thread_arguments(input, false)
}

/// `UID THREAD`
///
/// # Errors
/// Where the grammar is broken.
pub fn uid_thread<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    thread_arguments(input, true)
}

fn sort_arguments(input: Input<'_>, uid: bool) -> Parsed<'_, Command> {
    let (rest, asked) = prim::maybe(1, preceded(prim::sp, returns)).parse(input)?;
    let (returns, attributes) = asked.unzip();
    let attributes = attributes.unwrap_or_default();
    let list = prim::list1(key);
    let (rest, keys) = preceded(prim::sp, list).parse(rest)?;
    if keys.len() > SortKey::MAX {
        return prim::fail(input);
    }
    let (rest, charset) = delimited(prim::sp, prim::astring, prim::sp).parse(rest)?;
    let (rest, key) = criteria(rest)?;
    Ok((rest, Command::Sort { returns, attributes, keys, charset, key, uid }))
}

fn key(input: Input<'_>) -> Parsed<'_, SortKey> {
    let (rest, reverse) = opt(terminated(tag_no_case("REVERSE"), prim::sp)).parse(input)?;
    let field = |word: &[u8]| {
        SortField::TABLE.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word)).map(|(_, f)| *f)
    };
    let (rest, field) = map_opt(prim::atom, field).parse(rest)?;
    Ok((rest, SortKey { field, reverse: reverse.is_some() }))
}

fn thread_arguments(input: Input<'_>, uid: bool) -> Parsed<'_, Command> {
    let named = |word: &[u8]| match word.to_ascii_uppercase().as_slice() {
        b"ORDEREDSUBJECT" => Some(ThreadAlgorithm::OrderedSubject),
        b"REFERENCES" => Some(ThreadAlgorithm::References),
        b"REFS" => Some(ThreadAlgorithm::Refs),
        _ => None,
    };
    let (rest, algorithm) = preceded(prim::sp, map_opt(prim::atom, named)).parse(input)?;
    let (rest, charset) = delimited(prim::sp, prim::astring, prim::sp).parse(rest)?;
    let (rest, key) = criteria(rest)?;
    Ok((rest, Command::Thread { algorithm, charset, key, uid }))
}
