//! PREVIEW: the beginning of what a person would read (RFC 8970).
//!
//! Of the first text part, plain before HTML, on one line. Of HTML the words are shown ([`super::html`]); it is a glance, not a
//! browser. Lines that quote another message are passed over, unless there are no others, and so are words of nothing that can
//! be seen, with which senders fill a preview up.

use super::decode::{charset_text, transfer_decoded};
use super::header;
use super::html::visible;
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
        assert_eq!(of(&format!("Content-Type: text/html\r\n\r\n{html}")), "A <b> c! &x");
        assert_eq!(of("Content-Type: image/gif\r\n\r\nGIF"), "");
        let html = "<p>Gr&uuml;&szlig;e &ndash; 5&nbsp;&euro;&nosuch;</p>&nbsp;&zwnj; &#8203;&shy;<p>x&zwj;y";
        assert_eq!(of(&format!("Content-Type: text/html\r\n\r\n{html}")), "Grüße – 5 €&nosuch; x\u{200d}y");
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
