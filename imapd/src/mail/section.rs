//! Which octets of a message a section names (RFC 3501 section 6.4.5).
//!
//! Resolving needs the structure alone; only HEADER.FIELDS looks at octets, those of the one header it is about.

use std::ops::Range;

use super::header;
use super::scan::{Kind, Part, Structure};
use crate::syntax::section::{Section, SectionText};

/// What a section comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved<'a> {
    /// These octets of the message.
    Octets(Range<usize>),
    /// Fields picked from the header at these octets.
    Fields {
        /// Octets of the header.
        header: Range<usize>,
        /// Whether the names are those left out.
        not: bool,
        /// The names.
        names: &'a [Vec<u8>],
    },
    /// No such part: `NIL`.
    Missing,
}

/// Resolves a section.
pub fn resolve<'a>(structure: &Structure, section: &'a Section) -> Resolved<'a> {
    let Some(found) = part(structure, &section.path) else {
        return match (invented_part(structure, &section.path), &section.text) {
            (Some(at), SectionText::All | SectionText::Mime) => Resolved::Octets(at..at),
            _ => Resolved::Missing,
        };
    };
    // HEADER and TEXT of a numbered part are those of the message inside it.
    let message: Option<&Part> = if section.path.is_empty() {
        Some(found)
    } else if found.kind == Kind::Message {
        found.children.first().map(|c| structure.part(*c))
    } else {
        None
    };
    match (&section.text, message) {
        (SectionText::All, _) if section.path.is_empty() => {
            Resolved::Octets(found.header.start..found.body.end)
        }
        (SectionText::All, _) => Resolved::Octets(found.body.clone()),
        (SectionText::Mime, _) => Resolved::Octets(found.header.clone()),
        (_, None) => Resolved::Missing,
        (SectionText::Header, Some(m)) => Resolved::Octets(m.header.clone()),
        (SectionText::Text, Some(m)) => Resolved::Octets(m.body.clone()),
        (SectionText::HeaderFields { not, names }, Some(m)) => {
            Resolved::Fields { header: m.header.clone(), not: *not, names }
        }
    }
}

/// The part of that number. Part 1 of a message that is no multipart is its one body.
pub fn part<'a>(structure: &'a Structure, path: &[u32]) -> Option<&'a Part> {
    let mut here = structure.root();
    // Whether `here` is a message (or multipart) whose parts are counted, rather than one such part.
    let mut counts = true;
    for n in path {
        if !counts {
            match here.kind {
                Kind::Message => here = structure.part(*here.children.first()?),
                Kind::Multipart => {}
                Kind::Leaf => return None,
            }
        }
        if here.kind == Kind::Multipart {
            let index = usize::try_from(*n).ok()?.checked_sub(1)?;
            here = structure.part(*here.children.get(index)?);
        } else if *n != 1 {
            return None;
        }
        counts = false;
    }
    Some(here)
}

/// Where the one part of a multipart without parts would be, when `path` is its number: BODYSTRUCTURE shows such a part, an empty one,
/// for it has no way to say that there is none.
pub fn invented_part(structure: &Structure, path: &[u32]) -> Option<usize> {
    let (1, above) = path.split_last().map(|(last, above)| (*last, above))? else { return None };
    let mut parent = part(structure, above)?;
    if !above.is_empty() && parent.kind == Kind::Message {
        parent = structure.part(*parent.children.first()?);
    }
    (parent.kind == Kind::Multipart && parent.children.is_empty()).then_some(parent.body.start)
}

/// The fields of a header that were asked for, with the blank line that ends the header where one does (RFC 3501 section 6.4.5).
pub fn pick_fields(header_octets: &[u8], not: bool, names: &[Vec<u8>], ends: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for field in header::fields(header_octets) {
        if names.iter().any(|n| field.is(n)) != not {
            out.extend_from_slice(field.raw);
        }
    }
    if ends {
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The octets `offset .. offset + length` of a range, cut at its end (RFC 3501 section 6.4.5, `<partial>`).
pub fn partial(range: Range<usize>, partial: Option<(u64, u64)>) -> Range<usize> {
    let Some((offset, length)) = partial else { return range };
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let start = range.start.saturating_add(size(offset)).min(range.end);
    start..start.saturating_add(size(length)).min(range.end)
}
