//! Writing strings: quoted where that is allowed, literal where it is needed (RFC 3501 section 4.3).

use bytes::Bytes;

/// Longest text sent in quotes; some clients keep quoted strings in small buffers.
const MAX_QUOTED: usize = 1000;

/// What stands for NUL, which only a binary literal can hold (RFC 3501 section 9, `CHAR8`): of a whole message BINARY shows it.
const NOT_NUL: u8 = 0x80;

/// The octets as a literal may hold them.
pub fn without_nul(octets: Bytes) -> Bytes {
    if memchr::memchr(0, &octets).is_none() {
        return octets;
    }
    octets.iter().map(|b| if *b == 0 { NOT_NUL } else { *b }).collect()
}

/// Appends `text` as a `string`.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    let plain =
        text.len() <= MAX_QUOTED && text.iter().all(|b| matches!(b, 1..=0x7f) && *b != b'\r' && *b != b'\n');
    if !plain {
        out.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
        out.extend(text.iter().map(|b| if *b == 0 { NOT_NUL } else { *b }));
        return;
    }
    out.push(b'"');
    for b in text {
        if matches!(b, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*b);
    }
    out.push(b'"');
}

/// Appends `text` in quotes, UTF-8 as it is, for sessions that take that (RFC 9051 section 4.3). It holds no line end.
pub fn utf8(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for b in text.bytes() {
        if matches!(b, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(b);
    }
    out.push(b'"');
}

/// Appends `text` as an `nstring`: `NIL` for `None`.
pub fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Appends `text` as an `astring`: bare when it is an atom.
pub fn astring(out: &mut Vec<u8>, text: &[u8]) {
    let atom = !text.is_empty()
        && text.iter().all(|b| b.is_ascii_graphic() && !b"(){%*\"\\".contains(b))
        && !text.eq_ignore_ascii_case(b"NIL");
    if atom {
        out.extend_from_slice(text);
    } else {
        string(out, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_the_form() {
        let show = |text: &[u8]| {
            let mut out = Vec::new();
            string(&mut out, text);
            out
        };
        assert_eq!(show(b"a\"b\\"), b"\"a\\\"b\\\\\"");
        assert_eq!(show(b""), b"\"\"");
        assert_eq!(show(b"a\r\n"), b"{3}\r\na\r\n");
        assert_eq!(show(&[0xe9]), b"{1}\r\n\xe9");
        assert_eq!(show(&[b'x'; MAX_QUOTED]).len(), MAX_QUOTED + 2);
        assert!(show(&[b'x'; MAX_QUOTED + 1]).starts_with(b"{1001}\r\n"));
        let mut out = Vec::new();
        astring(&mut out, b"INBOX");
        out.push(b' ');
        astring(&mut out, b"nil");
        out.push(b' ');
        nstring(&mut out, None);
        assert_eq!(out, b"INBOX \"nil\" NIL");
    }
}
