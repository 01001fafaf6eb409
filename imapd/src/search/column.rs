//! Folded texts of a mailbox's messages one behind the other, so that a search looks through all of them in one sweep.
//!
//! A message never changes, so a column only grows, in order of UIDs; what is expunged stays until the column is made
//! anew. A hit counts only when it lies within one text: a needle never matches across two of them.
//!
//! Not here: which texts a message has ([`texts`] asks the MIME view) and who keeps columns
//! ([`crate::mailstore::texts`]).

use super::fold::{Needle, fold};
use super::fuzzy::{Likeness, Query};
use crate::mail::scan::{Structure, scan};
use crate::mail::{decode, header};
use crate::mailstore::Uid;

/// Which texts of the messages are in a column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColumnKey {
    /// Values of the header fields of this name, in upper case.
    Field(Vec<u8>),
    /// All header fields, each as `name: value`.
    Header,
    /// Texts of the body: text parts, headers of the parts and messages inside.
    Body,
}

impl ColumnKey {
    /// The column of a field.
    pub fn field(name: &[u8]) -> Self {
        Self::Field(name.to_ascii_uppercase())
    }

    /// Looks at each text of a message that belongs in the column, not yet folded.
    pub fn each_text(&self, message: &[u8], structure: Option<&Structure>, mut look: impl FnMut(&str)) {
        match self {
            Self::Field(name) => {
                header::fields(message)
                    .filter(|f| f.is(name))
                    .for_each(|f| look(&decode::header_text(f.value)));
            }
            Self::Header => {
                for field in header::fields(message) {
                    let name = decode::charset_text(None, field.name);
                    look(&format!("{name}: {}", decode::header_text(field.value)));
                }
            }
            Self::Body => {
                let own;
                let structure = match structure {
                    Some(known) => known,
                    None => {
                        own = scan(message);
                        &own
                    }
                };
                decode::body_texts(message, structure, |text| {
                    look(text);
                    false
                });
            }
        }
    }
}

/// Texts one behind the other.
#[derive(Debug, Default)]
pub struct TextColumn {
    text: String,
    /// Whose text it is and where it ends, in order.
    ends: Vec<(u32, usize)>,
    /// Messages up to this UID are in it, as far as they have such a text.
    upto: u32,
}

impl TextColumn {
    /// Messages up to this UID are in it.
    pub fn upto(&self) -> Uid {
        Uid(self.upto)
    }

    /// Adds a text of a message; UIDs ascend.
    pub fn push(&mut self, uid: Uid, text: &str) {
        if text.is_ascii() {
            // As `fold` does, in place.
            let from = self.text.len();
            self.text.push_str(text);
            self.text[from..].make_ascii_uppercase();
        } else {
            self.text.push_str(&fold(text));
        }
        self.ends.push((uid.0, self.text.len()));
    }

    /// Says that all texts of messages up to `uid` are there.
    pub fn seal(&mut self, uid: Uid) {
        self.upto = self.upto.max(uid.0);
    }

    /// Adds what `later` has, whose messages all come after those here.
    pub fn append(&mut self, later: &Self) {
        let base = self.text.len();
        self.text.push_str(&later.text);
        self.ends.extend(later.ends.iter().map(|(uid, end)| (*uid, base + end)));
        self.seal(Uid(later.upto));
    }

    /// UIDs of messages with a text that contains `needle`, ascending.
    pub fn find(&self, needle: &Needle) -> Vec<u32> {
        let mut found: Vec<u32> = Vec::new();
        if needle.is_empty() {
            found.extend(self.ends.iter().map(|(uid, _)| *uid));
            found.dedup();
            return found;
        }
        let text = self.text.as_bytes();
        let mut from = 0;
        let mut entry = 0;
        while let Some(at) = text.get(from..).and_then(|rest| needle.find(rest)).map(|i| from + i) {
            entry += self.ends[entry..].partition_point(|(_, end)| *end <= at);
            let Some((uid, end)) = self.ends.get(entry).copied() else { break };
            if at + needle.len() <= end {
                if found.last() != Some(&uid) {
                    found.push(uid);
                }
                from = end;
            } else {
                // Across two texts; the needle may begin again at any octet behind.
                from = at + 1;
            }
        }
        found
    }

    /// How well the texts of each message match words, messages in order of their UIDs; those without a likeness are left out.
    pub fn find_like(&self, query: &Query) -> Vec<(u32, Likeness)> {
        let mut found: Vec<(u32, Likeness)> = Vec::new();
        let mut from = 0;
        for (uid, end) in &self.ends {
            if found.last().is_none_or(|(last, likeness)| last != uid && *likeness != Likeness::default()) {
                found.push((*uid, Likeness::default()));
            }
            if let Some((last, likeness)) = found.last_mut() {
                *last = *uid;
                query.look(&self.text[from..*end], likeness);
            }
            from = *end;
        }
        found.retain(|(_, likeness)| *likeness != Likeness::default());
        found
    }

    /// Octets of memory this takes, about.
    pub fn weight(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<(u32, usize)>()
    }

    /// Texts in it, those of expunged messages included.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// Adds the texts of a message for `key`. `message` may end behind its header when `key` is not about the body.
pub fn texts(
    column: &mut TextColumn,
    uid: Uid,
    key: &ColumnKey,
    message: &[u8],
    structure: Option<&Structure>,
) {
    key.each_text(message, structure, |text| column.push(uid, text));
    column.seal(uid);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The sweep finds exactly what looking into each text finds, also with needles that repeat themselves.
        #[test]
        fn finds_what_looking_at_each_finds(
            texts in proptest::collection::vec((0u32..3, "[aAb\u{e4}]{0,6}"), 0..40),
            needle in "[ab\u{c4}]{0,3}", cut in 0usize..40,
        ) {
            let needle = Needle::new(&needle);
            let (mut first, mut second) = (TextColumn::default(), TextColumn::default());
            let mut uid = 1;
            let mut expected = Vec::new();
            for (i, (step, text)) in texts.iter().enumerate() {
                uid += step;
                // A part begins with a message of its own, as the parts of a column do.
                if i == cut {
                    uid += 1;
                }
                let part = if i < cut { &mut first } else { &mut second };
                part.push(Uid(uid), text);
                part.seal(Uid(uid));
                if needle.is_in(text) {
                    expected.push(uid);
                }
            }
            expected.dedup();
            first.append(&second);
            prop_assert_eq!(first.find(&needle), expected);
            prop_assert_eq!(first.len(), texts.len());
        }
    }
}
