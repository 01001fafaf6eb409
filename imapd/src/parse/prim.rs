//! Tokens that several commands share: tags, strings, numbers, sets, flags, mailbox names, dates.

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag as lit, tag_no_case, take, take_while, take_while_m_n, take_while1};
use nom::character::complete::{char, one_of};
use nom::combinator::{map, map_opt, opt, recognize, value};
use nom::sequence::{delimited, preceded, separated_pair, terminated};

use jiff::civil::Date;

use super::{Broken, Input, Parsed};
use crate::mailstore::ModSeq;
use crate::syntax::ast::MailboxArg;
use crate::syntax::date::{InternalDate, month};
use crate::syntax::flag::{FlagList, Keyword, SystemFlags};
use crate::syntax::partial_range::PartialRange;
use crate::syntax::seqset::{SeqNumber, SequenceSet};
use crate::wire::MAX_DIGITS;

/// Longest tag taken, so that an answer cannot be made large by its own tag.
pub const MAX_TAG: usize = 64;

/// `ATOM-CHAR`
pub fn is_atom_char(b: u8) -> bool {
    b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b)
}

/// `ASTRING-CHAR`
pub fn is_astring_char(b: u8) -> bool {
    is_atom_char(b) || b == b']'
}

/// A character of a tag: `ASTRING-CHAR` except `+`.
pub fn is_tag_char(b: u8) -> bool {
    is_astring_char(b) && b != b'+'
}

/// A parse error at `input`.
pub fn fail<T>(input: Input<'_>) -> Parsed<'_, T> {
    Err(nom::Err::Error(Broken(input)))
}

/// What may be missing. Once more than `lead` octets of it are there it is not, and what is wrong with it is the error.
pub fn maybe<'a, T>(
    lead: usize,
    mut parser: impl Parser<Input<'a>, Output = T, Error = Broken<'a>>,
) -> impl FnMut(Input<'a>) -> Parsed<'a, Option<T>> {
    move |input| match parser.parse(input) {
        Ok((rest, found)) => Ok((rest, Some(found))),
        Err(nom::Err::Error(Broken(at))) if input.len() - at.len() <= lead => Ok((input, None)),
        Err(e) => Err(e),
    }
}

/// `(item item ...)`
pub fn list0<'a, T>(
    mut item: impl Parser<Input<'a>, Output = T, Error = Broken<'a>>,
) -> impl FnMut(Input<'a>) -> Parsed<'a, Vec<T>> {
    move |input| match input.strip_prefix(b"()") {
        Some(rest) => Ok((rest, Vec::new())),
        None => items(input, &mut item),
    }
}

/// The same with one at least.
pub fn list1<'a, T>(
    mut item: impl Parser<Input<'a>, Output = T, Error = Broken<'a>>,
) -> impl FnMut(Input<'a>) -> Parsed<'a, Vec<T>> {
    move |input| items(input, &mut item)
}

/// After a blank there must be one more, so that what is wrong with it is the error.
fn items<'a, T>(
    input: Input<'a>,
    item: &mut impl Parser<Input<'a>, Output = T, Error = Broken<'a>>,
) -> Parsed<'a, Vec<T>> {
    let (mut rest, _) = char('(').parse(input)?;
    let mut found = Vec::new();
    loop {
        let (after, one) = item.parse(rest)?;
        found.push(one);
        match after.split_first() {
            Some((b' ', next)) => rest = next,
            Some((b')', next)) => return Ok((next, found)),
            _ => return fail(after),
        }
    }
}

/// `SP`
pub fn sp(input: Input<'_>) -> Parsed<'_, ()> {
    value((), char(' ')).parse(input)
}

/// `tag`
pub fn tag(input: Input<'_>) -> Parsed<'_, &[u8]> {
    take_while_m_n(1, MAX_TAG, is_tag_char).parse(input)
}

/// `atom`
pub fn atom(input: Input<'_>) -> Parsed<'_, &[u8]> {
    take_while1(is_atom_char).parse(input)
}

/// `quoted`: 8-bit octets are let through, since clients send names in UTF-8 whatever was agreed.
fn quoted(input: Input<'_>) -> Parsed<'_, Vec<u8>> {
    let (mut rest, _) = char('"').parse(input)?;
    let mut out = Vec::new();
    loop {
        let stop = memchr::memchr3(b'"', b'\\', b'\n', rest).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..stop]);
        match rest.get(stop) {
            Some(b'"') => return Ok((&rest[stop + 1..], out)),
            Some(b'\\') => match rest.get(stop + 1) {
                Some(c @ (b'"' | b'\\')) => {
                    out.push(*c);
                    rest = &rest[stop + 2..];
                }
                _ => return fail(&rest[stop..]),
            },
            _ => return fail(&rest[stop..]),
        }
    }
}

/// The octets of a literal, borrowed from the command.
pub fn literal(input: Input<'_>) -> Parsed<'_, &[u8]> {
    let (rest, _) = opt(char('~')).parse(input)?;
    // As many digits as the framer takes: what it announced is there.
    let count = map_opt(take_while_m_n(1, MAX_DIGITS, |b: u8| b.is_ascii_digit()), |digits: &[u8]| {
        std::str::from_utf8(digits).ok()?.parse::<usize>().ok()
    });
    let (rest, octets) = delimited(char('{'), count, (opt(char('+')), char('}'))).parse(rest)?;
    let (rest, _) = alt((lit("\r\n"), lit("\n"))).parse(rest)?;
    take(octets).parse(rest)
}

/// `string`
pub fn string(input: Input<'_>) -> Parsed<'_, Vec<u8>> {
    alt((quoted, map(literal, <[u8]>::to_vec))).parse(input)
}

/// `astring`
pub fn astring(input: Input<'_>) -> Parsed<'_, Vec<u8>> {
    alt((map(take_while1(is_astring_char), <[u8]>::to_vec), string)).parse(input)
}

/// `nstring`
pub fn nstring(input: Input<'_>) -> Parsed<'_, Option<Vec<u8>>> {
    alt((value(None, tag_no_case("NIL")), map(string, Some))).parse(input)
}

/// `list-mailbox`: an astring that may hold wildcards.
pub fn list_mailbox(input: Input<'_>) -> Parsed<'_, Vec<u8>> {
    let list_char = |b: u8| is_astring_char(b) || b == b'%' || b == b'*';
    alt((map(take_while1(list_char), <[u8]>::to_vec), string)).parse(input)
}

/// `number`: 32 bits.
pub fn number(input: Input<'_>) -> Parsed<'_, u32> {
    map_opt(take_while_m_n(1, 10, |b: u8| b.is_ascii_digit()), |digits: &[u8]| {
        std::str::from_utf8(digits).ok()?.parse().ok()
    })
    .parse(input)
}

/// `mod-sequence-valzer`: a number of 63 bits (RFC 7162 section 7).
pub fn mod_sequence(input: Input<'_>) -> Parsed<'_, ModSeq> {
    map_opt(number64, |n| (n <= ModSeq::MAX.0).then_some(ModSeq(n))).parse(input)
}

/// `number64`: 63 bits (RFC 9051 section 9, RFC 9208 section 7).
pub fn number64(input: Input<'_>) -> Parsed<'_, u64> {
    map_opt(take_while_m_n(1, 19, |b: u8| b.is_ascii_digit()), |digits: &[u8]| {
        let n: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        (n <= i64::MAX as u64).then_some(n)
    })
    .parse(input)
}

/// `nz-number`, which does not begin with a zero.
pub fn nz_number(input: Input<'_>) -> Parsed<'_, u32> {
    if input.starts_with(b"0") { fail(input) } else { number(input) }
}

/// `mailbox`
pub fn mailbox(input: Input<'_>) -> Parsed<'_, MailboxArg> {
    map(astring, MailboxArg).parse(input)
}

/// `partial-range` (RFC 9394 section 4)
pub fn partial_range(input: Input<'_>) -> Parsed<'_, PartialRange> {
    let end = |sign| preceded(lit(sign), nz_number);
    let (rest, sign) = opt(char('-')).parse(input)?;
    let (backwards, sign) = (sign.is_some(), if sign.is_some() { "-" } else { "" });
    let (rest, from) = nz_number(rest)?;
    let (rest, to) = preceded(char(':'), end(sign)).parse(rest)?;
    Ok((rest, PartialRange { from, to, backwards }))
}

/// `seq-number`
pub fn seq_number(input: Input<'_>) -> Parsed<'_, SeqNumber> {
    alt((value(SeqNumber::Star, char('*')), map(nz_number, SeqNumber::Number))).parse(input)
}

/// `sequence-set`
pub fn sequence_set(input: Input<'_>) -> Parsed<'_, SequenceSet> {
    if let Some(rest) = input.strip_prefix(b"$") {
        return Ok((rest, SequenceSet::saved()));
    }
    let mut ranges = Vec::new();
    let mut rest = input;
    loop {
        let (after, low) = seq_number(rest)?;
        let (after, high) = opt(preceded(char(':'), seq_number)).parse(after)?;
        ranges.push((low, high.unwrap_or(low)));
        if ranges.len() > SequenceSet::MAX_RANGES {
            return fail(rest);
        }
        match after.split_first() {
            Some((b',', next)) => rest = next,
            _ => return Ok((after, SequenceSet(ranges))),
        }
    }
}

/// `sequence-set` of numbers alone: where `*` is not allowed (RFC 7162 section 7, `known-uids`), `$` is not either.
pub fn number_set(input: Input<'_>) -> Parsed<'_, SequenceSet> {
    let named = |end: &SeqNumber| matches!(end, SeqNumber::Number(_));
    match sequence_set(input)? {
        (rest, set) if set.0.iter().all(|(a, b)| named(a) && named(b)) => Ok((rest, set)),
        _ => fail(input),
    }
}

/// One flag into `list`. `\Recent` breaks the grammar; other flags that begin with `\` are passed over: that they cannot be kept is
/// told with PERMANENTFLAGS, and storing them is no error (RFC 3501 section 7.1).
fn flag<'a>(input: Input<'a>, list: &mut FlagList) -> Parsed<'a, ()> {
    let (rest, name) = recognize((opt(char('\\')), take_while1(is_atom_char))).parse(input)?;
    if name.starts_with(b"\\") {
        match SystemFlags::by_name(name) {
            Some(f) => list.system = list.system.with(f),
            None if name.eq_ignore_ascii_case(b"\\Recent") => return fail(input),
            None => {}
        }
    } else {
        match Keyword::new(name) {
            Ok(k) => list.add_keyword(k),
            Err(_) => return fail(input),
        }
    }
    Ok((rest, ()))
}

/// Flags separated by single spaces, possibly none, up to what cannot be a flag.
fn flags_until_end(input: Input<'_>) -> Parsed<'_, FlagList> {
    let mut list = FlagList::default();
    let mut rest = input;
    if rest.is_empty() || rest.starts_with(b")") {
        return Ok((rest, list));
    }
    loop {
        let (after, ()) = flag(rest, &mut list)?;
        match after.split_first() {
            Some((b' ', next)) if !next.starts_with(b"{") && !next.is_empty() => rest = next,
            _ => return Ok((after, list)),
        }
    }
}

/// `flag-list` in parentheses
pub fn flag_list(input: Input<'_>) -> Parsed<'_, FlagList> {
    delimited(char('('), flags_until_end, char(')')).parse(input)
}

/// `flag-list`, or flags without parentheses as STORE allows.
pub fn store_flags(input: Input<'_>) -> Parsed<'_, FlagList> {
    if input.is_empty() {
        return fail(input);
    }
    alt((flag_list, flags_until_end)).parse(input)
}

fn digits(min: usize, max: usize) -> impl Fn(Input<'_>) -> Parsed<'_, i16> {
    move |input| {
        map_opt(take_while_m_n(min, max, |b: u8| b.is_ascii_digit()), |d: &[u8]| {
            std::str::from_utf8(d).ok()?.parse().ok()
        })
        .parse(input)
    }
}

fn small(n: i16) -> i8 {
    i8::try_from(n).unwrap_or(i8::MAX)
}

/// `date-text`
fn day_month_year(input: Input<'_>) -> Parsed<'_, Date> {
    let (rest, day) = digits(1, 2)(input)?;
    let (rest, name) = delimited(char('-'), take(3usize), char('-')).parse(rest)?;
    let (rest, year) = digits(4, 4)(rest)?;
    match month(name).and_then(|m| Date::new(year, m, small(day)).ok()) {
        Some(date) => Ok((rest, date)),
        None => fail(input),
    }
}

/// `date`, with or without quotes
pub fn date(input: Input<'_>) -> Parsed<'_, Date> {
    alt((delimited(char('"'), day_month_year, char('"')), day_month_year)).parse(input)
}

/// `date-time`
pub fn date_time(input: Input<'_>) -> Parsed<'_, InternalDate> {
    // `date-day-fixed` has a blank before one digit; clients that leave it out are understood.
    let (rest, date) = preceded((char('"'), opt(char(' '))), day_month_year).parse(input)?;
    let (rest, (h, (m, s))) = preceded(
        char(' '),
        separated_pair(digits(2, 2), char(':'), separated_pair(digits(2, 2), char(':'), digits(2, 2))),
    )
    .parse(rest)?;
    let (rest, (sign, zone)) =
        terminated(preceded(char(' '), (one_of("+-"), digits(4, 4))), char('"')).parse(rest)?;
    let minutes = zone / 100 * 60 + zone % 100;
    let minutes = if sign == '-' { -minutes } else { minutes };
    match InternalDate::from_parts(date, small(h), small(m), small(s), minutes) {
        Some(when) if zone % 100 < 60 => Ok((rest, when)),
        _ => fail(input),
    }
}

/// Spaces that some clients leave at the end of a command.
pub fn trailing_space(input: Input<'_>) -> Parsed<'_, &[u8]> {
    take_while(|b| b == b' ').parse(input)
}
