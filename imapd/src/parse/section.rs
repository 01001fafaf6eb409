//! `section` and `partial` of BODY[...] (RFC 3501 section 9).

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag_no_case;
use nom::character::complete::char;
use nom::combinator::{map_opt, opt, value};
use nom::sequence::{delimited, preceded, separated_pair};

use super::{Broken, Input, Parsed, prim};
use crate::syntax::section::{Section, SectionText};

/// A `section-spec` alone, as it stands in a URL (RFC 5092 section 11).
pub fn section_spec(text: &str) -> Option<Section> {
    // A literal has no place in a URL, so that nothing is copied which the brackets do not hold.
    let bracketed = [b"[", text.as_bytes(), b"]"].concat();
    match section(&bracketed) {
        Ok(([], section)) => Some(section),
        _ => None,
    }
}

/// The section with its brackets.
pub(super) fn section(input: Input<'_>) -> Parsed<'_, Section> {
    let (mut rest, _) = char('[').parse(input)?;
    let mut path = Vec::new();
    while rest.first().is_some_and(u8::is_ascii_digit) {
        let (after, n) = prim::nz_number(rest)?;
        path.push(n);
        if path.len() > Section::MAX_PATH {
            return prim::fail(rest);
        }
        match after.split_first() {
            Some((b'.', next)) => rest = next,
            _ => {
                let (after, _) = char(']').parse(after)?;
                return Ok((after, Section { path, text: SectionText::All }));
            }
        }
    }
    if path.is_empty()
        && let Some(after) = rest.strip_prefix(b"]")
    {
        return Ok((after, Section { path, text: SectionText::All }));
    }
    let (rest, text) = if path.is_empty() {
        text(rest)?
    } else {
        alt((text, value(SectionText::Mime, tag_no_case("MIME")))).parse(rest)?
    };
    let (rest, _) = char(']').parse(rest)?;
    Ok((rest, Section { path, text }))
}

/// `section-binary`: part numbers in brackets, or nothing in them (RFC 3516 section 7).
pub(super) fn part(input: Input<'_>) -> Parsed<'_, Vec<u32>> {
    let (rest, found) = section(input)?;
    if found.text == SectionText::All { Ok((rest, found.path)) } else { prim::fail(input) }
}

fn text(input: Input<'_>) -> Parsed<'_, SectionText> {
    // What begins so can be nothing else, and what is wrong with it is the error.
    if tag_no_case::<_, _, Broken<'_>>("HEADER.FIELDS").parse(input).is_ok() {
        return fields(input);
    }
    alt((value(SectionText::Header, tag_no_case("HEADER")), value(SectionText::Text, tag_no_case("TEXT"))))
        .parse(input)
}

fn fields(input: Input<'_>) -> Parsed<'_, SectionText> {
    let (rest, _) = tag_no_case("HEADER.FIELDS").parse(input)?;
    let (rest, not) = opt(tag_no_case(".NOT")).parse(rest)?;
    let (rest, names) = preceded(prim::sp, prim::list1(prim::astring)).parse(rest)?;
    Ok((rest, SectionText::HeaderFields { not: not.is_some(), names }))
}

/// `<offset.length>`, numbers of 63 bits (RFC 9051 section 9, `partial`)
pub(super) fn partial(input: Input<'_>) -> Parsed<'_, Option<(u64, u64)>> {
    let length = map_opt(prim::number64, |n| (n > 0).then_some(n));
    let range = delimited(char('<'), separated_pair(prim::number64, char('.'), length), char('>'));
    prim::maybe(0, range).parse(input)
}
