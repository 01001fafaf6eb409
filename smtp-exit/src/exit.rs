//! The SMTP commands exit: its parameter list, and how a program becomes one. What exits return (+72, +100) is common to those of
//! all machines: [`cms::exit`]. For PUNCH a recipient that the exit has dealt with counts as delivered, and SMTP tries again later
//! what cannot be now.
//!
//! An exit is called by name at the call points that SMTPCMDS names. The parameter list carries what the assembler form
//! of the real exit carries; the addresses of strings are the strings themselves. PUNCH is the call point that is
//! reached when a note is about to be spooled to a local user, once for each such recipient.
//!
//! Source: TCP/IP SMTP User Exits (PQ14324), "SMTP commands exit, assembler parameter list". The return codes are ours:
//! no page gives them.

use std::net::SocketAddr;

use cms::cp::name::UserId;
pub use cms::exit::{ExitReturn, MAX_RETURN_STRING};
use futures::future::BoxFuture;

use crate::note::{NoteDisk, NoteNumber};
use crate::punch::Punch;

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
    /// For PUNCH: what stands after `+` in his address. Ours.
    pub subaddress: Option<String>,
    /// When the note was received, microseconds since 1970; with its number the name of the mail for all time. Ours.
    pub received: i64,
}

/// A program that can be named in SMTPCMDS.
pub trait SmtpCommandExit: Send + Sync {
    /// The SMTP machine has started: the exit runs in the machine of this punch and finds the notes on this disk.
    fn bind(&self, punch: &Punch, disk: &NoteDisk);

    /// Called at a call point.
    fn call<'a>(&'a self, parms: &'a ExitParms) -> BoxFuture<'a, ExitReturn>;
}

/// Exits by name.
pub type ExitTable = cms::exit::ExitTable<dyn SmtpCommandExit>;
