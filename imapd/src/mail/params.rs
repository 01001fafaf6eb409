//! Structured values with parameters: Content-Type, Content-Disposition (RFC 2045 section 5.1, RFC 2183).
//!
//! The reader is lenient and linear: comments are dropped, quotes undone, and parameters that make no sense skipped.

/// Most parameters kept of one field; real mail has a handful.
pub const MAX_PARAMS: usize = 100;

/// A value and its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameterized {
    /// What stands before the first semicolon, without blanks and comments.
    pub value: Vec<u8>,
    /// Names and values in order.
    pub params: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Parameterized {
    /// The first parameter of that name, in any case.
    pub fn param(&self, name: &[u8]) -> Option<&[u8]> {
        self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_slice())
    }

    /// Type and subtype of a Content-Type, when both are there.
    pub fn media_type(&self) -> Option<(&[u8], &[u8])> {
        let slash = memchr::memchr(b'/', &self.value)?;
        let (main, sub) = (&self.value[..slash], &self.value[slash + 1..]);
        let token = |t: &[u8]| !t.is_empty() && t.iter().all(|b| b.is_ascii_graphic());
        (token(main) && token(sub)).then_some((main, sub))
    }
}

/// Reads a value with parameters.
pub fn parse(text: &[u8]) -> Parameterized {
    let mut out = Parameterized::default();
    let mut rest = text;
    let (value, after, _) = piece(rest, false);
    out.value = value;
    rest = after;
    while let Some(after) = rest.strip_prefix(b";") {
        let (name, after, _) = piece(after, true);
        rest = after;
        let Some(after) = rest.strip_prefix(b"=") else { continue };
        let (value, after, _) = piece(after, false);
        rest = after;
        if !name.is_empty() && out.params.len() < MAX_PARAMS {
            out.params.push((name, value));
        }
    }
    out
}

/// Text up to `;` (or `=` for a name): blanks outside quotes and comments dropped. Returns the text, the rest, and
/// whether any of it was quoted.
fn piece(text: &[u8], name: bool) -> (Vec<u8>, &[u8], bool) {
    let mut out = Vec::new();
    let mut quoted = false;
    let mut i = 0;
    while i < text.len() {
        match text[i] {
            b';' => break,
            b'=' if name => break,
            b'"' => {
                quoted = true;
                (i, _) = quoted_string(text, i + 1, &mut out);
                continue;
            }
            b'(' => {
                (i, _) = comment(text, i + 1);
                continue;
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b => out.push(b),
        }
        i += 1;
    }
    (out, &text[i.min(text.len())..], quoted)
}

/// Copies a quoted string from `i`, just past its opening quote; returns the offset past its end, and whether it has one.
pub fn quoted_string(text: &[u8], mut i: usize, out: &mut Vec<u8>) -> (usize, bool) {
    while i < text.len() {
        match text[i] {
            b'"' => return (i + 1, true),
            b'\\' if i + 1 < text.len() => {
                out.push(text[i + 1]);
                i += 2;
            }
            b'\r' | b'\n' => i += 1,
            b => {
                out.push(b);
                i += 1;
            }
        }
    }
    (i, false)
}

/// Skips a comment from `i`, just past its opening parenthesis; returns the offset past its end, and whether it has one.
pub fn comment(text: &[u8], mut i: usize) -> (usize, bool) {
    let mut depth = 1usize;
    while i < text.len() {
        match text[i] {
            b'\\' => i += 1,
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return (i + 1, true);
                }
            }
            _ => {}
        }
        i += 1;
    }
    (text.len(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_comments() {
        let p = parse(b" text/plain (really) ; Charset=\"us-\\ascii\"; bad; x = y z;=n");
        assert_eq!(p.media_type(), Some((&b"text"[..], &b"plain"[..])));
        assert_eq!(p.param(b"charset"), Some(&b"us-ascii"[..]));
        assert_eq!(p.param(b"x"), Some(&b"yz"[..]));
        assert_eq!(p.params.len(), 2);
        assert_eq!(parse(b"text").media_type(), None);
    }

    #[test]
    fn parameter_limit_at_and_past() {
        for n in [MAX_PARAMS, MAX_PARAMS + 1] {
            let text = format!("a/b{}", ";p=1".repeat(n));
            assert_eq!(parse(text.as_bytes()).params.len(), MAX_PARAMS);
        }
    }
}
