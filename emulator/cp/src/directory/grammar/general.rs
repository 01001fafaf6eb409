//! `DIRECTORY` and the statements about a user as a whole.

use nom::Parser;
use nom::combinator::opt;
use nom::sequence::preceded;

use super::{Fault, Parsed, Statement, all_of, if_more, keyword, name, number, operand, size, token, userid};
use crate::directory::entry::{IplStatement, IplTarget, Machine, MachineMode, PosixInfo};
use crate::name::SpoolId;

/// `DIRECTORY vdev devtype volser [altvdev]`: where the object directory lay; checked and not used.
pub(super) fn directory(input: &str) -> Parsed<'_, Statement> {
    let (rest, _) = (
        super::vdev(),
        name("device type", 8),
        name("volume label", 6),
        if_more(operand("alternate device", |word| {
            if word == "-" {
                Ok(())
            } else {
                word.parse::<crate::name::Vdev>().map(|_| ()).map_err(|e| e.to_string())
            }
        })),
    )
        .parse(input)?;
    Ok((rest, Statement::Directory))
}

/// `ACCOUNT number [dist]`.
pub(super) fn account(input: &str) -> Parsed<'_, Statement> {
    (name("account number", 8), if_more(name("distribution code", 8)))
        .map(|(number, dist)| Statement::Account { number, dist })
        .parse(input)
}

/// `AUTOLOG userid ...`, also written `XAUTOLOG`.
pub(super) fn autolog(input: &str) -> Parsed<'_, Statement> {
    all_of(userid()).map(Statement::Autolog).parse(input)
}

/// `LOGONBY userid ...`.
pub(super) fn logonby(input: &str) -> Parsed<'_, Statement> {
    all_of(userid()).map(Statement::Logonby).parse(input)
}

/// `CLASS classes`.
pub(super) fn class(input: &str) -> Parsed<'_, Statement> {
    operand("privilege classes", |word| {
        crate::directory::entry::PrivilegeClasses::parse(word)
            .ok_or_else(|| "a class is A to Z or 1 to 6".into())
    })
    .map(Statement::Class)
    .parse(input)
}

/// `IPL {vdev | system} [PARM text]`; the text goes to the end of the statement.
pub(super) fn ipl(input: &str) -> Parsed<'_, Statement> {
    let (rest, target) = operand("system name or device number", |word| {
        IplTarget::parse(word).ok_or_else(|| "is neither a saved system nor a device number".into())
    })
    .parse(input)?;
    let (text, marked) = opt(keyword("PARM", 4)).parse(rest)?;
    if marked.is_none() {
        return Ok((rest, Statement::Ipl(IplStatement { target, parm: None })));
    }
    let parm = text.trim();
    if parm.is_empty() {
        return Err(nom::Err::Failure(Fault { rest: "", reason: "the text after PARM is missing".into() }));
    }
    Ok(("", Statement::Ipl(IplStatement { target, parm: Some(parm.into()) })))
}

/// `MACHINE mode [processors]`.
pub(super) fn machine(input: &str) -> Parsed<'_, Statement> {
    let mode = operand("machine mode", |word| {
        MachineMode::parse(word).ok_or_else(|| "is not 370, XA, ESA, XC or Z".into())
    });
    (mode, if_more(number("number of processors", 1, 64)))
        .map(|(mode, processors)| {
            Statement::Machine(Machine { mode, processors: processors.and_then(|n| u8::try_from(n).ok()) })
        })
        .parse(input)
}

/// `STORAGE size`.
pub(super) fn storage(input: &str) -> Parsed<'_, Statement> {
    size("storage").map(Statement::Storage).parse(input)
}

/// `MAXSTORAGE size`.
pub(super) fn maxstorage(input: &str) -> Parsed<'_, Statement> {
    size("maximum storage").map(Statement::Maxstorage).parse(input)
}

/// `SPOOLFILE MAXSPOOL n`.
pub(super) fn spoolfile(input: &str) -> Parsed<'_, Statement> {
    preceded(keyword("MAXSPOOL", 4), number("number of spool files", 1, u32::from(SpoolId::MAX)))
        .map(|n| Statement::Spoolfile { maxspool: u16::try_from(n).unwrap_or(SpoolId::MAX) })
        .parse(input)
}

/// `POSIXINFO [UID n] [GID n] [GNAME name] [IWDIR dir] [IUPGM path]` in any order, at least one.
pub(super) fn posixinfo(input: &str) -> Parsed<'_, Statement> {
    let mut info = PosixInfo::default();
    let mut rest = input;
    loop {
        let start = rest.trim_start();
        let (after, word) = token(rest)?;
        rest = match word.to_ascii_uppercase().as_str() {
            "UID" => number("user number", 0, u32::MAX).map(|n| info.uid = n).parse(after)?.0,
            "GID" => number("group number", 0, u32::MAX).map(|n| info.gid = n).parse(after)?.0,
            "GNAME" => {
                operand("group name", |w| Ok(w.to_owned())).map(|g| info.gname = Some(g)).parse(after)?.0
            }
            "IWDIR" => {
                operand("directory", |w| Ok(w.to_owned())).map(|d| info.iwdir = Some(d)).parse(after)?.0
            }
            "IUPGM" => operand("program", |w| Ok(w.to_owned())).map(|p| info.iupgm = Some(p)).parse(after)?.0,
            _ => {
                let reason = "is not UID, GID, GNAME, IWDIR or IUPGM".into();
                return Err(nom::Err::Failure(Fault { rest: start, reason }));
            }
        };
        if rest.trim_start().is_empty() {
            return Ok((rest, Statement::Posixinfo(info)));
        }
    }
}
