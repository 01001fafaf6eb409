//! Values of the SMTP grammar: paths, mailboxes, commands.
//!
//! Source: RFC 5321 section 4.1.

use std::fmt;

/// A mailbox: local part and domain, both as the client wrote them (without quotes and escapes in the local part).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mailbox {
    /// What stands before the `@`.
    pub local: String,
    /// What stands after it; empty when there is none, as in `RCPT TO:<Postmaster>`.
    pub domain: String,
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
        let atom = |a: &str| !a.is_empty() && a.bytes().all(plain);
        if self.local.split('.').all(atom) {
            f.write_str(&self.local)?;
        } else {
            f.write_str("\"")?;
            for c in self.local.chars() {
                if c == '"' || c == '\\' {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
            f.write_str("\"")?;
        }
        if self.domain.is_empty() { Ok(()) } else { write!(f, "@{}", self.domain) }
    }
}

/// The reverse path of MAIL: `None` is the null path `<>` of error notices.
pub type ReversePath = Option<Mailbox>;

/// BODY parameter of MAIL (RFC 6152).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BodyKind {
    /// `7BIT`.
    #[default]
    SevenBit,
    /// `8BITMIME`.
    EightBitMime,
}

/// One command, parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// HELO domain.
    Helo(String),
    /// EHLO domain or address literal.
    Ehlo(String),
    /// MAIL FROM with its parameters.
    Mail {
        /// Who gets error notices.
        from: ReversePath,
        /// SIZE parameter (RFC 1870), octets.
        size: Option<u64>,
        /// BODY parameter.
        body: BodyKind,
    },
    /// RCPT TO.
    Rcpt(Mailbox),
    /// DATA.
    Data,
    /// RSET.
    Rset,
    /// NOOP, with or without an argument.
    Noop,
    /// VRFY, and EXPN, which is the same function here.
    Vrfy(String),
    /// HELP, with an optional topic.
    Help(String),
    /// QUIT.
    Quit,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH mechanism with an optional initial response (RFC 4954).
    Auth {
        /// Mechanism name, upper case.
        mechanism: String,
        /// Base64 text as sent; `=` stands for an empty one.
        initial: Option<String>,
    },
    /// SEND, SOML, SAML, TURN: known, not supported.
    Unsupported(&'static str),
}
