//! The SMTP commands exit: its parameter list, its return codes, and how a program becomes one.
//!
//! An exit is called by name at the call points that SMTPCMDS names. The parameter list carries what the assembler form
//! of the real exit carries; the addresses of strings are the strings themselves. PUNCH is the call point that is
//! reached when a note is about to be spooled to a local user, once for each such recipient.
//!
//! Source: TCP/IP SMTP User Exits (PQ14324), "SMTP commands exit, assembler parameter list". The return codes are ours:
//! no page gives them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use cms::cp::Guest;
use cms::cp::name::UserId;
use futures::future::BoxFuture;
use parking_lot::RwLock;

use crate::note::{NoteDisk, NoteNumber};

/// Greatest length of the return string in characters.
pub const MAX_RETURN_STRING: usize = 510;

/// Verify client status (offset +68).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerifyStatus {
    /// 0.
    Passed,
    /// 1.
    Failed,
    /// 2.
    NotPerformed,
    /// 3.
    Unknown,
}

/// What an exit is given.
#[derive(Clone, Debug)]
pub struct ExitParms {
    /// Mail record ID (+8).
    pub mail_record_id: u32,
    /// Address of the server's side of the connection (+12, +16); `None` for a note taken from disk after a restart.
    pub server: Option<SocketAddr>,
    /// Address of the client (+20, +24).
    pub client: Option<SocketAddr>,
    /// SMTP command string (+28), upper case; for the PUNCH call point `PUNCH userid`.
    pub command: String,
    /// HELO name (+36).
    pub helo: String,
    /// MAIL FROM string (+52).
    pub mail_from: String,
    /// File name of the note on disk (+60); `None` where there is no note yet.
    pub note: Option<NoteNumber>,
    /// Verify client status (+68).
    pub verify: VerifyStatus,
    /// Batch VM user ID (+84), when the mail came through the spool.
    pub batch_user: Option<UserId>,
    /// For PUNCH: the local user the note is for.
    pub recipient: Option<UserId>,
    /// When the note was received, microseconds since 1970; with its number the name of the mail for all time. Ours.
    pub received: i64,
}

/// What an exit returns (+72, +100).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExitReturn {
    /// 0: go on as if there were no exit.
    Continue,
    /// 1: the exit has dealt with it; for PUNCH the recipient counts as delivered.
    Handled,
    /// 2: refuse with the default text.
    Reject,
    /// 3: refuse with the return string.
    RejectWith(String),
    /// 4: refuse with the return string and close the connection.
    RejectAndClose(String),
    /// 5: go on and do not call the exit again.
    Disable,
    /// Not now; SMTP tries again later. The reason goes to the log.
    Retry(String),
}

/// A program that can be named in SMTPCMDS.
pub trait SmtpCommandExit: Send + Sync {
    /// The SMTP machine has started: the exit runs in this machine and finds the notes on this disk.
    fn bind(&self, guest: &Guest, disk: &NoteDisk);

    /// Called at a call point.
    fn call<'a>(&'a self, parms: &'a ExitParms) -> BoxFuture<'a, ExitReturn>;
}

/// Exits by name. A native program stands under the name that the EXEC of the real system has.
#[derive(Default)]
pub struct ExitTable {
    exits: RwLock<HashMap<String, Arc<dyn SmtpCommandExit>>>,
}

impl ExitTable {
    /// Makes a program known under `name`.
    pub fn register(&self, name: &str, exit: Arc<dyn SmtpCommandExit>) {
        self.exits.write().insert(name.to_ascii_uppercase(), exit);
    }

    /// The program known under `name`.
    pub fn find(&self, name: &str) -> Option<Arc<dyn SmtpCommandExit>> {
        self.exits.read().get(&name.to_ascii_uppercase()).cloned()
    }
}
