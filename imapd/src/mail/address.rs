//! Address lists of a header, undecoded (RFC 5322 section 3.4, shown as RFC 3501 section 7.4.2 `address`).
//!
//! One linear walk that takes whatever comes: phrases, comments as names, routes, groups, bare local parts.

use super::params::{comment, quoted_string};

/// One member of an address list as ENVELOPE shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// Name of the person, encoded words as they stand.
    pub name: Option<Vec<u8>>,
    /// Source route.
    pub route: Option<Vec<u8>>,
    /// Local part, or the name of a group that begins; `None` where one ends.
    pub mailbox: Option<Vec<u8>>,
    /// Domain; `None` marks begin and end of a group.
    pub host: Option<Vec<u8>>,
}

#[derive(Default)]
struct Walker {
    out: Vec<Address>,
    /// Words before `<`, or the local part of a bare address.
    words: Vec<u8>,
    glued: bool,
    comment: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
    angle: Option<Address>,
    in_group: bool,
}

/// The addresses of an unfolded value.
pub fn parse(text: &[u8]) -> Vec<Address> {
    let mut w = Walker::default();
    let mut i = 0;
    while i < text.len() {
        match text[i] {
            b' ' | b'\t' | b'\r' | b'\n' => {
                w.glued = false;
                i += 1;
            }
            b'"' => {
                let mut word = Vec::new();
                i = quoted_string(text, i + 1, &mut word);
                w.word(&word);
            }
            b'(' => {
                let end = comment(text, i + 1);
                let inner = &text[i + 1..end];
                w.comment = Some(unescape(inner.strip_suffix(b")").unwrap_or(inner)));
                i = end;
            }
            b'<' => {
                let end = memchr::memchr(b'>', &text[i..]).map_or(text.len(), |n| i + n);
                w.angle = Some(angle(&text[i + 1..end]));
                i = (end + 1).min(text.len());
            }
            b'@' => {
                w.host.get_or_insert_with(Vec::new);
                w.glued = true;
                i += 1;
            }
            b',' => {
                w.flush();
                i += 1;
            }
            b':' => {
                w.begin_group();
                i += 1;
            }
            b';' => {
                w.end_group();
                i += 1;
            }
            _ => {
                let len =
                    text[i..].iter().position(|b| b" \t\r\n\"(<@,:;".contains(b)).unwrap_or(text.len() - i);
                w.word(&text[i..i + len]);
                i += len;
            }
        }
    }
    w.end_group();
    w.out
}

impl Walker {
    fn word(&mut self, word: &[u8]) {
        let into = self.host.as_mut().unwrap_or(&mut self.words);
        if !self.glued && !into.is_empty() {
            into.push(b' ');
        }
        into.extend_from_slice(word);
        self.glued = true;
    }

    fn flush(&mut self) {
        let words = std::mem::take(&mut self.words);
        let comment = self.comment.take().filter(|c| !c.is_empty());
        let host = self.host.take();
        self.glued = false;
        if let Some(mut address) = self.angle.take() {
            address.name = if words.is_empty() { comment } else { Some(words) };
            self.out.push(address);
        } else if !words.is_empty() || host.is_some() {
            self.out.push(Address {
                name: comment,
                route: None,
                mailbox: Some(words),
                host: Some(host.unwrap_or_default()),
            });
        }
    }

    fn begin_group(&mut self) {
        if self.in_group || self.host.is_some() || self.angle.is_some() {
            // A colon where no group can begin: text of a broken list.
            return;
        }
        self.in_group = true;
        self.comment = None;
        self.glued = false;
        let name = std::mem::take(&mut self.words);
        self.out.push(Address { mailbox: Some(name), ..Address::default() });
    }

    fn end_group(&mut self) {
        self.flush();
        if std::mem::take(&mut self.in_group) {
            self.out.push(Address::default());
        }
    }
}

/// The inside of `<...>`: optional route, local part, domain.
fn angle(text: &[u8]) -> Address {
    let text = text.trim_ascii();
    let (route, spec) = match (text.first(), memchr::memchr(b':', text)) {
        (Some(b'@'), Some(colon)) => (Some(text[..colon].to_vec()), &text[colon + 1..]),
        _ => (None, text),
    };
    let (local, host) = match memchr::memrchr(b'@', spec) {
        Some(at) => (&spec[..at], spec[at + 1..].trim_ascii().to_vec()),
        None => (spec, Vec::new()),
    };
    let mut mailbox = Vec::new();
    if let Some(quoted) = local.trim_ascii().strip_prefix(b"\"") {
        quoted_string(quoted, 0, &mut mailbox);
    } else {
        mailbox.extend_from_slice(local.trim_ascii());
    }
    Address { name: None, route, mailbox: Some(mailbox), host: Some(host) }
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(b) = bytes.next() {
        match b {
            b'\\' => out.extend(bytes.next()),
            b => out.push(*b),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> Vec<String> {
        let part = |p: &Option<Vec<u8>>| {
            p.as_ref().map_or("NIL".into(), |p| String::from_utf8_lossy(p).into_owned())
        };
        parse(text.as_bytes())
            .iter()
            .map(|a| format!("{}|{}|{}|{}", part(&a.name), part(&a.route), part(&a.mailbox), part(&a.host)))
            .collect()
    }

    #[test]
    fn the_forms_of_the_standard() {
        assert_eq!(show("Terry Gray <gray@cac.washington.edu>"), ["Terry Gray|NIL|gray|cac.washington.edu"]);
        assert_eq!(show("joe@x.org (Joe \\(Q\\) Public)"), ["Joe (Q) Public|NIL|joe|x.org"]);
        assert_eq!(show("\"Doe, John\" <\"john doe\"@x>, b@y"), ["Doe, John|NIL|john doe|x", "NIL|NIL|b|y"]);
        assert_eq!(show("<@a,@b:c@d>"), ["NIL|@a,@b|c|d"]);
        assert_eq!(
            show("A Group:Ed <e@x>, j@y;, z@w"),
            ["NIL|NIL|A Group|NIL", "Ed|NIL|e|x", "NIL|NIL|j|y", "NIL|NIL|NIL|NIL", "NIL|NIL|z|w"]
        );
        assert_eq!(
            show("undisclosed-recipients:;"),
            ["NIL|NIL|undisclosed-recipients|NIL", "NIL|NIL|NIL|NIL"]
        );
        assert_eq!(show("root"), ["NIL|NIL|root|"]);
        assert_eq!(show("=?utf-8?q?J=C3=B6rg?= <j@x>"), ["=?utf-8?q?J=C3=B6rg?=|NIL|j|x"]);
        assert_eq!(show(", ,"), Vec::<String>::new());
    }
}
