//! SMTP, the program of the SMTP machine.
//!
//! Start order: SMTP CONFIG, the notes on the disk, delivery, the listeners, special messages, the console. It ends with SHUTDOWN at its
//! console (or by SMSG), or with the system.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cms::cp::Guest;
use cms::cp::msg_service::MsgBlock;
use cms::cp::name::ModeLetter;
use cms::network::{HostNetwork, NamedListener};
use cms::program::Program;
use cms::{Cms, tables};
use futures::future::BoxFuture;
use tokio::sync::{Semaphore, mpsc};

use crate::commands::Commands;
use crate::config::{self, SmtpConfig};
use crate::delivery::{self, ActiveExit, Counts, Delivery, NoteNumbers};
use crate::exit::ExitTable;
use crate::limits::{MAX_CONNECTIONS, MAX_HOPS};
use crate::note::{AddrBlok, NoteDisk, Pending};
use crate::punch::Punch;
use crate::received::{Origin, received_lines};
use crate::reply::Reply;
use crate::resolver::Resolver;
use crate::server::{self, ReceivedMail, Receiver, ServerContext, TEXT_BUDGET_KIB};
use crate::session::Route;
use crate::smsg;
use crate::text::{append_record, records};

/// Return code when the machine cannot start.
const RC_CANNOT_START: i32 = 24;

/// Time that deliveries under way get when the system is shut down.
const DRAIN: Duration = Duration::from_secs(5);

/// The program.
pub struct Smtp {
    /// Host network.
    pub network: Arc<HostNetwork>,
    /// Exits by name.
    pub exits: Arc<ExitTable>,
}

impl Program for Smtp {
    fn summary(&self) -> &str {
        "The SMTP server: receives mail and delivers it to local users"
    }

    fn run(&self, cms: Arc<Cms>, _args: String) -> BoxFuture<'static, i32> {
        let (network, exits) = (self.network.clone(), self.exits.clone());
        Box::pin(async move {
            match Running::start(&cms, network, &exits).await {
                Ok(running) => running.serve(&cms).await,
                Err(reason) => {
                    cms.say(&format!("DTCSMT1001E SMTP cannot start: {reason}")).await;
                    RC_CANNOT_START
                }
            }
        })
    }
}

struct Running {
    context: Arc<ServerContext>,
    commands: Commands,
    queue: mpsc::Sender<AddrBlok>,
    delivery: tokio::sync::oneshot::Receiver<()>,
    _intake: Vec<tokio::sync::oneshot::Receiver<()>>,
}

impl Running {
    async fn start(cms: &Arc<Cms>, network: Arc<HostNetwork>, exits: &ExitTable) -> Result<Self, String> {
        let lines = cms.read_text("SMT", "SMTP", "CONFIG", None).await.map_err(|m| m.to_string())?;
        let (config, errors) = config::read(lines.iter().map(String::as_str));
        for error in errors {
            cms.say(&format!("DTCSMT1002W {error}")).await;
        }
        let named = config.translate_table;
        let table = tables::find(cms, named.name).await.map_err(|e| named.wrong(e).to_string())?;
        let punch = Punch::new(&cms.guest, &table);
        let a = ModeLetter::new('A').ok_or("no file mode A")?;
        let accessed = cms.writable("SMT", a).map_err(|m| m.to_string())?;
        let disk = NoteDisk::new(accessed.store.clone());
        let scan = disk.scan().await.map_err(|e| format!("the notes on file mode A cannot be read: {e}"))?;
        for line in &scan.messages {
            cms.say(&format!("DTCSMT1003W {line}")).await;
        }
        let host = network.domain.clone();
        let resolver =
            Resolver::new(cms.guest.cp().clone(), vec![host.to_ascii_lowercase()], config.postmaster);
        let numbers = Arc::new(NoteNumbers::new(scan.highest));
        let counts = Arc::new(Counts::default());
        let delivery = Arc::new(Delivery {
            guest: cms.guest.clone(),
            punch: punch.clone(),
            disk: disk.clone(),
            exit: active_exit(cms, "PUNCH", &config, exits, &punch, &disk).await,
            retry_interval: Duration::from_secs(config.retry_minutes * 60),
            retry_age: Duration::from_secs(config.retry_days * 86_400),
            host: host.clone(),
            resolver: resolver.clone(),
            numbers: numbers.clone(),
            counts: counts.clone(),
        });
        let (queue, queued) = delivery::queue();
        if !scan.notes.is_empty() {
            cms.say(&format!("DTCSMT1004I {} notes wait for delivery", scan.notes.len())).await;
        }
        let done = cms.guest.spawn(delivery.run(queued, scan.notes));
        let receiver = Arc::new(NoteReceiver {
            guest: cms.guest.clone(),
            disk: disk.clone(),
            numbers,
            queue: queue.clone(),
            host: host.clone(),
            counts: counts.clone(),
        });
        let context = Arc::new(ServerContext {
            guest: cms.guest.clone(),
            network,
            resolver,
            receiver,
            rcpt_exit: active_exit(cms, "RCPT", &config, exits, &punch, &disk).await,
            budget: Arc::new(Semaphore::new(TEXT_BUDGET_KIB)),
            max_mail: config.max_mail_bytes,
            inactive: Duration::from_secs(config.inactive_seconds),
            host,
        });
        let intake = listen(cms, &context).await?;
        let commands = Commands { counts, config };
        Ok(Self { context, commands, queue, delivery: done, _intake: intake })
    }

    async fn serve(self, cms: &Arc<Cms>) -> i32 {
        cms.say(&format!("DTCSMT1010I {} is ready for mail", self.context.host)).await;
        let mut special = smsg::listen(cms).await;
        loop {
            tokio::select! {
                line = cms.guest.read() => {
                    let answer = self.commands.answer(&line);
                    for text in &answer.lines {
                        cms.say(text).await;
                    }
                    cms.guest.complete(answer.rc);
                    if answer.shutdown {
                        break;
                    }
                }
                message = smsg::next(&mut special) => {
                    if self.special_message(cms, &message).await {
                        break;
                    }
                }
                () = cms.guest.shutdown_signalled() => break,
            }
        }
        cms.say("DTCSMT1011I SMTP is shutting down").await;
        drop(self._intake);
        drop(self.queue);
        drop(self.context);
        // What is not served by then is on disk.
        let _drained = tokio::time::timeout(DRAIN, self.delivery).await;
        0
    }

    /// Answers a special message; true when it asked for the end and may.
    async fn special_message(&self, cms: &Arc<Cms>, message: &MsgBlock) -> bool {
        let answer = self.commands.answer(&message.text);
        let may = !answer.privileged || self.commands.config.smsg_authorised.contains(&message.from);
        let lines =
            if may { answer.lines } else { vec!["You are not authorized for this command".to_owned()] };
        for line in lines {
            // Whoever asked may have logged off meanwhile.
            let _sent = cms.guest.cp_command(&format!("MSGNOH {} From SMTP: {line}", message.from)).await;
        }
        may && answer.shutdown
    }
}

/// The exit that SMTP CONFIG names for a call point, when it is on and exists.
async fn active_exit(
    cms: &Arc<Cms>,
    point: &str,
    config: &SmtpConfig,
    exits: &ExitTable,
    punch: &Punch,
    disk: &NoteDisk,
) -> Option<ActiveExit> {
    let statement = config.exits.iter().find(|e| e.on && e.commands.iter().any(|c| c == point))?;
    let program = exits.find(&statement.name);
    if program.is_none() {
        let text = format!(
            "DTCSMT1005E exit {} {} does not exist; mail goes to the readers of its recipients",
            statement.name, statement.kind
        );
        cms.say(&text).await;
    }
    let program = program?;
    program.bind(punch, disk);
    Some(ActiveExit { name: statement.name.clone(), program })
}

/// Opens the listeners and starts taking connections.
async fn listen(
    cms: &Arc<Cms>,
    context: &Arc<ServerContext>,
) -> Result<Vec<tokio::sync::oneshot::Receiver<()>>, String> {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut intake = Vec::new();
    for name in ["smtp", "submission"] {
        match context.network.listen(name) {
            Ok(Some(listener)) => {
                cms.say(&format!("DTCSMT1006I {name} listens on {}", address(&listener))).await;
                let (context, places, guest) = (context.clone(), places.clone(), cms.guest.clone());
                intake.push(cms.guest.spawn(accept(listener, context, places, guest, name == "submission")));
            }
            Ok(None) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(intake)
}

fn address(listener: &NamedListener) -> String {
    listener.socket.local_addr().map_or_else(|e| e.to_string(), |a| a.to_string())
}

async fn accept(
    listener: NamedListener,
    context: Arc<ServerContext>,
    places: Arc<Semaphore>,
    guest: Guest,
    submission: bool,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.socket.accept() => accepted,
            () = guest.shutdown_signalled() => return,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file descriptors, most likely: give connections time to end.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            drop(guest.spawn(refuse(stream, context.host.clone())));
            continue;
        };
        let context = context.clone();
        drop(guest.spawn(async move {
            server::serve(&context, stream, peer, submission).await;
            drop(place);
        }));
    }
}

async fn refuse(mut stream: tokio::net::TcpStream, host: String) {
    use tokio::io::AsyncWriteExt;
    let reply = Reply::new(421, format!("{host} Too many connections, try again later"));
    // The client learns of it or has gone already.
    let _gone = stream.write_all(reply.to_string().as_bytes()).await;
}

/// Turns received mails into notes.
struct NoteReceiver {
    guest: Guest,
    disk: NoteDisk,
    numbers: Arc<NoteNumbers>,
    queue: mpsc::Sender<AddrBlok>,
    host: String,
    counts: Arc<Counts>,
}

impl NoteReceiver {
    /// The note with its trace header in front; `None` for a mail that loops.
    fn with_trace(&self, mail: &ReceivedMail<'_>, number: &str) -> Option<Vec<u8>> {
        let when = self.guest.local_time();
        let peer: SocketAddr = mail.peer;
        let origin = Origin {
            helo: mail.helo,
            address: &peer.ip().to_string(),
            host: &self.host,
            esmtp: mail.esmtp,
            tls: mail.tls,
            authenticated: mail.user.is_some(),
            note: number,
            when: &when,
        };
        let mut image = Vec::with_capacity(mail.image.len() + 256);
        let sender = mail.envelope.from.as_ref().map_or("<>".into(), |m| format!("<{m}>"));
        append_record(&mut image, &cms::cp::codepage::from_text(&format!("Return-Path: {sender}")));
        for line in received_lines(&origin) {
            append_record(&mut image, &cms::cp::codepage::from_text(&line));
        }
        let mark = cms::cp::codepage::from_text("RECEIVED:");
        let hops = records(&mail.image)
            .take_while(|r| !r.is_empty())
            .filter(|r| r.len() > mark.len() && same_letters(&r[..mark.len()], &mark))
            .count();
        image.extend_from_slice(&mail.image);
        (hops < MAX_HOPS).then_some(image)
    }
}

/// EBCDIC letters differ between the cases by one bit.
fn same_letters(a: &[u8], b: &[u8]) -> bool {
    a.iter().zip(b).all(|(x, y)| x | 0x40 == y | 0x40)
}

impl Receiver for NoteReceiver {
    fn receive<'a>(&'a self, mut mail: ReceivedMail<'a>) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            let number = self.numbers.take();
            let Some(text) = self.with_trace(&mail, &number.to_string()) else {
                return Reply::new(554, "Too many hops, the mail is looping");
            };
            mail.image = Vec::new();
            let pending = mail.envelope.recipients.iter().filter_map(|r| match &r.route {
                Route::Local(user) => Some(Pending { user: *user, mailbox: r.mailbox.clone() }),
                Route::Remote(_) => None,
            });
            let mut pending: Vec<Pending> = pending.collect();
            // Somebody named twice gets one copy.
            let mut seen = std::collections::HashSet::new();
            pending.retain(|p| seen.insert(p.user));
            let block = AddrBlok {
                number,
                received: self.guest.now().as_microsecond(),
                body: mail.envelope.body,
                tries: 0,
                due: 0,
                helo: mail.helo.to_owned(),
                from: mail.envelope.from.clone(),
                pending,
            };
            if let Err(error) = self.disk.save(&block, text).await {
                tracing::warn!("note {number} could not be written: {error}");
                // Whatever was written is not acknowledged; what cannot be erased now is erased at the next start.
                let _left = self.disk.erase(number).await;
                return Reply::new(452, "Insufficient system storage, try again later");
            }
            self.counts.received.fetch_add(1, Ordering::Relaxed);
            if self.queue.send(block).await.is_err() {
                tracing::info!("note {number} is delivered after the next start");
            }
            Reply::new(250, format!("Mail delivered to queue as note {number}"))
        })
    }
}
