//! Commands whose arguments are mailbox names alone, or nearly: CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.

use bytes::Bytes;
use nom::Parser;
use nom::bytes::complete::tag_no_case;
use nom::character::complete::char;
use nom::combinator::recognize;
use nom::sequence::{delimited, preceded};

use super::{Input, Parsed, prim};
use crate::syntax::ast::{Command, MailboxArg};

fn one(input: Input<'_>) -> Parsed<'_, MailboxArg> {
    let (rest, name) = preceded(prim::sp, prim::mailbox).parse(input)?;
    let (rest, _) = prim::trailing_space(rest)?;
    Ok((rest, name))
}

macro_rules! form {
    ($(#[$doc:meta])* $name:ident, $mailbox:ident => $build:expr) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// Where the grammar is broken.
        pub fn $name<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
            let (rest, $mailbox) = one(input)?;
            Ok((rest, $build))
        }
    };
}

form!(/** `DELETE` */ delete, mailbox => Command::Delete(mailbox));
form!(/** `SUBSCRIBE` */ subscribe, mailbox => Command::Subscribe(mailbox));
form!(/** `UNSUBSCRIBE` */ unsubscribe, mailbox => Command::Unsubscribe(mailbox));

/// `CREATE`, with `(USE (\\Sent ...))` (RFC 6154 section 3)
///
/// # Errors
/// Where the grammar is broken.
pub fn create<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, mailbox) = preceded(prim::sp, prim::mailbox).parse(input)?;
    let attribute = recognize((char('\\'), prim::atom));
    let list = delimited((char('('), tag_no_case("USE"), prim::sp), prim::list0(attribute), char(')'));
    let (rest, uses) = prim::maybe(1, preceded(prim::sp, list)).parse(rest)?;
    let (rest, _) = prim::trailing_space(rest)?;
    let uses = uses.unwrap_or_default().into_iter().map(<[u8]>::to_vec).collect();
    Ok((rest, Command::Create { mailbox, uses }))
}

/// `RENAME`
///
/// # Errors
/// Where the grammar is broken.
pub fn rename<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, from) = preceded(prim::sp, prim::mailbox).parse(input)?;
    let (rest, to) = one(rest)?;
    Ok((rest, Command::Rename(from, to)))
}
