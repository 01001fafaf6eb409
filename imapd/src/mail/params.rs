//! Structured values with parameters: Content-Type, Content-Disposition (RFC 2045 section 5.1, RFC 2183).
//!
//! The reader is lenient and linear: comments are dropped, quotes undone, and parameters that make no sense skipped. What stands
//! before the first semicolon ends at a blank, unless a slash or a comma is there: `text/plain charset=x`, which lacks a
//! semicolon, is still text. Blanks within a value that should have been quoted stay in it, as one: file names have them.

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

    /// Type and subtype of a Content-Type, when both are there; what a second slash begins is no part of them.
    pub fn media_type(&self) -> Option<(&[u8], &[u8])> {
        let mut names = self.value.split(|b| *b == b'/');
        let (main, sub) = (names.next()?, names.next()?);
        let token = |t: &[u8]| !t.is_empty() && t.iter().all(|b| b.is_ascii_graphic());
        (token(main) && token(sub)).then_some((main, sub))
    }
}

/// What a piece of the text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// What stands before the first semicolon.
    Head,
    /// The name of a parameter.
    Name,
    /// The value of a parameter.
    Value,
}

/// Reads a value with parameters.
pub fn parse(text: &[u8]) -> Parameterized {
    let mut out = Parameterized::default();
    let (value, mut rest) = piece(text, Piece::Head);
    out.value = value;
    while let Some(after) = rest.strip_prefix(b";") {
        let (name, after) = piece(after, Piece::Name);
        rest = after;
        let Some(after) = rest.strip_prefix(b"=") else { continue };
        let (value, after) = piece(after, Piece::Value);
        rest = after;
        if !name.is_empty() && out.params.len() < MAX_PARAMS {
            out.params.push((name, value));
        }
    }
    out
}

/// Text up to `;` (or `=` for a name), and the rest. Comments count as blanks; blanks at both ends are dropped.
fn piece(text: &[u8], kind: Piece) -> (Vec<u8>, &[u8]) {
    let mut out = Vec::new();
    // Whether blanks stand before what comes next, and whether what is wanted has ended.
    let (mut gap, mut ended) = (false, false);
    let mut dropped = Vec::new();
    let mut i = 0;
    while i < text.len() {
        let next = text[i];
        match next {
            b';' => break,
            b'=' if kind == Piece::Name => break,
            b'(' => {
                (i, _) = comment(text, i + 1);
                gap = true;
                continue;
            }
            b' ' | b'\t' | b'\r' | b'\n' => {
                gap = true;
                i += 1;
                continue;
            }
            _ => {}
        }
        if std::mem::take(&mut gap) && !out.is_empty() {
            let joins = |b: u8| matches!(b, b'/' | b',');
            match kind {
                Piece::Head => ended |= !joins(next) && !out.last().is_some_and(|b| joins(*b)),
                Piece::Name => {}
                Piece::Value => out.push(b' '),
            }
        }
        let to = if ended { &mut dropped } else { &mut out };
        if next == b'"' {
            (i, _) = quoted_string(text, i + 1, to);
        } else {
            to.push(next);
            i += 1;
        }
    }
    (out, &text[i.min(text.len())..])
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

/// A value without the comments and blanks around it (`CFWS`, RFC 5322 section 3.2.2); parentheses within it are its own, as in
/// many URIs.
pub fn bare(text: &[u8]) -> &[u8] {
    let start = behind_comments(text, 0).unwrap_or(0);
    let mut i = start;
    while i < text.len() {
        let next = if text[i].is_ascii_whitespace() { behind_comments(text, i) } else { Some(i + 1) };
        match next {
            Some(end) if end == text.len() && text[i].is_ascii_whitespace() => return &text[start..i],
            Some(next) => i = next,
            // What does not end is no comment.
            None => break,
        }
    }
    text[start..].trim_ascii()
}

/// The offset past the blanks and comments from `i` on; `None` when one of the comments does not end.
fn behind_comments(text: &[u8], mut i: usize) -> Option<usize> {
    loop {
        match text.get(i) {
            Some(blank) if blank.is_ascii_whitespace() => i += 1,
            Some(b'(') => match comment(text, i + 1) {
                (after, true) => i = after,
                (_, false) => return None,
            },
            _ => return Some(i),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_value() {
        for (text, value) in [
            ("", ""),
            (" (c)(d (e)) ", ""),
            (" a ", "a"),
            ("(c) a (d)\t(e)", "a"),
            ("(c)a(d)", "a(d)"),
            ("a (b) c (d) ", "a (b) c"),
            ("a (b", "a (b"),
            ("(a b ", "(a b"),
            ("a (b) (c \\) d", "a (b) (c \\) d"),
        ] {
            assert_eq!(bare(text.as_bytes()), value.as_bytes(), "{text}");
        }
    }

    #[test]
    fn quotes_and_comments() {
        let p = parse(b" text/plain (really) ; Charset=\"us-\\ascii\"; bad; x = y z;=n");
        assert_eq!(p.media_type(), Some((&b"text"[..], &b"plain"[..])));
        assert_eq!(p.param(b"charset"), Some(&b"us-ascii"[..]));
        assert_eq!(p.param(b"x"), Some(&b"y z"[..]));
        assert_eq!(p.params.len(), 2);
        assert_eq!(parse(b"text").media_type(), None);
    }

    #[test]
    fn what_is_not_quoted_or_has_no_semicolon() {
        for (text, main, sub) in [
            ("text / html (c) ; a=b", "text", "html"),
            ("text/plain charset=utf-8", "text", "plain"),
            ("text/plain (c) x; a=b", "text", "plain"),
            ("text/plain/extra", "text", "plain"),
        ] {
            assert_eq!(
                parse(text.as_bytes()).media_type(),
                Some((main.as_bytes(), sub.as_bytes())),
                "{text}"
            );
        }
        assert_eq!(parse(b"attachment filename=x").value, b"attachment");
        assert_eq!(parse(b" en, de ,fr").value, b"en,de,fr");
        let p = parse(b"a/b; name=my  first file.txt ; x=\"a\" b;y = (c) 1 (d)");
        assert_eq!(p.param(b"name"), Some(&b"my first file.txt"[..]));
        assert_eq!(p.param(b"x"), Some(&b"a b"[..]));
        assert_eq!(p.param(b"y"), Some(&b"1"[..]));
    }

    #[test]
    fn parameter_limit_at_and_past() {
        for n in [MAX_PARAMS, MAX_PARAMS + 1] {
            let text = format!("a/b{}", ";p=1".repeat(n));
            assert_eq!(parse(text.as_bytes()).params.len(), MAX_PARAMS);
        }
    }
}
