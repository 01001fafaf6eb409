//! Section specifications of BODY[...] (RFC 3501 section 6.4.5).

/// What of a message or part is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionText {
    /// The whole: the message, or the body of a part.
    All,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS (...)`, or `.NOT` when `not`; names as given.
    HeaderFields {
        /// Whether the fields named are those left out.
        not: bool,
        /// Field names as given.
        names: Vec<Vec<u8>>,
    },
    /// `TEXT`
    Text,
    /// `MIME`, of a numbered part only.
    Mime,
}

/// A section: part numbers, then what of that part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Part numbers, each at least 1; empty for the message itself.
    pub path: Vec<u32>,
    /// What of it.
    pub text: SectionText,
}

impl Section {
    /// Deepest part number a client may name; one past it cannot exist ([`crate::mail::scan::MAX_DEPTH`]).
    pub const MAX_PATH: usize = 2 * crate::mail::scan::MAX_DEPTH;

    /// Appends the form that goes between the brackets of a response.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut first = true;
        for n in &self.path {
            if !std::mem::take(&mut first) {
                out.push(b'.');
            }
            out.extend_from_slice(n.to_string().as_bytes());
        }
        let word: &[u8] = match &self.text {
            SectionText::All => return,
            SectionText::Header => b"HEADER",
            SectionText::HeaderFields { not: false, .. } => b"HEADER.FIELDS",
            SectionText::HeaderFields { not: true, .. } => b"HEADER.FIELDS.NOT",
            SectionText::Text => b"TEXT",
            SectionText::Mime => b"MIME",
        };
        if !first {
            out.push(b'.');
        }
        out.extend_from_slice(word);
        if let SectionText::HeaderFields { names, .. } = &self.text {
            for (i, name) in names.iter().enumerate() {
                out.extend_from_slice(if i == 0 { b" (" } else { b" " });
                super::quote::astring(out, name);
            }
            out.push(b')');
        }
    }
}
