//! HTML as a person reads it, as far as previews and searches ask: its words.
//!
//! Tags, comments, scripts, styles and titles are left out, references to characters are read, blanks are one space as on a
//! screen. A tag parts words only where a browser begins a new line, a cell or a picture: `wo<b>rd</b>` is one word. Never
//! fails and never recurses; what is broken is text, or ends the text. Each octet is looked at a few times at most.
//!
//! Not here: what style sheets hide, attributes, and anything of how it looks.

use memchr::memchr;
use memchr::memmem;

use mail_parser::decoders::html::add_html_token;

use super::decode::charset_text;

/// Longest name of a character that HTML has, in octets.
const LONGEST_NAME: usize = 31;
/// Longest name of the elements below, in octets.
const LONGEST_ELEMENT: usize = 10;

/// The element of what is quoted.
const QUOTE: &str = "blockquote";

/// What an element is to somebody who reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Element {
    /// Part of a line, as all that HTML does not know are.
    Inline,
    /// A block, a cell or a thing of its own (HTML, section 15.3): words before, within and behind are different ones.
    Parting,
    /// Something else than text is in it.
    Hidden,
}

impl Element {
    fn of(name: &str) -> Self {
        let mut lower = [0; LONGEST_ELEMENT];
        let Some(lower) = lower.get_mut(..name.len()) else { return Self::Inline };
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        match &*lower {
            b"script" | b"style" | b"title" | b"template" => Self::Hidden,
            b"p" | b"br" | b"td" | b"tr" | b"th" | b"li" | b"ul" | b"ol" | b"hr" | b"h1" | b"h2" | b"h3"
            | b"h4" | b"h5" | b"h6" | b"dd" | b"dl" | b"dt" | b"div" | b"img" | b"pre" | b"col" | b"dir"
            | b"nav" | b"svg" | b"xmp" | b"body" | b"form" | b"head" | b"html" | b"main" | b"menu"
            | b"meta" | b"table" | b"tbody" | b"thead" | b"tfoot" | b"aside" | b"audio" | b"frame"
            | b"input" | b"video" | b"button" | b"canvas" | b"center" | b"dialog" | b"figure" | b"footer"
            | b"header" | b"hgroup" | b"iframe" | b"legend" | b"object" | b"option" | b"search"
            | b"select" | b"address" | b"article" | b"caption" | b"details" | b"listing" | b"section"
            | b"summary" | b"colgroup" | b"fieldset" | b"noscript" | b"optgroup" | b"textarea"
            | b"plaintext" | b"blockquote" | b"figcaption" => Self::Parting,
            _ => Self::Inline,
        }
    }
}

/// The words of HTML, with one space between those that are apart.
pub fn visible(html: &str) -> String {
    words(html, true)
}

/// [`visible`] without what it quotes (`blockquote`).
pub fn unquoted(html: &str) -> String {
    words(html, false)
}

fn words(html: &str, quotes: bool) -> String {
    let mut line = Line::default();
    let mut rest = html;
    while let Some(open) = memchr(b'<', rest.as_bytes()) {
        line.text(&rest[..open]);
        let inside = &rest[open + 1..];
        let behind = match Tag::of(inside) {
            Tag::None => {
                line.word("<");
                Some(0)
            }
            Tag::Comment => memmem::find(inside.as_bytes(), b"-->").map(|i| i + 3),
            Tag::Declaration => end_of_tag(inside),
            Tag::Open(name) if Element::of(name) == Element::Hidden => end_of_element(inside, name),
            Tag::Open(name) if !quotes && name.eq_ignore_ascii_case(QUOTE) => {
                line.apart = true;
                end_of_quote(inside)
            }
            Tag::Open(name) | Tag::Close(name) => {
                line.apart |= Element::of(name) == Element::Parting;
                end_of_tag(inside)
            }
        };
        match behind {
            Some(behind) => rest = &inside[behind..],
            None => return line.out,
        }
    }
    line.text(rest);
    line.out
}

/// What a `<` begins.
enum Tag<'a> {
    /// Nothing: it is text.
    None,
    Comment,
    /// `<!DOCTYPE ...>` and the like.
    Declaration,
    Open(&'a str),
    Close(&'a str),
}

impl<'a> Tag<'a> {
    /// From what is behind the `<`.
    fn of(inside: &'a str) -> Self {
        let name = |text: &'a str| {
            let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '-')));
            &text[..end.unwrap_or(text.len())]
        };
        match inside.as_bytes() {
            [b'!', b'-', b'-', ..] => Self::Comment,
            [b'!' | b'?', ..] => Self::Declaration,
            [b'/', b'A'..=b'Z' | b'a'..=b'z', ..] => Self::Close(name(&inside[1..])),
            [b'A'..=b'Z' | b'a'..=b'z', ..] => Self::Open(name(inside)),
            _ => Self::None,
        }
    }
}

/// Behind the `>` of a tag.
fn end_of_tag(inside: &str) -> Option<usize> {
    memchr(b'>', inside.as_bytes()).map(|i| i + 1)
}

/// Behind the end tag of an element, from within its start tag.
fn end_of_element(inside: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(i) = memmem::find(&inside.as_bytes()[from..], b"</") {
        from += i + 2;
        if matches!(Tag::of(&inside[from - 1..]), Tag::Close(n) if n.eq_ignore_ascii_case(name)) {
            return end_of_tag(&inside[from..]).map(|end| from + end);
        }
    }
    None
}

/// Behind the end tag of a quotation, from within its start tag; there may be others in it.
fn end_of_quote(inside: &str) -> Option<usize> {
    let (mut open, mut from) = (1, 0);
    while let Some(i) = memchr(b'<', &inside.as_bytes()[from..]) {
        from += i + 1;
        match Tag::of(&inside[from..]) {
            Tag::Open(name) if name.eq_ignore_ascii_case(QUOTE) => open += 1,
            Tag::Close(name) if name.eq_ignore_ascii_case(QUOTE) => open -= 1,
            _ => {}
        }
        if open == 0 {
            return end_of_tag(&inside[from..]).map(|end| from + end);
        }
    }
    None
}

/// The words so far.
#[derive(Default)]
struct Line {
    out: String,
    /// Whether the next word does not belong to the last one.
    apart: bool,
}

impl Line {
    /// Text between tags.
    fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = memchr(b'&', rest.as_bytes()) {
            self.words(&rest[..at]);
            rest = &rest[at + 1..];
            match reference(rest) {
                Some((c, len)) => {
                    self.words(c.encode_utf8(&mut [0; 4]));
                    rest = &rest[len..];
                }
                None => self.word("&"),
            }
        }
        self.words(rest);
    }

    /// Text without references.
    fn words(&mut self, text: &str) {
        let mut pieces = text.split(char::is_whitespace);
        self.word(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.apart = true;
            self.word(piece);
        }
    }

    /// A word, or a piece of one.
    fn word(&mut self, word: &str) {
        for piece in word.split(is_within_words).filter(|piece| !piece.is_empty()) {
            if std::mem::take(&mut self.apart) && !self.out.is_empty() {
                self.out.push(' ');
            }
            self.out.push_str(piece);
        }
    }
}

/// Whether a character only says where a word may be broken, or may not.
fn is_within_words(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// The character that a reference stands for, and the octets of the reference, from behind the `&`.
fn reference(text: &str) -> Option<(char, usize)> {
    // A number may have zeros before it; hardly more than these.
    let looked_at = &text.as_bytes()[..text.len().min(LONGEST_NAME + 1)];
    let end = memchr(b';', looked_at)?;
    let name = &text[..end];
    let c = match name.strip_prefix('#') {
        Some(number) => numeric(number),
        None => named(name),
    };
    c.map(|c| (c, end + 1))
}

/// What a name of HTML stands for, in the case it is written in.
fn named(name: &str) -> Option<char> {
    if !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let mut out = String::new();
    add_html_token(&mut out, format!("&{name};").as_bytes(), false);
    // What is no name comes back as it is.
    let mut characters = out.chars();
    characters.next().filter(|_| characters.next().is_none())
}

/// The character with a number; the controls from 128 to 159 are those of Windows (HTML, section 13.2.5.80).
fn numeric(number: &str) -> Option<char> {
    let value = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    match value.ok()? {
        0 => None,
        c @ 0x80..=0x9f => charset_text(Some(b"windows-1252"), &[u8::try_from(c).ok()?]).chars().next(),
        c => char::from_u32(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_parts_words_and_what_does_not() {
        for (html, text) in [
            ("wo<b>rd</b>s <I>and</I>\r\n  more", "words and more"),
            ("one<br>two<p>three</P><td>four</td><img src=x>five", "one two three four five"),
            ("<x-y>a</x-y><o:p>b</o:p>", "ab"),
            ("a<BlockQuote>b<blockquotes>c</figcaption>d", "a bc d"),
            ("<!DOCTYPE html><?xml x?><!-- <p>no --><p>yes</p>", "yes"),
            ("<header>top</header><titles>of</titles>", "top of"),
            ("<TITLE>no</title ><style>p > b {}</style><script>'</b>'</script>yes", "yes"),
            ("1 < 2 and a<b>c</b> <3", "1 < 2 and ac <3"),
            ("cut <style>off", "cut"),
            ("cut <b", "cut"),
            ("cut <!-- off", "cut"),
            ("", ""),
        ] {
            assert_eq!(visible(html), text, "{html}");
        }
    }

    #[test]
    fn references() {
        for (html, text) in [
            ("Gr&uuml;&szlig;e&nbsp;&nbsp; aus &lt;K&ouml;ln&gt;", "Gr\u{fc}\u{df}e aus <K\u{f6}ln>"),
            ("&#228;&#xE4;&#Xe4;&#150;&#x92;", "\u{e4}\u{e4}\u{e4}\u{2013}\u{2019}"),
            (
                "rock &amp; roll & R&D; &nosuch; &#0; &#x110000; &",
                "rock & roll & R&D; &nosuch; &#0; &#x110000; &",
            ),
            ("Silben&shy;tren\u{200b}nung&zwj;x", "Silbentrennung\u{200d}x"),
        ] {
            assert_eq!(visible(html), text, "{html}");
        }
    }

    #[test]
    fn a_name_at_and_past_the_longest() {
        let longest = "CounterClockwiseContourIntegral";
        assert_eq!(longest.len(), LONGEST_NAME);
        assert_eq!(visible(&format!("&{longest};")), "\u{2233}");
        for none in [format!("&{longest}x;"), "&;".to_owned(), "&AUML;".to_owned(), "&\u{e4};".to_owned()] {
            assert_eq!(visible(&none), none);
        }
    }

    proptest! {
        #[test]
        fn any_text(html in "(<|>|&|;|/|!|-|#|script|style|[a-z \u{e9}\u{a0}]){0,40}") {
            let text = visible(&html);
            prop_assert!(!text.starts_with(' ') && !text.ends_with(' ') && !text.contains("  "), "{text}");
        }

        /// What has neither tags nor references has its words.
        #[test]
        fn plain_text(text in "[a-z\u{e9}\r\n\t >;]{0,40}") {
            prop_assert_eq!(visible(&text), text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
}
