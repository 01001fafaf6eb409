//! What SORT and THREAD look at in a header, decoded and folded once (RFC 5256, RFC 5957).

use super::address::{self, Address};
use super::base_subject::base_subject;
use super::{decode, header};
use crate::search::fold::fold;
use crate::syntax::date::header_moment;
use crate::syntax::sort_key::{SortField, SortKey};

/// Most message ids taken from References, the last ones: those nearest to the message.
const MAX_REFERENCES: usize = 128;

/// The sortable part of a header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// When it was sent, seconds since 1970 UTC, when the header says so.
    pub sent: Option<i64>,
    /// Base subject, folded.
    pub subject: String,
    /// Whether the subject has marks of reply or forward.
    pub reply: bool,
    /// Local part of the first From address, folded; empty when there is none, and so below.
    pub from: String,
    /// The same of To.
    pub to: String,
    /// The same of Cc.
    pub cc: String,
    /// What people see of the first From address, folded (RFC 5957 section 3).
    pub display_from: String,
    /// The same of To.
    pub display_to: String,
    /// Message-ID without its brackets.
    pub message_id: Option<String>,
    /// References, or the first id of In-Reply-To, oldest first.
    pub references: Vec<String>,
}

/// Which fields of a header are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted(u8);

impl Wanted {
    /// All of them.
    pub const ALL: Self = Self(u8::MAX);
    /// Names of fields, by bit.
    const NAMES: [&[u8]; 8] =
        [b"Date", b"Subject", b"From", b"To", b"Cc", b"Message-ID", b"References", b"In-Reply-To"];

    /// What sort keys look at.
    pub fn by(keys: &[SortKey]) -> Self {
        let bits = keys.iter().map(|key| match key.field {
            SortField::Arrival | SortField::Relevancy | SortField::Size => 0,
            SortField::Date => 1,
            SortField::Subject => 1 << 1,
            SortField::From | SortField::DisplayFrom => 1 << 2,
            SortField::To | SortField::DisplayTo => 1 << 3,
            SortField::Cc => 1 << 4,
        });
        Self(bits.fold(0, |all, bit| all | bit))
    }
}

impl Head {
    /// Of a header, or of a message from its beginning on.
    pub fn new(octets: &[u8]) -> Self {
        Self::of(octets, Wanted::ALL)
    }

    /// The same, as far as it is wanted.
    pub fn of(octets: &[u8], wanted: Wanted) -> Self {
        let mut head = Self::default();
        let (mut references, mut in_reply_to) = (None, None);
        let mut seen = 0u8;
        for field in header::fields(octets) {
            let Some(which) = Wanted::NAMES.iter().position(|n| field.is(n)) else { continue };
            // Of several fields of one name the first counts.
            if seen & (1 << which) != 0 || wanted.0 & (1 << which) == 0 {
                continue;
            }
            seen |= 1 << which;
            match which {
                0 => head.sent = sent(field.value),
                1 => {
                    let (text, good) = read(field.value);
                    let base = base_subject(&text);
                    (head.subject, head.reply) = (collated(&base.text, good), base.reply);
                }
                2 => (head.from, head.display_from) = first(field.value),
                3 => (head.to, head.display_to) = first(field.value),
                4 => head.cc = first(field.value).0,
                5 => head.message_id = ids(field.value).into_iter().next(),
                6 => references = Some(ids(field.value)),
                _ => in_reply_to = ids(field.value).into_iter().next(),
            }
        }
        // In-Reply-To only where References say nothing (RFC 5256 section 3, REFERENCES step 1).
        head.references =
            references.filter(|r| !r.is_empty()).unwrap_or_else(|| in_reply_to.into_iter().collect());
        head
    }

    /// Octets of memory this takes, about.
    pub fn weight(&self) -> usize {
        let texts = [&self.subject, &self.from, &self.to, &self.cc, &self.display_from, &self.display_to];
        let ids = self.references.iter().chain(&self.message_id);
        size_of::<Self>()
            + 64
            + texts.map(String::len).iter().sum::<usize>()
            + ids.map(|i| i.len() + 24).sum::<usize>()
    }
}

/// What comes behind every text: the last character there is.
const LAST: char = char::MAX;

/// The text of a value, or its octets where it is no text in its charset, and which of both.
fn read(value: &[u8]) -> (String, bool) {
    let plain = value.is_ascii() && memchr::memmem::find(value, b"=?").is_none();
    match plain || decode::is_text(value) {
        true => (decode::words_text(value), true),
        false => (decode::words_octets(value), false),
    }
}

/// A text as it is compared. One that is no text in its charset comes behind all that are, octet by octet (RFC 5255 section 4.6).
fn collated(text: &str, good: bool) -> String {
    if good { fold(text) } else { format!("{LAST}{text}") }
}

fn sent(value: &[u8]) -> Option<i64> {
    header_moment(&decode::charset_text(None, &header::unfold(value)))
}

/// What a sort by the first address compares, and one by how it is shown (RFC 5256 section 3, RFC 5957 section 3).
fn first(value: &[u8]) -> (String, String) {
    let list = address::parse(&header::unfold(value));
    let Some(Address { name, mailbox, host, .. }) = list.into_iter().next() else {
        return Default::default();
    };
    let mailbox = mailbox.unwrap_or_default();
    let (mailbox, good) = match (&host, std::str::from_utf8(&mailbox)) {
        // The name of a group is a phrase, which may be encoded; a local part is what it is.
        (None, _) => read(&mailbox),
        (Some(_), Ok(text)) => (text.to_owned(), true),
        (Some(_), Err(_)) => (mailbox.iter().map(|b| char::from(*b)).collect(), false),
    };
    let name = name.map(|name| read(&name)).filter(|(name, _)| !name.is_empty());
    let shown = match (name, host) {
        (Some((name, good)), _) => collated(&name, good),
        (None, Some(host)) => collated(&format!("{mailbox}@{}", decode::charset_text(None, &host)), good),
        (None, None) => collated(&mailbox, good),
    };
    (collated(&mailbox, good), shown)
}

/// The message ids in angle brackets, the last [`MAX_REFERENCES`].
fn ids(value: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = value;
    while let Some(open) = memchr::memchr(b'<', rest) {
        let after = &rest[open + 1..];
        match id(after) {
            Some((id, used)) => {
                out.push(decode::charset_text(None, &id));
                rest = &after[used..];
            }
            None => rest = after,
        }
    }
    out.drain(..out.len().saturating_sub(MAX_REFERENCES));
    out
}

/// A message id up to its `>`, without quotation that makes no difference and without folding (RFC 5256 section 3), and the octets
/// used. One without `@`, or with nothing on one side of it, is none (RFC 5322 section 3.6.4).
fn id(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut out = Vec::new();
    let (mut quoted, mut at) = (false, None);
    let mut octets = text.iter().enumerate();
    while let Some((i, octet)) = octets.next() {
        match octet {
            b'"' => quoted = !quoted,
            b'\\' if quoted => out.extend(octets.next().map(|(_, escaped)| *escaped)),
            b'>' if !quoted => {
                let whole = at.is_some_and(|at| at > 0 && at + 1 < out.len());
                return whole.then_some((out, i + 1));
            }
            b'<' if !quoted => return None,
            b'@' if !quoted => {
                at = Some(out.len());
                out.push(b'@');
            }
            octet if octet.is_ascii_whitespace() => {}
            octet => out.push(*octet),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_is_there() {
        let head = Head::new(
            b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nSubject: Re: =?utf-8?q?J=C3=B6rg?=\r\nFrom: =?utf-8?q?A=C3=A4?= <Local@x>\r\n\
              To: bob@y, c@z\r\nCc: Team:;\r\nMessage-ID: <1@ x>\r\nIn-Reply-To: <no@x>\r\nReferences: <a@x>\r\n <b@x> nonsense <c\r\n\r\nFrom: body",
        );
        assert_eq!(head.sent, Some(837_595_405));
        assert!(head.reply);
        assert_eq!(head.subject, fold("J\u{f6}rg"));
        assert_eq!((head.from.as_str(), head.display_from), ("LOCAL", fold("A\u{e4}")));
        assert_eq!((head.to.as_str(), head.display_to.as_str(), head.cc.as_str()), ("BOB", "BOB@Y", "TEAM"));
        assert_eq!(head.message_id.as_deref(), Some("1@x"));
        assert_eq!(head.references, ["a@x", "b@x"]);
        assert_eq!(Head::new(b"In-Reply-To: <a@x> <b@x>\r\nDate: never\r\n\r\n").references, ["a@x"]);
        assert_eq!(Head::new(b""), Head::default());
    }

    /// The example of RFC 5255 section 4.6.
    #[test]
    fn what_is_no_text_comes_last() {
        let subject = |text: &str| Head::new(format!("Subject: {text}\r\n").as_bytes()).subject;
        let named = |text: &str| Head::new(format!("From: {text} <a@b>\r\n").as_bytes()).display_from;
        let texts = [
            "=?koi8-r?q?=E1=CC=C5=CB=D3=C5=CA?=",
            "=?utf-8?q?=D1=81=D0=95=D0=A0=D0=93=D0=95=D0=99?=",
            "=?utf-8?q?=D0=92=D0=B0=D1=81=D0=B8=D0=BB=D0=B8=FF=B9?=",
            "=?utf-8?q?=D0=C0=D0=BD=D0=B4=D1=80=D0=B5=D0=B9?=",
        ];
        assert!(texts.map(subject).is_sorted(), "{:?}", texts.map(subject));
        assert!(texts.map(named).is_sorted(), "{:?}", texts.map(named));
        for bad in ["=?us-ascii?q?=E4?=", "=?x-none?q?a?=", "=?x-none?q?=E4?=", "=?utf-8?q?=E4?="] {
            assert!(subject(bad).starts_with(LAST), "{bad}");
        }
        assert_eq!(subject("=?us-ascii?q?a?="), "A");
    }

    #[test]
    fn one_id_in_all_its_forms() {
        let ids = |text: &str| Head::new(format!("References: {text}\r\n").as_bytes()).references;
        for form in [
            "<a.b@c>",
            "<\"a.b\"@c>",
            "<\"a\\.b\"@c>",
            "< a.b\r\n @ c >",
            "no <such> <id@> <@x> <> <a <a.b@c>",
        ] {
            assert_eq!(ids(form), ["a.b@c"], "{form}");
        }
        assert_eq!(ids("<\"a>\\\"b\"@c><d@[e]>"), ["a>\"b@c", "d@[e]"]);
        assert_eq!(ids("<\"a@b> <c"), Vec::<String>::new());
    }

    /// The order of RFC 5957 section 3.
    #[test]
    fn how_an_address_is_shown() {
        let shown = |from: &str| Head::new(format!("From: {from}\r\n").as_bytes()).display_from;
        assert_eq!(shown("=?utf-8?q??= <a@b>"), "A@B");
        assert_eq!(shown("root"), "ROOT@");
        let raw = Head::new(b"From: \xe4@b\r\n");
        assert!(raw.from.starts_with(LAST) && raw.display_from.starts_with(LAST));
        assert_eq!(shown("=?utf-8?q?caf=C3=A9?=: a@b;"), fold("caf\u{e9}"));
        assert_eq!(shown("\"x; y*=us-ascii''z\" <a@b>"), "X; Y*=US-ASCII''Z");
    }

    #[test]
    fn references_at_and_past() {
        for n in [MAX_REFERENCES, MAX_REFERENCES + 1] {
            let text: String = (0..n).map(|i| format!(" <{i}@x>\r\n")).collect();
            let head = Head::new(format!("References:{text}\r\n").as_bytes());
            assert_eq!(head.references.len(), MAX_REFERENCES);
            assert_eq!(head.references.last().unwrap(), &format!("{}@x", n - 1));
        }
    }
}
