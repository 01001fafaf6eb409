//! The base subject: what is left of a subject without marks of reply and forward (RFC 5256 section 2.1).

/// A subject taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BaseSubject {
    /// The base subject, not folded.
    pub text: String,
    /// Whether marks of reply or forward were taken away.
    pub reply: bool,
}

/// `WSP` once tabs are spaces; other blanks, as those that do not break, are text.
const SPACE: char = ' ';

/// The base subject of decoded text.
pub fn base_subject(decoded: &str) -> BaseSubject {
    let words = decoded.split([SPACE, '\t']).filter(|word| !word.is_empty());
    let one_line = words.collect::<Vec<_>>().join(" ");
    let mut text = one_line.as_str();
    let mut reply = false;
    loop {
        // Trailers, then leaders, until there are none.
        while let Some(before) = strip_suffix(text.trim_end_matches(SPACE), "(fwd)") {
            (text, reply) = (before, true);
        }
        text = text.trim_matches(SPACE);
        loop {
            if let Some(after) = leader(text) {
                (text, reply) = (after.trim_start_matches(SPACE), true);
                continue;
            }
            match blob(text) {
                Some(after) if !after.is_empty() => text = after,
                _ => break,
            }
        }
        // "[fwd: ...]" around the whole, then all over again.
        match strip_prefix(text, "[fwd:").and_then(|t| t.strip_suffix(']')) {
            Some(inner) => (text, reply) = (inner, true),
            None => break,
        }
    }
    BaseSubject { text: text.to_owned(), reply }
}

fn strip_prefix<'a>(text: &'a str, lower: &str) -> Option<&'a str> {
    let head = text.get(..lower.len())?;
    head.eq_ignore_ascii_case(lower).then(|| &text[lower.len()..])
}

fn strip_suffix<'a>(text: &'a str, lower: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(lower.len())?;
    text.get(at..)?.eq_ignore_ascii_case(lower).then(|| &text[..at])
}

/// `subj-blob`: what follows `[...]` and blanks.
fn blob(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let end = inner.find(['[', ']'])?;
    inner[end..].strip_prefix(']').map(|rest| rest.trim_start_matches(SPACE))
}

/// `*subj-blob subj-refwd`: what follows it.
fn leader(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(after) = blob(rest) {
        rest = after;
    }
    let rest = ["re", "fwd", "fw"].iter().find_map(|word| strip_prefix(rest, word))?;
    let rest = rest.trim_start_matches(SPACE);
    let rest = blob(rest).unwrap_or(rest);
    rest.strip_prefix(':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_go_and_words_stay() {
        for (subject, base, reply) in [
            ("Re: hello", "hello", true),
            ("  RE :  [list] Fwd: fw[2]: hello   world (fwd) (FWD)", "hello world", true),
            ("[list] hello", "hello", false),
            ("[list]", "[list]", false),
            ("[Fwd: Re: hello]", "hello", true),
            ("Regarding this", "Regarding this", false),
            ("Re: [a] [b] Re[3]: x", "x", true),
            ("re:", "", true),
            ("", "", false),
            ("fwd", "fwd", false),
            ("[a[b] Re: x", "[a[b] Re: x", false),
            ("re\t: \t hello\t\tworld", "hello world", true),
            ("Re:\u{a0}hello", "\u{a0}hello", true),
            ("Re\u{a0}: hello", "Re\u{a0}: hello", false),
        ] {
            assert_eq!(base_subject(subject), BaseSubject { text: base.into(), reply }, "{subject}");
        }
    }

    proptest! {
        #[test]
        fn once_is_enough(subject in "(re|fwd?|\\[[a-z]\\]|\\[fwd:|\\]|:|\\(fwd\\)| |x|\u{e9}){0,12}") {
            let once = base_subject(&subject).text;
            prop_assert_eq!(base_subject(&once).text, once);
        }
    }
}
