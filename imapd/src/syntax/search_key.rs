//! Search keys as a tree (RFC 3501 section 6.4.4).

use jiff::civil::Date;

use crate::mailstore::ModSeq;

use super::flag::{Keyword, SystemFlags};
use super::partial_range::PartialRange;
use super::seqset::{NumberSet, SeqNumber, SequenceSet};

/// Which date a key looks at and how it compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateTest {
    /// Earlier than the date.
    Before,
    /// Within the date.
    On,
    /// Within or later than the date.
    Since,
}

/// One search key. Text is what the client sent, in the charset of the command, not yet decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKey {
    /// All of these.
    And(Vec<SearchKey>),
    /// Either.
    Or(Box<SearchKey>, Box<SearchKey>),
    /// Not this.
    Not(Box<SearchKey>),
    /// This, texts in it approximately (RFC 6203 section 3).
    Fuzzy(Box<SearchKey>),
    /// Every message.
    All,
    /// Message numbers.
    Sequence(SequenceSet),
    /// Unique identifiers.
    Uid(SequenceSet),
    /// Unique identifiers above this one (RFC 9738 section 3.2).
    UidAfter(u32),
    /// Unique identifiers below this one.
    UidBefore(u32),
    /// System flag set.
    Flag(SystemFlags),
    /// `\Recent` set.
    Recent,
    /// Keyword set.
    Keyword(Keyword),
    /// Internal date.
    Internal(DateTest, Date),
    /// Date header.
    Sent(DateTest, Date),
    /// Internal date not within so many seconds before now (RFC 5032).
    Older(u32),
    /// Internal date within so many seconds before now (RFC 5032).
    Younger(u32),
    /// Changed at or after this modification sequence (RFC 7162 section 3.1.5).
    ModSeq(ModSeq),
    /// Date of saving in this mailbox (RFC 8514).
    Saved(DateTest, Date),
    /// EMAILID as given (RFC 8474).
    EmailId(Vec<u8>),
    /// THREADID as given; no message has one.
    ThreadId(Vec<u8>),
    /// RFC822.SIZE greater than this many octets.
    Larger(u64),
    /// RFC822.SIZE less than this many octets.
    Smaller(u64),
    /// Field name and text in it; empty text asks for the field's presence.
    Header(Vec<u8>, Vec<u8>),
    /// Name of a field with addresses, and text in them; empty text asks for the field's presence.
    Addresses(Vec<u8>, Vec<u8>),
    /// Text in the body.
    Body(Vec<u8>),
    /// Text in header or body.
    Text(Vec<u8>),
}

/// What a search is to give back (RFC 4731 section 3.1, RFC 5182 section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SearchReturn {
    /// The lowest match.
    pub min: bool,
    /// The highest match.
    pub max: bool,
    /// All matches.
    pub all: bool,
    /// How many there are.
    pub count: bool,
    /// Keep them as `$`.
    pub save: bool,
    /// A page of the matches (RFC 9394).
    pub partial: Option<PartialRange>,
    /// A hint that the search will be asked again (RFC 5267 section 4.2).
    pub context: bool,
    /// Tell what changes of the matches from now on (RFC 5267 section 4.3).
    pub update: bool,
    /// How well each of them matches (RFC 6203 section 4).
    pub relevancy: bool,
}

impl SearchReturn {
    /// Whether anything is to be shown: SAVE alone shows nothing.
    pub fn shows(self) -> bool {
        self.min
            || self.max
            || self.all
            || self.count
            || self.partial.is_some()
            || self.relevancy
            || !self.save
    }
}

impl SearchKey {
    /// Deepest nesting of a key; beyond it the command is refused.
    pub const MAX_DEPTH: usize = 50;
    /// Most keys in one command.
    pub const MAX_KEYS: usize = 2000;

    /// The key with message numbers, `*` and `$` replaced by the UIDs that they stand for now. A range of UIDs up to `*` has no end.
    #[must_use]
    pub fn settled(&self, uids: &[u32], saved: &NumberSet) -> Self {
        let again = |key: &Self| key.settled(uids, saved);
        let set = |numbers: &NumberSet| Self::Uid(SequenceSet::of(numbers));
        match self {
            Self::And(keys) => Self::And(keys.iter().map(again).collect()),
            Self::Or(a, b) => Self::Or(Box::new(again(a)), Box::new(again(b))),
            Self::Not(a) => Self::Not(Box::new(again(a))),
            Self::Fuzzy(a) => Self::Fuzzy(Box::new(again(a))),
            Self::Sequence(s) | Self::Uid(s) if s.is_saved() => set(saved),
            Self::Sequence(s) => {
                let all = s.resolve(u32::try_from(uids.len()).unwrap_or(u32::MAX));
                // No message that is not in the view has a UID between two that follow each other there.
                let ranges = all.ranges().iter().filter_map(|(low, high)| {
                    let (low, high) = (*low as usize - 1, (*high as usize).min(uids.len()));
                    uids.get(low..high).and_then(|r| Some((*r.first()?, *r.last()?)))
                });
                set(&NumberSet::from_ranges(ranges))
            }
            Self::Uid(s) => {
                let last = uids.last().copied().unwrap_or(0);
                let endless = s.0.iter().filter_map(|(a, b)| match (a, b) {
                    (SeqNumber::Number(n), SeqNumber::Star) | (SeqNumber::Star, SeqNumber::Number(n)) => {
                        Some((*n, u32::MAX))
                    }
                    _ => None,
                });
                let known = s.resolve(last);
                set(&NumberSet::from_ranges(known.ranges().iter().copied().chain(endless)))
            }
            key => key.clone(),
        }
    }

    /// Whether MODSEQ appears: the answer then tells one too (RFC 7162 section 3.1.5).
    pub fn uses_modseq(&self) -> bool {
        match self {
            Self::ModSeq(_) => true,
            Self::And(keys) => keys.iter().any(Self::uses_modseq),
            Self::Or(a, b) => a.uses_modseq() || b.uses_modseq(),
            Self::Not(a) | Self::Fuzzy(a) => a.uses_modseq(),
            _ => false,
        }
    }

    /// Whether a keyword appears, whose bit another one may get.
    pub fn uses_keywords(&self) -> bool {
        match self {
            Self::Keyword(_) => true,
            Self::And(keys) => keys.iter().any(Self::uses_keywords),
            Self::Or(a, b) => a.uses_keywords() || b.uses_keywords(),
            Self::Not(a) | Self::Fuzzy(a) => a.uses_keywords(),
            _ => false,
        }
    }

    /// Whether FUZZY appears.
    pub fn uses_fuzzy(&self) -> bool {
        match self {
            Self::Fuzzy(_) => true,
            Self::And(keys) => keys.iter().any(Self::uses_fuzzy),
            Self::Or(a, b) => a.uses_fuzzy() || b.uses_fuzzy(),
            Self::Not(a) => a.uses_fuzzy(),
            _ => false,
        }
    }

    /// Whether `$` appears.
    pub fn uses_saved(&self) -> bool {
        match self {
            Self::Sequence(set) | Self::Uid(set) => set.is_saved(),
            Self::And(keys) => keys.iter().any(Self::uses_saved),
            Self::Or(a, b) => a.uses_saved() || b.uses_saved(),
            Self::Not(a) | Self::Fuzzy(a) => a.uses_saved(),
            _ => false,
        }
    }

    /// Whether a message number, `1` or `*`, appears: such a search may not be told of expunged messages.
    pub fn uses_sequence_numbers(&self) -> bool {
        match self {
            Self::Sequence(_) => true,
            Self::And(keys) => keys.iter().any(Self::uses_sequence_numbers),
            Self::Or(a, b) => a.uses_sequence_numbers() || b.uses_sequence_numbers(),
            Self::Not(a) | Self::Fuzzy(a) => a.uses_sequence_numbers(),
            _ => false,
        }
    }
}
