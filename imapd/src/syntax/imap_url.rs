//! IMAP URLs (RFC 5092): where a server, a mailbox, or a message is. Both directions are here.
//!
//! A mailbox name is UTF-8 in a URL, whatever a session writes, with `%` and two digits for what may not stand there. Not here:
//! search programs and the access keys of URLAUTH.

use std::fmt;

use thiserror::Error;

use super::mailbox_name::MailboxName;

/// Longest URL taken: the longest mailbox name, all of it encoded, and as much again.
pub const MAX_URL: usize = 6 * MailboxName::MAX_OCTETS;

/// Why a text is no IMAP URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an IMAP URL: {0}")]
pub struct UrlError(&'static str);

/// The server part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImapServer {
    /// Who logs in there.
    pub user: Option<String>,
    /// The SASL mechanism; `*` is any.
    pub mechanism: Option<String>,
    /// Host name or address, an IPv6 address in brackets.
    pub host: String,
    /// Port, when it is not 143.
    pub port: Option<u16>,
}

/// Which part of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessagePart {
    /// UID of the message.
    pub uid: u32,
    /// What of it, as in `BODY[...]`.
    pub section: Option<String>,
    /// First octet and how many; without a count up to the end.
    pub partial: Option<(u32, Option<u32>)>,
}

/// What is on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlMailbox {
    /// The mailbox.
    pub name: MailboxName,
    /// Its UIDVALIDITY.
    pub uid_validity: Option<u32>,
    /// A message of it.
    pub message: Option<MessagePart>,
}

/// An IMAP URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImapUrl {
    /// The server.
    pub server: ImapServer,
    /// What is on it; without one the URL is that of the server.
    pub mailbox: Option<UrlMailbox>,
}

impl ImapUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// [`UrlError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL {
            return Err(UrlError("it is too long"));
        }
        let rest = match text.get(..7) {
            Some(scheme) if scheme.eq_ignore_ascii_case("imap://") => &text[7..],
            _ => return Err(UrlError("it does not begin with imap://")),
        };
        let (server, path) = match rest.split_once('/') {
            Some((server, path)) => (server, path),
            None => (rest, ""),
        };
        let path = without_dots(path);
        let mailbox = if path.is_empty() { None } else { Some(parse_path(&path)?) };
        Ok(Self { server: parse_server(server)?, mailbox })
    }
}

/// A URL, or a reference that is a URL together with what it is relative to (RFC 5092 section 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlReference {
    /// With its server.
    Absolute(ImapUrl),
    /// On the same server.
    Path(UrlMailbox),
    /// In the same mailbox.
    Message(MessagePart),
}

impl UrlReference {
    /// Parses a reference. Of those that begin with no slash only `;UID=...` is taken: others would be read in several ways, and
    /// must not be accepted (RFC 5092 section 7.2).
    ///
    /// # Errors
    /// [`UrlError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL {
            return Err(UrlError("it is too long"));
        }
        if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(";UID=")) {
            return parse_message(&text[5..]).map(Self::Message);
        }
        if text.starts_with("//") {
            return ImapUrl::parse(&format!("imap:{text}")).map(Self::Absolute);
        }
        let Some(path) = text.strip_prefix('/') else { return ImapUrl::parse(text).map(Self::Absolute) };
        parse_path(&without_dots(path)).map(Self::Path)
    }
}

/// A path without what `.` and `..` between its slashes stand for (RFC 3986 section 5.2.4). Written with `%` they are names.
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if segments.peek().is_none() {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    kept.join("/")
}

fn parse_server(text: &str) -> Result<ImapServer, UrlError> {
    let (login, place) = match text.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, text),
    };
    let (mut user, mut mechanism) = (None, None);
    if let Some(login) = login {
        let (name, auth) = match parameter(login, ";AUTH=") {
            Some((name, auth)) => (name, Some(auth)),
            None => (login, None),
        };
        if login.contains([':', '@']) {
            return Err(UrlError("a user name must have : and @ written with %"));
        }
        user = (!name.is_empty()).then(|| decode(name)).transpose()?;
        mechanism = auth.map(decode).transpose()?;
        if (user.is_none() && mechanism.is_none()) || mechanism.as_deref() == Some("") {
            return Err(UrlError("nobody stands before the @"));
        }
        if mechanism.as_deref() == Some("*") && auth != Some("*") {
            return Err(UrlError("the * that is any mechanism must not be written with %"));
        }
    }
    let (host, port) = match place.rfind(':').filter(|at| place.rfind(']').is_none_or(|end| end < *at)) {
        Some(at) => (&place[..at], &place[at + 1..]),
        None => (place, ""),
    };
    // An empty one is as none (RFC 3986 section 3.2.3).
    let port = (!port.is_empty()).then(|| number(port).ok().and_then(|n| u16::try_from(n).ok()));
    let port = port.map(|port| port.ok_or(UrlError("the port is no number"))).transpose()?;
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let good =
        |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b) || (inner.len() != host.len() && b == b':');
    if inner.is_empty() || !inner.bytes().all(good) {
        return Err(UrlError("the host is no host name"));
    }
    Ok(ImapServer { user, mechanism, host: host.to_ascii_lowercase(), port })
}

fn parse_path(path: &str) -> Result<UrlMailbox, UrlError> {
    let (mailbox, message) = match parameter(path, "/;UID=") {
        Some((mailbox, message)) => (mailbox, Some(message)),
        None => (path, None),
    };
    let (name, uid_validity) = match parameter(mailbox, ";UIDVALIDITY=") {
        Some((name, number)) => (name, Some(nz_number(number)?)),
        None => (mailbox, None),
    };
    let name = MailboxName::new(&decode(name)?).map_err(|_| UrlError("the mailbox name breaks a rule"))?;
    let message = message.map(parse_message).transpose()?;
    Ok(UrlMailbox { name, uid_validity, message })
}

fn parse_message(text: &str) -> Result<MessagePart, UrlError> {
    let (rest, partial) = match parameter(text, "/;PARTIAL=") {
        Some((rest, range)) => (rest, Some(parse_partial(range)?)),
        None => (text, None),
    };
    let (uid, section) = match parameter(rest, "/;SECTION=") {
        Some((uid, section)) => (uid, Some(decode(section)?)),
        None => (rest, None),
    };
    if section.as_deref() == Some("") {
        return Err(UrlError("the section is empty"));
    }
    Ok(MessagePart { uid: nz_number(uid)?, section, partial })
}

fn parse_partial(text: &str) -> Result<(u32, Option<u32>), UrlError> {
    Ok(match text.split_once('.') {
        Some((from, count)) => (number(from)?, Some(nz_number(count)?)),
        None => (number(text)?, None),
    })
}

/// What stands before and after a parameter's name, in any case; the last one counts.
fn parameter<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let at = text.to_ascii_uppercase().rfind(name)?;
    Some((&text[..at], &text[at + name.len()..]))
}

fn number(text: &str) -> Result<u32, UrlError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(UrlError("a number is wrong"))
}

fn nz_number(text: &str) -> Result<u32, UrlError> {
    number(text)?.checked_sub(1).map(|n| n + 1).ok_or(UrlError("a number is zero"))
}

fn decode(text: &str) -> Result<String, UrlError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit(), digit());
                let (Some(high), Some(low)) = (high, low) else { return Err(UrlError("% needs two digits")) };
                (high * 16 + low) as u8
            }
            b if is_plain(b) || b == b'/' => b,
            _ => return Err(UrlError("a character must be written with %")),
        };
        out.push(byte);
    }
    String::from_utf8(out).map_err(|_| UrlError("it is not UTF-8"))
}

/// Characters that stand for themselves (RFC 5092 section 11, `achar`).
fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~!$'()*+,&=:@".contains(&b)
}

fn encode(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if matches!(text, "." | "..") {
        // Between slashes it would not be taken for a name (RFC 5092 section 7).
        return f.write_str(&text.replace('.', "%2E"));
    }
    for b in text.bytes() {
        // `@` and `:` would end a user name.
        if is_plain(b) && !b"@:".contains(&b) {
            write!(f, "{}", char::from(b))?;
        } else {
            write!(f, "%{b:02X}")?;
        }
    }
    Ok(())
}

impl fmt::Display for ImapUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImapServer { user, mechanism, host, port } = &self.server;
        f.write_str("imap://")?;
        if let Some(user) = user {
            encode(f, user)?;
        }
        if let Some(mechanism) = mechanism {
            f.write_str(";AUTH=")?;
            encode(f, mechanism)?;
        }
        let at = if user.is_some() || mechanism.is_some() { "@" } else { "" };
        write!(f, "{at}{host}")?;
        if let Some(port) = port {
            write!(f, ":{port}")?;
        }
        f.write_str("/")?;
        let Some(UrlMailbox { name, uid_validity, message }) = &self.mailbox else { return Ok(()) };
        for (i, level) in name.as_str().split('/').enumerate() {
            f.write_str(if i > 0 { "/" } else { "" })?;
            encode(f, level)?;
        }
        if let Some(uid_validity) = uid_validity {
            write!(f, ";UIDVALIDITY={uid_validity}")?;
        }
        let Some(MessagePart { uid, section, partial }) = message else { return Ok(()) };
        write!(f, "/;UID={uid}")?;
        if let Some(section) = section {
            f.write_str("/;SECTION=")?;
            encode(f, section)?;
        }
        match partial {
            Some((from, Some(count))) => write!(f, "/;PARTIAL={from}.{count}"),
            Some((from, None)) => write!(f, "/;PARTIAL={from}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::option::of;
    use proptest::prelude::*;

    #[test]
    fn examples() {
        let url =
            ImapUrl::parse("IMAP://minbari.org/gray-council;uidvalidity=385759045/;UID=20/;PARTIAL=0.1024")
                .unwrap();
        let mailbox = url.mailbox.unwrap();
        assert_eq!((mailbox.name.as_str(), mailbox.uid_validity), ("gray-council", Some(385_759_045)));
        let part = mailbox.message.unwrap();
        assert_eq!((part.uid, part.section, part.partial), (20, None, Some((0, Some(1024)))));
        let url = ImapUrl::parse("imap://michael;AUTH=*@[::1]:1143").unwrap();
        assert_eq!(url.to_string(), "imap://michael;AUTH=*@[::1]:1143/");
        let url = ImapUrl::parse("imap://psicorp.org/~peter/%E6%97%A5%E6%9C%AC").unwrap();
        assert_eq!(url.mailbox.unwrap().name.as_str(), "~peter/\u{65e5}\u{672c}");
    }

    #[test]
    fn what_is_no_url() {
        let long = format!("imap://h/{}", "a".repeat(MAX_URL));
        let wrong = [
            "",
            "http://h/",
            "imap:/",
            "imap://",
            "imap:///",
            "imap://a b/",
            "imap://h:x/",
            "imap://h:+1/",
            "imap://h:65536/",
            "imap://a:b@h/",
            "imap://a@b@h/",
            "imap://;AUTH=%2A@h/",
            "imap://@h/",
            "imap://;AUTH=@h/",
            "imap://h/%4",
            "imap://h/%zz",
            "imap://h/%FF",
            "imap://h/a b",
            "imap://h//a",
            "imap://h/a/;UID=0",
            "imap://h/a/;UID=1/;SECTION=",
            "imap://h/a/;UID=1/;PARTIAL=1.0",
            "imap://h/a;UIDVALIDITY=-1",
            "imap://h/a?x",
            &long,
        ];
        for text in wrong {
            assert!(ImapUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn references() {
        let parse = |text: &str| UrlReference::parse(text);
        let Ok(UrlReference::Path(mailbox)) = parse("/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER")
        else {
            panic!("a path")
        };
        assert_eq!((mailbox.name.as_str(), mailbox.uid_validity), ("Drafts", Some(385_759_045)));
        assert_eq!(mailbox.message.unwrap().section.as_deref(), Some("HEADER"));
        let part = MessagePart { uid: 20, section: Some("1.MIME".into()), partial: Some((5, None)) };
        assert_eq!(parse(";uid=20/;SECTION=1.MIME/;PARTIAL=5"), Ok(UrlReference::Message(part)));
        let absolute = Ok(UrlReference::Absolute(ImapUrl::parse("imap://a@h/x/;UID=1").unwrap()));
        assert_eq!((parse("//a@h/x/;UID=1"), parse("imap://a@h/x/;UID=1")), (absolute.clone(), absolute));
        let long = format!("/{}", "a".repeat(MAX_URL));
        for wrong in ["", "/", "x/;UID=1", ";UID=0", ";SECTION=1", "/a/..", "/./;UID=1", &long] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dots_between_slashes() {
        let name = |text: &str| match UrlReference::parse(text) {
            Ok(UrlReference::Path(mailbox)) => (mailbox.name.to_string(), mailbox.message.map(|m| m.uid)),
            other => panic!("{other:?}"),
        };
        // The examples of RFC 5092 section 9.1.
        assert_eq!(name("/foo/;UID=20/.."), ("foo".to_owned(), None));
        assert_eq!(name("/..;UIDVALIDITY=385759045/;UID=20"), ("..".to_owned(), Some(20)));
        assert_eq!(name("/a/./b/../c/;UID=1"), ("a/c".to_owned(), Some(1)));
        assert_eq!(name("/../../a"), ("a".to_owned(), None));
        assert_eq!(name("/a/%2E%2e/b"), ("a/../b".to_owned(), None));
        assert_eq!(name("/.a/b../..."), (".a/b../...".to_owned(), None));
        let url = |text: &str| ImapUrl::parse(text).map(|url| url.to_string());
        assert_eq!(url("imap://h/a/../b/."), Ok("imap://h/b".to_owned()));
        assert_eq!(url("imap://h/a/%2e%2E/b/.%2E"), Ok("imap://h/a/%2E%2E/b/%2E%2E".to_owned()));
        assert_eq!(url("imap://h:/.."), Ok("imap://h/".to_owned()));
    }

    proptest! {
        #[test]
        fn any_reference_gets_an_answer(text in "(/{0,2}|;UID=)[ -~\u{e9}]{0,40}") {
            if let Ok(UrlReference::Absolute(url)) = UrlReference::parse(&text) {
                prop_assert_eq!(UrlReference::parse(&url.to_string()), Ok(UrlReference::Absolute(url)));
            }
        }

        #[test]
        fn there_and_back(
            user in of("[a-zA-Z@:;/% \u{e9}]{1,8}"), mechanism in of("[A-Z0-9-]{1,8}|\\*"),
            host in "[a-z0-9]([a-z0-9.-]{0,8}[a-z0-9])?|\\[[0-9a-f:]{2,8}\\]", port: Option<u16>,
            name in of("[a-zA-Z.;=?%#&\u{e9}\u{4e2d} ]{1,8}(/[a-z.;:@ ]{1,3}){0,3}"), uid_validity in of(1u32..),
            uid in of(1u32..), section in of("[A-Z0-9.() /;=]{1,12}"), partial in of((any::<u32>(), of(1u32..))),
        ) {
            let message = uid.map(|uid| MessagePart { uid, section, partial });
            let mailbox = name.and_then(|name| MailboxName::new(&name).ok());
            let mailbox = mailbox.map(|name| UrlMailbox { name, uid_validity, message });
            let url = ImapUrl { server: ImapServer { user, mechanism, host, port }, mailbox };
            let shown = url.to_string();
            prop_assert!(shown.bytes().all(|b| b.is_ascii_graphic() && !b"\"]".contains(&b) || shown.contains('[')));
            prop_assert_eq!(ImapUrl::parse(&shown), Ok(url));
        }

        #[test]
        fn any_text_gets_an_answer(text in "(imap://)?[ -~\u{e9}]{0,40}") {
            if let Ok(url) = ImapUrl::parse(&text) {
                prop_assert_eq!(ImapUrl::parse(&url.to_string()), Ok(url));
            }
        }
    }
}
