//! The command grammar (RFC 5321 section 4.1.2), over one line without its CRLF. Addresses are ASCII: SMTPUTF8 is not
//! offered.
//!
//! Every error says which token is wrong, and maps to one reply code: 500 for an unknown verb, 501 for bad arguments,
//! 555 for a parameter that is not implemented (RFC 5321 section 4.1.1.11).

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while, take_while1};
use nom::character::complete::{char, space0};
use nom::combinator::{all_consuming, map, opt, recognize, verify};
use nom::multi::{many0, separated_list1};
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};
use thiserror::Error;

use crate::limits::{MAX_DOMAIN_OCTETS, MAX_LOCAL_PART_OCTETS, MAX_PATH_OCTETS};
use crate::syntax::{BodyKind, Command, Mailbox, ReversePath};

/// Why a command line was not understood.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CommandError {
    /// The verb is not known (500).
    #[error("Unknown command, '{0}'")]
    Unknown(String),
    /// The verb is known, its arguments are not right (501).
    #[error("Syntax Error. {0}")]
    Arguments(String),
    /// A parameter of MAIL or RCPT that is not implemented (555).
    #[error("Parameter '{0}' is not recognized or not implemented")]
    Parameter(String),
}

/// Parses one command line.
///
/// # Errors
/// [`CommandError`] with the offending token.
pub fn command(line: &[u8]) -> Result<Command, CommandError> {
    let Ok(text) = std::str::from_utf8(line) else {
        return Err(CommandError::Arguments("The line is not text".into()));
    };
    let text = text.trim_end();
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim_start();
    match verb.to_ascii_uppercase().as_str() {
        "HELO" => domain_argument(rest).map(Command::Helo),
        "EHLO" => domain_argument(rest).map(Command::Ehlo),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest),
        "DATA" => none("DATA", rest, Command::Data),
        "RSET" => none("RSET", rest, Command::Rset),
        "NOOP" => Ok(Command::Noop),
        "VRFY" | "EXPN" => lookup(rest),
        "HELP" => Ok(Command::Help(rest.to_owned())),
        "QUIT" => none("QUIT", rest, Command::Quit),
        "STARTTLS" => none("STARTTLS", rest, Command::StartTls),
        "AUTH" => auth(rest),
        "SEND" => Ok(Command::Unsupported("SEND")),
        "SOML" => Ok(Command::Unsupported("SOML")),
        "SAML" => Ok(Command::Unsupported("SAML")),
        "TURN" => Ok(Command::Unsupported("TURN")),
        _ => Err(CommandError::Unknown(verb.chars().take(40).collect())),
    }
}

fn none(verb: &str, rest: &str, command: Command) -> Result<Command, CommandError> {
    if rest.is_empty() {
        Ok(command)
    } else {
        Err(CommandError::Arguments(format!("{verb} takes no argument")))
    }
}

fn bad(text: &str) -> CommandError {
    CommandError::Arguments(text.to_owned())
}

fn domain_argument(rest: &str) -> Result<String, CommandError> {
    let host = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let literal = rest.starts_with('[') && rest.ends_with(']') && rest.len() > 2;
    let number =
        rest.strip_prefix('#').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let name = !rest.is_empty() && rest.chars().all(host);
    if rest.len() > MAX_DOMAIN_OCTETS {
        return Err(bad("The domain is longer than 255 characters"));
    }
    if literal || number || name { Ok(rest.to_owned()) } else { Err(bad("A domain is required")) }
}

fn lookup(rest: &str) -> Result<Command, CommandError> {
    let word = rest.trim();
    let simple = |c: char| c.is_ascii_graphic() && !"[]()\"\\,;:".contains(c);
    let inner = word.strip_prefix('<').and_then(|w| w.strip_suffix('>')).unwrap_or(word);
    if inner.is_empty() || !inner.chars().all(|c| simple(c) && c != '<' && c != '>') {
        return Err(bad("Only ListId or Userid allowed as argument to this command"));
    }
    Ok(Command::Vrfy(inner.to_owned()))
}

fn auth(rest: &str) -> Result<Command, CommandError> {
    let mut words = rest.split_ascii_whitespace();
    let mechanism = words.next().ok_or_else(|| bad("AUTH needs a mechanism"))?.to_ascii_uppercase();
    let initial = words.next().map(str::to_owned);
    match words.next() {
        None => Ok(Command::Auth { mechanism, initial }),
        Some(extra) => Err(CommandError::Arguments(format!("'{extra}' is one argument too many"))),
    }
}

fn mail(rest: &str) -> Result<Command, CommandError> {
    let parsed = preceded((tag_no_case("FROM:"), space0), reverse_path).parse(rest);
    let (rest, from) = parsed.map_err(|_| bad("MAIL needs FROM:<path>"))?;
    let (mut size, mut body) = (None, BodyKind::default());
    for (keyword, value) in parameters(rest)? {
        match (keyword.to_ascii_uppercase().as_str(), value) {
            ("SIZE", Some(v)) => {
                let number =
                    v.parse().map_err(|_| CommandError::Arguments(format!("SIZE={v} is not a number")))?;
                size = Some(number);
            }
            ("BODY", Some(v)) if v.eq_ignore_ascii_case("7BIT") => body = BodyKind::SevenBit,
            ("BODY", Some(v)) if v.eq_ignore_ascii_case("8BITMIME") => body = BodyKind::EightBitMime,
            ("AUTH", Some(_)) => {}
            _ => return Err(CommandError::Parameter(keyword.to_owned())),
        }
    }
    Ok(Command::Mail { from, size, body })
}

fn rcpt(rest: &str) -> Result<Command, CommandError> {
    let parsed = preceded((tag_no_case("TO:"), space0), forward_path).parse(rest);
    let (rest, to) = parsed.map_err(|_| bad("RCPT needs TO:<path>"))?;
    match parameters(rest)?.first() {
        Some((keyword, _)) => Err(CommandError::Parameter((*keyword).to_owned())),
        None => Ok(Command::Rcpt(to)),
    }
}

/// ESMTP parameters: blank-separated `keyword[=value]` (RFC 5321 section 4.1.2).
fn parameters(rest: &str) -> Result<Vec<(&str, Option<&str>)>, CommandError> {
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(CommandError::Arguments(format!("'{rest}' follows the path")));
    }
    let keyword = |k: &str| {
        k.starts_with(|c: char| c.is_ascii_alphanumeric())
            && k.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    rest.split_ascii_whitespace()
        .map(|word| {
            let (k, v) = word.split_once('=').map_or((word, None), |(k, v)| (k, Some(v)));
            if keyword(k) {
                Ok((k, v))
            } else {
                Err(CommandError::Arguments(format!("'{word}' is no parameter")))
            }
        })
        .collect()
}

fn reverse_path(input: &str) -> IResult<&str, ReversePath> {
    alt((map(tag("<>"), |_| None), map(forward_path, Some))).parse(input)
}

fn forward_path(input: &str) -> IResult<&str, Mailbox> {
    let mut whole = delimited(char('<'), preceded(opt(source_route), mailbox), char('>'));
    let (rest, found) = whole.parse(input)?;
    if input.len() - rest.len() > MAX_PATH_OCTETS {
        return Err(nom::Err::Failure(nom::error::Error::new(input, nom::error::ErrorKind::TooLarge)));
    }
    Ok((rest, found))
}

/// `@one,@two:` in front of a mailbox: accepted and ignored (RFC 5321 section 4.1.2).
fn source_route(input: &str) -> IResult<&str, &str> {
    recognize(terminated(separated_list1(char(','), preceded(char('@'), domain)), char(':'))).parse(input)
}

fn mailbox(input: &str) -> IResult<&str, Mailbox> {
    let local =
        verify(alt((quoted, map(dot_string, str::to_owned))), |l: &String| l.len() <= MAX_LOCAL_PART_OCTETS);
    let (rest, (local, domain)) =
        (local, opt(preceded(char('@'), alt((address_literal, domain))))).parse(input)?;
    Ok((rest, Mailbox { local, domain: domain.unwrap_or_default().to_owned() }))
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

fn dot_string(input: &str) -> IResult<&str, &str> {
    recognize(separated_list1(char('.'), take_while1(is_atext))).parse(input)
}

fn quoted(input: &str) -> IResult<&str, String> {
    let plain = take_while1(|c: char| (' '..='~').contains(&c) && c != '"' && c != '\\');
    let escaped = preceded(char('\\'), nom::character::complete::satisfy(|c| (' '..='~').contains(&c)));
    let piece = alt((map(plain, str::to_owned), map(escaped, String::from)));
    map(delimited(char('"'), many0(piece), char('"')), |pieces| pieces.concat()).parse(input)
}

fn domain(input: &str) -> IResult<&str, &str> {
    let label = take_while1(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    verify(recognize(separated_list1(char('.'), label)), |d: &str| d.len() <= MAX_DOMAIN_OCTETS).parse(input)
}

fn address_literal(input: &str) -> IResult<&str, &str> {
    recognize(delimited(
        char('['),
        take_while(|c: char| c.is_ascii_graphic() && c != ']' && c != '['),
        char(']'),
    ))
    .parse(input)
}

/// Parses a mailbox that stands alone, such as an address typed by a person.
pub fn address(text: &str) -> Option<Mailbox> {
    all_consuming(mailbox).parse(text).ok().map(|(_, m)| m)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mb(local: &str, domain: &str) -> Mailbox {
        Mailbox { local: local.into(), domain: domain.into() }
    }

    #[test]
    fn commands_as_clients_write_them() {
        let c = |s: &str| command(s.as_bytes());
        assert_eq!(c("helo example.org"), Ok(Command::Helo("example.org".into())));
        assert_eq!(c("EHLO [127.0.0.1]"), Ok(Command::Ehlo("[127.0.0.1]".into())));
        let mail = |from, size, body| Ok(Command::Mail { from, size, body });
        assert_eq!(c("MAIL FROM:<>"), mail(None, None, BodyKind::SevenBit));
        assert_eq!(
            c("mail from: <a.b@example.org> SIZE=12 BODY=8BITMIME"),
            mail(Some(mb("a.b", "example.org")), Some(12), BodyKind::EightBitMime)
        );
        assert_eq!(c("RCPT TO:<@relay,@two.org:joe@vm>"), Ok(Command::Rcpt(mb("joe", "vm"))));
        assert_eq!(c("RCPT TO:<\"a b\\\"c\"@vm>"), Ok(Command::Rcpt(mb("a b\"c", "vm"))));
        assert_eq!(c("RCPT TO:<Postmaster>"), Ok(Command::Rcpt(mb("Postmaster", ""))));
        assert_eq!(c("VRFY smith"), Ok(Command::Vrfy("smith".into())));
        assert_eq!(c("noop whatever"), Ok(Command::Noop));
    }

    #[test]
    fn errors_name_what_is_wrong() {
        let e = |s: &str| command(s.as_bytes()).unwrap_err();
        assert!(matches!(e("FROB"), CommandError::Unknown(v) if v == "FROB"));
        assert!(matches!(e("MAIL FROM:joe"), CommandError::Arguments(_)));
        assert!(matches!(e("MAIL FROM:<a@b> FOO=1"), CommandError::Parameter(p) if p == "FOO"));
        assert!(matches!(e("MAIL FROM:<a@b> SIZE=x"), CommandError::Arguments(_)));
        assert!(matches!(e("RCPT TO:<a@b>x"), CommandError::Arguments(_)));
        assert!(matches!(e("DATA now"), CommandError::Arguments(_)));
        assert!(matches!(e("EXPN [x]"), CommandError::Arguments(_)));
        assert!(matches!(command(b"HELO \xff"), Err(CommandError::Arguments(_))));
    }

    #[test]
    fn lengths_end_where_the_rfc_says() {
        let local = |n: usize| format!("RCPT TO:<{}@b>", "a".repeat(n));
        assert!(command(local(MAX_LOCAL_PART_OCTETS).as_bytes()).is_ok());
        assert!(command(local(MAX_LOCAL_PART_OCTETS + 1).as_bytes()).is_err());
        let path = |n: usize| format!("RCPT TO:<a@{}>", "b".repeat(n));
        assert!(command(path(MAX_PATH_OCTETS - 4).as_bytes()).is_ok());
        assert!(command(path(MAX_PATH_OCTETS - 3).as_bytes()).is_err());
        let helo = |n: usize| format!("HELO {}", "b".repeat(n));
        assert!(command(helo(MAX_DOMAIN_OCTETS).as_bytes()).is_ok());
        assert!(command(helo(MAX_DOMAIN_OCTETS + 1).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_get_an_answer(line in prop::collection::vec(any::<u8>(), 0..300)) {
            let _answer = command(&line);
        }

        #[test]
        fn a_printed_mailbox_reads_back(local in "[ -~]{1,64}", domain in "[a-z0-9-]{1,20}(\\.[a-z0-9-]{1,20}){0,3}") {
            let m = mb(&local, &domain);
            prop_assert_eq!(address(&m.to_string()), Some(m));
        }
    }
}
