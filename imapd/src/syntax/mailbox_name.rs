//! Mailbox names: validated once, Unicode inside, modified UTF-7 or UTF-8 on the wire.
//!
//! `INBOX` in any case is the one name that folds; all others compare exactly. The hierarchy separator is `/`. A name
//! is in Normalization Form C, has no empty level, no control character, no wildcard, and fits [`MailboxName::MAX_OCTETS`] so that it fits its
//! records in MAILBOX INDEX.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::{quote, utf7};

/// The hierarchy separator, in the one place where it is chosen.
pub const SEPARATOR: char = '/';

/// Why a text cannot name a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MailboxNameError {
    /// Nothing given.
    #[error("mailbox name is empty")]
    Empty,
    /// More than [`MailboxName::MAX_OCTETS`].
    #[error("mailbox name is longer than {} octets", MailboxName::MAX_OCTETS)]
    TooLong,
    /// More than [`MailboxName::MAX_LEVELS`].
    #[error("mailbox name has more than {} levels", MailboxName::MAX_LEVELS)]
    TooDeep,
    /// Two separators in a row, or one at the start.
    #[error("mailbox name has an empty level")]
    EmptyLevel,
    /// A control character or one of `*` and `%`.
    #[error("mailbox name contains a control character or wildcard")]
    BadCharacter,
    /// Not modified UTF-7.
    #[error(transparent)]
    Utf7(#[from] utf7::Utf7Error),
    /// Not UTF-8.
    #[error("mailbox name is not UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
}

/// The text in Normalization Form C, as names are kept (RFC 9051 section 5.1, RFC 5198).
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

/// How a session writes names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameForm {
    /// Modified UTF-7 (RFC 3501 section 5.1.3).
    Utf7,
    /// UTF-8 (RFC 9051 section 5.1).
    Utf8,
}

impl NameForm {
    /// The text of a name or pattern. What modified UTF-7 cannot hold is UTF-8, which clients may send before they have enabled
    /// anything (RFC 9755 section 3).
    ///
    /// # Errors
    /// When the octets are not in this form.
    pub fn decode(self, wire: &[u8]) -> Result<String, MailboxNameError> {
        match self {
            Self::Utf7 if wire.is_ascii() => Ok(utf7::decode(wire)?),
            Self::Utf7 | Self::Utf8 => Ok(std::str::from_utf8(wire)?.to_owned()),
        }
    }
}

/// A valid mailbox name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxName(Arc<str>);

impl MailboxName {
    /// Greatest length in octets of UTF-8: what two records of MAILBOX INDEX hold.
    pub const MAX_OCTETS: usize = 800;
    /// Greatest depth; deeper trees serve no reader and cost LIST time for each level.
    pub const MAX_LEVELS: usize = 64;

    /// `INBOX`.
    pub fn inbox() -> Self {
        Self(Arc::from("INBOX"))
    }

    /// Validates a name given as text. One trailing separator is dropped (RFC 3501 section 6.3.3).
    ///
    /// # Errors
    /// [`MailboxNameError`] says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, MailboxNameError> {
        let text = nfc(text.strip_suffix(SEPARATOR).unwrap_or(text));
        let text = &*text;
        if text.is_empty() {
            return Err(MailboxNameError::Empty);
        }
        if text.len() > Self::MAX_OCTETS {
            return Err(MailboxNameError::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c == '*' || c == '%') {
            return Err(MailboxNameError::BadCharacter);
        }
        if text.split(SEPARATOR).any(str::is_empty) {
            return Err(MailboxNameError::EmptyLevel);
        }
        if text.split(SEPARATOR).count() > Self::MAX_LEVELS {
            return Err(MailboxNameError::TooDeep);
        }
        let (first, rest) = match text.split_once(SEPARATOR) {
            Some((first, _)) => (first, &text[first.len()..]),
            None => (text, ""),
        };
        if first.eq_ignore_ascii_case("INBOX") {
            return Ok(Self(Arc::from(format!("INBOX{rest}"))));
        }
        Ok(Self(Arc::from(text)))
    }

    /// Validates a name in the form of a session.
    ///
    /// # Errors
    /// As [`MailboxName::new`], and when the octets are not in that form.
    pub fn from_wire(wire: &[u8], form: NameForm) -> Result<Self, MailboxNameError> {
        Self::new(&form.decode(wire)?)
    }

    /// Appends the name in the form of a session, as an `astring`.
    pub fn write(&self, out: &mut Vec<u8>, form: NameForm) {
        match form {
            NameForm::Utf7 => quote::astring(out, self.to_wire().as_bytes()),
            NameForm::Utf8 if self.0.is_ascii() => quote::astring(out, self.0.as_bytes()),
            NameForm::Utf8 => quote::utf8(out, &self.0),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in modified UTF-7.
    pub fn to_wire(&self) -> String {
        utf7::encode(&self.0)
    }

    /// Whether this is `INBOX` itself.
    pub fn is_inbox(&self) -> bool {
        &*self.0 == "INBOX"
    }

    /// The names above this one, outermost first.
    pub fn ancestors(&self) -> impl Iterator<Item = MailboxName> + '_ {
        self.0.match_indices(SEPARATOR).map(|(i, _)| Self(Arc::from(&self.0[..i])))
    }

    /// Whether this name lies below `above`.
    pub fn is_below(&self, above: &MailboxName) -> bool {
        self.0.strip_prefix(&*above.0).is_some_and(|rest| rest.starts_with(SEPARATOR))
    }

    /// This name with its leading `from` replaced by `to`; `None` when it does not lie at or below `from`.
    ///
    /// # Errors
    /// [`MailboxNameError`] when the new name would break a limit.
    pub fn moved(
        &self,
        from: &MailboxName,
        to: &MailboxName,
    ) -> Option<Result<MailboxName, MailboxNameError>> {
        if self == from {
            return Some(Ok(to.clone()));
        }
        self.is_below(from).then(|| Self::new(&format!("{}{}", to.0, &self.0[from.0.len()..])))
    }
}

/// Names order and compare as their text, so maps of names can be searched by text.
impl std::borrow::Borrow<str> for MailboxName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A LIST pattern (RFC 3501 section 6.3.8): `*` matches anything, `%` anything but the separator.
///
/// The cost is at most pattern length times name length, whatever the pattern is.
pub fn matches_pattern(pattern: &str, name: &str) -> bool {
    // What stands before the first wildcard decides most names at once.
    let fixed = pattern.find(['*', '%']).unwrap_or(pattern.len());
    let Some(name) = name.strip_prefix(&pattern[..fixed]) else { return false };
    let pattern = &pattern[fixed..];
    if pattern == "*" || (pattern.is_empty() && name.is_empty()) {
        return true;
    }
    // A dynamic table of one row: reach[i] says whether the pattern so far can end before character i of the name.
    let chars: Vec<char> = name.chars().collect();
    let mut reach = vec![false; chars.len() + 1];
    reach[0] = true;
    let mut last = '\0';
    for p in pattern.chars() {
        if p == '*' && last == '*' {
            continue;
        }
        last = p;
        if p == '*' || p == '%' {
            for i in 0..chars.len() {
                if reach[i] && (p == '*' || chars[i] != SEPARATOR) {
                    reach[i + 1] = true;
                }
            }
        } else {
            for i in (0..chars.len()).rev() {
                reach[i + 1] = reach[i] && chars[i] == p;
            }
            reach[0] = false;
        }
    }
    reach[chars.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn inbox_folds_and_nothing_else() {
        assert!(MailboxName::new("inBox").unwrap().is_inbox());
        assert_eq!(MailboxName::new("inbox/Sub").unwrap().as_str(), "INBOX/Sub");
        assert_eq!(MailboxName::new("Inboxes").unwrap().as_str(), "Inboxes");
        assert_eq!(MailboxName::new("a/").unwrap().as_str(), "a");
    }

    #[test]
    fn limits_at_and_past() {
        assert!(MailboxName::new(&"x".repeat(MailboxName::MAX_OCTETS)).is_ok());
        assert_eq!(
            MailboxName::new(&"x".repeat(MailboxName::MAX_OCTETS + 1)),
            Err(MailboxNameError::TooLong)
        );
        let deep = vec!["x"; MailboxName::MAX_LEVELS].join("/");
        assert!(MailboxName::new(&deep).is_ok());
        assert_eq!(MailboxName::new(&format!("{deep}/x")), Err(MailboxNameError::TooDeep));
        assert_eq!(MailboxName::new("a//b"), Err(MailboxNameError::EmptyLevel));
        assert_eq!(MailboxName::new("/b"), Err(MailboxNameError::EmptyLevel));
        assert_eq!(MailboxName::new("a*"), Err(MailboxNameError::BadCharacter));
        assert_eq!(MailboxName::new(""), Err(MailboxNameError::Empty));
    }

    #[test]
    fn names_are_composed() {
        assert_eq!(MailboxName::new("Entwu\u{308}rfe").unwrap(), MailboxName::new("Entw\u{fc}rfe").unwrap());
        let decomposed = "u\u{308}".repeat(400);
        assert_eq!(MailboxName::new(&decomposed).unwrap().as_str().len(), MailboxName::MAX_OCTETS);
    }

    #[test]
    fn patterns() {
        for (pattern, name, yes) in [
            ("*", "a/b", true),
            ("%", "a/b", false),
            ("%", "a", true),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("a*c", "a/b/c", true),
            ("%/%", "a/b", true),
            ("", "", true),
            ("*%b", "a/b", true),
        ] {
            assert_eq!(matches_pattern(pattern, name), yes, "{pattern} {name}");
        }
    }

    fn naive(p: &[char], n: &[char]) -> bool {
        match (p.first(), n.first()) {
            (None, None) => true,
            (Some('*'), _) => naive(&p[1..], n) || (!n.is_empty() && naive(p, &n[1..])),
            (Some('%'), _) => {
                naive(&p[1..], n) || (n.first().is_some_and(|c| *c != '/') && naive(p, &n[1..]))
            }
            (Some(a), Some(b)) if a == b => naive(&p[1..], &n[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_agree_with_the_definition(p in "[ab/*%]{0,6}", n in "[ab/]{0,8}") {
            let (pc, nc): (Vec<char>, Vec<char>) = (p.chars().collect(), n.chars().collect());
            prop_assert_eq!(matches_pattern(&p, &n), naive(&pc, &nc));
        }

        #[test]
        fn wire_there_and_back(name in "[a-z\u{e9}\u{4e2d}&]{1,8}(/[a-z\u{e9}& ]{1,8}){0,3}") {
            let name = MailboxName::new(&name).unwrap();
            prop_assert_eq!(MailboxName::from_wire(name.to_wire().as_bytes(), NameForm::Utf7).unwrap(), name);
        }
    }
}
