//! `SEARCH [CHARSET x] key ...` and `UID SEARCH` (RFC 3501 section 6.4.4).

use bytes::Bytes;
use nom::Parser;
use nom::bytes::complete::tag_no_case;
use nom::combinator::opt;
use nom::sequence::{delimited, preceded};

use super::{Input, Parsed, prim};
use crate::syntax::ast::Command;
use crate::syntax::flag::{Keyword, SystemFlags};
use crate::syntax::search_key::{DateTest, SearchKey};

/// `SEARCH`
///
/// # Errors
/// Where the grammar is broken.
pub fn search<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    arguments(input, false)
}

/// `UID SEARCH`
///
/// # Errors
/// Where the grammar is broken.
pub fn uid_search<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    arguments(input, true)
}

fn arguments(input: Input<'_>, uid: bool) -> Parsed<'_, Command> {
    let (rest, _) = prim::sp(input)?;
    let (rest, charset) =
        opt(delimited((tag_no_case("CHARSET"), prim::sp), prim::astring, prim::sp)).parse(rest)?;
    let mut count = 0;
    let (rest, keys) = keys(rest, 0, &mut count)?;
    let key = one_or_all(keys);
    let (rest, _) = prim::trailing_space(rest)?;
    Ok((rest, Command::Search { charset, key, uid }))
}

fn one_or_all(mut keys: Vec<SearchKey>) -> SearchKey {
    match (keys.len(), keys.pop()) {
        (1, Some(key)) => key,
        (_, Some(last)) => {
            keys.push(last);
            SearchKey::And(keys)
        }
        (_, None) => SearchKey::All,
    }
}

/// One or more keys separated by spaces.
fn keys<'a>(input: Input<'a>, depth: usize, count: &mut usize) -> Parsed<'a, Vec<SearchKey>> {
    let (mut rest, first) = key(input, depth, count)?;
    let mut keys = vec![first];
    while let Some(after) = rest.strip_prefix(b" ") {
        if after.is_empty() {
            break;
        }
        let (after, next) = key(after, depth, count)?;
        keys.push(next);
        rest = after;
    }
    Ok((rest, keys))
}

/// One key. The depth counts parentheses, NOT and OR alike, so recursion is bounded by [`SearchKey::MAX_DEPTH`].
fn key<'a>(input: Input<'a>, depth: usize, count: &mut usize) -> Parsed<'a, SearchKey> {
    *count += 1;
    if depth > SearchKey::MAX_DEPTH || *count > SearchKey::MAX_KEYS {
        return prim::fail(input);
    }
    if let Some(inner) = input.strip_prefix(b"(") {
        let (rest, keys) = keys(inner, depth + 1, count)?;
        return match rest.strip_prefix(b")") {
            Some(rest) => Ok((rest, one_or_all(keys))),
            None => prim::fail(rest),
        };
    }
    if input.first().is_some_and(|b| b.is_ascii_digit() || *b == b'*') {
        let (rest, set) = prim::sequence_set(input)?;
        return Ok((rest, SearchKey::Sequence(set)));
    }
    let len = input.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(input.len());
    let (word, rest) = input.split_at(len);
    let word = word.to_ascii_uppercase();
    if let Some(key) = simple(&word) {
        return Ok((rest, key));
    }
    match word.as_slice() {
        b"NOT" => {
            let (rest, a) = key_argument(rest, depth, count)?;
            Ok((rest, SearchKey::Not(Box::new(a))))
        }
        b"OR" => {
            let (rest, a) = key_argument(rest, depth, count)?;
            let (rest, b) = key_argument(rest, depth, count)?;
            Ok((rest, SearchKey::Or(Box::new(a), Box::new(b))))
        }
        _ => match with_argument(&word, rest) {
            Some(result) => result,
            None => prim::fail(input),
        },
    }
}

fn key_argument<'a>(input: Input<'a>, depth: usize, count: &mut usize) -> Parsed<'a, SearchKey> {
    let (rest, _) = prim::sp(input)?;
    key(rest, depth + 1, count)
}

/// Keys that are a word alone.
fn simple(word: &[u8]) -> Option<SearchKey> {
    let flag = |f| SearchKey::Flag(f);
    let not = |k| SearchKey::Not(Box::new(k));
    Some(match word {
        b"ALL" => SearchKey::All,
        b"ANSWERED" => flag(SystemFlags::ANSWERED),
        b"DELETED" => flag(SystemFlags::DELETED),
        b"DRAFT" => flag(SystemFlags::DRAFT),
        b"FLAGGED" => flag(SystemFlags::FLAGGED),
        b"SEEN" => flag(SystemFlags::SEEN),
        b"UNANSWERED" => not(flag(SystemFlags::ANSWERED)),
        b"UNDELETED" => not(flag(SystemFlags::DELETED)),
        b"UNDRAFT" => not(flag(SystemFlags::DRAFT)),
        b"UNFLAGGED" => not(flag(SystemFlags::FLAGGED)),
        b"UNSEEN" => not(flag(SystemFlags::SEEN)),
        b"RECENT" => SearchKey::Recent,
        b"NEW" => SearchKey::And(vec![SearchKey::Recent, not(flag(SystemFlags::SEEN))]),
        b"OLD" => not(SearchKey::Recent),
        _ => return None,
    })
}

/// Keys with an argument, from the space before it.
fn with_argument<'a>(word: &[u8], input: Input<'a>) -> Option<Parsed<'a, SearchKey>> {
    let text = |build: fn(Vec<u8>) -> SearchKey| {
        preceded(prim::sp, prim::astring).parse(input).map(|(r, t)| (r, build(t)))
    };
    let field = |name: &str| {
        preceded(prim::sp, prim::astring)
            .parse(input)
            .map(|(r, t)| (r, SearchKey::Header(name.as_bytes().to_vec(), t)))
    };
    let date = |build: fn(DateTest, jiff::civil::Date) -> SearchKey, test| {
        preceded(prim::sp, prim::date).parse(input).map(|(r, d)| (r, build(test, d)))
    };
    let size = |build: fn(u32) -> SearchKey| {
        preceded(prim::sp, prim::number).parse(input).map(|(r, n)| (r, build(n)))
    };
    Some(match word {
        b"BCC" => field("Bcc"),
        b"CC" => field("Cc"),
        b"FROM" => field("From"),
        b"SUBJECT" => field("Subject"),
        b"TO" => field("To"),
        b"BODY" => text(SearchKey::Body),
        b"TEXT" => text(SearchKey::Text),
        b"BEFORE" => date(SearchKey::Internal, DateTest::Before),
        b"ON" => date(SearchKey::Internal, DateTest::On),
        b"SINCE" => date(SearchKey::Internal, DateTest::Since),
        b"SENTBEFORE" => date(SearchKey::Sent, DateTest::Before),
        b"SENTON" => date(SearchKey::Sent, DateTest::On),
        b"SENTSINCE" => date(SearchKey::Sent, DateTest::Since),
        b"LARGER" => size(SearchKey::Larger),
        b"SMALLER" => size(SearchKey::Smaller),
        b"UID" => preceded(prim::sp, prim::sequence_set).parse(input).map(|(r, s)| (r, SearchKey::Uid(s))),
        b"KEYWORD" | b"UNKEYWORD" => keyword(input).map(|(r, k)| {
            let k = SearchKey::Keyword(k);
            (r, if word == b"KEYWORD" { k } else { SearchKey::Not(Box::new(k)) })
        }),
        b"HEADER" => (preceded(prim::sp, prim::astring), preceded(prim::sp, prim::astring))
            .parse(input)
            .map(|(r, (name, text))| (r, SearchKey::Header(name, text))),
        _ => return None,
    })
}

fn keyword(input: Input<'_>) -> Parsed<'_, Keyword> {
    let (rest, name) = preceded(prim::sp, prim::atom).parse(input)?;
    match Keyword::new(name) {
        Ok(k) => Ok((rest, k)),
        Err(_) => prim::fail(input),
    }
}
