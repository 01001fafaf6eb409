//! PREVIEW: the beginning of what a person would read (RFC 8970).
//!
//! Of the first part with text, on one line; of the parts of a `multipart/alternative` plain text before HTML. What is attached,
//! messages with it, has its turn when there is nothing else. Of HTML the words are shown
//! ([`super::html`]); it is a glance, not a browser. What quotes another message is passed over, unless
//! there is nothing else, and so are words of nothing that can be seen, with which senders fill a preview up.

use super::decode::{charset_text, transfer_decoded};
use super::header;
use super::html;
use super::params;
use super::scan::{self, Kind, Part, Structure};

/// Most characters of a preview (RFC 8970 section 3.2).
pub const MAX_CHARS: usize = 200;
/// Octets of a part that are looked at: enough for the preview behind any usual head of HTML.
const MAX_OCTETS: usize = 64 * 1024;

/// The preview of a message; empty when it has no text.
pub fn preview(message: &[u8], structure: &Structure) -> String {
    let texts = texts(message, structure);
    let mut previews = texts.iter().map(|text| of_part(message, text));
    previews.find(|preview| !preview.is_empty()).unwrap_or_default()
}

/// A part that a preview can be of. The order is that of their turns.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    attached: bool,
    /// Where it begins, or the outermost `multipart/alternative` around it.
    place: usize,
    html: bool,
}

/// Where a part is.
#[derive(Clone, Copy, Default)]
struct Within {
    attached: bool,
    alternative: Option<usize>,
}

/// The parts with text in the order of their turns.
fn texts<'a>(message: &[u8], structure: &'a Structure) -> Vec<(Turn, &'a Part)> {
    let parts = structure.parts();
    let mut within = vec![Within::default(); parts.len()];
    let mut texts = Vec::new();
    // A part comes before what is inside it.
    for (index, part) in parts.iter().enumerate() {
        let octets = &message[part.header.clone()];
        let content = scan::content_type(octets, part.in_digest);
        let Some((main, sub)) = content.media_type() else { continue };
        let mut here = within[index];
        here.attached |= is_attachment(octets);
        match part.kind {
            Kind::Leaf => {
                let plain = main.eq_ignore_ascii_case(b"text") && sub.eq_ignore_ascii_case(b"plain");
                if plain || is_html(main, sub) {
                    let place = here.alternative.unwrap_or(index);
                    texts.push((Turn { attached: here.attached, place, html: !plain }, part));
                }
            }
            Kind::Multipart if sub.eq_ignore_ascii_case(b"alternative") => {
                here.alternative.get_or_insert(index);
            }
            Kind::Multipart => {}
            Kind::Message => here = Within { attached: true, alternative: None },
        }
        for child in &part.children {
            within[*child as usize] = here;
        }
    }
    texts.sort_by(|(a, _), (b, _)| a.cmp(b));
    texts
}

/// HTML, also as XML (RFC 3236).
fn is_html(main: &[u8], sub: &[u8]) -> bool {
    (main.eq_ignore_ascii_case(b"text") && sub.eq_ignore_ascii_case(b"html"))
        || (main.eq_ignore_ascii_case(b"application") && sub.eq_ignore_ascii_case(b"xhtml+xml"))
}

/// Whether the sender wants a part to be shown apart from the message (RFC 2183 section 2.2).
fn is_attachment(header_octets: &[u8]) -> bool {
    let field = header::find(header_octets, b"Content-Disposition");
    field.is_some_and(|field| params::parse(field.value).value.eq_ignore_ascii_case(b"attachment"))
}

fn of_part(message: &[u8], (turn, part): &(Turn, &Part)) -> String {
    let octets = &message[part.header.clone()];
    let content = scan::content_type(octets, part.in_digest);
    let encoding = header::find(octets, b"Content-Transfer-Encoding").map(|f| f.value);
    let end = part.body.end.min(part.body.start + MAX_OCTETS);
    let body = transfer_decoded(encoding, &message[part.body.start..end]);
    let text = charset_text(content.param(b"charset"), &body);
    let shown = |quotes: bool| match turn.html {
        true if quotes => one_line(&html::visible(&text)),
        true => one_line(&html::unquoted(&text)),
        false if quotes => one_line(&text),
        false => one_line(&unquoted(&text)),
    };
    Some(shown(false)).filter(|own| !own.is_empty()).unwrap_or_else(|| shown(true))
}

/// Plain text without the lines that quote.
fn unquoted(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with('>')).collect()
}

/// Whether a character takes no room by itself.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// The words of a text, of which those that nothing can be seen of are none, with one blank between them.
fn one_line(text: &str) -> String {
    let mut out = String::new();
    let mut chars = 0;
    let words = text.split_whitespace().flat_map(|w| w.split(char::is_control));
    // A byte order mark is no part of what it stands before.
    let words = words.map(|w| w.trim_start_matches('\u{feff}'));
    for word in words.filter(|w| !w.chars().all(is_unseen)) {
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
        let html = |html: &str| of(&format!("Content-Type: text/html\r\n\r\n{html}"));
        let quote = "<blockquote type=cite>one<BLOCKQUOTE>two</BlockQuote >three</blockquote>";
        assert_eq!(html(&format!("Ann wrote:<br>{quote}<p>I agree.")), "Ann wrote: I agree.");
        assert_eq!(html(&format!("<div>{quote}</div>")), "one two three");
        assert_eq!(html("So be it.<blockquote>without an end"), "So be it.");
        assert_eq!(html("<blockquoted>a</blockquoted>"), "a");
    }

    #[test]
    fn elements_whose_names_begin_alike_are_others() {
        let html = "<head><title>t</title></head><header>Top</header> <style-x>text</style-x>";
        assert_eq!(of(&format!("Content-Type: text/html\r\n\r\n{html}")), "Top text");
    }

    #[test]
    fn what_is_attached_comes_last() {
        let mixed = |parts: &[&str]| {
            let parts: String = parts.iter().map(|part| format!("--b\r\n{part}\r\n")).collect();
            of(&format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n"))
        };
        let html = "Content-Type: text/html\r\n\r\n<b>See below.</b>";
        let file =
            "Content-Type: text/plain; name=log\r\nContent-Disposition: Attachment; filename=log\r\n\r\nlog";
        let forwarded = "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ninner";
        let footer = "Content-Type: text/plain\r\n\r\nsent to a list";
        let picture = "Content-Type: image/png\r\n\r\nPNG";
        assert_eq!(mixed(&[html, file]), "See below.");
        assert_eq!(mixed(&[file, html]), "See below.");
        assert_eq!(mixed(&[forwarded, html]), "See below.");
        assert_eq!(mixed(&[html, footer]), "See below.");
        assert_eq!(mixed(&[picture, forwarded, file]), "inner");
        assert_eq!(mixed(&[&html.replace("See below.", "<img>"), footer]), "sent to a list");
    }

    #[test]
    fn plain_before_html_of_one_alternative_alone() {
        let either = |plain: &str, html: &str| {
            format!(
                "Content-Type: multipart/alternative; boundary={plain}\r\n\r\n--{plain}\r\nContent-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: application/xhtml+xml\r\n\r\n<p>{html}</p>\r\n--r--\r\n--{plain}\r\n\r\n{plain}\r\n--{plain}--\r\n"
            )
        };
        assert_eq!(of(&either("one", "two")), "one");
        let second = either("second", "three");
        let message = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\nfirst\r\n--b\r\n{second}\r\n--b--\r\n"
        );
        assert_eq!(of(&message), "first");
        assert_eq!(of(&message.replace("first", "&nbsp;")), "second");
    }

    #[test]
    fn a_byte_order_mark_is_not_shown() {
        assert_eq!(of("Content-Type: text/plain; charset=utf-8\r\n\r\n\u{feff}Hello"), "Hello");
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
