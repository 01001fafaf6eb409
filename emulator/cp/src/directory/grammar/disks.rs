//! `MDISK` and `LINK`.

use nom::Parser;

use super::{Fault, Parsed, Statement, if_more, name, number, operand, userid, vdev};
use crate::directory::entry::{LinkMode, LinkStatement, MdiskExtent};
use crate::name::Vdev;

/// The operands of `MDISK`; its passwords may still be in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::directory) struct MdiskSource {
    pub(in crate::directory) vdev: Vdev,
    pub(in crate::directory) device: String,
    pub(in crate::directory) extent: MdiskExtent,
    pub(in crate::directory) mode: LinkMode,
    pub(in crate::directory) passwords: [LinkPasswordSource; 3],
}

/// One password operand of `MDISK`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::directory) enum LinkPasswordSource {
    /// Not given.
    Nobody,
    /// `ALL`.
    Everybody,
    /// In the clear.
    Clear(String),
    /// `VERIFIER`: a `LINKVERIFY` statement follows.
    Verifier,
}

fn mode<'a>() -> impl Parser<&'a str, Output = LinkMode, Error = Fault<'a>> {
    operand("access mode", |word| {
        // V and E are suffixes of MDISK for virtual reserve/release and exclusive use by the file system.
        LinkMode::parse(word.trim_end_matches(['V', 'v'])).ok_or_else(|| "is not an access mode".into())
    })
}

fn password<'a>() -> impl Parser<&'a str, Output = LinkPasswordSource, Error = Fault<'a>> {
    operand("link password", |word| match word.to_ascii_uppercase().as_str() {
        "ALL" => Ok(LinkPasswordSource::Everybody),
        "VERIFIER" => Ok(LinkPasswordSource::Verifier),
        _ if word.chars().count() > 8 => Err("a link password is 1 to 8 characters".into()),
        _ => Ok(LinkPasswordSource::Clear(word.into())),
    })
}

fn extent(input: &str) -> Parsed<'_, MdiskExtent> {
    let count = || number("number of cylinders or blocks", 1, u32::MAX);
    let first = input.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    match first.as_str() {
        "T-DISK" => {
            let (rest, _) = super::token(input)?;
            count().map(|count| MdiskExtent::Temporary { count }).parse(rest)
        }
        "V-DISK" => {
            let (rest, _) = super::token(input)?;
            count().map(|count| MdiskExtent::InStorage { count }).parse(rest)
        }
        _ => {
            let end_or_count = operand("number of cylinders or blocks, or END", |word| {
                if word.eq_ignore_ascii_case("END") {
                    return Ok(None);
                }
                let n = word.parse::<u32>().ok().filter(|n| *n > 0);
                n.map(Some).ok_or_else(|| "is not a number of cylinders or blocks, or END".into())
            });
            (number("first cylinder or block", 0, u32::MAX), end_or_count, name("volume label", 6))
                .map(|(start, count, volser)| MdiskExtent::Volume { start, count, volser })
                .parse(input)
        }
    }
}

/// `MDISK vdev devtype {start count volser | T-DISK n | V-DISK n} [mode [rpw [wpw [mpw]]]]`.
pub(super) fn mdisk(input: &str) -> Parsed<'_, Statement> {
    let (rest, (vdev, device, extent, mode)) =
        (vdev(), name("device type", 8), extent, if_more(mode())).parse(input)?;
    let (rest, (read, write, multiple)) =
        (if_more(password()), if_more(password()), if_more(password())).parse(rest)?;
    let passwords = [read, write, multiple].map(|p| p.unwrap_or(LinkPasswordSource::Nobody));
    let mode = mode.unwrap_or(LinkMode::W);
    Ok((rest, Statement::Mdisk(MdiskSource { vdev, device, extent, mode, passwords })))
}

/// `LINK userid vdev1 [vdev2 [mode]]`.
pub(super) fn link(input: &str) -> Parsed<'_, Statement> {
    (userid(), vdev(), if_more(vdev()), if_more(mode()))
        .map(|(owner, owner_vdev, vdev, mode)| {
            Statement::Link(LinkStatement {
                owner,
                owner_vdev,
                vdev: vdev.unwrap_or(owner_vdev),
                mode: mode.unwrap_or(LinkMode::R),
            })
        })
        .parse(input)
}
