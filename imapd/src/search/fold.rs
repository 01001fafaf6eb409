//! The collation `i;unicode-casemap`: the title case of each character as `UnicodeData.txt` has it, then its decomposition of any
//! kind (RFC 5051 section 2). Marks are put in order as well, which section 4 lets an implementation do.
//!
//! That table has one character for one: a sharp s stays what it is and is not two of them, and the letters within a ligature stay
//! small.

use unicode_normalization::UnicodeNormalization;

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

/// A folded needle, ready to be looked for in many texts.
#[derive(Debug)]
pub struct Needle {
    folded: String,
    finder: memchr::memmem::Finder<'static>,
}

impl Needle {
    /// Prepares the search for `text`.
    pub fn new(text: &str) -> Self {
        let folded = fold(text);
        let finder = memchr::memmem::Finder::new(folded.as_bytes()).into_owned();
        Self { folded, finder }
    }

    /// Whether nothing is looked for, which every text contains.
    pub fn is_empty(&self) -> bool {
        self.folded.is_empty()
    }

    /// Octets of the folded needle.
    pub fn len(&self) -> usize {
        self.folded.len()
    }

    /// Where it first stands in text that is folded already.
    pub fn find(&self, folded: &[u8]) -> Option<usize> {
        self.finder.find(folded)
    }

    /// Whether `text` contains it.
    pub fn is_in(&self, text: &str) -> bool {
        self.is_empty() || self.finder.find(fold(text).as_bytes()).is_some()
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
