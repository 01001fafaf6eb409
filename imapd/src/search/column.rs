//! Folded texts of a mailbox's messages one behind the other, so that a search looks through all of them in one sweep.
//!
//! A message never changes, so a column only grows, in order of UIDs; what is expunged stays until the column is made
//! anew. A hit counts only when it lies within one text: a needle never matches across two of them.
//!
//! Texts that are headers of parts begin with [`FIELDS`]: BODY asks for none of these, TEXT for all.
//!
//! The column of all header fields tells the one of any field by itself ([`TextColumn::of_field`]), unless a field has a
//! name that is not ASCII, which folds to what it is not.
//!
//! Not here: which texts a message has ([`texts`] asks the MIME view), who keeps columns ([`crate::mailstore::texts`]) and
//! how they are written down ([`crate::mailstore::text_batch`]).

use memchr::memmem::Finder;

use super::addresses;
use super::fold::{Needle, fold, fold_into};
use super::fuzzy::{Likeness, Query};
use crate::mail::decode::BodyText;
use crate::mail::scan::{Structure, scan};
use crate::mail::{decode, header};
use crate::mailstore::Uid;

/// Which texts of the messages are in a column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColumnKey {
    /// Values of the header fields of this name, in upper case.
    Field(Vec<u8>),
    /// The same of fields with addresses, and what they show that stands in none of the values ([`addresses::shown`]).
    Addresses(Vec<u8>),
    /// All header fields, each as `name: value`.
    Header,
    /// Texts of the body: text parts, headers of the parts and messages inside.
    Body,
}

/// Which texts of a column count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// All of them.
    All,
    /// All but headers of parts and of messages inside.
    Contents,
}

impl Counted {
    /// Where it is looked for in these: who asks for header fields asks for those of parts too (RFC 9051 section 6.4.4, TEXT), who
    /// asks for the body alone for none (BODY).
    pub fn among(columns: &[ColumnKey]) -> Self {
        match columns {
            [ColumnKey::Body] => Self::Contents,
            _ => Self::All,
        }
    }

    /// Whether a text of a column does.
    fn counts(self, text: &[u8]) -> bool {
        self == Self::All || !text.starts_with(FIELDS.as_bytes())
    }
}

/// Before a text that is the header of a part. No folded text has that character: its decomposition is a blank.
const FIELDS: &str = "\u{a0}";

impl ColumnKey {
    /// The column of a field.
    pub fn field(name: &[u8]) -> Self {
        Self::Field(name.to_ascii_uppercase())
    }

    /// The column of a field with addresses.
    pub fn addresses(name: &[u8]) -> Self {
        Self::Addresses(name.to_ascii_uppercase())
    }

    /// Looks at each text of a message that belongs in the column and counts, not yet folded; of addresses only at what stands there.
    pub fn each_text(
        &self,
        message: &[u8],
        structure: Option<&Structure>,
        counted: Counted,
        mut look: impl FnMut(&str),
    ) {
        match self {
            Self::Field(name) | Self::Addresses(name) => {
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
            Self::Body => each_body_text(message, structure, |kind, text| {
                if counted == Counted::All || kind == BodyText::Content {
                    look(text);
                }
            }),
        }
    }
}

/// Whether what is looked for is in a value with addresses, or in what it shows.
pub fn is_in_addresses(needle: &Needle, value: &str) -> bool {
    let folded = fold(value);
    needle.is_empty()
        || needle.is_in_folded(&folded)
        || addresses::shown(&folded).iter().any(|text| needle.is_in_folded(text))
}

/// Looks at each text of a body, not yet folded.
fn each_body_text(message: &[u8], structure: Option<&Structure>, mut look: impl FnMut(BodyText, &str)) {
    let own;
    let structure = match structure {
        Some(known) => known,
        None => {
            own = scan(message);
            &own
        }
    };
    decode::body_texts(message, structure, |kind, text| {
        look(kind, text);
        false
    });
}

/// Texts one behind the other.
#[derive(Debug, Default)]
pub struct TextColumn {
    text: String,
    /// Whose text it is and where it ends, in order.
    ends: Vec<(u32, usize)>,
    /// Messages up to this UID are in it, as far as they have such a text.
    upto: u32,
    /// Whether a header field with a name that is not ASCII is in it.
    odd_names: bool,
}

/// What stands between a field's name and its value.
const COLON: &str = ": ";

impl TextColumn {
    /// From texts that are folded already; `None` when they are not in order.
    pub(crate) fn folded(text: String, ends: Vec<(u32, usize)>, odd_names: bool) -> Option<Self> {
        let sound = ends.is_sorted()
            && ends.iter().all(|(_, end)| text.is_char_boundary(*end))
            && ends.last().map_or(0, |(_, end)| *end) == text.len();
        sound.then_some(Self { text, ends, upto: 0, odd_names })
    }

    /// All texts, folded, one behind the other.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Each text with the message it is of, in order.
    pub fn texts(&self) -> impl Iterator<Item = (Uid, &str)> {
        let mut from = 0;
        self.ends.iter().map(move |(uid, end)| {
            let text = &self.text[from..*end];
            from = *end;
            (Uid(*uid), text)
        })
    }

    /// Whether a header field with a name that is not ASCII is in it.
    pub fn has_odd_names(&self) -> bool {
        self.odd_names
    }

    /// The texts of messages after `after` up to `upto`.
    pub fn part(&self, after: Uid, upto: Uid) -> Self {
        let range = self.ends.partition_point(|(uid, _)| *uid <= after.0)
            ..self.ends.partition_point(|(uid, _)| *uid <= upto.0);
        let end_before = |i: usize| i.checked_sub(1).map_or(0, |i| self.ends[i].1);
        let (from, to) = (end_before(range.start), end_before(range.end));
        Self {
            text: self.text[from..to].to_owned(),
            ends: self.ends[range].iter().map(|(uid, end)| (*uid, end - from)).collect(),
            upto: self.upto.min(upto.0),
            odd_names: self.odd_names,
        }
    }

    /// Drops the texts of messages that are not among `uids`, which ascend.
    pub fn retain(&mut self, uids: &[u32]) {
        if self.ends.iter().all(|(uid, _)| uids.binary_search(uid).is_ok()) {
            return;
        }
        let mut out = Self { upto: self.upto, odd_names: self.odd_names, ..Self::default() };
        for (uid, text) in self.texts().filter(|(uid, _)| uids.binary_search(&uid.0).is_ok()) {
            out.text.push_str(text);
            out.ends.push((uid.0, out.text.len()));
        }
        *self = out;
    }

    /// The column of a field, from the column of all fields; `None` when that cannot be told.
    pub fn of_field(&self, name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok().filter(|n| n.is_ascii() && !n.is_empty())?;
        if self.odd_names {
            return None;
        }
        let start = format!("{}{COLON}", name.to_ascii_uppercase());
        let mut out = Self { upto: self.upto, ..Self::default() };
        for (uid, text) in self.texts() {
            if let Some(value) = text.strip_prefix(&start) {
                out.text.push_str(value);
                out.ends.push((uid.0, out.text.len()));
            }
        }
        Some(out)
    }

    /// The column of a field with addresses, as [`TextColumn::of_field`] has that of any.
    pub fn of_addresses(&self, name: &[u8]) -> Option<Self> {
        let values = self.of_field(name)?;
        let mut out = Self { upto: values.upto, ..Self::default() };
        for (uid, value) in values.texts() {
            out.push_folded(uid, value);
            addresses::shown(value).iter().for_each(|text| out.push_folded(uid, text));
        }
        Some(out)
    }

    /// Messages up to this UID are in it.
    pub fn upto(&self) -> Uid {
        Uid(self.upto)
    }

    /// Adds a text of a message; UIDs ascend.
    pub fn push(&mut self, uid: Uid, text: &str) {
        fold_into(&mut self.text, text);
        self.ends.push((uid.0, self.text.len()));
    }

    /// Adds the header of a part.
    fn push_fields(&mut self, uid: Uid, text: &str) {
        self.text.push_str(FIELDS);
        self.push(uid, text);
    }

    /// Adds a text that is folded: it would not always stay the same when it were folded again.
    fn push_folded(&mut self, uid: Uid, text: &str) {
        self.text.push_str(text);
        self.ends.push((uid.0, self.text.len()));
    }

    /// Adds a field of a message with addresses, its value decoded.
    fn push_addresses(&mut self, uid: Uid, value: &str) {
        let from = self.text.len();
        self.push(uid, value);
        let shown = addresses::shown(&self.text[from..]);
        shown.iter().for_each(|text| self.push_folded(uid, text));
    }

    /// Adds a field of a message, its value decoded.
    fn push_field(&mut self, uid: Uid, name: &[u8], value: &str) {
        match std::str::from_utf8(name).ok().filter(|name| name.is_ascii()) {
            Some(name) => {
                // Folding goes no further than from one ASCII character to the next: the pieces fold as the whole does.
                fold_into(&mut self.text, name);
                self.text.push_str(COLON);
                fold_into(&mut self.text, value);
            }
            None => {
                self.odd_names = true;
                fold_into(&mut self.text, &format!("{}{COLON}{value}", decode::charset_text(None, name)));
            }
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
        self.odd_names |= later.odd_names;
        self.seal(Uid(later.upto));
    }

    /// UIDs of messages with a text that counts and contains `needle`, ascending.
    pub fn find(&self, needle: &Needle, counted: Counted) -> Vec<u32> {
        if needle.is_empty() {
            let texts = self.texts().filter(|(_, text)| counted.counts(text.as_bytes()));
            let mut found: Vec<u32> = texts.map(|(uid, _)| uid.0).collect();
            found.dedup();
            return found;
        }
        let mut forms = needle.finders().map(|finder| self.find_form(finder, counted));
        let mut found = forms.next().unwrap_or_default();
        let before = found.len();
        forms.for_each(|more| found.extend(more));
        if found.len() > before {
            found.sort_unstable();
            found.dedup();
        }
        found
    }

    /// The same for one form of it.
    fn find_form(&self, finder: &Finder<'_>, counted: Counted) -> Vec<u32> {
        let mut found: Vec<u32> = Vec::new();
        let text = self.text.as_bytes();
        let mut from = 0;
        let mut entry = 0;
        while let Some(at) = text.get(from..).and_then(|rest| finder.find(rest)).map(|i| from + i) {
            entry += self.ends[entry..].partition_point(|(_, end)| *end <= at);
            let Some((uid, end)) = self.ends.get(entry).copied() else { break };
            if at + finder.needle().len() <= end {
                let begin = entry.checked_sub(1).map_or(0, |i| self.ends[i].1);
                if found.last() != Some(&uid) && counted.counts(&text[begin..end]) {
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

    /// How well the texts of each message that count match words, messages in order of their UIDs; those without a likeness are left out.
    pub fn find_like(&self, query: &Query, counted: Counted) -> Vec<(u32, Likeness)> {
        let mut found: Vec<(u32, Likeness)> = Vec::new();
        let mut from = 0;
        for (uid, end) in &self.ends {
            if found.last().is_none_or(|(last, likeness)| last != uid && *likeness != Likeness::default()) {
                found.push((*uid, Likeness::default()));
            }
            let text = &self.text[from..*end];
            if let Some((last, likeness)) = found.last_mut() {
                *last = *uid;
                if counted.counts(text.as_bytes()) {
                    query.look(text, likeness);
                }
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

/// Adds the texts of a message for each key to the column at its place. `message` may end behind its header when no key is
/// about the body.
pub fn texts<'a>(
    columns: impl IntoIterator<Item = (&'a ColumnKey, &'a mut TextColumn)>,
    uid: Uid,
    message: &[u8],
    structure: Option<&Structure>,
) {
    let (mut of_fields, mut bodies): (Vec<_>, Vec<_>) =
        columns.into_iter().partition(|(key, _)| **key != ColumnKey::Body);
    let mut value = String::new();
    let header = if of_fields.is_empty() { b"" } else { message };
    for field in header::fields(header) {
        let is_asked = |key: &ColumnKey| match key {
            ColumnKey::Field(name) | ColumnKey::Addresses(name) => field.is(name),
            _ => true,
        };
        let mut decoded = false;
        for (key, column) in of_fields.iter_mut().filter(|(key, _)| is_asked(key)) {
            if !std::mem::replace(&mut decoded, true) {
                value.clear();
                decode::add_header_text(field.value, &mut value);
            }
            match key {
                ColumnKey::Header => column.push_field(uid, field.name, &value),
                ColumnKey::Addresses(_) => column.push_addresses(uid, &value),
                _ => column.push(uid, &value),
            }
        }
    }
    for (_, column) in &mut bodies {
        each_body_text(message, structure, |kind, text| match kind {
            BodyText::Fields => column.push_fields(uid, text),
            BodyText::Content => column.push(uid, text),
        });
    }
    of_fields.into_iter().chain(bodies).for_each(|(_, column)| column.seal(uid));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The sweep finds exactly what looking into each text finds, also with needles that repeat themselves.
        #[test]
        fn finds_what_looking_at_each_finds(
            texts in proptest::collection::vec((0u32..3, any::<bool>(), "[aAb \u{a0}\u{e4}]{0,6}"), 0..40),
            needle in "[ab \u{a0}\u{c4}]{0,3}", cut in 0usize..40,
        ) {
            let needle = Needle::new(&needle);
            let (mut first, mut second) = (TextColumn::default(), TextColumn::default());
            let mut uid = 1;
            let (mut expected, mut in_contents) = (Vec::new(), Vec::new());
            for (i, (step, is_fields, text)) in texts.iter().enumerate() {
                uid += step;
                // A part begins with a message of its own, as the parts of a column do.
                if i == cut {
                    uid += 1;
                }
                let part = if i < cut { &mut first } else { &mut second };
                if *is_fields {
                    part.push_fields(Uid(uid), text);
                } else {
                    part.push(Uid(uid), text);
                }
                part.seal(Uid(uid));
                if needle.is_in(text) {
                    expected.push(uid);
                    in_contents.extend((!is_fields).then_some(uid));
                }
            }
            expected.dedup();
            in_contents.dedup();
            first.append(&second);
            prop_assert_eq!(first.find(&needle, Counted::Contents), in_contents);
            prop_assert_eq!(first.find(&needle, Counted::All), expected);
            prop_assert_eq!(first.len(), texts.len());
            let (after, upto) = (Uid(uid / 3), Uid(uid / 3 * 2));
            let part = first.part(after, upto);
            let there: Vec<_> = first.texts().filter(|(uid, _)| *uid > after && *uid <= upto).collect();
            prop_assert_eq!(part.texts().collect::<Vec<_>>(), there);
            let odd: Vec<u32> = (0..=uid).filter(|uid| uid % 2 == 1).collect();
            let mut some = first.part(Uid(0), Uid(uid));
            some.retain(&odd);
            let there: Vec<_> = first.texts().filter(|(uid, _)| uid.0 % 2 == 1).collect();
            prop_assert_eq!(some.texts().collect::<Vec<_>>(), there);
        }
    }
}
