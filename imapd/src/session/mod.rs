//! A session: one client from greeting to BYE, without its socket.
//!
//! The transport hands in framed commands and lines and sends what is put out; everything a client can see is decided
//! here and in [`crate::command`]. A session runs one command at a time, so pipelined commands are never ambiguous.
//! Untagged updates go out after a command and before its tagged answer, EXPUNGE only where the table allows it.

pub mod batches;
pub mod capability;
pub mod channel;
pub mod context;
pub mod enabled;
pub mod gate;
pub mod mailbox_referrals;
pub mod message_limit;
pub mod meter;
pub mod notify;
pub mod out;
pub mod progress;
pub mod registry;
pub mod reply;
pub mod server;
pub mod statistics;
pub mod table;
pub mod token_settings;
pub mod traces;
pub mod view;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::auth::exchange::Exchange;
use crate::command;
use crate::mailstore::{MailboxId, SessionId, StoreError, UserStore};
use crate::parse::{self, TaggedCommand};
use crate::transport::Slot;
use crate::vm::UserId;
use crate::wire::{LITERAL_MINUS, Limits, Mode, Refusal};

use capability::{Token, TokenSet};
use channel::Channel;
pub use enabled::Enabled;
use message_limit::MessageLimit;
use meter::Meter;
use notify::{Events, Notify};
pub use out::{Drain, Out};
pub use reply::{Failure, Reply, Status};
pub use server::{About, Server};
pub use token_settings::TokenSettings;
use traces::TraceKind;
pub use view::View;

/// What the transport must do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Read on, as [`Session::mode`] says.
    Go,
    /// Do the TLS handshake, then read on.
    StartTls,
    /// Compress both directions, then read on.
    Compress,
    /// Compress no longer in either direction, then read on.
    Uncompress,
    /// Send what there is and close.
    Close,
}

/// What the next line answers.
#[derive(Debug)]
enum Waiting {
    Nothing,
    /// A SASL response.
    Authenticate {
        tag: Bytes,
        exchange: Exchange,
    },
    /// DONE.
    Idle {
        tag: Bytes,
    },
}

/// One client.
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// Where the client is.
    pub peer: IpAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// What encryption tells; kept apart, for most connections have nothing of it.
    channel: Option<Box<Channel>>,
    /// What is counted of it.
    pub meter: Arc<Meter>,
    pub(crate) server: Arc<Server>,
    pub(crate) user: Option<Arc<UserStore>>,
    pub(crate) view: Option<View>,
    /// What is to be told at any time, since NOTIFY was first used.
    pub(crate) notify: Option<Box<Notify>>,
    pub(crate) enabled: Enabled,
    /// Tokens that are off for this user, or before login.
    off: TokenSet,
    /// As it was when the user logged in.
    message_limit: Option<MessageLimit>,
    pub(crate) failed_logins: u32,
    /// Whether the connection is compressed.
    pub(crate) compressed: bool,
    pub(crate) user_slot: Option<Slot>,
    waiting: Waiting,
    bad_commands: u32,
    logged_out: bool,
}

impl Session {
    /// Commands in error after which an unknown client is sent away: it is no IMAP client.
    pub const MAX_BAD_COMMANDS: u32 = 20;

    /// A session that has just connected.
    pub fn new(server: Arc<Server>, peer: IpAddr, tls: bool) -> Self {
        let off = server.tokens.load().off(None);
        Self {
            id: server.next_session(),
            peer,
            tls,
            channel: None,
            meter: Arc::default(),
            server,
            user: None,
            view: None,
            notify: None,
            enabled: Enabled::default(),
            off,
            message_limit: None,
            failed_logins: 0,
            compressed: false,
            user_slot: None,
            waiting: Waiting::Nothing,
            bad_commands: 0,
            logged_out: false,
        }
    }

    /// Takes what encryption tells of the client; the connection is encrypted from now on.
    pub fn set_channel(&mut self, channel: Channel) {
        self.tls = true;
        self.channel = (channel != Channel::default()).then(|| Box::new(channel));
    }

    pub(crate) fn channel(&self) -> &Channel {
        static NONE: Channel = Channel { exporter: None, spent: false, names: Vec::new() };
        self.channel.as_deref().unwrap_or(&NONE)
    }

    /// Takes note that an exchange is bound to the channel. It stays so when the user leaves, as the channel does.
    pub(crate) fn spend_channel(&mut self) {
        if let Some(channel) = &mut self.channel {
            channel.spent = true;
        }
    }

    /// Forgets the user and all that came with him.
    pub(crate) fn leave(&mut self) {
        self.view = None;
        self.notify = None;
        self.user = None;
        self.user_slot = None;
        self.enabled = Enabled::default();
        self.message_limit = None;
        self.compressed = false;
        self.bad_commands = 0;
        self.off = self.server.tokens.load().off(None);
    }

    /// The greeting.
    pub fn greeting(&self, out: &mut Vec<u8>) {
        let line = format!(
            "* OK [CAPABILITY {}] {} IMAP4rev1 server IMAPMAIN ready\r\n",
            capability::list(self),
            self.server.host
        );
        out.extend_from_slice(line.as_bytes());
    }

    /// How the next octets are to be read.
    pub fn mode(&self) -> Mode {
        match self.waiting {
            Waiting::Nothing => Mode::Command,
            _ => Mode::Line,
        }
    }

    /// What the client may send.
    pub fn limits(&self) -> Limits {
        let mut limits = if self.user.is_some() { Limits::AUTHENTICATED } else { Limits::NOT_AUTHENTICATED };
        if !self.offers(Token::LiteralPlus) {
            let most = if self.offers(Token::LiteralMinus) { LITERAL_MINUS } else { 0 };
            limits.non_synchronising = limits.non_synchronising.min(most);
        }
        limits
    }

    /// Whether a token is not switched off.
    pub fn offers(&self, token: Token) -> bool {
        !self.off.has(token)
    }

    /// Takes the user who has logged in.
    pub(crate) fn enter(&mut self, user: Arc<UserStore>, slot: Slot) {
        self.off = self.server.tokens.load().off(Some(user.id()));
        self.message_limit = **self.server.message_limit.load();
        // What is not limited has no token, and none of its search keys.
        if self.message_limit.is_none_or(|limit| limit.saves_only) {
            self.off = self.off.with(Token::MessageLimit);
        }
        self.user = Some(user);
        self.user_slot = Some(slot);
    }

    /// Takes the client as one that keeps modification sequences, from a command on that shows so; with a mailbox selected it is told
    /// the highest one (RFC 7162 section 3.1).
    pub(crate) fn keeps_modseqs(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.enabled.condstore, true)
            && let Some(view) = &self.view
        {
            view.write_modseq(out);
        }
    }

    /// The line that shows an alert. Other characters than those of US-ASCII are for clients of IMAP4rev2 (RFC 9051 section 9, `text`).
    pub fn alert(&self, text: &str) -> String {
        let fit = |c: char| if c.is_ascii() || self.enabled.rev2 { c } else { '?' };
        format!("* OK [ALERT] {}\r\n", text.chars().map(fit).collect::<String>())
    }

    /// Whether the client waits in IDLE.
    pub fn is_idling(&self) -> bool {
        matches!(self.waiting, Waiting::Idle { .. })
    }

    /// Whether the client has logged in.
    pub fn is_authenticated(&self) -> bool {
        self.user.is_some()
    }

    /// Whether the user administers the server.
    pub(crate) fn is_administrator(&self) -> bool {
        self.user.as_ref().is_some_and(|user| (self.server.administrators)(user.id()))
    }

    /// The user, once logged in.
    pub fn user(&self) -> Option<&Arc<UserStore>> {
        self.user.as_ref()
    }

    /// Whether a trace shows this session.
    pub fn is_traced(&self, kind: TraceKind) -> bool {
        self.server.traces.shows(kind, self.user.as_ref().map(|u| u.id()))
    }

    /// Whether the next line answers a challenge.
    pub fn is_logging_in(&self) -> bool {
        matches!(self.waiting, Waiting::Authenticate { .. })
    }

    /// The selected mailbox: of whom, and its number.
    pub fn selected(&self) -> Option<(UserId, MailboxId)> {
        self.view.as_ref().map(|view| (view.mailbox.user.id(), view.mailbox.id))
    }

    /// How a session ended that closed its connection itself.
    pub fn end(&self) -> &'static str {
        if self.logged_out { "logged out" } else { "sent away" }
    }

    /// The states of [`table`] this session is in.
    pub fn state(&self) -> u8 {
        match (&self.user, &self.view) {
            (None, _) => table::NOT_AUTHENTICATED,
            (Some(_), None) => table::AUTHENTICATED,
            (Some(_), Some(_)) => table::SELECTED,
        }
    }

    /// Answers a command that the framer refused.
    pub fn refused(&mut self, tag: Option<&Bytes>, why: Refusal, out: &mut Vec<u8>) -> Step {
        let reply = match why {
            Refusal::MessageTooLarge => Reply::no("TOOBIG", why.to_string()),
            _ if self.user.is_some() => Reply::bad_code("TOOBIG", why.to_string()),
            _ => Reply::bad(why.to_string()),
        };
        // A line that is too long ends what it should have answered.
        match std::mem::replace(&mut self.waiting, Waiting::Nothing) {
            Waiting::Nothing => reply.write(out, tag.map(|t| &**t)),
            Waiting::Authenticate { tag, .. } | Waiting::Idle { tag } => reply.write(out, Some(&tag)),
        }
        self.count_bad(out)
    }

    /// Runs one framed command.
    ///
    /// # Errors
    /// When the client cannot be written to.
    pub async fn command(&mut self, frame: Bytes, out: &mut Out<'_>) -> io::Result<Step> {
        let parsed = match parse::command(&frame) {
            Ok(parsed) => parsed,
            Err(_) if self.user.is_none() && parse::is_http_request(&frame) => {
                // A page somewhere had a browser do that; what it goes on with might be commands (RFC 9325 section 3.7).
                out.buf.extend_from_slice(b"* BYE This is an IMAP server\r\n");
                return Ok(Step::Close);
            }
            Err(e) => {
                Reply::bad(e.text).write(out.buf, e.tag.as_deref());
                return Ok(self.count_bad(out.buf));
            }
        };
        let TaggedCommand { tag, row, command } = parsed;
        // Before login nothing of UTF8=ACCEPT was shown, and a password may be whatever it is.
        if self.user.is_some() && !parse::quotes_are_utf8(&frame) {
            Reply::client_bug(format!("{}: a quoted string is not UTF-8", row.name))
                .write(out.buf, Some(&tag));
            return Ok(self.count_bad(out.buf));
        }
        drop(frame);
        if row.states & self.state() == 0 {
            let state = if row.states == table::NOT_AUTHENTICATED {
                "after login"
            } else {
                table::state_name(self.state())
            };
            let text = format!("{} is not allowed {state}", row.name);
            Reply::client_bug(text).write(out.buf, Some(&tag));
            return Ok(self.count_bad(out.buf));
        }
        if !self.off.is_empty()
            && let Some(token) = gate::needs(&command, self.off).first_common(self.off)
        {
            let name = token.row().name;
            Reply::bad(format!("{}: unknown here, {name} is not offered", row.name))
                .write(out.buf, Some(&tag));
            return Ok(self.count_bad(out.buf));
        }
        if self.enabled.uid_only && gate::uses_numbers(row, &command) {
            let reply = Reply::bad_code("UIDREQUIRED", "Message numbers mean nothing after ENABLE UIDONLY");
            reply.write(out.buf, Some(&tag));
            return Ok(self.count_bad(out.buf));
        }
        if tracing::enabled!(target: "imapd::codeflow", tracing::Level::DEBUG)
            && self.is_traced(TraceKind::CodeFlow)
        {
            tracing::debug!(target: "imapd::codeflow", session = self.id.0, command = row.name);
        }
        self.meter.commands.add(1);
        self.server.statistics.command(row);
        self.logged_out = row.name == "LOGOUT";
        let expunge = gate::lets_expunge(row, &command);
        let result = command::run(self, command, &tag, out).await;
        let reply = match result {
            Ok(reply) => reply,
            Err(Failure::Answer(reply)) => reply,
            Err(Failure::Io(e)) => return Err(e),
            Err(Failure::Store(e)) => self.failed(e).await,
        };
        if reply.status == Status::Wait {
            return Ok(Step::Go);
        }
        self.finish(&tag, &reply, expunge, out).await
    }

    /// The answer to a failure of the mail store: what could not be read may have been that of a mailbox that was just deleted.
    async fn failed(&self, error: StoreError) -> Reply {
        match &self.view {
            Some(view) if matches!(error, StoreError::Damaged(_)) && view.mailbox.is_deleted().await => {
                Reply::from_store(&StoreError::MailboxDeleted)
            }
            _ => Reply::from_store(&error),
        }
    }

    /// Sends the updates and the tagged answer.
    async fn finish(
        &mut self,
        tag: &[u8],
        reply: &Reply,
        expunge: bool,
        out: &mut Out<'_>,
    ) -> io::Result<Step> {
        command::updates::tell(self, expunge, out).await?;
        if self.enabled.qresync
            && !expunge
            && let Some(view) = &mut self.view
        {
            view.write_held(out.buf);
        }
        reply.write(out.buf, Some(tag));
        if reply.then == Step::Close && reply.status == Status::No {
            let many = self.failed_logins >= crate::auth::MAX_FAILURES_PER_CONNECTION;
            let bye: &[u8] = if many {
                b"* BYE [LIMIT] Too many failed logins\r\n"
            } else {
                b"* BYE Login was refused\r\n"
            };
            out.buf.extend_from_slice(bye);
        }
        if reply.status == Status::Bad {
            return Ok(self.count_bad(out.buf));
        }
        Ok(reply.then)
    }

    /// Takes a line that answers a continuation request.
    ///
    /// # Errors
    /// When the client cannot be written to.
    pub async fn line(&mut self, line: Bytes, out: &mut Out<'_>) -> io::Result<Step> {
        match std::mem::replace(&mut self.waiting, Waiting::Nothing) {
            Waiting::Nothing => Ok(Step::Go),
            Waiting::Authenticate { tag, exchange } => {
                let reply = match command::authenticate::answer(self, exchange, &tag, &line, out).await {
                    Ok(reply) => reply,
                    Err(Failure::Answer(reply)) => reply,
                    Err(Failure::Io(e)) => return Err(e),
                    Err(Failure::Store(e)) => Reply::from_store(&e),
                };
                if reply.status == Status::Wait {
                    return Ok(Step::Go);
                }
                self.finish(&tag, &reply, true, out).await
            }
            Waiting::Idle { tag } => {
                let reply = if line.trim_ascii().eq_ignore_ascii_case(b"DONE") {
                    Reply::ok("IDLE completed")
                } else {
                    Reply::client_bug("IDLE ends with DONE")
                };
                self.finish(&tag, &reply, true, out).await
            }
        }
    }

    /// Whether the client takes responses between commands.
    pub fn listens(&self) -> bool {
        self.is_idling() || self.notify.is_some()
    }

    /// Waits until there may be something to tell between commands.
    pub async fn changed(&mut self) {
        let idling = self.is_idling();
        let wanted = self.notify.as_ref().is_none_or(|n| n.wanted.selected.events.has(Events::MESSAGES));
        let at_once = idling || self.notify.as_ref().is_some_and(|n| n.expunges_at_once());
        if wanted && at_once && self.view.as_ref().is_some_and(View::has_ghosts) {
            // The command before might not tell of them.
            return;
        }
        let bell = self.notify.as_ref().map(|n| n.bell.clone());
        let view = self.view.as_mut().filter(|_| idling || wanted);
        match (view, bell) {
            (Some(view), None) => view.changed().await,
            (None, None) => std::future::pending().await,
            (None, Some(bell)) => bell.notified().await,
            // In a box, for nobody else shall have the room for both.
            (Some(view), Some(bell)) => {
                let both = async move {
                    tokio::select! {
                        () = view.changed() => {}
                        () = bell.notified() => {}
                    }
                };
                Box::pin(both).await;
            }
        }
    }

    /// Puts out what changed between commands.
    ///
    /// # Errors
    /// When the client cannot be written to.
    pub async fn update(&mut self, out: &mut Out<'_>) -> io::Result<()> {
        let expunge = self.is_idling() || self.notify.as_ref().is_some_and(|n| n.expunges_at_once());
        command::updates::tell(self, expunge, out).await
    }

    pub(crate) fn wait_for_response(&mut self, tag: &Bytes, exchange: Exchange) {
        self.waiting = Waiting::Authenticate { tag: copy(tag), exchange };
    }

    pub(crate) fn wait_for_done(&mut self, tag: &Bytes) {
        self.waiting = Waiting::Idle { tag: copy(tag) };
    }

    fn count_bad(&mut self, out: &mut Vec<u8>) -> Step {
        self.bad_commands += 1;
        if self.user.is_none() && self.bad_commands >= Self::MAX_BAD_COMMANDS {
            out.extend_from_slice(b"* BYE [CLIENTBUG] Too many bad commands\r\n");
            return Step::Close;
        }
        Step::Go
    }
}

/// A copy of its own: what is a part of a command holds the whole buffer that the command was read into.
pub(crate) fn copy(part: &Bytes) -> Bytes {
    Bytes::copy_from_slice(part)
}
