//! The collation `i;unicode-casemap`: the title case of each character as `UnicodeData.txt` has it, then its decomposition of any
//! kind (RFC 5051 section 2). Marks are put in order as well, which section 4 lets an implementation do.
//!
//! That table has one character for one: a sharp s stays what it is and is not two of them, and the letters within a ligature stay
//! small.

use memchr::memmem::Finder;
use unicode_normalization::UnicodeNormalization;

use crate::mail::decode::{has_other_blanks, one_blank_each};

/// Folds text so that two texts are the same to a search exactly when their folded forms are.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars().map(title).nfkd().collect()
}

/// The title case of a character; itself, when it has none. The standard library has upper case, and more than one letter for some,
/// so that what is two letters in one, has several small forms, or is Georgian is another one in the table.
fn title(c: char) -> char {
    match c {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        '\u{10d0}'..='\u{10ff}' => c,
        '\u{1fb3}' => '\u{1fbc}',
        '\u{1fc3}' => '\u{1fcc}',
        '\u{1ff3}' => '\u{1ffc}',
        // Of each sixteen of these the first eight are small.
        '\u{1f80}'..='\u{1faf}' => char::from_u32(c as u32 | 8).unwrap_or(c),
        _ => {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(one), None) => one,
                _ => c,
            }
        }
    }
}

/// Adds the folded text to `out`.
pub fn fold_into(out: &mut String, text: &str) {
    if text.is_ascii() {
        let from = out.len();
        out.push_str(text);
        out[from..].make_ascii_uppercase();
    } else {
        out.push_str(&fold(text));
    }
}

/// A folded needle, ready to be looked for in many texts. One with blanks side by side is looked for with one in their place too, since
/// header fields have no others ([`crate::mail::decode::header_text`]).
#[derive(Debug)]
pub struct Needle {
    as_given: Finder<'static>,
    with_one_blank: Option<Finder<'static>>,
}

impl Needle {
    /// Prepares the search for `text`.
    pub fn new(text: &str) -> Self {
        let finder = |text: &str| Finder::new(fold(text).as_bytes()).into_owned();
        let one = has_other_blanks(text).then(|| {
            let mut one = text.to_owned();
            one_blank_each(&mut one, 0);
            finder(&one)
        });
        Self { as_given: finder(text), with_one_blank: one }
    }

    /// Whether nothing is looked for, which every text contains.
    pub fn is_empty(&self) -> bool {
        self.as_given.needle().is_empty()
    }

    /// What finds it in text that is folded already, in each of its forms.
    pub fn finders(&self) -> impl Iterator<Item = &Finder<'static>> {
        std::iter::once(&self.as_given).chain(&self.with_one_blank)
    }

    /// Whether text that is folded already contains it.
    pub fn is_in_folded(&self, folded: &str) -> bool {
        self.finders().any(|finder| finder.find(folded.as_bytes()).is_some())
    }

    /// Whether `text` contains it.
    pub fn is_in(&self, text: &str) -> bool {
        self.is_empty() || self.is_in_folded(&fold(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_case_and_compatibility() {
        assert!(Needle::new("hello").is_in("say HeLLo"));
        assert!(Needle::new("J\u{d6}RG").is_in("j\u{f6}rg"));
        assert!(Needle::new("\u{ff21}b").is_in("aB"));
        assert!(Needle::new("").is_in(""));
        assert!(!Needle::new("x").is_in("y"));
    }

    #[test]
    fn blanks_side_by_side() {
        let needle = Needle::new("a \t b");
        for (text, there) in [("xa \t B", true), ("A b", true), ("a  b", false), ("a\tb", false)] {
            assert_eq!(needle.is_in(text), there, "{text:?}");
        }
        assert!(!Needle::new("a b").is_in("a  b"));
        let mut text = "a  b \t\r\n c ".to_owned();
        one_blank_each(&mut text, 2);
        assert_eq!(text, "a  b c ");
    }

    /// The example of RFC 5051 section 2, and what the table says of others.
    #[test]
    fn one_character_for_one() {
        for digraph in ["\u{1c4}", "\u{1c5}", "\u{1c6}"] {
            assert_eq!(fold(digraph), "Dz\u{30c}");
        }
        assert_eq!(fold("Stra\u{df}e \u{fb01}n"), "STRA\u{df}E fiN");
        assert_eq!(fold("\u{10d0}\u{1c90}"), "\u{10d0}\u{1c90}");
        for (small, capital) in [("\u{1f80}", "\u{1f88}"), ("\u{1fa7}", "\u{1faf}"), ("\u{1fb3}", "\u{1fbc}")]
        {
            assert_eq!(fold(small), fold(capital));
        }
        assert_ne!(fold("\u{1fb2}"), fold("\u{1fba}\u{345}"));
        assert_eq!(fold("\u{b5}\u{17f}\u{131}\u{3c2}"), "\u{39c}SI\u{3a3}");
    }
}
