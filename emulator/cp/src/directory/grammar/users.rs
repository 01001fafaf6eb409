//! `USER`, `PROFILE` and `INCLUDE`.

use nom::Parser;

use crate::name::UserId;

use super::{Fault, Parsed, Statement, if_more, name, operand, size, userid};
use crate::directory::entry::{EditingSymbols, Password, PrivilegeClasses, StorageSize};
use crate::directory::password::LONGEST_PASSWORD;

/// The operands of `USER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::directory) struct UserSource {
    pub(in crate::directory) userid: UserId,
    pub(in crate::directory) password: PasswordSource,
    pub(in crate::directory) storage: Option<StorageSize>,
    pub(in crate::directory) max_storage: Option<StorageSize>,
    pub(in crate::directory) classes: Option<PrivilegeClasses>,
    pub(in crate::directory) editing: EditingSymbols,
}

/// The password operand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::directory) enum PasswordSource {
    /// NOLOG, NOPASS, AUTOONLY, LBYONLY.
    Fixed(Password),
    /// A password in the clear.
    Clear(String),
    /// `VERIFIER`: `PWVERIFY` statements follow.
    Verifier,
}

/// A token, or text in single quotes in which two quotes stand for one; for password phrases with blanks.
fn password(input: &str) -> Parsed<'_, PasswordSource> {
    let start = input.trim_start();
    if let Some(quoted) = start.strip_prefix('\'') {
        let bad = |reason: &str| nom::Err::Failure(Fault { rest: start, reason: reason.into() });
        let mut phrase = String::new();
        let mut chars = quoted.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c != '\'' {
                phrase.push(c);
            } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
                phrase.push('\'');
            } else if phrase.is_empty() || phrase.len() > LONGEST_PASSWORD {
                return Err(bad("a password phrase is 1 to 512 octets"));
            } else {
                return Ok((&quoted[at + 1..], PasswordSource::Clear(phrase)));
            }
        }
        return Err(bad("the quote is not closed"));
    }
    operand("password", |word| {
        Ok(match word.to_ascii_uppercase().as_str() {
            "NOLOG" => PasswordSource::Fixed(Password::NoLog),
            "NOPASS" => PasswordSource::Fixed(Password::NoPass),
            "AUTOONLY" => PasswordSource::Fixed(Password::AutoOnly),
            "LBYONLY" => PasswordSource::Fixed(Password::LbyOnly),
            "VERIFIER" => PasswordSource::Verifier,
            _ => PasswordSource::Clear(word.into()),
        })
    })
    .parse(input)
}

/// `ON` for the default, `OFF`, a character, or two hexadecimal digits of its EBCDIC code.
fn symbol<'a>(default: Option<char>) -> impl Parser<&'a str, Output = Option<char>, Error = Fault<'a>> {
    operand("editing symbol", move |word| match word.to_ascii_uppercase().as_str() {
        "ON" => Ok(default),
        "OFF" => Ok(None),
        code if code.len() == 2 => u8::from_str_radix(code, 16)
            .map(|code| crate::codepage::to_text(&[code]).chars().next())
            .map_err(|_| "is not a hexadecimal code".into()),
        one if one.chars().count() == 1 => Ok(word.chars().next()),
        _ => Err("is not ON, OFF, a character or its hexadecimal code".into()),
    })
}

/// `USER userid password [stor [mstor [cl [pri [le [ld [cd [es]]]]]]]]`; further tokens are ignored.
pub(super) fn user(input: &str) -> Parsed<'_, Statement> {
    let default = EditingSymbols::default();
    let classes = operand("privilege classes", |word| {
        if word == "*" {
            return Ok(PrivilegeClasses::GENERAL);
        }
        PrivilegeClasses::parse(word).ok_or_else(|| "a class is A to Z or 1 to 6".into())
    });
    let (rest, (userid, password, storage, max_storage, classes)) =
        (userid(), password, if_more(size("storage")), if_more(size("maximum storage")), if_more(classes))
            .parse(input)?;
    let (_, (_, line_end, line_delete, char_delete, escape)) = (
        if_more(operand("priority", |_| Ok(()))),
        if_more(symbol(default.line_end)),
        if_more(symbol(default.line_delete)),
        if_more(symbol(default.char_delete)),
        if_more(symbol(default.escape)),
    )
        .parse(rest)?;
    let editing = EditingSymbols {
        line_end: line_end.unwrap_or(default.line_end),
        line_delete: line_delete.unwrap_or(default.line_delete),
        char_delete: char_delete.unwrap_or(default.char_delete),
        escape: escape.unwrap_or(default.escape),
    };
    // What stands after the tenth token is ignored, as documented: nothing is left to complain about.
    Ok(("", Statement::User(UserSource { userid, password, storage, max_storage, classes, editing })))
}

/// `PROFILE name`.
pub(super) fn profile(input: &str) -> Parsed<'_, Statement> {
    name("profile name", 8).map(Statement::Profile).parse(input)
}

/// `INCLUDE name`.
pub(super) fn include(input: &str) -> Parsed<'_, Statement> {
    name("profile name", 8).map(Statement::Include).parse(input)
}
