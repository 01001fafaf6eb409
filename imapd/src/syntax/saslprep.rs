//! SASLprep (RFC 4013): names as they are compared, so that one that looks the same is the same.
//!
//! Names are query strings: characters that Unicode had not assigned when the profile was made are taken (RFC 3454 section 7). Which
//! letters are written from the left is told by their being letters, not by the table D.2, of which this leaves out signs.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// A name prepared; `None` when it holds what is prohibited, or nothing is left of it.
pub fn saslprep(text: &str) -> Option<Cow<'_, str>> {
    if text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return (!text.is_empty()).then_some(Cow::Borrowed(text));
    }
    let mapped = text.chars().map(|c| if is_space(c) { ' ' } else { c }).filter(|c| !is_nothing(*c));
    let out: String = mapped.nfkc().collect();
    let good = !out.is_empty() && !out.chars().any(is_prohibited) && has_one_direction(&out);
    good.then_some(Cow::Owned(out))
}

/// Table C.1.2 of RFC 3454: spaces beside that of ASCII.
fn is_space(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// Table B.1: what is mapped to nothing.
fn is_nothing(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180d}' | '\u{200c}' | '\u{200d}' | '\u{2060}'
    ) || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Tables C.1.2 and C.2 to C.9.
fn is_prohibited(c: char) -> bool {
    let sign =
        matches!(c, '\u{340}' | '\u{341}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200c}'..='\u{200f}')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2063}' | '\u{206a}'..='\u{206f}')
            || matches!(c, '\u{2ff0}'..='\u{2ffb}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}')
            || matches!(c, '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}');
    let private =
        matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}');
    let none = matches!(c, '\u{fdd0}'..='\u{fdef}') || c as u32 & 0xFFFE == 0xFFFE;
    c.is_control() || is_space(c) || sign || private || none
}

/// Whether letters that are written from the right stand at both ends and among none from the left, or are not there (RFC 3454
/// section 6).
fn has_one_direction(text: &str) -> bool {
    let ends = [text.chars().next(), text.chars().next_back()];
    !text.chars().any(is_from_right)
        || (ends.into_iter().flatten().all(is_from_right)
            && text.chars().all(|c| is_from_right(c) || !c.is_alphabetic()))
}

/// Table D.1.
fn is_from_right(c: char) -> bool {
    matches!(c, '\u{5be}' | '\u{5c0}' | '\u{5c3}' | '\u{5d0}'..='\u{5ea}' | '\u{5f0}'..='\u{5f4}' | '\u{61b}' | '\u{61f}')
        || matches!(c, '\u{621}'..='\u{63a}' | '\u{640}'..='\u{64a}' | '\u{66d}'..='\u{66f}' | '\u{671}'..='\u{6d5}')
        || matches!(c, '\u{6dd}' | '\u{6e5}' | '\u{6e6}' | '\u{6fa}'..='\u{6fe}' | '\u{700}'..='\u{70d}' | '\u{710}')
        || matches!(c, '\u{712}'..='\u{72c}' | '\u{780}'..='\u{7a5}' | '\u{7b1}' | '\u{200f}' | '\u{fb1d}')
        || matches!(c, '\u{fb1f}'..='\u{fb28}' | '\u{fb2a}'..='\u{fb36}' | '\u{fb38}'..='\u{fb3c}' | '\u{fb3e}')
        || matches!(c, '\u{fb40}' | '\u{fb41}' | '\u{fb43}' | '\u{fb44}' | '\u{fb46}'..='\u{fbb1}')
        || matches!(c, '\u{fbd3}'..='\u{fd3d}' | '\u{fd50}'..='\u{fd8f}' | '\u{fd92}'..='\u{fdc7}')
        || matches!(c, '\u{fdf0}'..='\u{fdfc}' | '\u{fe70}'..='\u{fe74}' | '\u{fe76}'..='\u{fefc}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The examples of RFC 4013 section 3, and of each rule.
    #[test]
    fn what_becomes_of_names() {
        for (text, prepared) in [
            ("I\u{ad}X", Some("IX")),
            ("user", Some("user")),
            ("USER", Some("USER")),
            ("\u{aa}", Some("a")),
            ("\u{2168}", Some("IX")),
            ("\u{7}", None),
            ("\u{627}1", None),
            ("\u{627}1\u{628}", Some("\u{627}1\u{628}")),
            ("\u{627}a\u{628}", None),
            ("\u{ff42}\u{ff4f}\u{ff42}", Some("bob")),
            ("a\u{a0}b", Some("a b")),
            ("e\u{301}", Some("\u{e9}")),
            ("", None),
            ("\u{ad}", None),
            ("a\u{e000}", None),
            ("a\u{85}", None),
            ("a\u{2ffff}", None),
            ("a\u{202e}", None),
            ("a\u{e0041}", None),
        ] {
            assert_eq!(saslprep(text).as_deref(), prepared, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn once_is_enough(text in "\\PC{0,12}") {
            if let Some(once) = saslprep(&text) {
                let again = saslprep(&once);
                prop_assert_eq!(again.as_deref(), Some(&*once));
            }
        }
    }
}
