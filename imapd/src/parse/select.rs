//! `SELECT` and `EXAMINE` with their parameters (RFC 4466 section 2.1, RFC 7162 sections 3.1.8 and 3.2.5).

use bytes::Bytes;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag_no_case;
use nom::character::complete::char;
use nom::combinator::{map, opt};
use nom::sequence::{delimited, preceded, separated_pair};

use super::{Input, Parsed, prim};
use crate::syntax::ast::{Command, Resync, SelectArgs};

/// `SELECT`
///
/// # Errors
/// Where the grammar is broken.
pub fn select<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    arguments(input, false)
}

/// `EXAMINE`
///
/// # Errors
/// Where the grammar is broken.
pub fn examine<'a>(_: &'a Bytes, input: Input<'a>) -> Parsed<'a, Command> {
    arguments(input, true)
}

enum Parameter {
    CondStore,
    QResync(Box<Resync>),
}

fn arguments(input: Input<'_>, read_only: bool) -> Parsed<'_, Command> {
    let (rest, mailbox) = preceded(prim::sp, prim::mailbox).parse(input)?;
    let parameter = alt((
        map(tag_no_case("CONDSTORE"), |_| Parameter::CondStore),
        map(preceded((tag_no_case("QRESYNC"), prim::sp), resync), |r| Parameter::QResync(Box::new(r))),
    ));
    let list = prim::list1(parameter);
    let (rest, parameters) = prim::maybe(1, preceded(prim::sp, list)).parse(rest)?;
    let (rest, _) = prim::trailing_space(rest)?;
    let mut args = SelectArgs { read_only, condstore: false, resync: None };
    for parameter in parameters.unwrap_or_default() {
        match parameter {
            Parameter::CondStore => args.condstore = true,
            Parameter::QResync(resync) => args.resync = Some(*resync),
        }
    }
    Ok((rest, Command::Select { mailbox, args }))
}

fn resync(input: Input<'_>) -> Parsed<'_, Resync> {
    let matched =
        delimited(char('('), separated_pair(prim::number_set, prim::sp, prim::number_set), char(')'));
    let (rest, (uid_validity, modseq, known, matched)) = delimited(
        char('('),
        (
            prim::nz_number,
            preceded(prim::sp, prim::mod_sequence),
            opt(preceded(prim::sp, prim::number_set)),
            opt(preceded(prim::sp, matched)),
        ),
        char(')'),
    )
    .parse(input)?;
    Ok((rest, Resync { uid_validity, modseq, known, matched }))
}
