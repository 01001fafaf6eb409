//! `ESEARCH [IN (source ...)] [RETURN (option ...)] [CHARSET x] key ...` (RFC 7377 section 2).

use bytes::Bytes;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag_no_case;
use nom::combinator::map;
use nom::sequence::{preceded, terminated};

use super::search::{charset, criteria, returns};
use super::{Input, Parsed, prim};
use crate::syntax::ast::{Command, MailboxArg, SearchSource};
use crate::syntax::search_key::SearchReturn;

/// Parses the arguments. Without sources the selected mailbox is searched; no scope option is defined, so none is taken.
///
/// # Errors
/// Where the grammar is broken.
pub fn esearch<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let list = prim::list1(source);
    let (rest, sources) =
        prim::maybe(1, preceded((prim::sp, tag_no_case("IN"), prim::sp), list)).parse(input)?;
    let (rest, _) = prim::sp(rest)?;
    let (rest, asked) = prim::maybe(0, terminated(returns, prim::sp)).parse(rest)?;
    let (rest, charset) = charset(rest)?;
    let (rest, key) = criteria(rest)?;
    let sources = sources.unwrap_or_else(|| vec![SearchSource::Selected]);
    let all = || (SearchReturn { all: true, ..SearchReturn::default() }, Vec::new());
    let (returns, attributes) = asked.unwrap_or_else(all);
    Ok((rest, Command::Esearch { sources, returns, attributes, charset, key }))
}

/// One source (RFC 5465 section 8, RFC 7377 section 2.2).
pub(super) fn source(input: Input<'_>) -> Parsed<'_, SearchSource> {
    let (rest, word) = prim::atom(input)?;
    match word.to_ascii_lowercase().as_slice() {
        b"selected" => Ok((rest, SearchSource::Selected)),
        b"inboxes" => Ok((rest, SearchSource::Inboxes)),
        b"personal" => Ok((rest, SearchSource::Personal)),
        b"subscribed" => Ok((rest, SearchSource::Subscribed)),
        b"mailboxes" => map(mailboxes, SearchSource::Mailboxes).parse(rest),
        b"subtree" => map(mailboxes, |roots| SearchSource::Subtree { roots, one_level: false }).parse(rest),
        b"subtree-one" => {
            map(mailboxes, |roots| SearchSource::Subtree { roots, one_level: true }).parse(rest)
        }
        _ => prim::fail(input),
    }
}

fn mailboxes(input: Input<'_>) -> Parsed<'_, Vec<MailboxArg>> {
    let many = prim::list1(prim::mailbox);
    preceded(prim::sp, alt((many, map(prim::mailbox, |one| vec![one])))).parse(input)
}
