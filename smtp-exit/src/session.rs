//! The receiver's state machine (RFC 5321 section 4.1.4), without any I/O.
//!
//! [`Session::command`] takes a parsed command and says what to do next ([`Step`]). What needs the outside (is this
//! recipient ours, is this password right, is the text safe on disk) is asked for by a step and answered by a call.
//!
//! Invariants: a mail has a sender before it has recipients and recipients before it has text; HELO, EHLO, RSET and a
//! finished DATA leave no transaction behind; after STARTTLS the client has not said who it is.

use crate::limits::{MAX_AUTH_FAILURES, MAX_BAD_COMMANDS, MAX_RECIPIENTS};
use crate::parse::CommandError;
use crate::reply::Reply;
use crate::syntax::{BodyKind, Command, Mailbox, ReversePath};

/// What is fixed for one connection.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Our host name, as greetings and replies show it.
    pub host: String,
    /// Greatest mail in octets; `SIZE` announces it.
    pub max_mail: u64,
    /// STARTTLS can be offered.
    pub can_tls: bool,
    /// AUTH may be used without TLS (loopback).
    pub plain_auth: bool,
    /// MAIL needs AUTH first (the submission listener).
    pub auth_required: bool,
}

/// A recipient that was accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipient {
    /// The address as given.
    pub mailbox: Mailbox,
    /// What the resolver made of it.
    pub route: Route,
}

/// Where mail for a recipient goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route {
    /// A user of this system.
    Local(cms::cp::name::UserId),
    /// Another host, for which relaying was configured.
    Remote(String),
}

/// What the resolver says of a recipient.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Mail is accepted.
    Accept(Route),
    /// No such user here (550).
    UnknownUser,
    /// The domain is not ours and relaying to it is not configured (550).
    RelayDenied,
    /// There is no room for mail of this user now (452).
    NoRoom(String),
    /// An exit refuses (550).
    Refused(String),
}

/// A mail being received.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Envelope {
    /// Reverse path.
    pub from: ReversePath,
    /// BODY parameter.
    pub body: BodyKind,
    /// Accepted recipients.
    pub recipients: Vec<Recipient>,
}

/// What the connection must do next.
#[derive(Debug)]
pub enum Step {
    /// Send the reply.
    Reply(Reply),
    /// Ask the resolver about this recipient, then call [`Session::recipient`].
    Resolve(Mailbox),
    /// Ask the resolver whether the user exists, then call [`Session::verified`].
    Verify(String),
    /// Send `354` and read the text, then call [`Session::finished`].
    Data,
    /// Send the reply, then negotiate TLS and call [`Session::tls_started`].
    StartTls(Reply),
    /// Run the SASL exchange, then call [`Session::authenticated`].
    Auth {
        /// Mechanism, upper case.
        mechanism: String,
        /// Initial response, base64.
        initial: Option<String>,
    },
    /// Send the reply and close.
    Close(Reply),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Greeting {
    None,
    Helo,
    Ehlo,
}

/// One connection's state.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    greeting: Greeting,
    helo_name: String,
    peer: String,
    envelope: Option<Envelope>,
    tls: bool,
    user: Option<cms::cp::name::UserId>,
    bad: u32,
    auth_failures: u32,
}

/// Text of the HELP command, one topic a line.
const HELP: &[&str] = &[
    "Commands supported:",
    "  HELO EHLO MAIL RCPT DATA RSET NOOP VRFY EXPN HELP QUIT STARTTLS AUTH",
    "The mail starts with MAIL FROM:<you@your.host>, goes on with RCPT TO:<user@this.host>",
    "for every recipient, and with DATA; a line with a single period ends the text.",
];

impl Session {
    /// A new connection from `peer` (an address in text form).
    pub fn new(config: SessionConfig, peer: &str) -> Self {
        Self {
            config,
            greeting: Greeting::None,
            helo_name: String::new(),
            peer: peer.to_owned(),
            envelope: None,
            tls: false,
            user: None,
            bad: 0,
            auth_failures: 0,
        }
    }

    /// The name the client gave with HELO or EHLO.
    pub fn helo_name(&self) -> &str {
        &self.helo_name
    }

    /// True when the client said EHLO.
    pub fn is_esmtp(&self) -> bool {
        self.greeting == Greeting::Ehlo
    }

    /// True under TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The user who authenticated.
    pub fn user(&self) -> Option<cms::cp::name::UserId> {
        self.user
    }

    /// The mail being received.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// Answers a line that could not be parsed.
    pub fn unparsed(&mut self, error: &CommandError) -> Step {
        let code = match error {
            CommandError::Unknown(_) => 500,
            CommandError::Arguments(_) => 501,
            CommandError::Parameter(_) => 555,
        };
        self.refuse(code, error.to_string())
    }

    /// Takes one command.
    pub fn command(&mut self, command: Command) -> Step {
        match command {
            Command::Helo(name) => self.hello(Greeting::Helo, name),
            Command::Ehlo(name) => self.hello(Greeting::Ehlo, name),
            Command::Mail { from, size, body } => self.mail(from, size, body),
            Command::Rcpt(to) => self.rcpt(to),
            Command::Data => self.data(),
            Command::Rset => {
                self.envelope = None;
                ok("OK")
            }
            Command::Noop => ok("OK"),
            Command::Vrfy(user) => Step::Verify(user),
            Command::Help(_) => {
                let mut lines: Vec<String> = HELP.iter().map(|l| (*l).to_owned()).collect();
                lines.push(format!("{} is running the IBM VM operating system", self.config.host));
                Step::Reply(Reply { code: 214, lines })
            }
            Command::Quit => Step::Close(Reply::new(
                221,
                format!("{} running IBM VM SMTP closing connection", self.config.host),
            )),
            Command::StartTls => self.start_tls(),
            Command::Auth { mechanism, initial } => self.auth(mechanism, initial),
            Command::Unsupported(verb) => self.refuse(502, format!("{verb} is not supported")),
        }
    }

    fn refuse(&mut self, code: u16, text: impl Into<String>) -> Step {
        self.bad += 1;
        if self.bad > MAX_BAD_COMMANDS {
            return Step::Close(Reply::new(421, format!("{} Too many errors, closing", self.config.host)));
        }
        Step::Reply(Reply::new(code, text))
    }

    fn hello(&mut self, greeting: Greeting, name: String) -> Step {
        self.envelope = None;
        self.greeting = greeting;
        let hello = format!("{} is my domain name. Hello {} at {}", self.config.host, name, self.peer);
        self.helo_name = name;
        let mut lines = vec![hello];
        if greeting == Greeting::Ehlo {
            lines.extend(["8BITMIME", "PIPELINING", "HELP", "EXPN"].map(String::from));
            lines.push(format!("SIZE {}", self.config.max_mail));
            if self.config.can_tls && !self.tls {
                lines.push("STARTTLS".into());
            }
            if self.may_auth() {
                lines.push("AUTH PLAIN LOGIN".into());
            }
        }
        Step::Reply(Reply { code: 250, lines })
    }

    fn may_auth(&self) -> bool {
        (self.tls || self.config.plain_auth) && self.user.is_none()
    }

    fn mail(&mut self, from: ReversePath, size: Option<u64>, body: BodyKind) -> Step {
        if self.greeting == Greeting::None {
            return self.refuse(503, "HELO or EHLO must come first");
        }
        if self.config.auth_required && self.user.is_none() {
            return self.refuse(530, "Authentication required");
        }
        if self.envelope.is_some() {
            return self.refuse(503, "Sender already specified");
        }
        if size.is_some_and(|s| s > self.config.max_mail) {
            return self.refuse(552, format!("Mail is larger than {} octets", self.config.max_mail));
        }
        self.envelope = Some(Envelope { from, body, recipients: Vec::new() });
        ok("OK")
    }

    fn rcpt(&mut self, to: Mailbox) -> Step {
        match &self.envelope {
            None => self.refuse(503, "Sender must be specified before recipients"),
            Some(e) if e.recipients.len() >= MAX_RECIPIENTS => self.refuse(552, "Too many recipients"),
            Some(_) => Step::Resolve(to),
        }
    }

    /// The resolver's answer to [`Step::Resolve`].
    pub fn recipient(&mut self, mailbox: Mailbox, verdict: Verdict) -> Step {
        match (verdict, &mut self.envelope) {
            (Verdict::Accept(route), Some(envelope)) => {
                envelope.recipients.push(Recipient { mailbox, route });
                ok("OK")
            }
            (Verdict::Accept(_), None) => self.refuse(503, "Sender must be specified before recipients"),
            (Verdict::UnknownUser, _) => self.refuse(550, format!("<{mailbox}> User unknown")),
            (Verdict::RelayDenied, _) => {
                self.refuse(550, format!("<{mailbox}> Relaying to this domain is not allowed"))
            }
            (Verdict::NoRoom(why), _) => Step::Reply(Reply::new(452, why)),
            (Verdict::Refused(why), _) => self.refuse(550, why),
        }
    }

    /// The resolver's answer to [`Step::Verify`].
    pub fn verified(&mut self, word: &str, found: Option<String>) -> Step {
        match found {
            Some(address) => Step::Reply(Reply::new(250, format!("<{address}>"))),
            None => self.refuse(550, format!("'{word}' User unknown")),
        }
    }

    fn data(&mut self) -> Step {
        match &self.envelope {
            None => self.refuse(503, "No Sender specified"),
            Some(e) if e.recipients.is_empty() => self.refuse(554, "No valid recipients"),
            Some(_) => Step::Data,
        }
    }

    /// The text has been read (and stored, when the reply is 250): the transaction is over.
    pub fn finished(&mut self) {
        self.envelope = None;
    }

    fn start_tls(&mut self) -> Step {
        if self.tls {
            return self.refuse(503, "TLS is active already");
        }
        if !self.config.can_tls {
            return self.refuse(502, "TLS is not available");
        }
        Step::StartTls(Reply::new(220, "Ready to start TLS"))
    }

    /// TLS was negotiated: the client starts afresh (RFC 3207 section 4.2).
    pub fn tls_started(&mut self) {
        self.tls = true;
        self.greeting = Greeting::None;
        self.helo_name.clear();
        self.envelope = None;
        self.user = None;
    }

    fn auth(&mut self, mechanism: String, initial: Option<String>) -> Step {
        if self.greeting != Greeting::Ehlo {
            return self.refuse(503, "EHLO must come first");
        }
        if self.user.is_some() {
            return self.refuse(503, "Already authenticated");
        }
        if self.envelope.is_some() {
            return self.refuse(503, "AUTH is not possible during a mail transaction");
        }
        if !self.may_auth() {
            return self.refuse(538, "Encryption required for this mechanism");
        }
        match mechanism.as_str() {
            "PLAIN" | "LOGIN" => Step::Auth { mechanism, initial },
            _ => self.refuse(504, format!("Mechanism '{mechanism}' is not supported")),
        }
    }

    /// Outcome of [`Step::Auth`].
    pub fn authenticated(&mut self, user: Option<cms::cp::name::UserId>) -> Step {
        match user {
            Some(user) => {
                self.user = Some(user);
                Step::Reply(Reply::new(235, "Authentication successful"))
            }
            None => {
                self.auth_failures += 1;
                if self.auth_failures >= MAX_AUTH_FAILURES {
                    return Step::Close(Reply::new(421, "Too many failed attempts"));
                }
                self.refuse(535, "Userid or password incorrect")
            }
        }
    }
}

fn ok(text: &str) -> Step {
    Step::Reply(Reply::new(250, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use cms::cp::name::UserId;

    fn session() -> Session {
        let config = SessionConfig {
            host: "vm".into(),
            max_mail: 1000,
            can_tls: true,
            plain_auth: false,
            auth_required: false,
        };
        Session::new(config, "127.0.0.1")
    }

    /// Feeds a line; recipients named `joe` are local, all others unknown. Returns the reply code, 354 for DATA.
    fn code(s: &mut Session, line: &str) -> u16 {
        let step = match parse::command(line.as_bytes()) {
            Ok(c) => s.command(c),
            Err(e) => s.unparsed(&e),
        };
        let step = match step {
            Step::Resolve(m) => {
                let verdict = if m.local == "joe" {
                    Verdict::Accept(Route::Local(UserId::new("JOE").unwrap()))
                } else {
                    Verdict::UnknownUser
                };
                s.recipient(m, verdict)
            }
            other => other,
        };
        match step {
            Step::Reply(r) | Step::Close(r) | Step::StartTls(r) => r.code,
            Step::Data => 354,
            _ => 0,
        }
    }

    #[test]
    fn a_mail_goes_through_in_order() {
        let mut s = session();
        let script = [
            ("MAIL FROM:<a@b>", 503),
            ("HELO me", 250),
            ("RCPT TO:<joe@vm>", 503),
            ("DATA", 503),
            ("MAIL FROM:<a@b> SIZE=1001", 552),
            ("MAIL FROM:<a@b> SIZE=1000", 250),
            ("MAIL FROM:<a@b>", 503),
            ("DATA", 554),
            ("RCPT TO:<nobody@vm>", 550),
            ("RCPT TO:<joe@vm>", 250),
            ("DATA", 354),
            ("RSET", 250),
            ("DATA", 503),
            ("TURN", 502),
            ("QUIT", 221),
        ];
        for (line, expected) in script {
            assert_eq!(code(&mut s, line), expected, "{line}");
        }
    }

    #[test]
    fn tls_starts_afresh_and_opens_auth() {
        let mut s = session();
        assert_eq!(code(&mut s, "EHLO me"), 250);
        assert_eq!(code(&mut s, "AUTH PLAIN"), 538);
        assert_eq!(code(&mut s, "STARTTLS"), 220);
        s.tls_started();
        assert_eq!(code(&mut s, "MAIL FROM:<a@b>"), 503);
        assert_eq!(code(&mut s, "EHLO me"), 250);
        assert_eq!(code(&mut s, "STARTTLS"), 503);
        assert!(matches!(s.command(parse::command(b"AUTH plain AAA=").unwrap()), Step::Auth { .. }));
    }

    #[test]
    fn recipients_and_errors_are_limited() {
        let mut s = session();
        code(&mut s, "HELO me");
        code(&mut s, "MAIL FROM:<a@b>");
        for _ in 0..MAX_RECIPIENTS {
            assert_eq!(code(&mut s, "RCPT TO:<joe@vm>"), 250);
        }
        assert_eq!(code(&mut s, "RCPT TO:<joe@vm>"), 552);
        for _ in 1..MAX_BAD_COMMANDS {
            assert_eq!(code(&mut s, "FROB"), 500);
        }
        assert_eq!(code(&mut s, "FROB"), 421);
    }
}
