//! Modified UTF-7, the wire form of mailbox names (RFC 3501 section 5.1.3).
//!
//! Invariant: `encode` is canonical, and `decode` accepts canonical text only, so two names are equal exactly when
//! their wire forms are. Neither recurses and both are linear.

use thiserror::Error;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// Why a mailbox name is not modified UTF-7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Utf7Error {
    /// An octet outside printable US-ASCII.
    #[error("octet outside printable US-ASCII in a mailbox name")]
    NotPrintable,
    /// A shift sequence without its closing `-`.
    #[error("unfinished & sequence in a mailbox name")]
    Unfinished,
    /// A character outside the base 64 alphabet, wrong padding bits, or half a surrogate pair.
    #[error("bad & sequence in a mailbox name")]
    BadShift,
    /// Text that has a shorter or different canonical form.
    #[error("mailbox name is not in canonical modified UTF-7")]
    NotCanonical,
}

/// The wire form of `name`.
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        if c == '&' {
            out.push_str("&-");
            rest = &rest[1..];
        } else if matches!(c, ' '..='~') {
            out.push(c);
            rest = &rest[1..];
        } else {
            let end = rest.find(|c| matches!(c, ' '..='~')).unwrap_or(rest.len());
            shift(&rest[..end], &mut out);
            rest = &rest[end..];
        }
    }
    out
}

fn shift(text: &str, out: &mut String) {
    out.push('&');
    let (mut acc, mut bits) = (0u32, 0u32);
    for unit in text.encode_utf16() {
        acc = (acc << 16) | u32::from(unit);
        bits += 16;
        while bits >= 6 {
            bits -= 6;
            out.push(char::from(ALPHABET[(acc >> bits) as usize & 63]));
        }
        acc &= (1 << bits) - 1;
    }
    if bits > 0 {
        out.push(char::from(ALPHABET[(acc << (6 - bits)) as usize & 63]));
    }
    out.push('-');
}

/// The name that `wire` stands for.
///
/// # Errors
/// [`Utf7Error`] when the text is not canonical modified UTF-7.
pub fn decode(wire: &[u8]) -> Result<String, Utf7Error> {
    let mut out = String::with_capacity(wire.len());
    let mut i = 0;
    while i < wire.len() {
        match wire[i] {
            b'&' => {
                let len = memchr::memchr(b'-', &wire[i..]).ok_or(Utf7Error::Unfinished)?;
                unshift(&wire[i + 1..i + len], &mut out)?;
                i += len + 1;
            }
            b @ b' '..=b'~' => {
                out.push(char::from(b));
                i += 1;
            }
            _ => return Err(Utf7Error::NotPrintable),
        }
    }
    // Two adjacent shifts, or printable text inside one, decode well but are another spelling of the same name.
    if encode(&out).as_bytes() == wire { Ok(out) } else { Err(Utf7Error::NotCanonical) }
}

fn unshift(code: &[u8], out: &mut String) -> Result<(), Utf7Error> {
    if code.is_empty() {
        out.push('&');
        return Ok(());
    }
    let mut units = Vec::with_capacity(code.len() * 6 / 16);
    let (mut acc, mut bits) = (0u32, 0u32);
    for c in code {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b',' => 63,
            _ => return Err(Utf7Error::BadShift),
        };
        acc = (acc << 6) | u32::from(value);
        bits += 6;
        if bits >= 16 {
            bits -= 16;
            units.push((acc >> bits) as u16);
            acc &= (1 << bits) - 1;
        }
    }
    if bits >= 6 || acc != 0 {
        return Err(Utf7Error::BadShift);
    }
    for unit in char::decode_utf16(units) {
        out.push(unit.map_err(|_| Utf7Error::BadShift)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn example_of_the_standard() {
        let name = "~peter/mail/\u{53f0}\u{5317}/\u{65e5}\u{672c}\u{8a9e}";
        assert_eq!(encode(name), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
        assert_eq!(decode(b"~peter/mail/&U,BTFw-/&ZeVnLIqe-").unwrap(), name);
        assert_eq!(encode("a&b"), "a&-b");
    }

    #[test]
    fn refuses_what_is_not_canonical() {
        assert_eq!(decode(b"&Jjo"), Err(Utf7Error::Unfinished));
        assert_eq!(decode(b"&Jjo!-"), Err(Utf7Error::BadShift));
        assert_eq!(decode(b"&U,BTFw-&ZeVnLIqe-"), Err(Utf7Error::NotCanonical));
        assert_eq!(decode(b"&AGE-"), Err(Utf7Error::NotCanonical));
        assert_eq!(decode(b"&2AA-"), Err(Utf7Error::BadShift));
        assert_eq!(decode("\u{e9}".as_bytes()), Err(Utf7Error::NotPrintable));
    }

    proptest! {
        #[test]
        fn there_and_back(name in "\\PC*") {
            prop_assert_eq!(decode(encode(&name).as_bytes()).unwrap(), name);
        }

        #[test]
        fn any_octets_get_an_answer(wire in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(name) = decode(&wire) {
                prop_assert_eq!(encode(&name).into_bytes(), wire);
            }
        }
    }
}
