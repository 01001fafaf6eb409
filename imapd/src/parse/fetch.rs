//! `FETCH` and `UID FETCH` (RFC 3501 section 6.4.5), with CHANGEDSINCE and VANISHED (RFC 7162), PARTIAL (RFC
//! 9394 section 3.3).

use bytes::Bytes;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag_no_case;
use nom::character::complete::char;
use nom::combinator::{map, opt};
use nom::sequence::preceded;

use super::section::{part, partial, section};
use super::{Input, Parsed, prim};
use crate::syntax::ast::{ChangedSince, Command, FetchItem};
use crate::syntax::partial_range::PartialRange;

/// Most items in one command.
const MAX_ITEMS: usize = 200;

/// `FETCH`
///
/// # Errors
/// Where the grammar is broken.
pub fn fetch<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    arguments(input, false)
}

/// `UID FETCH`
///
/// # Errors
/// Where the grammar is broken.
pub fn uid_fetch<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    arguments(input, true)
}

fn arguments(input: Input<'_>, uid: bool) -> Parsed<'_, Command> {
    let (rest, set) = preceded(prim::sp, prim::sequence_set).parse(input)?;
    let (rest, mut items) = preceded(prim::sp, items).parse(rest)?;
    let behind = rest;
    let (rest, modifiers) = prim::maybe(1, preceded(prim::sp, modifiers)).parse(rest)?;
    let Modifiers { since, partial } = modifiers.unwrap_or_default();
    let (rest, _) = prim::trailing_space(rest)?;
    if items.len() > MAX_ITEMS {
        return prim::fail(input);
    }
    if (since.is_some_and(|s| s.vanished) || partial.is_some()) && !uid {
        return prim::fail(behind);
    }
    if since.is_some() && !items.contains(&FetchItem::ModSeq) {
        items.push(FetchItem::ModSeq);
    }
    Ok((rest, Command::Fetch { set, items, since, partial, uid }))
}

/// What stands behind the items.
#[derive(Default)]
struct Modifiers {
    since: Option<ChangedSince>,
    partial: Option<PartialRange>,
}

/// `(CHANGEDSINCE n VANISHED PARTIAL n:m)`, each at most once and in any order; VANISHED needs CHANGEDSINCE.
fn modifiers(input: Input<'_>) -> Parsed<'_, Modifiers> {
    let (mut rest, _) = char('(').parse(input)?;
    let (mut modseq, mut vanished, mut partial) = (None, false, None);
    loop {
        let (after, word) = prim::atom(rest)?;
        rest = match word.to_ascii_uppercase().as_slice() {
            b"CHANGEDSINCE" if modseq.is_none() => {
                let (after, n) = preceded(prim::sp, prim::mod_sequence).parse(after)?;
                modseq = Some(n);
                after
            }
            b"PARTIAL" if partial.is_none() => {
                let (after, range) = preceded(prim::sp, prim::partial_range).parse(after)?;
                partial = Some(range);
                after
            }
            b"VANISHED" if !vanished => {
                vanished = true;
                after
            }
            _ => return prim::fail(rest),
        };
        match rest.split_first() {
            Some((b' ', after)) => rest = after,
            Some((b')', after)) if modseq.is_some() || !vanished => {
                let since = modseq.map(|modseq| ChangedSince { modseq, vanished });
                return Ok((after, Modifiers { since, partial }));
            }
            _ => return prim::fail(rest),
        }
    }
}

fn items(input: Input<'_>) -> Parsed<'_, Vec<FetchItem>> {
    use FetchItem::{Body, Envelope, Flags, InternalDate, Rfc822Size};
    let fast = || vec![Flags, InternalDate, Rfc822Size];
    alt((
        map(tag_no_case("ALL"), move |_| [fast(), vec![Envelope]].concat()),
        map(tag_no_case("FULL"), move |_| [fast(), vec![Envelope, Body]].concat()),
        map(tag_no_case("FAST"), move |_| fast()),
        map(item, |i| vec![i]),
        prim::list1(item),
    ))
    .parse(input)
}

/// `(fetch-att ...)`, as UPDATE and NOTIFY have it (RFC 5465 section 8).
pub(super) fn fetch_attributes(input: Input<'_>) -> Parsed<'_, Vec<FetchItem>> {
    let (rest, items) = prim::list1(item).parse(input)?;
    if items.len() > MAX_ITEMS { prim::fail(input) } else { Ok((rest, items)) }
}

fn item(input: Input<'_>) -> Parsed<'_, FetchItem> {
    let len = input.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'.')).unwrap_or(input.len());
    let (word, rest) = input.split_at(len);
    let item = match word.to_ascii_uppercase().as_slice() {
        b"FLAGS" => FetchItem::Flags,
        b"INTERNALDATE" => FetchItem::InternalDate,
        b"RFC822.SIZE" => FetchItem::Rfc822Size,
        b"UID" => FetchItem::Uid,
        b"MODSEQ" => FetchItem::ModSeq,
        b"ENVELOPE" => FetchItem::Envelope,
        b"BODYSTRUCTURE" => FetchItem::BodyStructure,
        b"RFC822" => FetchItem::Rfc822,
        b"RFC822.HEADER" => FetchItem::Rfc822Header,
        b"RFC822.TEXT" => FetchItem::Rfc822Text,
        b"EMAILID" => FetchItem::EmailId,
        b"THREADID" => FetchItem::ThreadId,
        b"SAVEDATE" => FetchItem::SaveDate,
        b"PREVIEW" => {
            let (rest, lazy) = opt(tag_no_case(" (LAZY)")).parse(rest)?;
            return Ok((rest, FetchItem::Preview { lazy: lazy.is_some() }));
        }
        b"BINARY.SIZE" => {
            let (rest, path) = part(rest)?;
            return Ok((rest, FetchItem::BinarySize { path }));
        }
        word @ (b"BINARY" | b"BINARY.PEEK") => {
            let (rest, path) = part(rest)?;
            let (rest, partial) = partial(rest)?;
            return Ok((rest, FetchItem::Binary { path, peek: word != b"BINARY", partial }));
        }
        b"BODY" if !rest.starts_with(b"[") => FetchItem::Body,
        word @ (b"BODY" | b"BODY.PEEK") => {
            let (rest, section) = section(rest)?;
            let (rest, partial) = partial(rest)?;
            return Ok((rest, FetchItem::BodySection { section, peek: word != b"BODY", partial }));
        }
        _ => return prim::fail(input),
    };
    Ok((rest, item))
}
