//! `NOTIFY SET [STATUS] (mailboxes events) ...` and `NOTIFY NONE` (RFC 5465 section 8).

use bytes::Bytes;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag_no_case;
use nom::character::complete::char;
use nom::combinator::{map, opt, value};
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded};

use super::esearch::source;
use super::fetch::fetch_attributes;
use super::{Input, Parsed, prim};
use crate::syntax::ast::{Command, EventGroup, NotifyEvent, NotifySet, SearchSource, Watched};

/// Parses the arguments.
///
/// # Errors
/// Where the grammar is broken.
pub fn notify<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let none = value(None, tag_no_case("NONE"));
    let (rest, asked) = preceded(prim::sp, alt((none, map(set, Some)))).parse(input)?;
    let (rest, _) = prim::trailing_space(rest)?;
    Ok((rest, Command::Notify(asked)))
}

fn set(input: Input<'_>) -> Parsed<'_, NotifySet> {
    let (rest, _) = tag_no_case("SET").parse(input)?;
    let (rest, status) = opt((prim::sp, tag_no_case("STATUS"))).parse(rest)?;
    let (rest, groups) = preceded(prim::sp, separated_list1(prim::sp, group)).parse(rest)?;
    Ok((rest, NotifySet { status: status.is_some(), groups }))
}

fn group(input: Input<'_>) -> Parsed<'_, EventGroup> {
    let (rest, watched) = preceded(char('('), watched).parse(input)?;
    let list = prim::list1(event);
    let none = value(Vec::new(), tag_no_case("NONE"));
    let (rest, events) = delimited(prim::sp, alt((list, none)), char(')')).parse(rest)?;
    Ok((rest, EventGroup { watched, events }))
}

fn watched(input: Input<'_>) -> Parsed<'_, Watched> {
    let delayed = value(Watched::Selected { delayed: true }, tag_no_case("selected-delayed"));
    let other = map(source, |source| match source {
        SearchSource::Selected => Watched::Selected { delayed: false },
        source => Watched::Others(source),
    });
    alt((delayed, other)).parse(input)
}

fn event(input: Input<'_>) -> Parsed<'_, NotifyEvent> {
    let (rest, word) = prim::atom(input)?;
    let event = match word.to_ascii_lowercase().as_slice() {
        b"messagenew" => {
            let (rest, shown) = prim::maybe(1, preceded(prim::sp, fetch_attributes)).parse(rest)?;
            return Ok((rest, NotifyEvent::MessageNew(shown.unwrap_or_default())));
        }
        b"messageexpunge" => NotifyEvent::MessageExpunge,
        b"flagchange" => NotifyEvent::FlagChange,
        b"mailboxname" => NotifyEvent::MailboxName,
        b"subscriptionchange" => NotifyEvent::SubscriptionChange,
        b"mailboxmetadatachange" => NotifyEvent::MailboxMetadataChange,
        b"servermetadatachange" => NotifyEvent::ServerMetadataChange,
        _ => NotifyEvent::Other,
    };
    Ok((rest, event))
}
