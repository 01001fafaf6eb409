//! `STATUS mailbox (items)` (RFC 3501 section 6.3.10, RFC 8438, RFC 7889, RFC 9051 section 6.3.11).

use bytes::Bytes;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag_no_case;
use nom::combinator::value;
use nom::sequence::preceded;

use super::{Input, Parsed, prim};
use crate::syntax::ast::{Command, StatusItem};

/// Parses the arguments.
///
/// # Errors
/// Where the grammar is broken.
pub fn status<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, mailbox) = preceded(prim::sp, prim::mailbox).parse(input)?;
    let (rest, items) = preceded(prim::sp, items).parse(rest)?;
    let (rest, _) = prim::trailing_space(rest)?;
    Ok((rest, Command::Status { mailbox, items }))
}

/// `(item ...)`
pub(super) fn items(input: Input<'_>) -> Parsed<'_, Vec<StatusItem>> {
    let item = alt((
        value(StatusItem::Messages, tag_no_case("MESSAGES")),
        value(StatusItem::Recent, tag_no_case("RECENT")),
        value(StatusItem::UidNext, tag_no_case("UIDNEXT")),
        value(StatusItem::UidValidity, tag_no_case("UIDVALIDITY")),
        value(StatusItem::Unseen, tag_no_case("UNSEEN")),
        value(StatusItem::Size, tag_no_case("SIZE")),
        value(StatusItem::DeletedStorage, tag_no_case("DELETED-STORAGE")),
        value(StatusItem::Deleted, tag_no_case("DELETED")),
        value(StatusItem::HighestModSeq, tag_no_case("HIGHESTMODSEQ")),
        value(StatusItem::MailboxId, tag_no_case("MAILBOXID")),
        value(StatusItem::AppendLimit, tag_no_case("APPENDLIMIT")),
    ));
    prim::list1(item).parse(input)
}
