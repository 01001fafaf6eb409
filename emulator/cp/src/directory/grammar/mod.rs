//! The grammars of the directory statements, one file per group, and the one table of statements.
//!
//! A grammar reads the operands of one logical statement (comments gone, continuations joined) and gives a typed
//! [`Statement`]; whether that statement may stand where it stands is for [`super::source`]. A grammar that fails says
//! which token is wrong and why ([`Fault`]).

use nom::error::{ErrorKind, ParseError};
use nom::{Err, IResult, Parser};

use crate::name::{UserId, Vdev};

use super::entry::{
    ConsoleStatement, IplStatement, IucvStatement, LinkStatement, Machine, OtherStatement, PosixInfo,
    PrivilegeClasses, SpoolStatement, StorageSize,
};

mod devices;
mod disks;
mod general;
mod iucv;
mod options;
mod users;
mod verifiers;

pub(super) use disks::{LinkPasswordSource, MdiskSource};
pub(super) use options::OptionItem;
pub(super) use users::{PasswordSource, UserSource};
pub(super) use verifiers::{LinkVerifierSource, VerifierPart, write_argon2, write_keys, write_scram};

/// What is wrong with a statement, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault<'a> {
    /// The statement from the offending token on; empty when something is missing at its end.
    pub(super) rest: &'a str,
    /// Why the token is wrong, in words that follow it.
    pub(super) reason: String,
}

impl<'a> ParseError<&'a str> for Fault<'a> {
    fn from_error_kind(rest: &'a str, _: ErrorKind) -> Self {
        Fault { rest: rest.trim_start(), reason: "is not valid here".into() }
    }

    fn append(_: &'a str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

pub(super) type Parsed<'a, T> = IResult<&'a str, T, Fault<'a>>;

/// A statement with its operands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    Directory,
    Profile(String),
    User(UserSource),
    Include(String),
    Account { number: String, dist: Option<String> },
    Autolog(Vec<UserId>),
    Class(PrivilegeClasses),
    Console(ConsoleStatement),
    Ipl(IplStatement),
    Iucv(IucvStatement),
    Link(LinkStatement),
    Linkverify(LinkVerifierSource),
    Logonby(Vec<UserId>),
    Machine(Machine),
    Maxstorage(StorageSize),
    Mdisk(MdiskSource),
    Option(Vec<OptionItem>),
    Posixinfo(PosixInfo),
    Pwverify(VerifierPart),
    Spool(SpoolStatement),
    Spoolfile { maxspool: u16 },
    Storage(StorageSize),
    Other(OtherStatement),
}

type StatementParser = for<'a> fn(&'a str) -> Parsed<'a, Statement>;

/// One row of the statement table.
pub(super) struct StatementRow {
    /// Full name.
    pub(super) name: &'static str,
    /// Least number of characters that may be written.
    pub(super) least: usize,
    /// Whether it may stand in a profile.
    pub(super) in_profile: bool,
    /// Reads the operands; `None` keeps them as they are.
    parse: Option<StatementParser>,
}

const fn row(name: &'static str, least: usize, in_profile: bool, parse: StatementParser) -> StatementRow {
    StatementRow { name, least, in_profile, parse: Some(parse) }
}

const fn kept(name: &'static str, least: usize) -> StatementRow {
    StatementRow { name, least, in_profile: true, parse: None }
}

/// Every statement that is known.
pub(super) const STATEMENTS: &[StatementRow] = &[
    row("ACCOUNT", 3, true, general::account),
    row("AUTOLOG", 5, true, general::autolog),
    row("CLASS", 2, true, general::class),
    row("CONSOLE", 3, true, devices::console),
    kept("CRYPTO", 6),
    kept("D8ONECMD", 8),
    kept("DEDICATE", 3),
    row("DIRECTORY", 9, false, general::directory),
    row("INCLUDE", 3, false, users::include),
    row("IPL", 1, true, general::ipl),
    row("IUCV", 2, true, iucv::iucv),
    row("LINK", 2, true, disks::link),
    row("LINKVERIFY", 10, false, verifiers::linkverify),
    row("LOGONBY", 7, true, general::logonby),
    row("MACHINE", 2, true, general::machine),
    row("MAXSTORAGE", 4, true, general::maxstorage),
    row("MDISK", 2, false, disks::mdisk),
    kept("MINIOPT", 4),
    kept("NAMESAVE", 4),
    kept("NICDEF", 6),
    row("OPTION", 1, true, options::option),
    kept("POSIXGLIST", 7),
    kept("POSIXGROUP", 8),
    row("POSIXINFO", 6, true, general::posixinfo),
    kept("POSIXOPT", 8),
    row("PROFILE", 4, false, users::profile),
    row("PWVERIFY", 8, false, verifiers::pwverify),
    kept("SCREEN", 2),
    kept("SHARE", 2),
    kept("SPECIAL", 4),
    row("SPOOL", 2, true, devices::spool),
    row("SPOOLFILE", 6, true, general::spoolfile),
    kept("STDEVOPT", 4),
    row("STORAGE", 4, true, general::storage),
    row("USER", 1, false, users::user),
    kept("VMRELOCATE", 6),
    kept("XAUTOLOG", 99),
    kept("XCONFIG", 5),
    kept("XSTORE", 4),
];

/// The row for `word`, which may be abbreviated. `XAUTOLOG` is AUTOLOG by its newer name.
pub(super) fn statement_row(word: &str) -> Option<&'static StatementRow> {
    let word = word.to_ascii_uppercase();
    let word = if word == "XAUTOLOG" { "AUTOLOG" } else { word.as_str() };
    STATEMENTS.iter().find(|row| word.len() >= row.least && row.name.starts_with(word))
}

/// Reads the operands of a statement of the kind `row`, all of them.
pub(super) fn parse_statement<'a>(row: &StatementRow, operands: &'a str) -> Result<Statement, Fault<'a>> {
    let Some(parse) = row.parse else {
        let operands = operands.split_whitespace().map(str::to_owned).collect();
        return Ok(Statement::Other(OtherStatement { keyword: row.name.into(), operands }));
    };
    match parse(operands) {
        Ok((rest, statement)) if rest.trim().is_empty() => Ok(statement),
        Ok((rest, _)) => Err(Fault { rest: rest.trim_start(), reason: "is one operand too many".into() }),
        Err(Err::Error(fault) | Err::Failure(fault)) => Err(fault),
        Err(Err::Incomplete(_)) => Err(Fault { rest: "", reason: "is missing".into() }),
    }
}

/// Any token: a run of non-blanks.
fn token(input: &str) -> Parsed<'_, &str> {
    let start = input.trim_start();
    let end = start.find(char::is_whitespace).unwrap_or(start.len());
    if end == 0 {
        return Err(Err::Error(Fault { rest: "", reason: "an operand is missing".into() }));
    }
    Ok((&start[end..], &start[..end]))
}

/// A token that `read` understands; `what` is named when there is none, the reason of `read` when it is wrong.
fn operand<'a, T>(
    what: &'static str,
    read: impl Fn(&str) -> Result<T, String>,
) -> impl Parser<&'a str, Output = T, Error = Fault<'a>> {
    move |input: &'a str| {
        let start = input.trim_start();
        let (rest, word) =
            token(input).map_err(|_| Err::Error(Fault { rest: "", reason: format!("{what} is missing") }))?;
        match read(word) {
            Ok(value) => Ok((rest, value)),
            Err(reason) => Err(Err::Error(Fault { rest: start, reason })),
        }
    }
}

/// The keyword `word`, which may be abbreviated to `least` characters.
fn keyword<'a>(word: &'static str, least: usize) -> impl Parser<&'a str, Output = (), Error = Fault<'a>> {
    operand(word, move |given| {
        let given = given.to_ascii_uppercase();
        let fits = given.len() >= least && word.starts_with(&given);
        fits.then_some(()).ok_or_else(|| format!("is not {word}"))
    })
}

/// A user id.
fn userid<'a>() -> impl Parser<&'a str, Output = UserId, Error = Fault<'a>> {
    operand("userid", |word| UserId::new(word).map_err(|e| e.to_string()))
}

/// A virtual device number.
fn vdev<'a>() -> impl Parser<&'a str, Output = Vdev, Error = Fault<'a>> {
    operand("virtual device number", |word| word.parse::<Vdev>().map_err(|e| e.to_string()))
}

/// A decimal number between `least` and `greatest`.
fn number<'a>(
    what: &'static str,
    least: u32,
    greatest: u32,
) -> impl Parser<&'a str, Output = u32, Error = Fault<'a>> {
    operand(what, move |word| {
        let digits = word.bytes().all(|b| b.is_ascii_digit());
        let value = word.parse::<u32>().ok().filter(|n| digits && (least..=greatest).contains(n));
        value.ok_or_else(|| format!("is not a number from {least} to {greatest}"))
    })
}

/// A word of up to `greatest` characters, upper case.
fn name<'a>(what: &'static str, greatest: usize) -> impl Parser<&'a str, Output = String, Error = Fault<'a>> {
    operand(what, move |word| {
        if word.chars().count() > greatest {
            Err(format!("is longer than {greatest} characters"))
        } else {
            Ok(word.to_ascii_uppercase())
        }
    })
}

/// A storage size.
fn size<'a>(what: &'static str) -> impl Parser<&'a str, Output = StorageSize, Error = Fault<'a>> {
    operand(what, |word| {
        StorageSize::parse(word).ok_or_else(|| "is not a storage size such as 32M, at least 32K".into())
    })
}

/// `many` of `each`, at least one; a wrong token is an error, never an end.
fn all_of<'a, T>(
    mut each: impl Parser<&'a str, Output = T, Error = Fault<'a>>,
) -> impl Parser<&'a str, Output = Vec<T>, Error = Fault<'a>> {
    move |input: &'a str| {
        let (mut rest, first) = each.parse(input)?;
        let mut found = vec![first];
        while !rest.trim_start().is_empty() {
            let (next, value) = each.parse(rest)?;
            found.push(value);
            rest = next;
        }
        Ok((rest, found))
    }
}

/// `each` when any token is left; a wrong token is an error, never taken for absent.
fn if_more<'a, T>(
    mut each: impl Parser<&'a str, Output = T, Error = Fault<'a>>,
) -> impl Parser<&'a str, Output = Option<T>, Error = Fault<'a>> {
    move |input: &'a str| {
        if input.trim_start().is_empty() {
            return Ok((input, None));
        }
        each.parse(input).map(|(rest, value)| (rest, Some(value)))
    }
}
