//! How a message looks through IMAP: MIME structure, envelope, sections, decoded text.
//!
//! Invariants: every function takes any octets and gives an answer; offsets are exact octets of the message as it
//! came; nothing recurses, and nesting, part and parameter counts end at named limits. A message is scanned once into
//! a [`NoteView`], from which every FETCH item but the bodies themselves is served.
//!
//! Not here: changing messages. What is broken stays broken and is shown as well as the grammar allows.

pub mod address;
pub mod base_subject;
pub mod body_structure;
mod continuations;
pub mod decode;
pub mod envelope;
#[cfg(test)]
pub(crate) mod generated;
pub mod head;
pub mod header;
pub mod html;
pub mod params;
pub mod preview;
pub mod scan;
pub mod section;
pub mod summary;
pub mod transfer;

use std::sync::OnceLock;

use bytes::Bytes;

/// What is kept of a message after it was read once: offsets of all parts, and the rendered FETCH items.
#[derive(Debug, Clone)]
pub struct NoteView {
    /// Parts and their offsets.
    pub structure: scan::Structure,
    /// The ENVELOPE item.
    pub envelope: Bytes,
    /// The BODY item.
    pub body: Bytes,
    /// The BODYSTRUCTURE item.
    pub body_structure: Bytes,
    /// The PREVIEW, once somebody asked for it.
    preview: OnceLock<String>,
}

impl NoteView {
    /// Scans a message.
    pub fn new(message: &[u8]) -> Self {
        let structure = scan::scan(message);
        let mut envelope = Vec::with_capacity(512);
        let root = structure.root();
        envelope::write(&mut envelope, &message[root.header.clone()]);
        let mut body = Vec::with_capacity(256);
        body_structure::write(&mut body, message, &structure, false);
        let mut full = Vec::with_capacity(512);
        body_structure::write(&mut full, message, &structure, true);
        Self {
            structure,
            envelope: envelope.into(),
            body: body.into(),
            body_structure: full.into(),
            preview: OnceLock::new(),
        }
    }

    /// The PREVIEW, when it was made before.
    pub fn known_preview(&self) -> Option<&str> {
        self.preview.get().map(String::as_str)
    }

    /// The PREVIEW of this message, of which these are all octets.
    pub fn preview(&self, message: &[u8]) -> &str {
        self.preview.get_or_init(|| preview::preview(message, &self.structure))
    }

    /// Octets of memory this view takes, about, for the bound of the cache.
    pub fn weight(&self) -> usize {
        self.envelope.len()
            + self.body.len()
            + self.body_structure.len()
            + size_of_val(self.structure.parts())
            // Room for a PREVIEW, which may be made later, is in this.
            + 400
    }
}

#[cfg(test)]
mod tests;
