//! File ids with patterns, as LISTFILE, ERASE and RENAME take them: `*` is any number of characters, `%` exactly one.

use cp::name::{FileName, FileType, ModeLetter};
use sfs::types::{FileId, FileStatus, ModeNumber};

use crate::message::{DmsMessage, dms};

/// A name or type that may contain `*` and `%`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamePattern(String);

impl NamePattern {
    /// Folds to upper case; the characters are checked when the pattern becomes a name.
    pub fn new(token: &str) -> Self {
        Self(token.to_ascii_uppercase())
    }

    /// True when the pattern is a name by itself.
    pub fn is_plain(&self) -> bool {
        !self.0.contains(['*', '%'])
    }

    /// The pattern as written, upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when `name` fits. Linear: on a mismatch only the last `*` is widened.
    pub fn matches(&self, name: &str) -> bool {
        let (p, n) = (self.0.as_bytes(), name.as_bytes());
        let (mut pi, mut ni) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while ni < n.len() {
            if pi < p.len() && (p[pi] == b'%' || p[pi] == n[ni]) && p[pi] != b'*' {
                pi += 1;
                ni += 1;
            } else if pi < p.len() && p[pi] == b'*' {
                star = Some((pi, ni));
                pi += 1;
            } else if let Some((sp, sn)) = star {
                pi = sp + 1;
                ni = sn + 1;
                star = Some((sp, sn + 1));
            } else {
                return false;
            }
        }
        p[pi..].iter().all(|b| *b == b'*')
    }
}

/// `fn ft fm` with patterns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilePattern {
    /// File name.
    pub name: NamePattern,
    /// File type.
    pub kind: NamePattern,
    /// File mode; `None` is `*`, all accessed modes.
    pub mode: Option<ModeLetter>,
    /// Mode number, when given.
    pub number: Option<ModeNumber>,
}

impl FilePattern {
    /// Reads up to three tokens; what is left out takes the default given.
    ///
    /// # Errors
    /// The message for a bad token.
    pub fn parse(
        module: &'static str,
        tokens: &[&str],
        default_mode: Option<ModeLetter>,
    ) -> Result<Self, DmsMessage> {
        let token = |i: usize| tokens.get(i).copied().unwrap_or("*");
        let (mode, number) = match tokens.get(2) {
            None => (default_mode, None),
            Some(&"*") => (None, None),
            Some(fm) => {
                let (mode, number) = parse_mode(fm).ok_or_else(|| dms(module, 48, 24, &[fm]))?;
                (Some(mode), number)
            }
        };
        let pattern =
            Self { name: NamePattern::new(token(0)), kind: NamePattern::new(token(1)), mode, number };
        for part in [&pattern.name, &pattern.kind] {
            check_characters(module, part, tokens)?;
        }
        Ok(pattern)
    }

    /// All files.
    pub fn all() -> Self {
        let any = || NamePattern::new("*");
        Self { name: any(), kind: any(), mode: None, number: None }
    }

    /// The file id, when neither name nor type is a pattern.
    pub fn file_id(&self) -> Option<FileId> {
        let name = FileName::new(self.name.as_str()).ok()?;
        let kind = FileType::new(self.kind.as_str()).ok()?;
        Some(FileId::new(name, kind))
    }

    /// True when the file fits, its mode number too if one was given.
    pub fn fits(&self, status: &FileStatus) -> bool {
        self.matches(status.id) && self.number.is_none_or(|n| n == status.mode)
    }

    /// True when a file of this id fits.
    pub fn matches(&self, id: FileId) -> bool {
        self.name.matches(id.name.as_str()) && self.kind.matches(id.kind.as_str())
    }
}

fn check_characters(module: &'static str, part: &NamePattern, tokens: &[&str]) -> Result<(), DmsMessage> {
    let plain: String = part.as_str().chars().filter(|c| !"*%".contains(*c)).collect();
    let bad = plain.chars().find(|c| !c.is_ascii_alphanumeric() && !"$#@+-:_".contains(*c));
    if let Some(bad) = bad {
        return Err(dms(module, 62, 20, &[&bad.to_string(), &tokens.join(" ").to_ascii_uppercase()]));
    }
    if plain.len() > 8 {
        return Err(dms(module, 54, 24, &[]));
    }
    Ok(())
}

/// `A`, `A1`: a letter and an optional number 0 to 6.
pub fn parse_mode(token: &str) -> Option<(ModeLetter, Option<ModeNumber>)> {
    let mut chars = token.chars();
    let letter = ModeLetter::new(chars.next()?)?;
    match (chars.next(), chars.next()) {
        (None, _) => Some((letter, None)),
        (Some(c), None) => Some((letter, Some(ModeNumber::new(u8::try_from(c.to_digit(10)?).ok()?)?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_and_percents() {
        let m = |p: &str, n: &str| NamePattern::new(p).matches(n);
        assert!(m("*", "") && m("*", "ABC") && m("A*C", "ABBC") && m("%B%", "ABC") && m("*EX*", "PROFEXEC"));
        assert!(!m("A*", "BA") && !m("%", "") && !m("AB", "ABC") && !m("A%C", "AC"));
    }

    /// The obvious recursive definition.
    fn slow(p: &[u8], n: &[u8]) -> bool {
        match (p.first(), n.first()) {
            (None, None) => true,
            (Some(b'*'), _) => slow(&p[1..], n) || (!n.is_empty() && slow(p, &n[1..])),
            (Some(b'%'), Some(_)) => slow(&p[1..], &n[1..]),
            (Some(a), Some(b)) if a == b => slow(&p[1..], &n[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn the_matcher_agrees_with_its_definition(p in "[AB*%]{0,8}", n in "[AB]{0,8}") {
            prop_assert_eq!(NamePattern::new(&p).matches(&n), slow(p.as_bytes(), n.as_bytes()));
        }
    }
}
