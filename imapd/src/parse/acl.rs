//! `GETACL`, `SETACL`, `DELETEACL`, `LISTRIGHTS`, `MYRIGHTS` (RFC 4314 section 7).

use bytes::Bytes;
use nom::Parser;
use nom::sequence::preceded;

use super::{Input, Parsed, prim};
use crate::mailstore::RightsChange;
use crate::syntax::ast::{Command, MailboxArg};
use crate::syntax::rights::Rights;

fn mailbox(input: Input<'_>) -> Parsed<'_, MailboxArg> {
    preceded(prim::sp, prim::mailbox).parse(input)
}

fn mailbox_and_identifier(input: Input<'_>) -> Parsed<'_, (MailboxArg, Vec<u8>)> {
    (mailbox, preceded(prim::sp, prim::astring)).parse(input)
}

/// `GETACL`
///
/// # Errors
/// Where the grammar is broken.
pub fn getacl<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, mailbox) = mailbox(input)?;
    Ok((rest, Command::GetAcl(mailbox)))
}

/// `MYRIGHTS`
///
/// # Errors
/// Where the grammar is broken.
pub fn myrights<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, mailbox) = mailbox(input)?;
    Ok((rest, Command::MyRights(mailbox)))
}

/// `DELETEACL`
///
/// # Errors
/// Where the grammar is broken.
pub fn deleteacl<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, (mailbox, who)) = mailbox_and_identifier(input)?;
    Ok((rest, Command::DeleteAcl { mailbox, who }))
}

/// `LISTRIGHTS`
///
/// # Errors
/// Where the grammar is broken.
pub fn listrights<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, (mailbox, who)) = mailbox_and_identifier(input)?;
    Ok((rest, Command::ListRights { mailbox, who }))
}

/// `SETACL`; a letter that is no right breaks the grammar (RFC 4314 section 3.1).
///
/// # Errors
/// Where the grammar is broken.
pub fn setacl<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    let (rest, (mailbox, who)) = mailbox_and_identifier(input)?;
    let (rest, word) = preceded(prim::sp, prim::astring).parse(rest)?;
    let (how, letters) = match word.split_first() {
        Some((b'+', letters)) => (RightsChange::Add, letters),
        Some((b'-', letters)) => (RightsChange::Remove, letters),
        _ => (RightsChange::Replace, &word[..]),
    };
    match Rights::parse(letters) {
        Some(rights) => Ok((rest, Command::SetAcl { mailbox, who, how, rights })),
        None => prim::fail(input),
    }
}
