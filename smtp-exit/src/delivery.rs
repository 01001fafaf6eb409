//! Delivery: every note to every one of its recipients, once.
//!
//! A note's recipients are served one after the other; each is struck from the ADDRBLOK when he has been served, and the
//! note is erased with the last. A crash between serving and striking serves a recipient again after the restart; the
//! delivery key ([`Punch::key`]) that travels with the spool file lets the receiver recognise that.
//!
//! Invariants: no note is started while one started [`WINDOW`] before it is still being served, so no more deliveries than
//! that can be repeated after a crash, and they are the latest ones; a note that could not be served is tried again after RETRYINT, until it is RETRYAGE old and goes back to its sender.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cms::cp::Guest;
use futures::stream::{FuturesOrdered, StreamExt};
use tokio::sync::mpsc;

use crate::exit::{ExitParms, ExitReturn, SmtpCommandExit, VerifyStatus};
use crate::limits::MAX_QUEUED_NOTES;
use crate::note::{AddrBlok, NoteDisk, NoteNumber, Pending};
use crate::notice::{Failure, notice};
use crate::punch::{Punch, PunchError};
use crate::resolver;

/// Notes served at once, from the oldest under way: enough that their spool files become durable together, and few enough
/// that the receiver, which keeps the names of the last 24 deliveries of a user, recognises every one that is repeated.
pub const WINDOW: usize = 12;

/// An exit that is called at a call point.
#[derive(Clone)]
pub struct ActiveExit {
    /// Its name, for the log.
    pub name: String,
    /// The program.
    pub program: Arc<dyn SmtpCommandExit>,
}

/// What delivery works with.
pub struct Delivery {
    /// The SMTP machine.
    pub guest: Guest,
    /// Its punch.
    pub punch: Punch,
    /// Its notes.
    pub disk: NoteDisk,
    /// The PUNCH exit, when one is active.
    pub exit: Option<ActiveExit>,
    /// RETRYINT.
    pub retry_interval: Duration,
    /// RETRYAGE.
    pub retry_age: Duration,
    /// Our host name.
    pub host: String,
    /// Finds the local user of an address, for error notices.
    pub resolver: crate::resolver::Resolver,
    /// Gives out note numbers, for error notices.
    pub numbers: Arc<NoteNumbers>,
    /// Counts for STATS and QUEUES.
    pub counts: Arc<Counts>,
}

/// Gives out note numbers.
pub struct NoteNumbers {
    next: parking_lot::Mutex<NoteNumber>,
}

impl NoteNumbers {
    /// Starts after `highest`, 0 for an empty disk.
    pub fn new(highest: u32) -> Self {
        let first = NoteNumber::new(highest)
            .map_or_else(|| NoteNumber::new(1).expect("1 is a note number"), NoteNumber::next);
        Self { next: parking_lot::Mutex::new(first) }
    }

    /// The next number.
    pub fn take(&self) -> NoteNumber {
        let mut next = self.next.lock();
        let number = *next;
        *next = number.next();
        number
    }
}

/// What has happened since the start.
#[derive(Default)]
pub struct Counts {
    /// Mails received.
    pub received: std::sync::atomic::AtomicU64,
    /// Recipients served.
    pub delivered: std::sync::atomic::AtomicU64,
    /// Deliveries put off.
    pub retried: std::sync::atomic::AtomicU64,
    /// Recipients given back to the sender.
    pub returned: std::sync::atomic::AtomicU64,
    /// Notes waiting or being served.
    pub queued: std::sync::atomic::AtomicU64,
}

fn count(counter: &std::sync::atomic::AtomicU64) {
    counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}

/// Outcome of serving one recipient.
enum Outcome {
    Served,
    Failed(String),
    Later(String),
}

/// A channel on which notes are queued for delivery.
pub fn queue() -> (mpsc::Sender<AddrBlok>, mpsc::Receiver<AddrBlok>) {
    mpsc::channel(MAX_QUEUED_NOTES)
}

impl Delivery {
    /// Serves notes until the queue is closed and empty; notes that wait for a retry stay on disk.
    pub async fn run(self: Arc<Self>, mut queue: mpsc::Receiver<AddrBlok>, start: Vec<AddrBlok>) {
        let mut waiting: BTreeMap<(i64, NoteNumber), AddrBlok> =
            start.into_iter().map(|b| ((b.due, b.number), b)).collect();
        let mut busy = FuturesOrdered::new();
        let mut open = true;
        loop {
            let now = self.guest.now().as_microsecond();
            while busy.len() < WINDOW {
                let Some(entry) = waiting.first_entry().filter(|e| e.key().0 <= now) else { break };
                let block = entry.remove();
                let own = self.clone();
                busy.push_back(async move { own.serve(block).await });
            }
            self.counts
                .queued
                .store((waiting.len() + busy.len()) as u64, std::sync::atomic::Ordering::Relaxed);
            if !open && busy.is_empty() {
                return;
            }
            let pause = waiting.keys().next().map_or(Duration::from_secs(3600), |(due, _)| {
                Duration::from_micros(u64::try_from(due - now).unwrap_or(0))
            });
            let may_take = open && waiting.len() < MAX_QUEUED_NOTES;
            tokio::select! {
                Some(unserved) = busy.next(), if !busy.is_empty() => {
                    if let Some(block) = unserved {
                        waiting.insert((block.due, block.number), block);
                    }
                }
                block = queue.recv(), if may_take => match block {
                    Some(block) => {
                        waiting.insert((block.due, block.number), block);
                    }
                    None => open = false,
                },
                () = tokio::time::sleep(pause), if busy.len() < WINDOW => {}
            }
        }
    }

    /// Serves the recipients of a note; gives it back when some are to be tried again.
    async fn serve(&self, mut block: AddrBlok) -> Option<AddrBlok> {
        let number = block.number;
        let text = match self.disk.text(number).await {
            Ok(text) => text,
            Err(error) => {
                self.log(&format!("Note {number} cannot be read: {error}")).await;
                return Some(self.put_off(block).await);
            }
        };
        let mut failures: Vec<(String, String)> = Vec::new();
        let (mut later, mut put_off) = (Vec::new(), false);
        for pending in std::mem::take(&mut block.pending) {
            match self.serve_one(&block, &pending, &text).await {
                Outcome::Served => count(&self.counts.delivered),
                Outcome::Failed(reason) => failures.push((pending.mailbox.to_string(), reason)),
                Outcome::Later(reason) => {
                    self.log(&format!("Note {number} to {} is tried again later: {reason}", pending.user))
                        .await;
                    put_off = true;
                    later.push(pending);
                }
            }
        }
        block.pending = later;
        let now = self.guest.now().as_microsecond();
        let age = Duration::from_micros(u64::try_from(now - block.received).unwrap_or(0));
        if put_off && age >= self.retry_age {
            failures.extend(
                block.pending.drain(..).map(|p| (p.mailbox.to_string(), "could not be reached".into())),
            );
        }
        if !failures.is_empty() {
            self.give_back(&block, &failures, &text).await;
        }
        if !block.pending.is_empty() {
            return Some(self.put_off(block).await);
        }
        if let Err(error) = self.disk.erase(number).await {
            self.log(&format!("Note {number} has been served but cannot be erased: {error}")).await;
        }
        None
    }

    async fn put_off(&self, mut block: AddrBlok) -> AddrBlok {
        count(&self.counts.retried);
        block.tries += 1;
        let wait = i64::try_from(self.retry_interval.as_micros()).unwrap_or(i64::MAX);
        block.due = self.guest.now().as_microsecond().saturating_add(wait);
        // If this cannot be written either, the recipients served so far are recognised by their delivery keys.
        if let Err(error) = self.disk.update(&block).await {
            self.log(&format!("Note {} ADDRBLOK cannot be written: {error}", block.number)).await;
        }
        block
    }

    async fn serve_one(&self, block: &AddrBlok, pending: &Pending, text: &[u8]) -> Outcome {
        if let Some(exit) = &self.exit {
            match exit.program.call(&exit_parms(block, pending)).await {
                ExitReturn::Handled => return Outcome::Served,
                ExitReturn::Continue | ExitReturn::Disable => {}
                ExitReturn::Reject => return Outcome::Failed("550 refused by this system".into()),
                ExitReturn::RejectWith(text) | ExitReturn::RejectAndClose(text) => {
                    return Outcome::Failed(text);
                }
                ExitReturn::Retry(reason) => return Outcome::Later(reason),
            }
        }
        let key = self.punch.key(pending.user, block.number, block.received);
        match self.punch.spool_note(pending.user, &key, block.number, text).await {
            Ok(()) => Outcome::Served,
            Err(PunchError::NoSuchUser) => Outcome::Failed("550 User unknown".into()),
            Err(PunchError::Later(reason)) => Outcome::Later(reason),
        }
    }

    /// Sends the error notice. Mail without a sender (itself a notice) is not answered.
    async fn give_back(&self, block: &AddrBlok, failures: &[(String, String)], text: &[u8]) {
        for _ in failures {
            count(&self.counts.returned);
        }
        for (address, reason) in failures {
            self.log(&format!("Unable to deliver Note: {} to <{address}>: {reason}", block.number)).await;
        }
        let Some(sender) = &block.from else { return };
        let user = self.resolver.user(&sender.local).filter(|_| self.resolver.is_ours(&sender.domain));
        let Some(user) = user else {
            self.log(&format!("The sender <{sender}> is not on this system and is not told")).await;
            return;
        };
        let number = self.numbers.take();
        self.log(&format!("Generating Note {number} as Error Notification")).await;
        let listed: Vec<Failure<'_>> =
            failures.iter().map(|(a, r)| Failure { address: a, reason: r }).collect();
        let when = self.guest.local_time();
        let image = notice(&self.host, &sender.to_string(), &listed, text, &number.to_string(), &when);
        let error_note = AddrBlok {
            number,
            received: self.guest.now().as_microsecond(),
            body: block.body,
            tries: 0,
            due: 0,
            helo: String::new(),
            from: None,
            pending: vec![Pending { user, mailbox: sender.clone() }],
        };
        if let Err(error) = self.disk.save(&error_note, image.clone()).await {
            self.log(&format!("Note {number} cannot be written: {error}")).await;
            return;
        }
        if let Some(unserved) = Box::pin(self.serve(error_note)).await {
            // It is on disk; the next start takes it up again.
            tracing::warn!("error notice {} waits", unserved.number);
        }
    }

    async fn log(&self, text: &str) {
        tracing::info!(target: "smtp", "{text}");
        self.guest.write(&format!("{} {text}", self.guest.local_time().strftime("%H:%M:%S"))).await;
    }
}

fn exit_parms(block: &AddrBlok, pending: &Pending) -> ExitParms {
    ExitParms {
        mail_record_id: 0,
        server: None,
        client: None,
        command: format!("PUNCH {}", pending.user),
        helo: block.helo.clone(),
        mail_from: block.from.as_ref().map_or("<>".into(), |m| format!("<{m}>")),
        note: Some(block.number),
        verify: VerifyStatus::NotPerformed,
        batch_user: None,
        recipient: Some(pending.user),
        subaddress: resolver::split(&pending.mailbox.local).1.map(str::to_owned),
        received: block.received,
    }
}
