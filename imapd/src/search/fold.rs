//! Case folding for comparison: upper case of each character, then compatibility decomposition (after RFC 5051).

use unicode_normalization::UnicodeNormalization;

/// Folds text so that two texts are the same to a search exactly when their folded forms are.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars().flat_map(char::to_uppercase).nfkd().collect()
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
        assert!(Needle::new("fi").is_in("\u{fb01}n"));
        assert!(Needle::new("").is_in(""));
        assert!(!Needle::new("x").is_in("y"));
    }
}
