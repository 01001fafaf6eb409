//! Commands whose arguments are mailbox names alone: SELECT, EXAMINE, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.

use bytes::Bytes;
use nom::Parser;
use nom::sequence::preceded;

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

form!(/** `SELECT` */ select, mailbox => Command::Select { mailbox, read_only: false });
form!(/** `EXAMINE` */ examine, mailbox => Command::Select { mailbox, read_only: true });
form!(/** `CREATE` */ create, mailbox => Command::Create(mailbox));
form!(/** `DELETE` */ delete, mailbox => Command::Delete(mailbox));
form!(/** `SUBSCRIBE` */ subscribe, mailbox => Command::Subscribe(mailbox));
form!(/** `UNSUBSCRIBE` */ unsubscribe, mailbox => Command::Unsubscribe(mailbox));

/// `RENAME`
///
/// # Errors
/// Where the grammar is broken.
pub fn rename<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, from) = preceded(prim::sp, prim::mailbox).parse(input)?;
    let (rest, to) = one(rest)?;
    Ok((rest, Command::Rename(from, to)))
}
