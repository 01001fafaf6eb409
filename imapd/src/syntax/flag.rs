//! Flags: the system flags as bits, keywords as validated names (RFC 3501 section 2.3.2).
//!
//! `\Recent` is not here: it belongs to a session, never to a message, and no client may set it.

use std::fmt;

use thiserror::Error;

/// The system flags a client may set, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct SystemFlags(u8);

impl SystemFlags {
    /// `\Answered`
    pub const ANSWERED: Self = Self(1);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(2);
    /// `\Deleted`
    pub const DELETED: Self = Self(4);
    /// `\Seen`
    pub const SEEN: Self = Self(8);
    /// `\Draft`
    pub const DRAFT: Self = Self(16);
    /// All of them.
    pub const ALL: Self = Self(31);
    /// Each flag with its name, in the order in which they are shown.
    pub const TABLE: [(Self, &'static str); 5] = [
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
    ];

    /// The set stored as `bits`; unknown bits are dropped.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & 31)
    }
    /// The stored form.
    pub fn bits(self) -> u8 {
        self.0
    }
    /// Whether all of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// Both sets together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// This set without `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// The flag of this name, in any case.
    pub fn by_name(name: &[u8]) -> Option<Self> {
        Self::TABLE.iter().find(|(_, n)| n.as_bytes().eq_ignore_ascii_case(name)).map(|(f, _)| *f)
    }
}

impl fmt::Debug for SystemFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Self::TABLE.iter().filter(|(b, _)| self.contains(*b)).map(|(_, n)| n)).finish()
    }
}

/// A keyword: an atom, compared without regard to case, shown as first given.
#[derive(Clone, Debug)]
pub struct Keyword(String);

/// Why a text is not a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeywordError {
    /// Longer than [`Keyword::MAX_OCTETS`].
    #[error("keyword is longer than {} characters", Keyword::MAX_OCTETS)]
    TooLong,
    /// Not an atom.
    #[error("keyword is not an atom")]
    NotAnAtom,
}

impl Keyword {
    /// Greatest length: what a record of NOTE INDEX holds.
    pub const MAX_OCTETS: usize = 100;

    /// Validates a keyword.
    ///
    /// # Errors
    /// [`KeywordError`] when it is too long or no atom.
    pub fn new(text: &[u8]) -> Result<Self, KeywordError> {
        if text.len() > Self::MAX_OCTETS {
            return Err(KeywordError::TooLong);
        }
        let atom = |b: &u8| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(b);
        if text.is_empty() || !text.iter().all(atom) {
            return Err(KeywordError::NotAnAtom);
        }
        Ok(Self(String::from_utf8_lossy(text).into_owned()))
    }

    /// The keyword as first given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}
impl Eq for Keyword {}

/// Flags of one command: system flags and keywords.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FlagList {
    /// The system flags.
    pub system: SystemFlags,
    /// The keywords, each once.
    pub keywords: Vec<Keyword>,
}

impl FlagList {
    /// Adds a keyword unless it is there.
    pub fn add_keyword(&mut self, keyword: Keyword) {
        if !self.keywords.contains(&keyword) {
            self.keywords.push(keyword);
        }
    }
}
