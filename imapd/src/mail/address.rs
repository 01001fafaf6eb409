//! Address lists of a header, undecoded (RFC 5322 sections 3.4 and 4.4, shown as RFC 3501 section 7.4.2 `address`).
//!
//! One linear walk that takes whatever comes: phrases, comments as names, routes, groups, bare local parts. Comments and blanks
//! that make no difference are in no address: those around dots and `@`, and those in angle brackets. What is broken is read as RFC
//! 7103 section 7.1 has it.

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

/// Words as they are read: as the phrase they may be, and as the address they may be.
#[derive(Default)]
struct Words {
    /// With a blank wherever there is one.
    phrase: Vec<u8>,
    /// Without blanks around dots and `@`.
    spec: Vec<u8>,
    /// Where the last `@` stands in `spec`.
    at: Option<usize>,
    /// Whether blanks or comments stand before what comes next.
    gap: bool,
    /// Whether the address goes on behind them, since it ends in a dot or an `@`.
    joined: bool,
}

impl Words {
    fn is_empty(&self) -> bool {
        self.phrase.is_empty()
    }

    /// Adds text: an atom with its dots, or what was quoted or bracketed.
    fn add(&mut self, text: &[u8], is_atom: bool) {
        let gap = std::mem::take(&mut self.gap);
        if gap && !self.phrase.is_empty() {
            self.phrase.push(b' ');
        }
        self.phrase.extend_from_slice(text);
        let joined = self.joined || self.spec.is_empty() || (is_atom && text.starts_with(b"."));
        if gap && !joined {
            self.spec.push(b' ');
        }
        self.spec.extend_from_slice(text);
        self.joined = is_atom && text.ends_with(b".");
    }

    /// Adds an `@`.
    fn add_at(&mut self) {
        if std::mem::take(&mut self.gap) && !self.phrase.is_empty() {
            self.phrase.push(b' ');
        }
        self.phrase.push(b'@');
        self.at = Some(self.spec.len());
        self.spec.push(b'@');
        self.joined = true;
    }

    /// Local part and domain of the address; an empty domain where there is none.
    fn address(mut self) -> Address {
        let host = self.at.map_or_else(Vec::new, |at| self.spec.split_off(at)[1..].to_vec());
        Address { mailbox: Some(self.spec), host: Some(host), ..Address::default() }
    }
}

/// Longest domain literal looked for, so that the walk stays linear: what a domain may have (RFC 5321 section 4.5.3.1.2).
const MAX_LITERAL: usize = 255;

/// The text that is walked through. A quote or a parenthesis that nothing closes is passed over, and so are all that follow: what
/// they would swallow is most likely an address (RFC 7103 sections 7.1.4 and 7.1.6).
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    quotes_end: bool,
    comments_end: bool,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The quoted string that begins here.
    fn quoted(&mut self) -> Option<Vec<u8>> {
        self.at += 1;
        let mut word = Vec::new();
        if self.quotes_end {
            let (end, closed) = quoted_string(self.text, self.at, &mut word);
            if closed {
                self.at = end;
                return Some(word);
            }
            self.quotes_end = false;
        }
        None
    }

    /// The inside of the comment that begins here.
    fn comment(&mut self) -> Option<&'a [u8]> {
        self.at += 1;
        if self.comments_end {
            let (end, closed) = comment(self.text, self.at);
            if closed {
                let inner = &self.text[self.at..end - 1];
                self.at = end;
                return Some(inner);
            }
            self.comments_end = false;
        }
        None
    }

    /// The domain literal that begins here, its brackets included; the bracket alone where none closes it.
    fn literal(&mut self) -> Vec<u8> {
        let rest = &self.text[self.at..];
        let len = rest.iter().take(MAX_LITERAL).position(|b| *b == b']').map_or(1, |last| last + 1);
        self.at += len;
        rest[..len].iter().copied().filter(|b| !b.is_ascii_whitespace()).collect()
    }

    /// The atom, with its dots, that begins here; whatever stands here is one octet of it at least.
    fn atom(&mut self, ends: &[u8]) -> &'a [u8] {
        let rest = &self.text[self.at..];
        let after = rest.iter().skip(1).position(|b| b.is_ascii_whitespace() || ends.contains(b));
        let len = after.map_or(rest.len(), |n| n + 1);
        self.at += len;
        &rest[..len]
    }
}

#[derive(Default)]
struct Walker {
    out: Vec<Address>,
    /// Words before `<`, or a bare address.
    words: Words,
    comment: Option<Vec<u8>>,
    angle: Option<Address>,
    in_group: bool,
}

/// The addresses of an unfolded value.
pub fn parse(text: &[u8]) -> Vec<Address> {
    let mut w = Walker::default();
    let mut r = Reader { text, at: 0, quotes_end: true, comments_end: true };
    while let Some(next) = r.peek() {
        match next {
            b'"' => {
                if let Some(word) = r.quoted() {
                    w.words.add(&word, false);
                }
                continue;
            }
            b'(' => {
                if let Some(inner) = r.comment() {
                    w.comment = Some(unescape(inner));
                    w.words.gap = true;
                }
                continue;
            }
            b'<' => {
                w.take_angle(angle(&mut r));
                continue;
            }
            b'[' if w.words.at.is_some() => {
                w.words.add(&r.literal(), false);
                continue;
            }
            b'@' => w.words.add_at(),
            b',' => w.flush(),
            b':' => w.begin_group(),
            b';' => w.end_group(),
            // What closes nothing (RFC 7103 sections 7.1.2 and 7.1.3).
            b'>' => {}
            b if b.is_ascii_whitespace() => w.words.gap = true,
            _ => {
                w.words.add(r.atom(b"\"(<>@,:;"), true);
                continue;
            }
        }
        r.at += 1;
    }
    w.end_group();
    w.out
}

impl Walker {
    fn flush(&mut self) {
        let words = std::mem::take(&mut self.words);
        let comment = self.comment.take().filter(|c| !c.is_empty());
        if let Some(mut address) = self.angle.take() {
            address.name = if words.is_empty() { comment } else { Some(words.phrase) };
            self.out.push(address);
        } else if !words.is_empty() {
            self.out.push(Address { name: comment, ..words.address() });
        }
    }

    /// Takes what stood in angle brackets. A second one is an address of its own, as if a comma were before it: to put it in the place
    /// of the first would show another sender than there is.
    fn take_angle(&mut self, angle: Address) {
        if self.angle.is_some() {
            if angle.mailbox.as_ref().is_none_or(|mailbox| mailbox.is_empty()) {
                return;
            }
            self.flush();
        }
        self.angle = Some(angle);
    }

    fn begin_group(&mut self) {
        if self.in_group || self.words.at.is_some() || self.angle.is_some() {
            // A colon where no group can begin: text of a broken list.
            return;
        }
        self.in_group = true;
        self.comment = None;
        let name = std::mem::take(&mut self.words).phrase;
        self.out.push(Address { mailbox: Some(name), ..Address::default() });
    }

    fn end_group(&mut self) {
        self.flush();
        if std::mem::take(&mut self.in_group) {
            self.out.push(Address::default());
        }
    }
}

/// What stands in the angle brackets that begin here: optional route, local part, domain. A comma behind an address ends it, as if
/// the bracket were closed (RFC 7103 section 7.1.5).
fn angle(r: &mut Reader<'_>) -> Address {
    let (mut words, mut route) = (Words::default(), None);
    r.at += 1;
    while let Some(next) = r.peek() {
        let may_be_route = route.is_none() && words.spec.starts_with(b"@");
        match next {
            b'"' => {
                if let Some(word) = r.quoted() {
                    words.add(&word, false);
                }
                continue;
            }
            b'(' => {
                r.comment();
                words.gap = true;
                continue;
            }
            b'[' if words.at.is_some() => {
                words.add(&r.literal(), false);
                continue;
            }
            b'@' => words.add_at(),
            b':' if may_be_route => route = Some(std::mem::take(&mut words).spec),
            // The domains of a route are separated by commas, which blanks may follow.
            b',' if may_be_route => {
                words.spec.push(b',');
                (words.gap, words.joined) = (false, true);
            }
            b',' if words.at.is_some() => break,
            b'>' => {
                r.at += 1;
                break;
            }
            b'<' if words.is_empty() => {}
            b if b.is_ascii_whitespace() => words.gap = true,
            _ => {
                words.add(r.atom(b"\"(@:<>,["), true);
                continue;
            }
        }
        r.at += 1;
    }
    Address { route, ..words.address() }
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

    /// Appendices A.5 and A.6 of RFC 5322.
    #[test]
    fn comments_and_blanks_are_no_part_of_an_address() {
        assert_eq!(
            show("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"),
            ["Pete|NIL|pete|silly.test"]
        );
        assert_eq!(
            show(
                "A Group(Some people)\r\n :Chris Jones <c@(Chris's host.)public.example>,\r\n joe@example.org,\r\n John <jdoe@one.test> (my dear friend); (the end of the group)"
            ),
            [
                "NIL|NIL|A Group|NIL",
                "Chris Jones|NIL|c|public.example",
                "NIL|NIL|joe|example.org",
                "John|NIL|jdoe|one.test",
                "NIL|NIL|NIL|NIL"
            ]
        );
        assert_eq!(
            show("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;"),
            ["NIL|NIL|Hidden recipients|NIL", "NIL|NIL|NIL|NIL"]
        );
        assert_eq!(
            show("Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example"),
            ["Mary Smith|@node.test|mary|example.net", "NIL|NIL|jdoe|test.example"]
        );
        assert_eq!(show("John Doe <jdoe@machine(comment).  example>"), ["John Doe|NIL|jdoe|machine.example"]);
        assert_eq!(show("< @a , @b(x).c : d . \"e f\" @ g >"), ["NIL|@a,@b.c|d.e f|g"]);
        assert_eq!(show("Joe Q . Public <j@x>"), ["Joe Q . Public|NIL|j|x"]);
    }

    #[test]
    fn quotes_and_literals_hold_what_ends_others() {
        assert_eq!(show("<\"a>b\"@x>, \"c@d\"@e"), ["NIL|NIL|a>b|x", "NIL|NIL|c@d|e"]);
        assert_eq!(
            show("a@[IPv6:2001:db8::1], <b@[ 1.2.3.4 ]>, c@[x"),
            ["NIL|NIL|a|[IPv6:2001:db8::1]", "NIL|NIL|b|[1.2.3.4]", "NIL|NIL|c|[x"]
        );
        // An address where a name should be, and one too many.
        assert_eq!(
            show("a@b <a@b>, a@b@c, <@x>, <a"),
            ["a@b|NIL|a|b", "NIL|NIL|a@b|c", "NIL|NIL||x", "NIL|NIL|a|"]
        );
        assert_eq!(show("A <a@b> <c@d> (e), F <f@g> <>"), ["A|NIL|a|b", "e|NIL|c|d", "F|NIL|f|g"]);
    }

    /// Sections 7.1.2 to 7.1.6 of RFC 7103.
    #[test]
    fn what_is_not_closed_swallows_no_address() {
        assert_eq!(show("<<<user2@example.org>>>"), ["NIL|NIL|user2|example.org"]);
        assert_eq!(show("<another@example.net"), ["NIL|NIL|another|example.net"]);
        assert_eq!(show("second@example.org>"), ["NIL|NIL|second|example.org"]);
        assert_eq!(show("(Testing <fran@example.com>"), ["Testing|NIL|fran|example.com"]);
        assert_eq!(show("Testing) <sam@example.com>"), ["Testing)|NIL|sam|example.com"]);
        assert_eq!(
            show("<third@example.net, fourth@example.net>"),
            ["NIL|NIL|third|example.net", "NIL|NIL|fourth|example.net"]
        );
        assert_eq!(
            show("\"Joe <joe@example.com>, \\\"Ed <ed@x>"),
            ["Joe|NIL|joe|example.com", "\\Ed|NIL|ed|x"]
        );
        // Once one is not closed, none is.
        assert_eq!(show("a@b (c (d) <e@f>"), ["a@b c d)|NIL|e|f"]);
    }

    #[test]
    fn literal_limit_at_and_past() {
        let of = |n: usize| format!("a@[{}:]", "x".repeat(n));
        assert_eq!(show(&of(MAX_LITERAL - 3)), [format!("NIL|NIL|a|[{}:]", "x".repeat(MAX_LITERAL - 3))]);
        // A colon outside of brackets is none of the address.
        assert_eq!(show(&of(MAX_LITERAL - 2)), [format!("NIL|NIL|a|[{}]", "x".repeat(MAX_LITERAL - 2))]);
    }
}
