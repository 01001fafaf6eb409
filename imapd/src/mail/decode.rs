//! Decoded text: header values (RFC 2047, RFC 2231) and text bodies (transfer encoding, charset), for SEARCH.
//!
//! Decoding never fails: what cannot be decoded stands as it is, octets that are no text in the charset become
//! replacement characters.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;

use super::scan::{self, Kind, Structure};
use super::{header, html, params, transfer};

/// Text of `octets` in the charset of that name.
///
/// Unknown and missing charsets are taken as UTF-8 as far as they are, else as ISO 8859-1.
pub fn charset_text(label: Option<&[u8]>, octets: &[u8]) -> String {
    text_of(label, octets).into_owned()
}

/// Text in an encoding. The byte order mark of UTF-16 says which octet comes first (RFC 2781 section 4.3), that of UTF-8 that the label is
/// wrong; in other encodings the octets of the first are letters.
fn in_encoding<'a>(encoding: &'static Encoding, octets: &'a [u8]) -> Cow<'a, str> {
    if encoding == UTF_16LE || encoding == UTF_16BE || octets.starts_with(b"\xef\xbb\xbf") {
        return encoding.decode(octets).0;
    }
    encoding.decode_without_bom_handling(octets).0
}

/// The same, without a copy of what is text already.
fn text_of<'a>(label: Option<&[u8]>, octets: &'a [u8]) -> Cow<'a, str> {
    if let Some(label) = label {
        // RFC 2231 section 5: a language may follow the charset.
        let label = label.split(|b| *b == b'*').next().unwrap_or(label).trim_ascii();
        let ascii = label.eq_ignore_ascii_case(b"us-ascii") || label.eq_ignore_ascii_case(b"utf-8");
        if !ascii {
            if let Some(encoding) = Encoding::for_label(label) {
                return in_encoding(encoding, octets);
            }
            if let Some(decode) = charset_decoder(label) {
                return decode(octets).into();
            }
        }
    }
    match std::str::from_utf8(octets) {
        Ok(text) => text.into(),
        Err(_) => in_part_utf8(octets).into(),
    }
}

/// What is UTF-8 in octets that are not as a whole is found by who looks for it (RFC 5255 section 4.6 c), the rest stands for ISO
/// 8859-1.
fn in_part_utf8(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|b| char::from(*b)));
    }
    out
}

/// Whether text in that charset can be read (for BADCHARSET).
pub fn knows_charset(label: &[u8]) -> bool {
    label.eq_ignore_ascii_case(b"us-ascii")
        || Encoding::for_label(label).is_some()
        || charset_decoder(label).is_some()
}

/// A field value decoded: unfolded, encoded words read, and extended parameters read and appended. Blanks side by side are one space:
/// whether a line was folded before a tab or before a space makes no difference to who looks for its words.
pub fn header_text(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    add_header_text(value, &mut out);
    out
}

/// The same, added to `out`.
pub fn add_header_text(value: &[u8], out: &mut String) {
    let from = out.len();
    add_decoded(value, out);
    one_blank_each(out, from);
}

/// The same with all blanks.
fn add_decoded(value: &[u8], out: &mut String) {
    let from = out.len();
    if add_plain(value.trim_ascii(), out) {
        let text = &out.as_bytes()[from..];
        let has = |b| memchr::memchr(b, text).is_some();
        if word_start(text).is_none() && !(has(b'*') && has(b';')) {
            return;
        }
        out.truncate(from);
    }
    add_encoded(value, out);
}

/// Whether there are blanks other than single spaces.
pub fn has_other_blanks(text: &str) -> bool {
    let other = |b: &u8| matches!(b, b'\t' | b'\r' | b'\n');
    text.bytes().any(|b| other(&b)) || text.contains("  ")
}

/// Puts one space in the place of each run of blanks behind the first `from` octets.
pub fn one_blank_each(text: &mut String, from: usize) {
    if !text.get(from..).is_some_and(has_other_blanks) {
        return;
    }
    let tail = text.split_off(from);
    let mut after_blank = false;
    for c in tail.chars() {
        let blank = matches!(c, ' ' | '\t' | '\r' | '\n');
        if !blank {
            text.push(c);
        } else if !after_blank {
            text.push(' ');
        }
        after_blank = blank;
    }
}

/// Adds a value without its line ends when it is ASCII; most are, and nothing else is to be done with them.
fn add_plain(value: &[u8], out: &mut String) -> bool {
    let Some(text) = std::str::from_utf8(value).ok().filter(|t| t.is_ascii()) else { return false };
    for line in text.split('\n') {
        let line = line.trim_end_matches('\r');
        match memchr::memchr(b'\r', line.as_bytes()) {
            None => out.push_str(line),
            Some(_) => out.push_str(&line.replace('\r', " ")),
        }
    }
    true
}

/// Adds a value that may have encoded words or extended parameters.
fn add_encoded(value: &[u8], out: &mut String) {
    let value = header::unfold(value);
    add_words(&value, out);
    if memchr::memchr(b'*', &value).is_some() && memchr::memchr(b';', &value).is_some() {
        for (_, text) in extended_params(&params::parse(&value)) {
            out.push(' ');
            out.push_str(&text);
        }
    }
}

/// The text of a value that has no parameters: a subject, a name.
pub fn words_text(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    add_words(&header::unfold(value), &mut out);
    out
}

/// The octets of a value whose encoded words are read, each as one character, so that they compare as octets do.
pub fn words_octets(value: &[u8]) -> String {
    let value = header::unfold(value);
    let mut out = Vec::with_capacity(value.len());
    each_word(&value, |piece| match piece {
        Piece::Plain(octets) => out.extend_from_slice(octets),
        Piece::Word(_, octets) => out.extend_from_slice(&octets),
    });
    out.into_iter().map(char::from).collect()
}

fn add_words(value: &[u8], out: &mut String) {
    each_word(value, |piece| match piece {
        Piece::Plain(octets) => out.push_str(&text_of(None, octets)),
        Piece::Word(charset, octets) => out.push_str(&text_of(Some(charset), &octets)),
    });
}

/// A piece of an unfolded value.
enum Piece<'a> {
    /// As it stands.
    Plain(&'a [u8]),
    /// An encoded word: charset, octets.
    Word(&'a [u8], Vec<u8>),
}

/// Takes an unfolded value apart. Blanks between two encoded words are not shown (RFC 2047 section 6.2).
fn each_word<'a>(value: &'a [u8], mut take: impl FnMut(Piece<'a>)) {
    let mut rest = value;
    let mut after_word = false;
    while let Some(start) = word_start(rest) {
        let Some((charset, octets, used)) = word_octets(&rest[start..]) else {
            take(Piece::Plain(&rest[..start + 2]));
            rest = &rest[start + 2..];
            after_word = false;
            continue;
        };
        if !(after_word && rest[..start].iter().all(u8::is_ascii_whitespace)) {
            take(Piece::Plain(&rest[..start]));
        }
        take(Piece::Word(charset, octets));
        rest = &rest[start + used..];
        after_word = true;
    }
    take(Piece::Plain(rest));
}

/// Whether a field value is text in the charsets that its encoded words name, and in UTF-8 without them (RFC 5255 section 4.6, step
/// b). What is not is decoded all the same, as well as can be.
pub fn is_text(value: &[u8]) -> bool {
    let mut good = std::str::from_utf8(value).is_ok();
    each_word(value, |piece| match piece {
        Piece::Word(charset, octets) if good => good = is_text_in(charset, &octets),
        _ => {}
    });
    good
}

fn is_text_in(charset: &[u8], octets: &[u8]) -> bool {
    let label = charset.split(|b| *b == b'*').next().unwrap_or(charset).trim_ascii();
    if label.eq_ignore_ascii_case(b"us-ascii") {
        return octets.is_ascii();
    }
    match Encoding::for_label(label) {
        Some(encoding) => encoding.decode_without_bom_handling_and_without_replacement(octets).is_some(),
        None => charset_decoder(label).is_some(),
    }
}

/// Where `=?` stands. Values are short: looking for one octet costs less than to set out to look for two.
fn word_start(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'=', text).find(|at| text.get(at + 1) == Some(&b'?'))
}

/// `=?charset?encoding?text?=` at the start: its charset, octets, and the octets used.
fn word_octets(text: &[u8]) -> Option<(&[u8], Vec<u8>, usize)> {
    // A word is at most 75 characters; longer ones are seen, but not without end.
    let window = &text[2..text.len().min(1000)];
    let charset_end = memchr::memchr(b'?', window)?;
    let charset = &window[..charset_end];
    let kind = *window.get(charset_end + 1)?;
    if window.get(charset_end + 2) != Some(&b'?') {
        return None;
    }
    let data_start = charset_end + 3;
    let data_len = memchr::memmem::find(&window[data_start..], b"?=")?;
    let data = &window[data_start..data_start + data_len];
    let octets = match kind {
        b'B' | b'b' => base64_decode(data)?,
        b'Q' | b'q' => q_decode(data),
        _ => return None,
    };
    Some((charset, octets, 2 + data_start + data_len + 2))
}

fn hex(pair: &[u8]) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    match pair {
        [a, b, ..] => u8::try_from(digit(*a)? * 16 + digit(*b)?).ok(),
        _ => None,
    }
}

fn q_decode(data: &[u8]) -> Vec<u8> {
    escapes(data, b'=').into_iter().map(|(b, escaped)| if b == b'_' && !escaped { b' ' } else { b }).collect()
}

/// Octets with `mark`-escapes undone, each with whether it was one.
fn escapes(data: &[u8], mark: u8) -> Vec<(u8, bool)> {
    let mut out = Vec::with_capacity(data.len());
    let mut i = 0;
    while i < data.len() {
        if data[i] == mark
            && let Some(b) = hex(&data[i + 1..])
        {
            out.push((b, true));
            i += 3;
        } else {
            out.push((data[i], false));
            i += 1;
        }
    }
    out
}

/// Parameters in RFC 2231 form, continuations joined in order of their numbers, decoded.
pub fn extended_params(parsed: &params::Parameterized) -> Vec<(Vec<u8>, String)> {
    // (name, section, extended, value); sorting joins the pieces without looking twice at any.
    let mut pieces: Vec<(Vec<u8>, u32, bool, &[u8])> = Vec::new();
    for (name, value) in &parsed.params {
        let Some(star) = memchr::memchr(b'*', name) else { continue };
        let base = name[..star].to_ascii_lowercase();
        let tail = &name[star + 1..];
        let (number, extended) = match tail.strip_suffix(b"*") {
            Some(n) => (n, true),
            None => (tail, tail.is_empty()),
        };
        let number = std::str::from_utf8(number).ok().and_then(|n| n.parse().ok()).unwrap_or(0);
        pieces.push((base, number, extended, value));
    }
    pieces.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let mut out = Vec::new();
    for group in pieces.chunk_by(|a, b| a.0 == b.0) {
        let mut charset: Option<&[u8]> = None;
        let mut octets = Vec::new();
        for (i, (_, _, extended, value)) in group.iter().enumerate() {
            let mut value = *value;
            if i == 0 && *extended {
                let mut pieces = value.splitn(3, |b| *b == b'\'');
                if let (Some(label), Some(_), Some(text)) = (pieces.next(), pieces.next(), pieces.next()) {
                    charset = Some(label);
                    value = text;
                }
            }
            if *extended {
                octets.extend(escapes(value, b'%').into_iter().map(|(b, _)| b));
            } else {
                octets.extend_from_slice(value);
            }
        }
        out.push((group[0].0.clone(), charset_text(charset, &octets)));
    }
    out
}

/// The body of a leaf with its transfer encoding undone.
pub fn transfer_decoded<'a>(encoding: Option<&[u8]>, body: &'a [u8]) -> Cow<'a, [u8]> {
    let encoding = encoding.map(|e| params::parse(e).value.to_ascii_lowercase());
    match encoding.as_deref() {
        Some(b"base64") => transfer::base64(body).into(),
        Some(b"quoted-printable") => transfer::quoted_printable(body).into(),
        _ => body.into(),
    }
}

/// The body of the part with that header, its transfer encoding undone, as BINARY shows it; `None` when the encoding is
/// not known. Lines of text end in CRLF, whatever ends them in the message (RFC 3516 section 4.3).
pub fn binary(head: &[u8], in_digest: bool, body: &[u8]) -> Option<Vec<u8>> {
    let encoding = header::find(head, b"Content-Transfer-Encoding");
    let encoding = encoding.map(|f| params::parse(f.value).value.to_ascii_lowercase());
    let decoded = match encoding.as_deref() {
        None | Some(b"" | b"7bit" | b"8bit" | b"binary") => body.to_vec(),
        Some(b"base64") => transfer::base64(body),
        Some(b"quoted-printable") => transfer::quoted_printable(body),
        Some(_) => return None,
    };
    Some(if of_lines(&scan::content_type(head, in_digest)) { with_crlf(decoded) } else { decoded })
}

/// Whether the content is text in which an octet of 10 is the end of a line: not where characters have two octets or four.
fn of_lines(content: &params::Parameterized) -> bool {
    let wide = |charset: &[u8]| {
        let charset = charset.to_ascii_lowercase();
        [&b"utf-16"[..], b"utf-32", b"iso-10646-ucs", b"ucs-"].iter().any(|wide| charset.starts_with(wide))
    };
    content.media_type().is_some_and(|(main, _)| main.eq_ignore_ascii_case(b"text"))
        && !content.param(b"charset").is_some_and(wide)
}

/// CR before every LF that has none.
fn with_crlf(text: Vec<u8>) -> Vec<u8> {
    let bare = |at: usize| at == 0 || text[at - 1] != b'\r';
    if !memchr::memchr_iter(b'\n', &text).any(bare) {
        return text;
    }
    let mut out = Vec::with_capacity(text.len() + text.len() / 16);
    let mut from = 0;
    for at in memchr::memchr_iter(b'\n', &text).filter(|at| bare(*at)) {
        out.extend_from_slice(&text[from..at]);
        out.extend_from_slice(b"\r\n");
        from = at + 1;
    }
    out.extend_from_slice(&text[from..]);
    out
}

/// What a text of a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyText {
    /// The header of a part or of a message inside, its fields each as `name: value`.
    Fields,
    /// What a part says.
    Content,
}

/// Calls `found` with every decoded text of the bodies until it returns true: parts of types `text` and `message`, the only ones that
/// searches must look into (RFC 3501 section 6.4.4), HTML as it came and as it is read, and headers of messages and parts inside.
/// Returns whether it did.
pub fn body_texts(
    message: &[u8],
    structure: &Structure,
    mut found: impl FnMut(BodyText, &str) -> bool,
) -> bool {
    for (i, part) in structure.parts().iter().enumerate() {
        let octets = &message[part.header.clone()];
        if i > 0 {
            let mut text = String::new();
            for field in header::fields(octets) {
                text.push_str(&charset_text(None, field.name));
                text.push_str(": ");
                text.push_str(&header_text(field.value));
                text.push('\n');
            }
            if found(BodyText::Fields, &text) {
                return true;
            }
        }
        if part.kind != Kind::Leaf {
            continue;
        }
        let content = scan::content_type(octets, part.in_digest);
        // A message that is not taken apart is a report, or what is to be made whole from pieces.
        let is_text = |main: &[u8]| [&b"text"[..], b"message"].iter().any(|t| main.eq_ignore_ascii_case(t));
        let Some((_, sub)) = content.media_type().filter(|(main, _)| is_text(main)) else { continue };
        let encoding = header::find(octets, b"Content-Transfer-Encoding").map(|f| f.value);
        let body = transfer_decoded(encoding, &message[part.body.clone()]);
        let text = text_of(content.param(b"charset"), &body);
        let mut found = |text: &str| found(BodyText::Content, text);
        if found(&text) || (sub.eq_ignore_ascii_case(b"html") && found(&html::visible(&text))) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn encoded_words() {
        assert_eq!(header_text(b" =?utf-8?Q?J=C3=B6rg_X?= <j@x>\r\n"), "J\u{f6}rg X <j@x>");
        assert_eq!(header_text(b"=?iso-8859-1?b?5A==?=\r\n =?KOI8-R?q?=C1?="), "\u{e4}\u{430}");
        assert_eq!(header_text(b"a =?nonsense"), "a =?nonsense");
        assert_eq!(header_text(b" a\r\n\t b\r\n  =?utf-8?q?c__d?=\t"), "a b c d");
        assert_eq!(header_text(b"plain \xe9"), "plain \u{e9}");
        assert_eq!(header_text(b"\xd0\xbf\xff \xd0"), "\u{43f}\u{ff} \u{d0}");
        assert_eq!(words_text(b"a; b*=x''c =?utf-8?q?=C3=A4?="), "a; b*=x''c \u{e4}");
        assert_eq!(words_octets(b"=?utf-8?q?=C3=FF?=\r\n =?x?q?a?= \xe9"), "\u{c3}\u{ff}a \u{e9}");
    }

    #[test]
    fn a_byte_order_mark_tells_the_order() {
        let text = charset_text(Some(b"utf-16"), b"\xfe\xff\0G\0r\0\xfc\0n");
        assert_eq!(text, "Gr\u{fc}n");
        assert_eq!(charset_text(Some(b"UTF-16"), b"\xff\xfeG\0r\0\xfc\0n\0"), text);
        assert_eq!(charset_text(Some(b"utf-16be"), b"\0G\0r\0\xfc\0n"), text);
        assert_eq!(charset_text(Some(b"iso-8859-1"), b"\xef\xbb\xbfGr\xc3\xbcn"), text);
        assert_eq!(charset_text(Some(b"windows-1251"), b"\xff\xfe\xf2"), "\u{44f}\u{44e}\u{442}", "letters");
    }

    #[test]
    fn extended_parameters() {
        let text = header_text(b"attachment; filename*1=b; filename*0*=utf-8''%e2%82%ac%20a");
        assert!(text.ends_with(" \u{20ac} ab"), "{text}");
    }

    #[test]
    fn transfer_encodings() {
        assert_eq!(*transfer_decoded(Some(b" Base64 "), b"aGVs\r\nbG8="), *b"hello");
        assert_eq!(*transfer_decoded(Some(b"quoted-printable"), b"a=3Db=\r\nc"), *b"a=bc");
        assert_eq!(*transfer_decoded(None, b"a=3D"), *b"a=3D");
    }

    proptest! {
        /// What is added at once is what the long way makes of it.
        #[test]
        fn plain_values_the_short_way(value in "[aB=?*;\r\n\t \u{e4}]{0,12}|a[ -~]{0,30}") {
            let mut long = String::from("x");
            add_encoded(value.as_bytes(), &mut long);
            one_blank_each(&mut long, 1);
            prop_assert_eq!(format!("x{}", header_text(value.as_bytes())), long);
        }

        #[test]
        fn any_octets(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = header_text(&value);
            let _ = transfer_decoded(Some(b"base64"), &value);
            let _ = transfer_decoded(Some(b"quoted-printable"), &value);
        }
    }
}
