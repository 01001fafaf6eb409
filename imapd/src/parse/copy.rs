//! `COPY`, `MOVE` and their UID forms: `sequence-set SP mailbox` (RFC 3501 section 6.4.7, RFC 6851).

use bytes::Bytes;
use nom::Parser;
use nom::sequence::preceded;

use super::{Input, Parsed, prim};
use crate::syntax::ast::{Command, MailboxArg};
use crate::syntax::seqset::SequenceSet;

fn arguments(input: Input<'_>) -> Parsed<'_, (SequenceSet, MailboxArg)> {
    (preceded(prim::sp, prim::sequence_set), preceded(prim::sp, prim::mailbox)).parse(input)
}

macro_rules! form {
    ($(#[$doc:meta])* $name:ident, $command:ident, $uid:literal) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// Where the grammar is broken.
        pub fn $name<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
            let (rest, (set, mailbox)) = arguments(input)?;
            Ok((rest, Command::$command { set, mailbox, uid: $uid }))
        }
    };
}

form!(/** `COPY` */ copy, Copy, false);
form!(/** `UID COPY` */ uid_copy, Copy, true);
form!(/** `MOVE` */ move_, Move, false);
form!(/** `UID MOVE` */ uid_move, Move, true);
