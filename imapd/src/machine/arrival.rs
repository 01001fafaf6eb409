//! The mail arrival thread: spool files in the machine's reader become notes in their recipients' INBOXes.
//!
//! Files are selected through `*SPL`. A file of the mail origin whose TAG names a recipient is delivered when he is
//! enrolled, and TRANSFERred to his own reader when he is not. Anything else goes to the BadFileID. A file that cannot be
//! taken for the time being (no space, no file pool) stays in the reader and is tried again. One that cannot be read because the
//! spool is damaged is put in system hold, where the operator finds it.
//!
//! The TAG says which translate table the records are written by, when it is not the built-in one; the octets of the mail are the same
//! whatever the mail store is written by. A file in a table that is not to be had stays in the reader.
//!
//! Mail for `user+folder@...` goes to that folder, where `Subaddress ON` says so and there is one (RFC 5233), else to INBOX.
//!
//! Exactly once: the delivery's name in the TAG is committed together with the note, and the spool file is purged after
//! that. A crash in between finds the file again and the name already taken. The name comes from SMTP and survives SMTP's
//! own crash as well: a mail it punches twice has the same name twice.
//!
//! Files of one recipient are taken in the order of the reader, by one worker, which keeps [`WINDOW`] of them under way so
//! that they share commits; recipients are spread over the workers. A worker starts no file while the one [`WINDOW`] before
//! it is not purged, so a name that may still be needed is never pushed out of the list kept with the mailbox.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cms::cp::Guest;
use cms::cp::codepage::translate;
use cms::cp::name::UserId;
use cms::cp::translate_table::{TableId, TranslateTable};
use cms::spool::Queue;
use cms::spool::spl::{CloseAction, Sfblok, SplError, SplPath};
use cms::{Cms, tables};
use futures::stream::{FuturesOrdered, StreamExt};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::config::ConfigInForce;
use crate::mailstore::sfs::SfsBackend;
use crate::mailstore::{MailStore, NewMessage, Origin, StoreError};
use crate::session::Server;
use crate::session::statistics::Statistics;
use crate::syntax::date::InternalDate;

/// Workers that take files at once.
const WORKERS: usize = 16;

/// Files one worker has under way. With the notes that SMTP may punch again after a crash
/// (`smtp_exit::delivery::WINDOW`) this must not exceed the names kept for a user (`UserHeader::ORIGINS`).
pub const WINDOW: usize = 12;

/// Files that may wait for one worker.
const WORKER_QUEUE: usize = WINDOW;

/// Time after which files that could not be taken are tried again, and a lost `*SPL` path is made again.
const RETRY: Duration = Duration::from_secs(30);

/// Greatest mail taken from the spool in octets: what one note can be.
const MAX_MAIL_OCTETS: usize = 256 << 20;

/// What the workers share.
struct Arrival {
    cms: Arc<Cms>,
    backend: Arc<SfsBackend>,
    builtin: TranslateTable,
    guest: Guest,
    store: Arc<MailStore>,
    config: ConfigInForce,
    statistics: Arc<Statistics>,
    path: SplPath,
    retry: Arc<Notify>,
}

/// What became of a file.
enum Fate {
    /// Delivered, or delivered before: it can go.
    Taken,
    /// It belongs in this user's reader.
    Transfer(UserId),
    /// Not now.
    Keep(String),
    /// Not before the operator has looked at it.
    Hold(String),
}

/// The name of a delivery, from the TAG that SMTP gives its files: recipient, note number, time of receipt; behind the time the
/// translate table of the records, unless it is the built-in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryName {
    /// The recipient.
    pub user: UserId,
    /// Number of the note.
    pub note: u32,
    /// When SMTP received it, microseconds since 1970.
    pub received: u64,
    /// What its records are written by; `None` is the built-in table.
    pub table: Option<TableId>,
}

impl DeliveryName {
    /// Reads a TAG; what stands behind the name is the subaddress.
    pub fn parse(tag: &str) -> Option<(Self, Option<&str>)> {
        let mut words = tag.trim_end().splitn(4, ' ');
        let (user, note) = (words.next()?, words.next()?);
        let third = words.next()?;
        let (received, table) = match third.split_once('/') {
            Some((received, table)) => (received, Some(TableId::parse(table)?)),
            None => (third, None),
        };
        let name = Self {
            user: UserId::new(user).ok()?,
            note: note.parse().ok()?,
            received: received.parse().ok()?,
            table,
        };
        Some((name, words.next()))
    }

    /// What is kept with the note: mails of one recipient that were received in the same microsecond have numbers that
    /// differ in their low half.
    fn origin(self, from: UserId) -> Origin {
        Origin { owner: from, spool_id: (self.note & 0xFFFF) as u16, created: self.received }
    }
}

/// Runs mail arrival until the machine ends. `retry` makes it look at the files again that it could not take.
pub async fn run(
    cms: Arc<Cms>,
    backend: Arc<SfsBackend>,
    server: Arc<Server>,
    config: ConfigInForce,
    retry: Arc<Notify>,
) {
    let guest = cms.guest.clone();
    loop {
        match SplPath::connect(&guest, "IMAP").await {
            Ok(path) => {
                let arrival = Arrival {
                    cms: cms.clone(),
                    backend: backend.clone(),
                    builtin: TranslateTable::builtin(),
                    guest: guest.clone(),
                    store: server.store.clone(),
                    config: config.clone(),
                    statistics: server.statistics.clone(),
                    path,
                    retry: retry.clone(),
                };
                let error = Arc::new(arrival).take_files().await;
                log(&guest, &format!("DTCIMP2101W The path to *SPL has ended: {error}")).await;
            }
            Err(error) => {
                log(&guest, &format!("DTCIMP2102E No connection to *SPL: {error}; mail waits in the reader"))
                    .await;
            }
        }
        // Either way it is tried again.
        let _asked = tokio::time::timeout(RETRY, retry.notified()).await;
    }
}

async fn log(guest: &Guest, text: &str) {
    tracing::info!(target: "imapd::arrival", "{text}");
    guest.write(text).await;
}

impl Arrival {
    /// Selects files and hands them to the workers until the path fails.
    async fn take_files(self: Arc<Self>) -> SplError {
        let owner = self.guest.userid();
        let workers: Vec<mpsc::Sender<Sfblok>> = (0..WORKERS).map(|_| self.start_worker()).collect();
        if let Err(error) = self.path.reset_seen(owner, Queue::Reader).await {
            return error;
        }
        // A time, not a pause: mail that keeps coming must not put it off.
        let mut look_again = Instant::now() + RETRY;
        loop {
            match self.path.select_next(owner, Queue::Reader).await {
                Ok(Some(file)) => {
                    let worker = &workers[self.worker_of(&file)];
                    if worker.send(file).await.is_err() {
                        return SplError::Severed(0);
                    }
                }
                Ok(None) => {
                    let result = tokio::select! {
                        arrived = self.path.arrival() => arrived.map(|_| false),
                        () = tokio::time::sleep_until(look_again) => Ok(true),
                        () = self.retry.notified() => Ok(true),
                    };
                    let reset = match result {
                        Ok(false) => continue,
                        // What could not be taken before is looked at again.
                        Ok(true) => self.path.reset_seen(owner, Queue::Reader).await,
                        Err(error) => Err(error),
                    };
                    if let Err(error) = reset {
                        return error;
                    }
                    look_again = Instant::now() + RETRY;
                }
                Err(error) => return error,
            }
        }
    }

    /// Files of one recipient always go to the same worker.
    fn worker_of(&self, file: &Sfblok) -> usize {
        let mut hasher = DefaultHasher::new();
        DeliveryName::parse(&file.tag).map(|(name, _)| name.user).hash(&mut hasher);
        usize::try_from(hasher.finish() % WORKERS as u64).unwrap_or(0)
    }

    fn start_worker(self: &Arc<Self>) -> mpsc::Sender<Sfblok> {
        let (sender, mut files) = mpsc::channel::<Sfblok>(WORKER_QUEUE);
        let own = self.clone();
        drop(self.guest.spawn(async move {
            let mut under_way = FuturesOrdered::new();
            loop {
                tokio::select! {
                    Some(()) = under_way.next(), if !under_way.is_empty() => {}
                    file = files.recv(), if under_way.len() < WINDOW => match file {
                        Some(file) => {
                            let own = own.clone();
                            under_way.push_back(async move { own.take(&file).await });
                        }
                        None => break,
                    },
                }
            }
            while under_way.next().await.is_some() {}
        }));
        sender
    }

    async fn take(&self, file: &Sfblok) {
        let number = file.file.id;
        let fate = self.fate(file).await;
        let action = match fate {
            Fate::Taken => CloseAction::Purge,
            Fate::Hold(_) => CloseAction::SystemHold,
            Fate::Keep(_) | Fate::Transfer(_) => CloseAction::Release,
        };
        if let Err(error) = self.path.close(file, action).await {
            log(&self.guest, &format!("DTCIMP2103W Spool file {number} cannot be closed: {error}")).await;
            return;
        }
        match fate {
            Fate::Taken => {}
            Fate::Keep(reason) => {
                log(&self.guest, &format!("DTCIMP2104W Spool file {number} stays in the reader: {reason}"))
                    .await;
            }
            Fate::Hold(reason) => {
                log(&self.guest, &format!("DTCIMP2106W Spool file {number} put in system hold: {reason}"))
                    .await;
            }
            Fate::Transfer(user) => {
                let answer = self.guest.cp_command(&format!("TRANSFER RDR {number} TO {user} RDR")).await;
                if answer.rc != 0 {
                    let why = answer.lines.join("; ");
                    log(
                        &self.guest,
                        &format!("DTCIMP2105W Spool file {number} not transferred to {user}: {why}"),
                    )
                    .await;
                }
            }
        }
    }

    async fn fate(&self, file: &Sfblok) -> Fate {
        let config = self.config.load_full();
        let bad = Fate::Transfer(config.bad_file_id);
        if file.origin != config.mail_origin {
            return bad;
        }
        let Some((name, subaddress)) = DeliveryName::parse(&file.tag) else { return bad };
        let user = match self.store.user(name.user).await {
            Ok(user) => user,
            Err(StoreError::NotEnrolled) => {
                let known = self.guest.cp().entry(name.user).is_some();
                return if known { Fate::Transfer(name.user) } else { bad };
            }
            Err(error) => return Fate::Keep(error.to_string()),
        };
        let octets = match self.read(file, name.table).await {
            Ok(octets) => octets,
            Err(fate) => return fate,
        };
        let message = NewMessage {
            flags: crate::syntax::flag::SystemFlags::default(),
            keywords: Vec::new(),
            date: self.received(name),
            email: None,
            octets,
        };
        let origin = name.origin(file.origin);
        let delivered = match subaddress.filter(|_| config.subaddresses) {
            Some(folder) => user.deliver_into(message, origin, folder).await,
            None => user.deliver(message, origin).await,
        };
        match delivered {
            Ok(_) => {
                self.statistics.arrivals.add(1);
                Fate::Taken
            }
            Err(error) => Fate::Keep(error.to_string()),
        }
    }

    /// INTERNALDATE is when SMTP received the mail, in the system's zone.
    fn received(&self, name: DeliveryName) -> InternalDate {
        let zone = self.guest.cp().clock.zone();
        let micros = i64::try_from(name.received).unwrap_or(0);
        let when =
            jiff::Timestamp::from_microsecond(micros).unwrap_or_else(|_| self.guest.now()).to_zoned(zone);
        let zone_minutes = i16::try_from(when.offset().seconds() / 60).unwrap_or(0);
        InternalDate { seconds: when.timestamp().as_second(), zone_minutes }
    }

    /// The file as a mail: records to octets, each with CRLF.
    async fn read(&self, file: &Sfblok, written: Option<TableId>) -> Result<Bytes, Fate> {
        let found;
        let table = match written {
            None => &self.builtin,
            Some(id) if id.fingerprint == self.backend.table().id().fingerprint => self.backend.table(),
            Some(id) => {
                found = self.find_table(id).await?;
                &found
            }
        };
        let line_end = b"\r\n".map(|b| table.to_ebcdic()[usize::from(b)]);
        let mut records = self.path.records(file);
        let mut octets = Vec::new();
        while let Some(record) = records.next().await.map_err(|error| match error {
            // Reading it again does not mend it.
            SplError::Splink(_) | SplError::BadAnswer => Fate::Hold(error.to_string()),
            other => Fate::Keep(other.to_string()),
        })? {
            if octets.len() + record.data.len() > MAX_MAIL_OCTETS {
                return Err(Fate::Hold(format!("the mail is larger than {MAX_MAIL_OCTETS} octets")));
            }
            octets.extend_from_slice(&record.data);
            octets.extend(line_end);
        }
        translate(&mut octets, table.from_ebcdic());
        Ok(Bytes::from(octets))
    }

    /// A table that is neither the built-in one nor that of the mail store: IMAP CONFIG and SMTP CONFIG name different ones, or did.
    async fn find_table(&self, id: TableId) -> Result<TranslateTable, Fate> {
        let keep = |why: String| Fate::Keep(format!("it is written by translate table {id}: {why}"));
        let table = tables::find(&self.cms, id.name).await.map_err(keep)?;
        if table.id() != id {
            return Err(keep(format!("{} is another table by now", table.id())));
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_names_the_delivery() {
        for (behind, subaddress) in [("", None), (" Lists/a b", Some("Lists/a b"))] {
            let tag = format!("JOE 00000012 1700000000000001{behind}");
            let (name, named) = DeliveryName::parse(&tag).unwrap();
            assert_eq!((name.user.as_str(), name.note, name.received), ("JOE", 12, 1_700_000_000_000_001));
            assert_eq!(named, subaddress);
        }
        let (name, named) = DeliveryName::parse("JOE 00000012 17/02730819/0000ABCD x").unwrap();
        assert_eq!((name.received, named), (17, Some("x")));
        assert_eq!(name.table.unwrap().to_string(), "02730819/0000ABCD");
        for bad in ["", "JOE", "JOE x 1", "JOE 1 2x 3", "TOOLONGNAME 1 2", "JOE 1 2/X", "JOE 1 2/X/12345"] {
            assert_eq!(DeliveryName::parse(bad), None, "{bad}");
        }
    }
}
