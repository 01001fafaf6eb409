//! BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2), with all extension data for the latter.
//!
//! The tree is written with a stack of our own, since its depth is the sender's choice. A multipart without parts,
//! which the grammar does not know, is shown with one empty text part. Parameters in pieces are put together
//! (RFC 9051 section 7.5.2), and comments around values are none of them (RFC 2045 section 3).

use super::continuations;
use super::header;
use super::params::{self, Parameterized};
use super::scan::{self, Kind, Part, Structure};
use crate::syntax::quote::{nstring, string};

const EMPTY_PART: &[u8] = b"(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"us-ascii\") NIL NIL \"7BIT\" 0 0)";

enum Step {
    Open(u32),
    Close(u32),
}

/// Appends the structure of the message; with extension data when `extended`.
pub fn write(out: &mut Vec<u8>, message: &[u8], structure: &Structure, extended: bool) {
    write_form(out, message, structure, extended, true);
}

/// The same for those who know IMAP4rev1 alone, whose grammar takes `message/global` for a part like any other (RFC 3501 section 9,
/// `media-message`; RFC 9755 section 6).
pub fn write_rev1(out: &mut Vec<u8>, message: &[u8], structure: &Structure, extended: bool) {
    write_form(out, message, structure, extended, false);
}

/// Whether a structure may show a part that [`write_rev1`] shows otherwise.
pub fn names_global(shown: &[u8]) -> bool {
    memchr::memmem::find(shown, b"\"MESSAGE\" \"GLOBAL\"").is_some()
}

fn write_form(out: &mut Vec<u8>, message: &[u8], structure: &Structure, extended: bool, globals: bool) {
    let mut steps = vec![Step::Open(0)];
    while let Some(step) = steps.pop() {
        match step {
            Step::Open(index) => {
                let part = structure.part(index);
                let fields = Fields::of(message, part);
                out.push(b'(');
                let plain = !globals && fields.is_global();
                match part.kind {
                    Kind::Message if plain => {
                        basic(out, part, &fields);
                        finish(out, part, &fields, extended);
                        out.push(b')');
                        continue;
                    }
                    Kind::Leaf => {
                        leaf(out, part, &fields);
                        finish(out, part, &fields, extended);
                        out.push(b')');
                        continue;
                    }
                    Kind::Message => {
                        basic(out, part, &fields);
                        out.push(b' ');
                        if let Some(inner) = part.children.first() {
                            super::envelope::write(out, &message[structure.part(*inner).header.clone()]);
                        }
                        out.push(b' ');
                    }
                    Kind::Multipart if part.children.is_empty() => out.extend_from_slice(EMPTY_PART),
                    Kind::Multipart => {}
                }
                steps.push(Step::Close(index));
                steps.extend(part.children.iter().rev().map(|c| Step::Open(*c)));
            }
            Step::Close(index) => {
                let part = structure.part(index);
                let fields = Fields::of(message, part);
                match part.kind {
                    Kind::Message => out.extend_from_slice(format!(" {}", part.lines).as_bytes()),
                    _ => {
                        out.push(b' ');
                        upper(out, &fields.subtype());
                    }
                }
                finish(out, part, &fields, extended);
                out.push(b')');
            }
        }
    }
}

/// The fields of a part's header that matter here.
#[derive(Default)]
struct Fields {
    content: Parameterized,
    id: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
    encoding: Option<Vec<u8>>,
    md5: Option<Vec<u8>>,
    disposition: Option<Parameterized>,
    language: Option<Vec<u8>>,
    location: Option<Vec<u8>>,
}

impl Fields {
    fn of(message: &[u8], part: &Part) -> Self {
        let octets = &message[part.header.clone()];
        let mut f = Self { content: scan::content_type(octets, part.in_digest), ..Self::default() };
        for field in header::fields(octets) {
            if !field.name.get(..8).is_some_and(|p| p.eq_ignore_ascii_case(b"Content-")) {
                continue;
            }
            let value = header::unfold(field.value);
            let slot = match field.name[8..].to_ascii_lowercase().as_slice() {
                b"id" => &mut f.id,
                b"description" => &mut f.description,
                b"transfer-encoding" => &mut f.encoding,
                b"md5" => &mut f.md5,
                b"language" => &mut f.language,
                b"location" => &mut f.location,
                b"disposition" => {
                    f.disposition.get_or_insert_with(|| params::parse(&value));
                    continue;
                }
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        f
    }

    fn is_global(&self) -> bool {
        self.content.media_type().is_some_and(|(_, sub)| sub.eq_ignore_ascii_case(b"global"))
    }

    fn subtype(&self) -> Vec<u8> {
        self.content.media_type().map_or_else(|| b"MIXED".to_vec(), |(_, sub)| sub.to_vec())
    }
}

fn upper(out: &mut Vec<u8>, text: &[u8]) {
    string(out, &text.to_ascii_uppercase());
}

fn parameters(out: &mut Vec<u8>, params: &[(Vec<u8>, Vec<u8>)]) {
    if params.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    for (i, (name, value)) in continuations::joined(params).iter().enumerate() {
        out.push(if i == 0 { b'(' } else { b' ' });
        upper(out, name);
        out.push(b' ');
        string(out, value);
    }
    out.push(b')');
}

/// `body-fields` with the media type before them.
fn basic(out: &mut Vec<u8>, part: &Part, fields: &Fields) {
    let (main, sub) = fields.content.media_type().unwrap_or((b"TEXT", b"PLAIN"));
    // What is too deep to be taken apart cannot be shown as what the grammar wants taken apart.
    let deep =
        part.kind == Kind::Leaf && (scan::is_message(main, sub) || main.eq_ignore_ascii_case(b"multipart"));
    let (main, sub): (&[u8], &[u8]) = if deep { (b"APPLICATION", b"OCTET-STREAM") } else { (main, sub) };
    upper(out, main);
    out.push(b' ');
    upper(out, sub);
    out.push(b' ');
    parameters(out, &fields.content.params);
    out.push(b' ');
    nstring(out, fields.id.as_deref().map(params::bare));
    out.push(b' ');
    nstring(out, fields.description.as_deref());
    out.push(b' ');
    let encoding = fields.encoding.as_deref().map(|e| params::parse(e).value).filter(|e| !e.is_empty());
    upper(out, encoding.as_deref().unwrap_or(b"7BIT"));
    out.extend_from_slice(format!(" {}", part.body.len()).as_bytes());
}

fn leaf(out: &mut Vec<u8>, part: &Part, fields: &Fields) {
    basic(out, part, fields);
    let text = fields.content.media_type().is_none_or(|(main, _)| main.eq_ignore_ascii_case(b"text"));
    if text {
        out.extend_from_slice(format!(" {}", part.lines).as_bytes());
    }
}

/// Extension data: `body-ext-1part` or `body-ext-mpart`.
fn finish(out: &mut Vec<u8>, part: &Part, fields: &Fields, extended: bool) {
    if !extended {
        return;
    }
    out.push(b' ');
    if part.kind == Kind::Multipart {
        parameters(out, &fields.content.params);
    } else {
        nstring(out, fields.md5.as_deref().map(params::bare));
    }
    out.push(b' ');
    match &fields.disposition {
        Some(d) if !d.value.is_empty() => {
            out.push(b'(');
            upper(out, &d.value);
            out.push(b' ');
            parameters(out, &d.params);
            out.push(b')');
        }
        _ => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    languages(out, fields.language.as_deref());
    out.push(b' ');
    // Blanks are where a URI was folded, and no part of it (RFC 2557 section 4.4.2, RFC 2017 section 3.1).
    let location = fields.location.as_ref().map(|uri| {
        params::bare(uri).iter().copied().filter(|b| !b.is_ascii_whitespace()).collect::<Vec<u8>>()
    });
    nstring(out, location.as_deref());
}

fn languages(out: &mut Vec<u8>, value: Option<&[u8]>) {
    // Comments are none of the tags (RFC 3282 section 2).
    let value = value.map(|value| params::parse(value).value).unwrap_or_default();
    let tags: Vec<&[u8]> =
        value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|t| !t.is_empty()).collect();
    match tags.as_slice() {
        [] => out.extend_from_slice(b"NIL"),
        [one] => string(out, one),
        many => {
            for (i, tag) in many.iter().enumerate() {
                out.push(if i == 0 { b'(' } else { b' ' });
                string(out, tag);
            }
            out.push(b')');
        }
    }
}
