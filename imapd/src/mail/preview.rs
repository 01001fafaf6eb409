//! PREVIEW: the beginning of what a person would read (RFC 8970).
//!
//! Of the first text part, plain before HTML, on one line. Of HTML, tags and what is never shown are left out and the
//! character references are read; it is a glance, not a browser. Lines that quote another message are passed over, unless
//! there are no others, and so are words of nothing that can be seen, with which senders fill a preview up.

use mail_parser::decoders::html::add_html_token;

use super::decode::{charset_text, transfer_decoded};
use super::header;
use super::scan::{self, Kind, Structure};

/// Most characters of a preview (RFC 8970 section 3.2).
pub const MAX_CHARS: usize = 200;
/// Octets of a part that are looked at: enough for the preview behind any usual head of HTML.
const MAX_OCTETS: usize = 64 * 1024;

/// The preview of a message; empty when it has no text.
pub fn preview(message: &[u8], structure: &Structure) -> String {
    let mut html = None;
    for part in structure.parts().iter().filter(|p| p.kind == Kind::Leaf) {
        let octets = &message[part.header.clone()];
        let content = scan::content_type(octets, part.in_digest);
        let Some((main, sub)) = content.media_type() else { continue };
        let plain = sub.eq_ignore_ascii_case(b"plain");
        let wanted = main.eq_ignore_ascii_case(b"text")
            && (plain || (sub.eq_ignore_ascii_case(b"html") && html.is_none()));
        if !wanted {
            continue;
        }
        let encoding = header::find(octets, b"Content-Transfer-Encoding").map(|f| f.value);
        let end = part.body.end.min(part.body.start + MAX_OCTETS);
        let body = transfer_decoded(encoding, &message[part.body.start..end]);
        let text = charset_text(content.param(b"charset"), &body);
        if plain {
            let own = text.lines().filter(|line| !line.trim_start().starts_with('>'));
            let own = one_line(own.flat_map(str::split_whitespace));
            let text = if own.is_empty() { one_line(text.split_whitespace()) } else { own };
            if !text.is_empty() {
                return text;
            }
        } else {
            html = Some(one_line(visible(&text).split_whitespace()));
        }
    }
    html.unwrap_or_default()
}

/// Whether a character takes no room by itself.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// The words, of which those that nothing can be seen of are none, with blanks between them.
fn one_line<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    let mut chars = 0;
    for word in words.flat_map(|w| w.split(char::is_control)).filter(|w| !w.chars().all(is_unseen)) {
        let gap = if out.is_empty() { "" } else { " " };
        for c in gap.chars().chain(word.chars()) {
            if chars == MAX_CHARS {
                return out.trim_end().to_owned();
            }
            out.push(c);
            chars += 1;
        }
    }
    out
}

/// HTML without its tags, comments, scripts and styles.
fn visible(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        references(&rest[..open], &mut out);
        // A tag may end a word, or not; most that matter here do.
        out.push(' ');
        let tag = &rest[open + 1..];
        let hidden = ["!--", "script", "style", "head", "title"]
            .into_iter()
            .find(|name| tag.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name)));
        let end = match hidden {
            Some("!--") => tag.find("-->").map(|i| i + 3),
            Some(name) => close_of(tag, name),
            None => tag.find('>').map(|i| i + 1),
        };
        match end {
            Some(end) => rest = &tag[end..],
            None => return out,
        }
    }
    references(rest, &mut out);
    out
}

/// Where the element `name` ends, from within its opening tag.
fn close_of(tag: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(i) = tag[from..].find("</").map(|i| i + from + 2) {
        if tag.get(i..i + name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name)) {
            return tag[i..].find('>').map(|end| i + end + 1);
        }
        from = i;
    }
    None
}

/// Longest name of a character that HTML has, in octets.
const LONGEST_NAME: usize = 31;

/// What a name of HTML stands for, in the case it is written in.
fn named(name: &str) -> Option<char> {
    if name.len() > LONGEST_NAME || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let mut out = String::new();
    add_html_token(&mut out, format!("&{name};").as_bytes(), false);
    // What is no name comes back as it is.
    let mut characters = out.chars();
    characters.next().filter(|_| characters.next().is_none())
}

fn references(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let name = rest[at + 1..].split(';').next().unwrap_or_default();
        let known = match name.strip_prefix('#') {
            Some(number) => numeric(number),
            None => named(name),
        };
        match known.filter(|_| rest[at + 1 + name.len()..].starts_with(';')) {
            Some(c) => {
                out.push(c);
                rest = &rest[at + name.len() + 2..];
            }
            None => {
                out.push('&');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
}

fn numeric(number: &str) -> Option<char> {
    let value = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    char::from_u32(value.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(message: &str) -> String {
        preview(message.as_bytes(), &scan::scan(message.as_bytes()))
    }

    #[test]
    fn plain_before_html_and_on_one_line() {
        assert_eq!(of("Subject: x\r\n\r\n Hello,\r\n\r\n  world \r\n"), "Hello, world");
        assert_eq!(
            of(
                "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>no\r\n--b\r\n\r\nyes\r\n--b--\r\n"
            ),
            "yes"
        );
        let html = "<html><HEAD><title>t</title></head><style>p{}</style><!-- c --><body>A&nbsp;&lt;b&gt; <b>c</b>&#x21; &x";
        assert_eq!(of(&format!("Content-Type: text/html\r\n\r\n{html}")), "A <b> c ! &x");
        assert_eq!(of("Content-Type: image/gif\r\n\r\nGIF"), "");
        let html = "<p>Gr&uuml;&szlig;e &ndash; 5&nbsp;&euro;&nosuch;</p>&nbsp;&zwnj; &#8203;&shy;<p>x&zwj;y";
        assert_eq!(of(&format!("Content-Type: text/html\r\n\r\n{html}")), "Grüße – 5 €&nosuch; x\u{200d}y");
    }

    #[test]
    fn a_name_at_and_past_the_longest() {
        let longest = "CounterClockwiseContourIntegral";
        assert_eq!(longest.len(), LONGEST_NAME);
        assert_eq!(named(longest), Some('\u{2233}'));
        for none in [&format!("{longest}x"), "", "AUML", "a b", "\u{e4}"] {
            assert_eq!(named(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_quoted_is_passed_over() {
        assert_eq!(of("\r\nAnn wrote:\r\n> one\r\n > two\r\nI agree.\r\n"), "Ann wrote: I agree.");
        assert_eq!(of("\r\n> one\r\n>\r\n"), "> one >");
    }

    #[test]
    fn length_at_and_past() {
        for n in [MAX_CHARS, MAX_CHARS + 1] {
            assert_eq!(of(&format!("\r\n{}", "x".repeat(n))).chars().count(), MAX_CHARS);
        }
    }

    proptest! {
        #[test]
        fn any_text(html in "[<>&;/!a-z# \u{e9}-]{0,80}") {
            let _ = of(&format!("Content-Type: text/html\r\n\r\n{html}"));
        }
    }
}
