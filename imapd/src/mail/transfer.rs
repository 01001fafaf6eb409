//! Transfer encodings undone (RFC 2045 sections 6.7 and 6.8).
//!
//! Nothing fails: what stands in an encoded body and is no part of its encoding is passed over in base 64, which the standard
//! demands, and stays as it is in quoted-printable, which it recommends.

use ::base64::Engine;
use ::base64::alphabet::STANDARD;
use ::base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Digits without padding; bits that are left over say nothing.
const DIGITS: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// The octets of a body in base 64. Padding ends what is before it; what follows, as in bodies that were put one behind the other,
/// is read on.
pub fn base64(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3 + 3);
    let is_digit = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
    for piece in body.split(|octet| *octet == b'=') {
        let mut digits: Vec<u8> = piece.iter().copied().filter(is_digit).collect();
        // One digit alone is no octet.
        digits.truncate(digits.len() - usize::from(digits.len() % 4 == 1));
        let decoded = DIGITS.decode_vec(&digits, &mut out);
        debug_assert!(decoded.is_ok(), "there are digits alone, and enough of them");
    }
    out
}

/// The octets of a quoted-printable body. Blanks at the ends of lines are not the sender's; an equals sign there, also at the very
/// end, is a line break that is none; one before anything but two hexadecimal digits is an equals sign.
pub fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while !rest.is_empty() {
        let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(len);
        rest = after;
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = if text.len() < line.len() { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
        let end = &line[text.len()..];
        let blanks = text.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let text = &text[..text.len() - blanks];
        match text.strip_suffix(b"=") {
            Some(text) => unescape(text, &mut out),
            None => {
                unescape(text, &mut out);
                out.extend_from_slice(end);
            }
        }
    }
    out
}

/// Adds a line with its escapes undone.
fn unescape(mut text: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'=', text) {
        out.extend_from_slice(&text[..at]);
        let digit = |i: usize| text.get(at + i).and_then(|b| char::from(*b).to_digit(16));
        let used = match (digit(1), digit(2)) {
            (Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                3
            }
            _ => {
                out.push(b'=');
                1
            }
        };
        text = &text[at + used..];
    }
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    #[test]
    fn base64_passes_over_what_is_none() {
        for (body, text) in [
            ("aGVs\r\nbG8=", "hello"),
            ("aG!Vs\r\n-bG8 =\0\u{e9}", "hello"),
            // Put one behind the other, and cut off.
            ("YQ==YWI=YWJj", "aababc"),
            ("YQ", "a"),
            ("YWI", "ab"),
            ("YWJjY", "abc"),
            ("====", ""),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&base64(body.as_bytes())), text, "{body}");
        }
    }

    #[test]
    fn quoted_printable_as_the_standard_has_it() {
        for (body, text) in [
            (
                "Now's the time =\r\nfor all folk to come=\r\n to the aid.",
                "Now's the time for all folk to come to the aid.",
            ),
            ("blanks \t\r\n at ends =\t \r\nand =20\r\n=09", "blanks\r\n at ends and  \r\n\t"),
            ("a=3Db=3db=c3=A4", "a=b=b\u{e4}"),
            // What stands here by mistake.
            ("a = b =x=4 =4g == =", "a = b =x=4 =4g == "),
            ("one\ntwo =\nthree\r", "one\ntwo three\r"),
            ("cut off=", "cut off"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&quoted_printable(body.as_bytes())), text, "{body}");
        }
    }

    proptest! {
        #[test]
        fn base64_there_and_back(octets in proptest::collection::vec(any::<u8>(), 0..100), every in 1..80usize) {
            let sent: Vec<u8> = STANDARD.encode(&octets).as_bytes().chunks(every).collect::<Vec<_>>().join(&b"\r\n"[..]);
            prop_assert_eq!(base64(&sent), octets);
        }

        #[test]
        fn quoted_printable_there_and_back(octets in proptest::collection::vec(any::<u8>(), 0..100), every in 1..25usize) {
            let escaped: Vec<String> = octets.iter().map(|b| format!("={b:02X}")).collect();
            let sent: Vec<String> = escaped.chunks(every).map(|line| line.concat()).collect();
            prop_assert_eq!(quoted_printable(sent.join("=\r\n").as_bytes()), octets);
        }

        #[test]
        fn any_octets_get_an_answer(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = (base64(&body), quoted_printable(&body));
        }
    }
}
