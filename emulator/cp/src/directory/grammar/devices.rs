//! `CONSOLE` and `SPOOL`.

use nom::Parser;

use super::{Fault, Parsed, Statement, if_more, keyword, operand, userid, vdev};
use crate::directory::entry::{ConsoleKind, ConsoleStatement, SpoolStatement, UnitRecordKind};

/// Unit record devices and what each can be. Source: SPOOL directory statement.
const DEVICES: &[(&str, &[UnitRecordKind])] = &[
    ("2501", &[UnitRecordKind::Reader]),
    ("2540", &[UnitRecordKind::Reader, UnitRecordKind::Punch]),
    ("3505", &[UnitRecordKind::Reader]),
    ("3525", &[UnitRecordKind::Punch]),
    ("1403", &[UnitRecordKind::Printer]),
    ("1443", &[UnitRecordKind::Printer]),
    ("3203", &[UnitRecordKind::Printer]),
    ("3211", &[UnitRecordKind::Printer]),
    ("3262", &[UnitRecordKind::Printer]),
    ("3289", &[UnitRecordKind::Printer]),
    ("3800", &[UnitRecordKind::Printer]),
    ("3820", &[UnitRecordKind::Printer]),
    ("4245", &[UnitRecordKind::Printer]),
    ("4248", &[UnitRecordKind::Printer]),
    ("VAFP", &[UnitRecordKind::Printer]),
];

/// A spool class, `A` to `Z` or `0` to `9`; `*` too where `any` says so.
fn class<'a>(any: bool) -> impl Parser<&'a str, Output = char, Error = Fault<'a>> {
    operand("class", move |word| match word.as_bytes() {
        [b'*'] if any => Ok('*'),
        [c] if c.is_ascii_alphanumeric() => Ok(char::from(c.to_ascii_uppercase())),
        _ => Err("a class is one of A-Z and 0-9".into()),
    })
}

/// `CONSOLE vdev {3215 | 3270} [class] [secuser [OBSERVER]]`.
pub(super) fn console(input: &str) -> Parsed<'_, Statement> {
    let kind = operand("console type", |word| match word {
        "3215" | "3210" => Ok(ConsoleKind::Line3215),
        "3270" => Ok(ConsoleKind::Full3270),
        _ => Err("is not 3215 or 3270".into()),
    });
    (vdev(), kind, if_more(class(false)), if_more(userid()), if_more(keyword("OBSERVER", 3)))
        .map(|(vdev, kind, class, secuser, observer)| {
            Statement::Console(ConsoleStatement {
                vdev,
                kind,
                class: class.unwrap_or('T'),
                secuser,
                observer: observer.is_some(),
            })
        })
        .parse(input)
}

/// `SPOOL vdev devtype [READER | PUNCH | PRINTER] [class]`.
pub(super) fn spool(input: &str) -> Parsed<'_, Statement> {
    let (rest, (vdev, (device, kinds))) = (
        vdev(),
        operand("device type", |word| {
            let known = DEVICES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
            known.copied().ok_or_else(|| "is not a unit record device".into())
        }),
    )
        .parse(input)?;
    let word = |word: &str| word.to_ascii_uppercase();
    let said = |given: &str| {
        [UnitRecordKind::Reader, UnitRecordKind::Punch, UnitRecordKind::Printer]
            .into_iter()
            .find(|k| given.len() > 1 && k.as_str().starts_with(given))
    };
    let next = word(rest.split_whitespace().next().unwrap_or_default());
    let (rest, kind) = match (kinds, said(&next)) {
        (kinds, Some(kind)) if kinds.contains(&kind) => (super::token(rest)?.0, kind),
        ([only], None) => (rest, *only),
        (_, Some(_)) => {
            let reason = format!("a {device} is not that");
            return Err(nom::Err::Failure(Fault { rest: rest.trim_start(), reason }));
        }
        (_, None) => {
            let reason = format!("READER or PUNCH must be said of a {device}");
            return Err(nom::Err::Failure(Fault { rest: rest.trim_start(), reason }));
        }
    };
    let (rest, class) = if_more(class(kind == UnitRecordKind::Reader)).parse(rest)?;
    let default = if kind == UnitRecordKind::Reader { '*' } else { 'A' };
    let statement = SpoolStatement { vdev, device: device.into(), kind, class: class.unwrap_or(default) };
    Ok((rest, Statement::Spool(statement)))
}
