//! SASLprep (RFC 4013): names as they are compared, so that one that looks the same is the same.
//!
//! Characters that Unicode had not assigned when the profile was made are refused, as in strings that are stored (RFC 3454 section 7):
//! no user id has any.

use std::borrow::Cow;

/// A name prepared; `None` when it holds what is prohibited, or nothing is left of it.
pub fn saslprep(text: &str) -> Option<Cow<'_, str>> {
    stringprep::saslprep(text).ok().filter(|prepared| !prepared.is_empty())
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
            ("a\u{221}", None),
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
