//! Rights on mailboxes (RFC 4314 section 2.1), with the two of RFC 2086 that stand for several of them (section 2.1.1):
//! `c` is `k` and `x`, `d` is `t` and `e`.

use std::fmt;

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Rights(u16);

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident = $letter:literal, $bit:literal;)*) => {
        impl Rights {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*
            /// Every right with its letter, in the order in which they are shown.
            pub const TABLE: &[(char, Self)] = &[$(($letter, Self::$name)),*];
            /// All of them.
            pub const ALL: Self = Self(0 $(| 1 << $bit)*);
        }
    };
}

rights! {
    /// The name is seen.
    LOOKUP = 'l', 0;
    /// The mailbox may be selected, its figures seen.
    READ = 'r', 1;
    /// `\Seen` is kept.
    SEEN = 's', 2;
    /// Flags other than `\Seen` and `\Deleted` are kept.
    WRITE = 'w', 3;
    /// Messages may be added.
    INSERT = 'i', 4;
    /// Mail may be sent to its address; nothing here asks for it.
    POST = 'p', 5;
    /// Mailboxes may be made below.
    CREATE = 'k', 6;
    /// The mailbox may be deleted or renamed.
    DELETE_MAILBOX = 'x', 7;
    /// `\Deleted` is kept.
    DELETE_MESSAGES = 't', 8;
    /// Messages may be expunged.
    EXPUNGE = 'e', 9;
    /// Rights may be given and seen.
    ADMINISTER = 'a', 10;
}

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);
    /// What `c` of RFC 2086 stands for.
    const OLD_CREATE: Self = Self::CREATE.and(Self::DELETE_MAILBOX);
    /// What `d` of RFC 2086 stands for.
    const OLD_DELETE: Self = Self::DELETE_MESSAGES.and(Self::EXPUNGE);

    /// These and those.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// These but not those.
    #[must_use]
    pub const fn without(self, less: Self) -> Self {
        Self(self.0 & !less.0)
    }

    /// Whether all of `wanted` are there.
    pub fn has(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// Whether one of `wanted` is there.
    pub fn has_any(self, wanted: Self) -> bool {
        self.0 & wanted.0 != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// As bits, the first of [`Rights::TABLE`] lowest.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// From bits; `None` when one is of no right.
    pub fn from_bits(bits: u16) -> Option<Self> {
        Self::ALL.has(Self(bits)).then_some(Self(bits))
    }

    /// Rights as letters; `None` when one is of no right.
    pub fn parse(letters: &[u8]) -> Option<Self> {
        letters.iter().try_fold(Self::NONE, |rights, letter| {
            let more = match letter {
                b'c' => Self::OLD_CREATE,
                b'd' => Self::OLD_DELETE,
                _ => Self::TABLE.iter().find(|(l, _)| u32::from(*l) == u32::from(*letter))?.1,
            };
            Some(rights.and(more))
        })
    }
}

/// The letters, with those of RFC 2086 that older clients look for.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, _) in Self::TABLE.iter().filter(|(_, right)| self.has(*right)) {
            write!(f, "{letter}")?;
        }
        for (letter, old) in [('c', Self::OLD_CREATE), ('d', Self::OLD_DELETE)] {
            if self.has_any(old) {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn old_letters() {
        assert_eq!(Rights::parse(b"lrc"), Rights::parse(b"lrkx"));
        assert_eq!(Rights::parse(b"d"), Rights::parse(b"te"));
        assert_eq!(Rights::parse(b"lR"), None);
        assert_eq!(Rights::parse(b"").unwrap().to_string(), "");
        assert_eq!(Rights::ALL.to_string(), "lrswipkxteacd");
        assert_eq!(Rights::parse(b"rlt").unwrap().to_string(), "lrtd");
    }

    proptest! {
        #[test]
        fn bits_there_and_back(bits: u16) {
            let rights = Rights::from_bits(bits);
            prop_assert_eq!(rights.is_some(), bits < 1 << Rights::TABLE.len());
            if let Some(rights) = rights {
                prop_assert_eq!(rights.bits(), bits);
                let letters: String =
                    Rights::TABLE.iter().filter(|(_, r)| rights.has(*r)).map(|(l, _)| *l).collect();
                prop_assert_eq!(Rights::parse(letters.as_bytes()), Some(rights));
            }
        }
    }
}
