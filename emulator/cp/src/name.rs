//! Names of things, validated once and upper case inside.
//!
//! Every name is a short inline string ([`Name8`]) so that copying one never allocates. Constructors fold to upper
//! case and refuse what the real system refuses; the error names the token and the reason.
//!
//! Sources: facts of the CMS file naming rules ("How CMS Files Get Their Names"), the USER directory statement, and
//! the SFS directory naming rules.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a token is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("{what} is missing")]
    Empty {
        /// The kind of name.
        what: &'static str,
    },
    /// Longer than the kind allows.
    #[error("{what} '{token}' is longer than {max} characters")]
    TooLong {
        /// The kind of name.
        what: &'static str,
        /// The token as given.
        token: String,
        /// Greatest length in characters.
        max: usize,
    },
    /// A character that the kind does not allow.
    #[error("{what} '{token}' contains '{bad}', which is not allowed")]
    BadCharacter {
        /// The kind of name.
        what: &'static str,
        /// The token as given.
        token: String,
        /// The first offending character.
        bad: char,
    },
    /// A well-formed token that the system keeps for itself.
    #[error("{what} '{token}' is reserved")]
    Reserved {
        /// The kind of name.
        what: &'static str,
        /// The token as given.
        token: String,
    },
    /// More than eight subdirectory levels, or a structure error in a directory name.
    #[error("directory name '{token}' is not valid: {reason}")]
    BadDirectory {
        /// The token as given.
        token: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// One to eight characters, held inline, never blank padded. On paths between virtual machines it is one number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Name8 {
    // Unused bytes are zero, so that derived comparison is the comparison of the names.
    bytes: [u8; 8],
}

impl From<u64> for Name8 {
    fn from(number: u64) -> Self {
        Self { bytes: number.to_be_bytes() }
    }
}

impl From<Name8> for u64 {
    fn from(name: Name8) -> Self {
        Self::from_be_bytes(name.bytes)
    }
}

impl Name8 {
    fn parse(
        what: &'static str,
        token: &str,
        allowed: impl Fn(u8) -> bool,
        fold: bool,
    ) -> Result<Self, NameError> {
        if token.is_empty() {
            return Err(NameError::Empty { what });
        }
        if token.chars().count() > 8 {
            return Err(NameError::TooLong { what, token: token.into(), max: 8 });
        }
        let mut bytes = [0u8; 8];
        for (slot, c) in bytes.iter_mut().zip(token.chars()) {
            let ok = u8::try_from(u32::from(c)).ok().filter(|b| b.is_ascii() && allowed(*b));
            let Some(b) = ok else {
                return Err(NameError::BadCharacter { what, token: token.into(), bad: c });
            };
            *slot = if fold { b.to_ascii_uppercase() } else { b };
        }
        Ok(Self { bytes })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        let len = self.bytes.iter().position(|b| *b == 0).unwrap_or(8);
        std::str::from_utf8(&self.bytes[..len]).unwrap_or("")
    }

    /// The name with blanks behind it, as it stands in tables.
    pub fn padded(&self) -> [u8; 8] {
        self.bytes.map(|b| if b == 0 { b' ' } else { b })
    }
}

impl fmt::Display for Name8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

macro_rules! name8 {
    ($(#[$doc:meta])* $type:ident, $what:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub struct $type(Name8);

        impl $type {
            /// Validates `token`, folding it to upper case.
            ///
            /// # Errors
            /// [`NameError`] says which rule the token breaks.
            pub fn new(token: &str) -> Result<Self, NameError> {
                Name8::parse($what, token, $allowed, true).map(Self)
            }

            /// The name as text, upper case, without padding.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The name with blanks behind it, as it stands in tables.
            pub fn padded(&self) -> [u8; 8] {
                self.0.padded()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(s: &str) -> Result<Self, NameError> {
                Self::new(s)
            }
        }
    };
}

/// Characters of a CMS file name or file type ("How CMS Files Get Their Names").
fn is_file_char(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"$#@+-:_".contains(&b)
}

name8!(
    /// A CMS file name: 1 to 8 of `A-Z 0-9 $ # @ + - : _`.
    FileName, "file name", is_file_char
);
name8!(
    /// A CMS file type: 1 to 8 of `A-Z 0-9 $ # @ + - : _`.
    FileType, "file type", is_file_char
);
name8!(
    /// A file pool identifier, without its colon: 1 to 8 letters, digits, `$ # @`.
    FilePoolId, "file pool identifier", |b| b.is_ascii_alphanumeric() || b"$#@".contains(&b)
);

/// The user identifier of a virtual machine.
///
/// 1 to 8 characters; not all-numeric of one to four digits (that would be a spool id), none of `: . ; /`, no
/// leading `+` or `-`, and none of the names CP keeps (`SYSTEM`, `SYSTEMMP`, `LOGNxxxx`, `LOGLxxxx`, `LOGVxxxx`).
/// Source: z/VM directory USER statement.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct UserId(Name8);

impl UserId {
    /// The name CP signs its own messages and connections with.
    pub const SYSTEM: UserId = UserId(Name8 { bytes: *b"SYSTEM\0\0" });

    /// Validates `token`, folding it to upper case.
    ///
    /// # Errors
    /// [`NameError`] says which rule the token breaks.
    pub fn new(token: &str) -> Result<Self, NameError> {
        const WHAT: &str = "userid";
        let name = Name8::parse(WHAT, token, |b| b.is_ascii_alphanumeric() || b"$#@+-_".contains(&b), true)?;
        let s = name.as_str();
        let numeric = s.len() <= 4 && s.bytes().all(|b| b.is_ascii_digit());
        let terminal = s.len() == 8 && ["LOGN", "LOGL", "LOGV"].iter().any(|p| s.starts_with(p));
        if numeric || terminal || s == "SYSTEM" || s == "SYSTEMMP" {
            return Err(NameError::Reserved { what: WHAT, token: token.into() });
        }
        if let Some(bad) = s.chars().next().filter(|c| *c == '+' || *c == '-') {
            return Err(NameError::BadCharacter { what: WHAT, token: token.into(), bad });
        }
        Ok(Self(name))
    }

    /// The name as text, upper case, without padding.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for UserId {
    type Err = NameError;
    fn from_str(s: &str) -> Result<Self, NameError> {
        Self::new(s)
    }
}

/// A virtual device number, X'0000' to X'FFFF', shown as four hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Vdev(pub u16);

impl fmt::Display for Vdev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl FromStr for Vdev {
    type Err = NameError;
    fn from_str(s: &str) -> Result<Self, NameError> {
        const WHAT: &str = "device number";
        if s.is_empty() {
            return Err(NameError::Empty { what: WHAT });
        }
        if s.len() > 4 {
            return Err(NameError::TooLong { what: WHAT, token: s.into(), max: 4 });
        }
        match s.chars().find(|c| !c.is_ascii_hexdigit()) {
            Some(bad) => Err(NameError::BadCharacter { what: WHAT, token: s.into(), bad }),
            None => Ok(Self(u16::from_str_radix(s, 16).unwrap_or(0))),
        }
    }
}

/// A spool file number, 1 to 9999, unique within its owner; shown as four digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct SpoolId(u16);

impl SpoolId {
    /// The greatest spool file number an owner can have.
    pub const MAX: u16 = 9999;

    /// `Some` when `number` is 1 to 9999.
    pub fn new(number: u16) -> Option<Self> {
        (1..=Self::MAX).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for SpoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:04}", self.0))
    }
}

/// A file mode letter, A to Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ModeLetter(u8);

impl ModeLetter {
    /// Validates one letter, folding it to upper case.
    pub fn new(letter: char) -> Option<Self> {
        letter.is_ascii_alphabetic().then(|| Self(letter.to_ascii_uppercase() as u8))
    }

    /// The letter.
    pub fn as_char(self) -> char {
        char::from(self.0)
    }
}

impl fmt::Display for ModeLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_char().encode_utf8(&mut [0; 4]))
    }
}

/// Name of a directory in a file pool: `filepoolid:userid.n1.n2...n8`.
///
/// The greatest printed length is 153 characters. Level names are 1 to 16 of `A-Z 0-9 $ # @ - _`.
/// Source: the SFS directory naming rules ("How CMS Files Get Their Names").
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct DirName {
    /// The file pool.
    pub pool: FilePoolId,
    /// The file space, named by the user it is enrolled for.
    pub owner: UserId,
    levels: Vec<String>,
}

impl DirName {
    /// Greatest number of levels below the top directory.
    pub const MAX_LEVELS: usize = 8;
    /// Greatest length of one level in characters.
    pub const MAX_LEVEL_CHARS: usize = 16;

    /// The top directory of `owner` in `pool`.
    pub fn top(pool: FilePoolId, owner: UserId) -> Self {
        Self { pool, owner, levels: Vec::new() }
    }

    /// The subdirectory `level` of this directory.
    ///
    /// # Errors
    /// [`NameError::BadDirectory`] past eight levels or for a bad level name.
    pub fn child(&self, level: &str) -> Result<Self, NameError> {
        let bad = |reason| NameError::BadDirectory { token: format!("{self}.{level}"), reason };
        if self.levels.len() == Self::MAX_LEVELS {
            return Err(bad("more than 8 subdirectory levels"));
        }
        if level.is_empty() || level.len() > Self::MAX_LEVEL_CHARS {
            return Err(bad("a level is 1 to 16 characters"));
        }
        if !level.bytes().all(|b| b.is_ascii_alphanumeric() || b"$#@-_".contains(&b)) {
            return Err(bad("a level is made of A-Z 0-9 $ # @ - _"));
        }
        let mut levels = self.levels.clone();
        levels.push(level.to_ascii_uppercase());
        Ok(Self { pool: self.pool, owner: self.owner, levels })
    }

    /// The level names below the top directory, outermost first.
    pub fn levels(&self) -> &[String] {
        &self.levels
    }

    /// The directory above, or `None` for a top directory.
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.levels.split_last()?;
        Some(Self { pool: self.pool, owner: self.owner, levels: above.to_vec() })
    }

    /// Parses `[filepoolid:][userid].[n1[.n2...]]`, taking what is left out from the defaults.
    ///
    /// `.` is the default top directory; `.NICK` a subdirectory of it; `POOL:` needs the period only when levels
    /// follow. Source: "Using the Abbreviated Form of Your Top Directory".
    ///
    /// # Errors
    /// [`NameError`] naming the token; [`NameError::BadDirectory`] when the pool is left out and there is no default.
    pub fn parse(
        token: &str,
        default_pool: Option<FilePoolId>,
        default_owner: UserId,
    ) -> Result<Self, NameError> {
        let bad = |reason| NameError::BadDirectory { token: token.into(), reason };
        let (pool, rest) = match token.split_once(':') {
            Some((p, rest)) => (FilePoolId::new(p)?, rest),
            None => (default_pool.ok_or_else(|| bad("no file pool given and there is no default"))?, token),
        };
        let (owner, levels) = match rest.split_once('.') {
            Some((o, levels)) => (o, levels),
            None if token.contains(':') => (rest, ""),
            None => return Err(bad("a directory name contains a period")),
        };
        let owner = if owner.is_empty() { default_owner } else { UserId::new(owner)? };
        let mut dir = Self::top(pool, owner);
        for level in levels.split('.').filter(|_| !levels.is_empty()) {
            dir = dir.child(level)?;
        }
        Ok(dir)
    }
}

impl fmt::Display for DirName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}.{}", self.pool, self.owner, self.levels.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn userids_follow_the_directory_rules() {
        assert_eq!(UserId::new("smith").unwrap().as_str(), "SMITH");
        for bad in ["", "123", "TOOLONGID", "A:B", "A.B", "SYSTEM", "LOGN0701", "+A", "é"] {
            assert!(UserId::new(bad).is_err(), "{bad} was accepted");
        }
        assert!(UserId::new("12345").is_ok());
    }

    #[test]
    fn directory_names_abbreviate() {
        let pool = FilePoolId::new("VMSYSU").unwrap();
        let me = UserId::new("FRED").unwrap();
        let parse = |t: &str| DirName::parse(t, Some(pool), me).map(|d| d.to_string());
        assert_eq!(parse(".").unwrap(), "VMSYSU:FRED.");
        assert_eq!(parse(".sub1.sub2").unwrap(), "VMSYSU:FRED.SUB1.SUB2");
        assert_eq!(parse("smith.a").unwrap(), "VMSYSU:SMITH.A");
        assert_eq!(parse("mail:").unwrap(), "MAIL:FRED.");
        assert_eq!(parse("mail:joe").unwrap(), "MAIL:JOE.");
        assert!(parse("plain").is_err());
        assert!(parse(".a.b.c.d.e.f.g.h").is_ok());
        assert!(parse(".a.b.c.d.e.f.g.h.i").is_err());
        assert!(parse(".a234567890123456").is_ok());
        assert!(parse(".a2345678901234567").is_err());
    }

    proptest! {
        #[test]
        fn a_printed_directory_reads_back(levels in prop::collection::vec("[A-Z0-9$#@_-]{1,16}", 0..=8)) {
            let mut dir = DirName::top(FilePoolId::new("P").unwrap(), UserId::new("U").unwrap());
            for l in &levels { dir = dir.child(l).unwrap(); }
            let text = dir.to_string();
            prop_assert!(text.len() <= 153);
            prop_assert_eq!(DirName::parse(&text, None, UserId::new("X").unwrap()).unwrap(), dir);
        }
    }
}
