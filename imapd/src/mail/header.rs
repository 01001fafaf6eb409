//! Header fields as slices of the message (RFC 5322 section 2.2).
//!
//! A field is a line with a colon and the continuation lines after it. A line without a colon is a field without a
//! name, so that nothing of a broken header is lost when the others are picked.

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Name without the colon and blanks before it; empty for a line that is no field.
    pub name: &'a [u8],
    /// All octets after the colon, folding and line end included.
    pub value: &'a [u8],
    /// The whole field with its line ends.
    pub raw: &'a [u8],
}

impl Field<'_> {
    /// Whether the name is `name`, in any case.
    pub fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The fields of a header, up to its blank line or its end.
pub fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = header;
    std::iter::from_fn(move || {
        let first = line_len(rest);
        if is_blank(&rest[..first]) {
            return None;
        }
        let mut end = first;
        while end < rest.len() && matches!(rest[end], b' ' | b'\t') {
            let len = line_len(&rest[end..]);
            // A line of blanks alone is still a continuation, not the end of the header.
            end += len;
        }
        let (raw, after) = rest.split_at(end);
        rest = after;
        Some(field(raw, first))
    })
}

fn field(raw: &[u8], first_line: usize) -> Field<'_> {
    match memchr::memchr(b':', &raw[..first_line]) {
        Some(colon) => {
            let name = raw[..colon].trim_ascii_end();
            Field { name, value: &raw[colon + 1..], raw }
        }
        None => Field { name: b"", value: raw, raw },
    }
}

/// The header of a message, without its blank line; all of it, when there is none.
pub fn octets(message: &[u8]) -> &[u8] {
    let mut at = 0;
    while !is_blank(&message[at..at + line_len(&message[at..])]) {
        at += line_len(&message[at..]);
    }
    &message[..at]
}

/// Octets of the first line with its line end.
pub fn line_len(text: &[u8]) -> usize {
    memchr::memchr(b'\n', text).map_or(text.len(), |i| i + 1)
}

/// Whether a line holds nothing but its line end; true at the end of the text.
pub fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"" | b"\n" | b"\r\n")
}

/// Whether a header has the blank line that ends it; one that goes on up to the end of the message need not.
pub fn has_end(header: &[u8]) -> bool {
    let before = header.strip_suffix(b"\n").map(|h| h.strip_suffix(b"\r").unwrap_or(h));
    before.is_some_and(|h| h.is_empty() || h.ends_with(b"\n"))
}

/// The first field of that name.
pub fn find<'a>(header: &'a [u8], name: &[u8]) -> Option<Field<'a>> {
    fields(header).find(|f| f.is(name))
}

/// A value without its folding: line ends go, blanks stay, both ends are trimmed. A CR that ends no line is a blank.
pub fn unfold(value: &[u8]) -> Vec<u8> {
    let trimmed = value.trim_ascii();
    if memchr::memchr2(b'\r', b'\n', trimmed).is_none() {
        return trimmed.to_vec();
    }
    let mut out = Vec::with_capacity(trimmed.len());
    for line in trimmed.split(|b| *b == b'\n') {
        let end = line.iter().rposition(|b| *b != b'\r').map_or(0, |last| last + 1);
        out.extend(line[..end].iter().map(|b| if *b == b'\r' { b' ' } else { *b }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn unfolding_takes_line_ends_and_what_is_blank_at_both_ends(value in "[ab\r\n\t ]{0,12}") {
            let mut joined = value.trim_ascii().to_owned();
            while joined.contains("\r\n") {
                joined = joined.replace("\r\n", "\n");
            }
            let joined = joined.replace('\n', "").replace('\r', " ");
            proptest::prop_assert_eq!(unfold(value.as_bytes()), joined.as_bytes());
        }
    }

    #[test]
    fn a_cr_that_ends_no_line_is_a_blank() {
        assert_eq!(unfold(b"one\rtwo\r\n three\r\r\n four\r"), b"one two three four");
    }

    #[test]
    fn headers_with_an_end_and_without() {
        for (header, ends) in [
            ("", false),
            ("\r\n", true),
            ("\n", true),
            ("A: 1", false),
            ("A: 1\r\n", false),
            ("A: 1\r\n\r\n", true),
            ("A: 1\n\n", true),
            ("A: 1\r\n \r\n", false),
        ] {
            assert_eq!(has_end(header.as_bytes()), ends, "{header:?}");
        }
    }

    #[test]
    fn folding_and_broken_lines() {
        let header = b"A: 1\r\n 2\r\nnonsense\r\nB :x\n\tlast\r\n\r\nC: no";
        let got: Vec<_> = fields(header).map(|f| (f.name, unfold(f.value))).collect();
        assert_eq!(
            got,
            vec![
                (&b"A"[..], b"1 2".to_vec()),
                (&b""[..], b"nonsense".to_vec()),
                (&b"B"[..], b"x\tlast".to_vec())
            ]
        );
        let raw: Vec<u8> = fields(header).flat_map(|f| f.raw.to_vec()).collect();
        assert!(header.starts_with(&raw));
    }
}
