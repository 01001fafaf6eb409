//! `SEARCH [RETURN (option ...)] [CHARSET x] key ...` and `UID SEARCH` (RFC 3501 section 6.4.4, RFC 4731, RFC
//! 5267).

use bytes::Bytes;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag_no_case;
use nom::character::complete::char;
use nom::combinator::opt;
use nom::sequence::{delimited, preceded, terminated};

use super::fetch::fetch_attributes;
use super::{Input, Parsed, prim};
use crate::syntax::ast::{Command, FetchItem};
use crate::syntax::flag::{Keyword, SystemFlags};
use crate::syntax::search_key::{DateTest, SearchKey, SearchReturn};

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
    let (rest, asked) = prim::maybe(0, terminated(returns, prim::sp)).parse(rest)?;
    let (returns, attributes) = asked.unzip();
    let attributes = attributes.unwrap_or_default();
    let (rest, charset) = charset(rest)?;
    let (rest, key) = criteria(rest)?;
    Ok((rest, Command::Search { returns, attributes, charset, key, uid }))
}

/// `CHARSET x` with the space behind it
pub(super) fn charset(input: Input<'_>) -> Parsed<'_, Option<Vec<u8>>> {
    let named = delimited((tag_no_case("CHARSET"), prim::sp), prim::astring, prim::sp);
    prim::maybe(0, named).parse(input)
}

/// All keys up to the end of the command, as one.
pub(super) fn criteria(input: Input<'_>) -> Parsed<'_, SearchKey> {
    let mut count = 0;
    let (rest, keys) = keys(input, 0, &mut count)?;
    let (rest, _) = prim::trailing_space(rest)?;
    Ok((rest, one_or_all(keys)))
}

/// `RETURN (option ...)`; no option means ALL. With UPDATE what is to be shown of new messages (RFC 5465 section 7).
pub(super) fn returns(input: Input<'_>) -> Parsed<'_, (SearchReturn, Vec<FetchItem>)> {
    let (mut rest, _) = (tag_no_case("RETURN"), prim::sp, char('(')).parse(input)?;
    let (mut out, mut attributes) = (SearchReturn::default(), Vec::new());
    let mut first = true;
    loop {
        if let Some(after) = rest.strip_prefix(b")") {
            // All of them and a page of them are not asked for at once (RFC 9394 section 3.1).
            if out.all && out.partial.is_some() {
                return prim::fail(rest);
            }
            out.all |= out == SearchReturn::default();
            return Ok((after, (out, attributes)));
        }
        if !std::mem::take(&mut first) {
            (rest, _) = prim::sp(rest)?;
        }
        let (mut after, word) = prim::atom(rest)?;
        match word.to_ascii_uppercase().as_slice() {
            b"MIN" => out.min = true,
            b"MAX" => out.max = true,
            // What shows messages stands once (RFC 9394 section 3.1).
            b"ALL" if !out.all => out.all = true,
            b"COUNT" => out.count = true,
            b"SAVE" => out.save = true,
            b"RELEVANCY" => out.relevancy = true,
            b"PARTIAL" if out.partial.is_none() => {
                let (behind, range) = preceded(prim::sp, prim::partial_range).parse(after)?;
                out.partial = Some(range);
                after = behind;
            }
            b"CONTEXT" => out.context = true,
            b"UPDATE" if !out.update => {
                // The grammar of RFC 5465 section 8 has no blank there, its examples have one.
                let (behind, shown) = opt(preceded(opt(prim::sp), fetch_attributes)).parse(after)?;
                (out.update, attributes) = (true, shown.unwrap_or_default());
                after = behind;
            }
            _ => return prim::fail(rest),
        }
        rest = after;
    }
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

/// One key. The depth counts parentheses, NOT, OR and FUZZY alike, so recursion is bounded by [`SearchKey::MAX_DEPTH`].
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
    if input.first().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'*' | b'$')) {
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
        b"FUZZY" => {
            let (rest, a) = key_argument(rest, depth, count)?;
            Ok((rest, SearchKey::Fuzzy(Box::new(a))))
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
        // The date of saving is kept for every message.
        b"SAVEDATESUPPORTED" => SearchKey::All,
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
    let field = |build: fn(Vec<u8>, Vec<u8>) -> SearchKey, name: &str| {
        preceded(prim::sp, prim::astring).parse(input).map(|(r, t)| (r, build(name.as_bytes().to_vec(), t)))
    };
    let date = |build: fn(DateTest, jiff::civil::Date) -> SearchKey, test| {
        preceded(prim::sp, prim::date).parse(input).map(|(r, d)| (r, build(test, d)))
    };
    let size = |build: fn(u64) -> SearchKey| {
        preceded(prim::sp, prim::number64).parse(input).map(|(r, n)| (r, build(n)))
    };
    let interval = |build: fn(u32) -> SearchKey| {
        preceded(prim::sp, prim::nz_number).parse(input).map(|(r, n)| (r, build(n)))
    };
    Some(match word {
        b"BCC" => field(SearchKey::Addresses, "Bcc"),
        b"CC" => field(SearchKey::Addresses, "Cc"),
        b"FROM" => field(SearchKey::Addresses, "From"),
        b"SUBJECT" => field(SearchKey::Header, "Subject"),
        b"TO" => field(SearchKey::Addresses, "To"),
        b"BODY" => text(SearchKey::Body),
        b"TEXT" => text(SearchKey::Text),
        b"BEFORE" => date(SearchKey::Internal, DateTest::Before),
        b"ON" => date(SearchKey::Internal, DateTest::On),
        b"SINCE" => date(SearchKey::Internal, DateTest::Since),
        b"SAVEDBEFORE" => date(SearchKey::Saved, DateTest::Before),
        b"SAVEDON" => date(SearchKey::Saved, DateTest::On),
        b"SAVEDSINCE" => date(SearchKey::Saved, DateTest::Since),
        b"EMAILID" => text(SearchKey::EmailId),
        b"THREADID" => text(SearchKey::ThreadId),
        b"SENTBEFORE" => date(SearchKey::Sent, DateTest::Before),
        b"SENTON" => date(SearchKey::Sent, DateTest::On),
        b"SENTSINCE" => date(SearchKey::Sent, DateTest::Since),
        b"OLDER" => interval(SearchKey::Older),
        b"YOUNGER" => interval(SearchKey::Younger),
        b"MODSEQ" => modseq(input),
        b"LARGER" => size(SearchKey::Larger),
        b"SMALLER" => size(SearchKey::Smaller),
        b"UID" => preceded(prim::sp, prim::sequence_set).parse(input).map(|(r, s)| (r, SearchKey::Uid(s))),
        b"UIDAFTER" => interval(SearchKey::UidAfter),
        b"UIDBEFORE" => interval(SearchKey::UidBefore),
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

/// `MODSEQ ["/flags/name" type] n`. One modification sequence is kept for all flags of a message, which RFC 7162
/// section 3.1.5 allows, so the entry is read and makes no difference.
fn modseq(input: Input<'_>) -> Parsed<'_, SearchKey> {
    let kind = alt((tag_no_case("priv"), tag_no_case("shared"), tag_no_case("all")));
    let (rest, _) = prim::sp(input)?;
    let (rest, entry) = opt((terminated(prim::string, prim::sp), terminated(kind, prim::sp))).parse(rest)?;
    if entry.is_some_and(|(name, _)| !name.starts_with(b"/flags/")) {
        return prim::fail(input);
    }
    prim::mod_sequence(rest).map(|(rest, n)| (rest, SearchKey::ModSeq(n)))
}

fn keyword(input: Input<'_>) -> Parsed<'_, Keyword> {
    let (rest, name) = preceded(prim::sp, prim::atom).parse(input)?;
    match Keyword::new(name) {
        Ok(k) => Ok((rest, k)),
        Err(_) => prim::fail(input),
    }
}
