//! One SMTP connection: bytes in, replies out, the session state machine in between.
//!
//! Replies to pipelined commands are gathered and written when no further command is waiting (RFC 2920). After STARTTLS
//! whatever the client sent ahead in clear is thrown away. Mail text held in memory counts against one budget for all
//! connections; without room a mail is refused for the time being (452).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::{Buf, BytesMut};
use cms::cp::Guest;
use cms::cp::name::UserId;
use cms::cp::system::PasswordVerdict;
use cms::network::HostNetwork;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::delivery::ActiveExit;
use crate::exit::{ExitParms, ExitReturn, VerifyStatus};
use crate::limits::MAX_COMMAND_OCTETS;
use crate::parse;
use crate::received::LEVEL;
use crate::reply::Reply;
use crate::resolver::Resolver;
use crate::session::{Envelope, Route, Session, SessionConfig, Step, Verdict};
use crate::syntax::Mailbox;
use crate::text::{TextError, TextReader};

/// Mail text that all connections together may hold in memory, in KiB.
pub const TEXT_BUDGET_KIB: usize = 256 * 1024;

/// Octets read at a time.
const READ_OCTETS: usize = 16 * 1024;

/// What a connection does with a mail it has received.
pub trait Receiver: Send + Sync {
    /// Makes a mail durable and queues it; the reply is what DATA is answered with.
    fn receive<'a>(&'a self, mail: ReceivedMail<'a>) -> BoxFuture<'a, Reply>;
}

/// A mail as it was received.
pub struct ReceivedMail<'a> {
    /// Sender and recipients.
    pub envelope: &'a Envelope,
    /// Text as a RECFM V image.
    pub image: Vec<u8>,
    /// HELO name.
    pub helo: &'a str,
    /// The client.
    pub peer: SocketAddr,
    /// EHLO was used.
    pub esmtp: bool,
    /// Under TLS.
    pub tls: bool,
    /// Who authenticated.
    pub user: Option<UserId>,
}

/// What all connections share.
pub struct ServerContext {
    /// The SMTP machine.
    pub guest: Guest,
    /// The host's network.
    pub network: Arc<HostNetwork>,
    /// Who is local.
    pub resolver: Resolver,
    /// Where mail goes.
    pub receiver: Arc<dyn Receiver>,
    /// The exit that is called for RCPT.
    pub rcpt_exit: Option<ActiveExit>,
    /// Room for mail text, in KiB.
    pub budget: Arc<Semaphore>,
    /// Greatest mail in octets.
    pub max_mail: u64,
    /// Time without a command after which a connection ends.
    pub inactive: Duration,
    /// Our host name.
    pub host: String,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

struct Connection<'a> {
    context: &'a ServerContext,
    stream: Box<dyn Stream>,
    input: BytesMut,
    output: Vec<u8>,
    session: Session,
    peer: SocketAddr,
}

/// Why a connection ended; nothing is said to the client any more.
enum End {
    Closed,
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Closed
    }
}

/// Serves one connection to its end. `submission` listeners want AUTH before MAIL.
pub async fn serve(context: &ServerContext, stream: TcpStream, peer: SocketAddr, submission: bool) {
    // Replies are small and written whole; waiting for more would only delay them.
    let _not_fatal = stream.set_nodelay(true);
    let config = SessionConfig {
        host: context.host.clone(),
        max_mail: context.max_mail,
        can_tls: context.network.tls().is_some(),
        plain_auth: peer.ip().is_loopback(),
        auth_required: submission,
    };
    let mut connection = Connection {
        context,
        stream: Box::new(stream),
        input: BytesMut::new(),
        output: Vec::new(),
        session: Session::new(config, &peer.ip().to_string()),
        peer,
    };
    let now = context.guest.local_time().strftime("%a, %d %b %Y %H:%M:%S %Z").to_string();
    connection.say(&Reply::new(220, format!("{} running {LEVEL} on {now}", context.host)));
    let _end = connection.run().await;
}

impl Connection<'_> {
    async fn run(&mut self) -> Result<(), End> {
        loop {
            let line = match self.line().await? {
                Some(line) => line,
                None => {
                    self.say(&Reply::new(500, "Line too long"));
                    continue;
                }
            };
            tracing::debug!(target: "smtp::debug", peer = %self.peer, "< {}", String::from_utf8_lossy(&line));
            let step = match parse::command(&line) {
                Ok(command) => self.session.command(command),
                Err(error) => self.session.unparsed(&error),
            };
            if self.act(step).await? {
                return Ok(());
            }
        }
    }

    /// Does what a step says; true when the connection is over.
    async fn act(&mut self, step: Step) -> Result<bool, End> {
        match step {
            Step::Reply(reply) => self.say(&reply),
            Step::Close(reply) => {
                self.say(&reply);
                self.flush().await?;
                return Ok(true);
            }
            Step::Resolve(mailbox) => {
                let verdict = self.resolve(&mailbox).await;
                let step = self.session.recipient(mailbox, verdict);
                return Box::pin(self.act(step)).await;
            }
            Step::Verify(word) => {
                let found = self.context.resolver.verify(&word);
                let step = self.session.verified(&word, found);
                return Box::pin(self.act(step)).await;
            }
            Step::Data => self.data().await?,
            Step::StartTls(reply) => self.start_tls(&reply).await?,
            Step::Auth { mechanism, initial } => {
                let user = self.authenticate(&mechanism, initial).await?;
                let step = self.session.authenticated(user);
                return Box::pin(self.act(step)).await;
            }
        }
        Ok(false)
    }

    /// Asks the resolver, and for a local user the exit.
    async fn resolve(&mut self, mailbox: &Mailbox) -> Verdict {
        let verdict = self.context.resolver.resolve(mailbox);
        let (Verdict::Accept(Route::Local(user)), Some(exit)) = (&verdict, &self.context.rcpt_exit) else {
            return verdict;
        };
        let parms = ExitParms {
            mail_record_id: 0,
            server: None,
            client: Some(self.peer),
            command: format!("RCPT TO:<{mailbox}>").to_ascii_uppercase(),
            helo: self.session.helo_name().to_owned(),
            mail_from: self
                .session
                .envelope()
                .and_then(|e| e.from.as_ref())
                .map_or("<>".to_owned(), |m| format!("<{m}>")),
            note: None,
            verify: VerifyStatus::NotPerformed,
            batch_user: None,
            recipient: Some(*user),
            subaddress: None,
            received: 0,
        };
        match exit.program.call(&parms).await {
            ExitReturn::Continue | ExitReturn::Handled | ExitReturn::Disable => verdict,
            ExitReturn::Retry(why) => Verdict::NoRoom(why),
            ExitReturn::Reject => Verdict::Refused("Refused by this system".to_owned()),
            ExitReturn::RejectWith(text) | ExitReturn::RejectAndClose(text) => Verdict::Refused(text),
        }
    }

    fn say(&mut self, reply: &Reply) {
        tracing::debug!(target: "smtp::debug", peer = %self.peer, "> {reply}");
        self.output.extend_from_slice(reply.to_string().as_bytes());
    }

    async fn flush(&mut self) -> Result<(), End> {
        if !self.output.is_empty() {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await?;
            self.output.clear();
        }
        Ok(())
    }

    /// Reads more octets; what was said so far goes out first, since the client may be waiting for it.
    async fn fill(&mut self) -> Result<(), End> {
        self.flush().await?;
        self.input.reserve(READ_OCTETS);
        let read = tokio::time::timeout(self.context.inactive, self.stream.read_buf(&mut self.input)).await;
        match read {
            Err(_) => {
                self.say(&Reply::new(421, format!("{} Connection was inactive, closing", self.context.host)));
                self.flush().await?;
                Err(End::Closed)
            }
            Ok(Ok(0)) | Ok(Err(_)) => Err(End::Closed),
            Ok(Ok(_)) => Ok(()),
        }
    }

    /// The next line without its line end; `None` for one that is too long, which has been skipped.
    async fn line(&mut self) -> Result<Option<Vec<u8>>, End> {
        let mut scanned = 0;
        let mut skipping = false;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.input[scanned..]) {
                let mut line = self.input.split_to(scanned + at + 1).to_vec();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                let fits = !skipping && line.len() <= MAX_COMMAND_OCTETS;
                return Ok(fits.then_some(line));
            }
            scanned = self.input.len();
            if scanned > MAX_COMMAND_OCTETS {
                skipping = true;
                self.input.clear();
                scanned = 0;
            }
            self.fill().await?;
        }
    }

    async fn data(&mut self) -> Result<(), End> {
        self.say(&Reply::new(354, "Enter mail body. End by new line with just a '.'"));
        self.flush().await?;
        let mut reader = TextReader::new(self.context.max_mail);
        let mut room = None;
        let mut starved = false;
        while !reader.is_complete() {
            if self.input.is_empty() {
                self.fill().await?;
            }
            let taken = reader.feed(&self.input);
            self.input.advance(taken);
            let needed = reader.held() / 1024 + 1;
            starved |= !self.reserve(&mut room, needed);
            if starved {
                // The rest is read and thrown away.
                reader.discard();
            }
        }
        let reply = self.store(reader, starved).await;
        self.session.finished();
        self.say(&reply);
        Ok(())
    }

    /// Grows this mail's share of the budget to `needed` KiB; false when there is no room.
    fn reserve(&self, room: &mut Option<tokio::sync::OwnedSemaphorePermit>, needed: usize) -> bool {
        let have = room.as_ref().map_or(0, tokio::sync::OwnedSemaphorePermit::num_permits);
        let Some(more) = needed.checked_sub(have).filter(|m| *m > 0) else { return true };
        // Taken in steps of a quarter MiB, so that a long mail does not ask for every kilobyte.
        let step = u32::try_from(more.max(256)).unwrap_or(u32::MAX);
        match (self.context.budget.clone().try_acquire_many_owned(step), room.as_mut()) {
            (Err(_), _) => false,
            (Ok(permit), Some(held)) => {
                held.merge(permit);
                true
            }
            (Ok(permit), None) => {
                *room = Some(permit);
                true
            }
        }
    }

    async fn store(&mut self, reader: TextReader, starved: bool) -> Reply {
        if starved {
            return Reply::new(452, "Insufficient system storage, try again later");
        }
        let image = match reader.into_image() {
            Ok(image) => image,
            Err(TextError::TooLarge) => {
                return Reply::new(552, format!("Mail is larger than {} octets", self.context.max_mail));
            }
            Err(error @ TextError::LineTooLong) => return Reply::new(500, error.to_string()),
        };
        let Some(envelope) = self.session.envelope() else { return Reply::new(503, "No Sender specified") };
        let mail = ReceivedMail {
            envelope,
            image,
            helo: self.session.helo_name(),
            peer: self.peer,
            esmtp: self.session.is_esmtp(),
            tls: self.session.is_tls(),
            user: self.session.user(),
        };
        self.context.receiver.receive(mail).await
    }

    async fn start_tls(&mut self, reply: &Reply) -> Result<(), End> {
        let Some(tls) = self.context.network.tls() else {
            self.say(&Reply::new(454, "TLS is not available for the time being"));
            return Ok(());
        };
        self.say(reply);
        self.flush().await?;
        // Nothing that came in clear may be taken for part of the protected session (RFC 3207 section 6).
        self.input.clear();
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        let handshake = TlsAcceptor::from(tls).accept(plain);
        let secured =
            tokio::time::timeout(self.context.inactive, handshake).await.map_err(|_| End::Closed)??;
        self.stream = Box::new(secured);
        self.session.tls_started();
        Ok(())
    }

    /// Runs AUTH PLAIN or AUTH LOGIN (RFC 4954); `None` for wrong credentials or a cancelled exchange.
    async fn authenticate(
        &mut self,
        mechanism: &str,
        initial: Option<String>,
    ) -> Result<Option<UserId>, End> {
        let first = match initial.as_deref() {
            Some("=") => Some(Vec::new()),
            Some(text) => Some(BASE64_STANDARD.decode(text).unwrap_or_default()),
            None => None,
        };
        let (name, password) = if mechanism == "PLAIN" {
            let response = match first {
                Some(response) => response,
                None => self.challenge("").await?,
            };
            let mut fields = response.split(|b| *b == 0).map(|f| String::from_utf8_lossy(f).into_owned());
            let (_authzid, name, password) = (fields.next(), fields.next(), fields.next());
            (name.unwrap_or_default(), password.unwrap_or_default())
        } else {
            let name = match first {
                Some(name) => name,
                None => self.challenge("Username:").await?,
            };
            let password = self.challenge("Password:").await?;
            (String::from_utf8_lossy(&name).into_owned(), String::from_utf8_lossy(&password).into_owned())
        };
        let (local, domain) = name.split_once('@').unwrap_or((&name, ""));
        if !self.context.resolver.is_ours(domain) {
            return Ok(None);
        }
        match self.context.guest.check_password(local, &password).await {
            PasswordVerdict::Valid(user) => Ok(Some(user)),
            PasswordVerdict::Invalid | PasswordVerdict::NotAuthorised => Ok(None),
        }
    }

    async fn challenge(&mut self, prompt: &str) -> Result<Vec<u8>, End> {
        self.say(&Reply::new(334, BASE64_STANDARD.encode(prompt)));
        let line = self.line().await?.unwrap_or_default();
        // `*` and anything that is not base64 end as wrong credentials.
        Ok(BASE64_STANDARD.decode(line).unwrap_or_default())
    }
}
