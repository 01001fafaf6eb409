//! `OPTION`.

use nom::Parser;

use super::{Fault, Parsed, Statement, number, token};
use crate::directory::entry::{GREATEST_MAXCONN, OptionWord};

/// One word of `OPTION` with its operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::directory) enum OptionItem {
    /// A word without operand.
    Word(OptionWord),
    /// `MAXCONN n`.
    Maxconn(u32),
}

/// `OPTION word ...`, at least one.
pub(super) fn option(input: &str) -> Parsed<'_, Statement> {
    let mut items = Vec::new();
    let mut rest = input;
    loop {
        let start = rest.trim_start();
        let (after, word) = token(rest)?;
        if word.eq_ignore_ascii_case("MAXCONN") {
            let (after, n) = number("number of connections", 1, GREATEST_MAXCONN).parse(after)?;
            items.push(OptionItem::Maxconn(n));
            rest = after;
        } else if let Some(word) = OptionWord::parse(word) {
            items.push(OptionItem::Word(word));
            rest = after;
        } else {
            return Err(nom::Err::Failure(Fault { rest: start, reason: "is not an OPTION word".into() }));
        }
        if rest.trim_start().is_empty() {
            return Ok((rest, Statement::Option(items)));
        }
    }
}
