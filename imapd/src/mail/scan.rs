//! One pass over a message that finds every part with octet-exact offsets (RFC 2046).
//!
//! The scanner looks at line starts only: in a header for its blank line, anywhere else for the delimiter of a
//! multipart that is open. Its memory is the path of open parts, at most [`MAX_DEPTH`], and one [`Part`] each of at
//! most [`MAX_PARTS`]. The line end before a delimiter belongs to the delimiter.
//!
//! Broken mail: a part whose header never ends is all header; a multipart without a boundary or without parts has no
//! children; parts still open at the end of the message end there; past a limit the rest is body of the last part.

use std::ops::Range;

use memchr::memmem::Finder;

use super::continuations;
use super::header;
use super::params::{self, Parameterized};

/// Deepest nesting of parts; deeper ones are shown as plain octets of the part above.
pub const MAX_DEPTH: usize = 100;
/// Most parts of one message.
pub const MAX_PARTS: usize = 10_000;

/// What a part is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No structure inside.
    Leaf,
    /// `multipart/*`; its children are its parts, possibly none.
    Multipart,
    /// `message/rfc822` or `message/global`; its one child is the message inside.
    Message,
}

/// One part, or the message itself, or a message within a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Octets of its header, the blank line included.
    pub header: Range<usize>,
    /// Octets of its body.
    pub body: Range<usize>,
    /// Line feeds in its body.
    pub lines: usize,
    /// What is inside.
    pub kind: Kind,
    /// Whether it is a part of a `multipart/digest`, where the default type differs.
    pub in_digest: bool,
    /// Indexes of the parts inside, in order.
    pub children: Vec<u32>,
}

/// All parts; the message itself is the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    parts: Vec<Part>,
}

impl Structure {
    /// The message itself.
    pub fn root(&self) -> &Part {
        &self.parts[0]
    }

    /// All parts in the order in which they begin.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The part of that index.
    pub fn part(&self, index: u32) -> &Part {
        &self.parts[index as usize]
    }
}

/// The type of a part: what its header says, or the default.
pub fn content_type(header_octets: &[u8], in_digest: bool) -> Parameterized {
    if let Some(field) = header::find(header_octets, b"Content-Type") {
        let parsed = params::parse(field.value);
        if parsed.media_type().is_some() {
            return parsed;
        }
    }
    if in_digest {
        return Parameterized { value: b"message/rfc822".to_vec(), params: Vec::new() };
    }
    // RFC 2045 section 5.2: missing or invalid means plain US-ASCII text.
    Parameterized { value: b"text/plain".to_vec(), params: vec![(b"charset".to_vec(), b"us-ascii".to_vec())] }
}

struct Open {
    part: usize,
    in_header: bool,
    /// Delimiter of an open multipart; gone after its close delimiter.
    boundary: Option<Vec<u8>>,
    digest: bool,
    lines_before_body: usize,
}

struct Scanner<'a> {
    message: &'a [u8],
    parts: Vec<Part>,
    open: Vec<Open>,
    /// Line feeds before the current line.
    lines: usize,
    /// Finds what a delimiter begins with.
    dashes: Finder<'static>,
}

/// Scans a message.
pub fn scan(message: &[u8]) -> Structure {
    scan_with(message, |scanner: &mut Scanner<'_>, at: usize| scanner.pass(at))
}

/// `pass` says how many octets from where it is asked can be passed over, and counts their lines.
fn scan_with(message: &[u8], pass: impl Fn(&mut Scanner<'_>, usize) -> usize) -> Structure {
    let dashes = Finder::new(b"\n--");
    let mut s = Scanner { message, parts: Vec::new(), open: Vec::new(), lines: 0, dashes };
    s.begin_part(0, false);
    let mut at = 0;
    while at < message.len() {
        at += pass(&mut s, at);
        let len = header::line_len(&message[at..]);
        if len == 0 {
            break;
        }
        s.line(at, at + len);
        s.lines += 1;
        at += len;
    }
    if !message.ends_with(b"\n") && !message.is_empty() {
        s.lines -= 1;
    }
    s.close_above(0, message.len(), s.lines);
    s.close_top(message.len(), s.lines);
    Structure { parts: s.parts }
}

impl Scanner<'_> {
    fn begin_part(&mut self, at: usize, in_digest: bool) {
        let index = self.parts.len();
        if let Some(above) = self.open.last() {
            // The count is at most MAX_PARTS, so it fits.
            self.parts[above.part].children.push(index as u32);
        }
        self.parts.push(Part {
            header: at..at,
            body: at..at,
            lines: 0,
            kind: Kind::Leaf,
            in_digest,
            children: Vec::new(),
        });
        self.open.push(Open {
            part: index,
            in_header: true,
            boundary: None,
            digest: false,
            lines_before_body: 0,
        });
    }

    /// Passes over lines from `at` on in which nothing can begin or end, and counts them; how many octets.
    fn pass(&mut self, at: usize) -> usize {
        if self.open.last().is_none_or(|open| open.in_header) {
            return 0;
        }
        let rest = &self.message[at..];
        let passed = if self.open.iter().all(|open| open.boundary.is_none()) {
            rest.len()
        } else if rest.starts_with(b"--") {
            0
        } else {
            self.dashes.find(rest).map_or(rest.len(), |feed| feed + 1)
        };
        // A last line without a line feed is a line too; whoever counts takes it back.
        let open_end = passed == rest.len() && passed > 0 && !rest.ends_with(b"\n");
        self.lines += memchr::memchr_iter(b'\n', &rest[..passed]).count() + usize::from(open_end);
        passed
    }

    fn line(&mut self, start: usize, end: usize) {
        let line = &self.message[start..end];
        if line.starts_with(b"--")
            && let Some((level, closing)) = self.delimiter(&line[2..])
        {
            let (mut before, mut lines) = self.before_delimiter(start);
            let begun = self.open.last().map_or(0, |o| {
                let part = &self.parts[o.part];
                if o.in_header { part.header.start } else { part.body.start }
            });
            if before < begun {
                // The line end before belongs to the header that it ended, or to the delimiter before.
                (before, lines) = (start, self.lines);
            }
            self.close_above(level, before, lines);
            let digest = self.open[level].digest;
            if closing {
                self.open[level].boundary = None;
            } else {
                self.begin_part(end, digest);
            }
            return;
        }
        if self.open.last().is_some_and(|o| o.in_header) && header::is_blank(line) {
            self.begin_body(end);
        }
    }

    /// The open multipart whose delimiter this is (the text after `--`), and whether it closes it. A line that begins with a boundary
    /// is a delimiter, whatever follows (RFC 2046 section 5.1.1, note to implementors); of several boundaries the longest counts, for
    /// one may begin as another does, then the innermost.
    fn delimiter(&self, text: &[u8]) -> Option<(usize, bool)> {
        if self.parts.len() >= MAX_PARTS {
            return None;
        }
        let found = self.open.iter().enumerate().filter_map(|(level, open)| {
            let boundary = open.boundary.as_deref()?;
            let rest = text.strip_prefix(boundary)?;
            Some((boundary.len(), level, rest.starts_with(b"--")))
        });
        found.max().map(|(_, level, closing)| (level, closing))
    }

    /// Where the text before a delimiter line ends, and the line feeds up to there.
    fn before_delimiter(&self, start: usize) -> (usize, usize) {
        if start == 0 {
            return (0, 0);
        }
        let mut end = start - 1;
        if end > 0 && self.message[end - 1] == b'\r' {
            end -= 1;
        }
        (end, self.lines - 1)
    }

    fn close_above(&mut self, level: usize, at: usize, lines: usize) {
        while self.open.len() > level + 1 {
            self.close_top(at, lines);
        }
    }

    fn close_top(&mut self, at: usize, lines: usize) {
        if self.open.last().is_some_and(|o| o.in_header) {
            // The header never ended: all of it is header, and the type it names holds for an empty body.
            let depth = self.open.len();
            let start = self.open.last().map_or(0, |o| self.parts[o.part].header.start);
            self.begin_body(at.max(start));
            if self.open.len() > depth {
                self.close_top(at, lines);
            }
        }
        let Some(open) = self.open.pop() else { return };
        let part = &mut self.parts[open.part];
        part.body.end = at.max(part.body.start);
        part.lines = if part.body.is_empty() { 0 } else { lines.saturating_sub(open.lines_before_body) };
    }

    /// The header of the innermost part ends at `at`: finds out what its body is.
    fn begin_body(&mut self, at: usize) {
        let depth = self.open.len();
        let full = self.parts.len() >= MAX_PARTS;
        let Some(open) = self.open.last_mut() else { return };
        let part = &mut self.parts[open.part];
        open.in_header = false;
        open.lines_before_body = self.lines + 1;
        part.header.end = at;
        part.body = at..at;
        let content = content_type(&self.message[part.header.clone()], part.in_digest);
        let Some((main, sub)) = content.media_type() else { return };
        if depth >= MAX_DEPTH {
            return;
        }
        if main.eq_ignore_ascii_case(b"multipart") {
            part.kind = Kind::Multipart;
            open.digest = sub.eq_ignore_ascii_case(b"digest");
            open.boundary = boundary(content);
        } else if is_message(main, sub) && !full {
            part.kind = Kind::Message;
            self.begin_part(at, false);
        }
    }
}

/// What the delimiters of a multipart begin with, also when it comes in pieces (RFC 2231 section 3).
fn boundary(content: Parameterized) -> Option<Vec<u8>> {
    let is_it = |name: &[u8]| name.eq_ignore_ascii_case(b"boundary");
    let known = content.params.iter().any(|(name, _)| is_it(name));
    let params = if known { content.params } else { continuations::joined(&content.params) };
    let (_, value) = params.into_iter().find(|(name, _)| is_it(name))?;
    Some(value.trim_ascii_end().to_vec()).filter(|value| !value.is_empty())
}

/// Whether a media type is a message in itself.
pub fn is_message(main: &[u8], sub: &[u8]) -> bool {
    main.eq_ignore_ascii_case(b"message")
        && (sub.eq_ignore_ascii_case(b"rfc822") || sub.eq_ignore_ascii_case(b"global"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_passed_over_are_lines_in_which_nothing_is(
            lines in prop::collection::vec(prop::sample::select(vec![
                "Content-Type: multipart/mixed; boundary=a", "Content-Type: multipart/digest; boundary=\"a b\"",
                "Content-Type: message/rfc822", "--a", "--a--", "--a b", "--a b--", "--", "-- ", "---a", " --a", "text", "", "\r--a",
            ]), 0..40),
            ends in prop::collection::vec(prop::sample::select(vec!["\r\n", "\n", "\r"]), 40),
            last: bool,
        ) {
            let mut message = String::new();
            for (line, end) in lines.iter().zip(&ends) {
                message += line;
                message += end;
            }
            if last {
                message += "--a";
            }
            let all = |_: &mut Scanner<'_>, _: usize| 0;
            prop_assert_eq!(scan(message.as_bytes()), scan_with(message.as_bytes(), all));
        }
    }
}
