//! The CP command tables: every command, QUERY and SET operand is one row.
//!
//! A row carries name, minimum abbreviation, privilege classes, help and function; HELP, QUERY COMMANDS and the check of
//! the privilege class come from it. Crates above CP (the spool) add their own rows with [`CommandTables::register`].
//! A command outside the user's classes is answered as an unknown one.

mod autolog;
mod begin;
pub mod common;
mod cp;
mod disconnect;
mod echo;
mod force;
mod help;
mod indicate;
mod ipl;
mod link;
mod logoff;
mod logon;
pub mod messages;
pub(crate) mod msg;
pub mod query;
mod send;
mod set;
mod shutdown;
mod sleep;
mod system;
mod table;
pub(crate) mod terminal;

use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::RwLock;

use crate::directory::DirectoryEntry;
use crate::message::HcpMessage;
use crate::system::Cp;
use crate::vm::Vm;

/// Which table a row belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// A command of its own.
    Command,
    /// An operand of QUERY.
    Query,
    /// An operand of SET.
    Set,
}

/// How a command or operand ends: a message is also its return code.
pub type CpResult = Result<(), HcpMessage>;

/// One call of a command.
pub struct CpCall<'a> {
    /// The system.
    pub cp: &'a Arc<Cp>,
    /// The machine that issues the command.
    pub vm: &'a Arc<Vm>,
    /// What follows the command word, without leading blanks, in the case it was typed in.
    pub operands: &'a str,
    /// Response lines.
    pub out: &'a mut Vec<String>,
}

/// The function of a row.
pub type CpFunction = for<'a> fn(CpCall<'a>) -> BoxFuture<'a, CpResult>;

/// One row of a command table.
pub struct CpCommand {
    /// Full name, upper case.
    pub name: &'static str,
    /// Length of the shortest abbreviation.
    pub min: usize,
    /// Privilege classes that may use it, such as `"AB"`; `"*"` is any user.
    pub classes: &'static str,
    /// Operands in the notation of HELP, capital letters showing the abbreviations.
    pub syntax: &'static str,
    /// One line that says what it does.
    pub summary: &'static str,
    /// What it does.
    pub run: CpFunction,
}

impl CpCommand {
    /// True when `word` (upper case) is the name or a long enough abbreviation of it.
    pub fn matches(&self, word: &str) -> bool {
        word.len() >= self.min && self.name.starts_with(word)
    }

    /// True when a user with this entry may use the row.
    pub fn allowed(&self, entry: &DirectoryEntry) -> bool {
        self.classes == "*" || self.classes.chars().any(|c| entry.classes.contains(c))
    }
}

/// All rows of the running system.
#[derive(Default)]
pub struct CommandTables {
    rows: RwLock<Vec<(Family, &'static CpCommand)>>,
}

impl CommandTables {
    /// Adds rows; earlier rows win where abbreviations collide.
    pub fn register(&self, family: Family, rows: &'static [CpCommand]) {
        self.rows.write().extend(rows.iter().map(|r| (family, r)));
    }

    /// The first row of `family` that `word` (any case) names and `entry` may use.
    pub fn find(&self, family: Family, word: &str, entry: &DirectoryEntry) -> Option<&'static CpCommand> {
        let word = word.to_ascii_uppercase();
        let rows = self.rows.read();
        rows.iter().find(|(f, r)| *f == family && r.matches(&word) && r.allowed(entry)).map(|(_, r)| *r)
    }

    /// All rows of `family`, sorted by name.
    pub fn all(&self, family: Family) -> Vec<&'static CpCommand> {
        let mut rows: Vec<_> =
            self.rows.read().iter().filter(|(f, _)| *f == family).map(|(_, r)| *r).collect();
        rows.sort_by_key(|r| r.name);
        rows
    }
}

/// The answer to a command issued by a program (DIAGNOSE X'08').
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CpResponse {
    /// Return code: 0, 1 for an unknown command, or the number of the message.
    pub rc: i32,
    /// Response lines.
    pub lines: Vec<String>,
}

pub use table::register;

/// Splits the first blank-delimited word off; both parts without blanks around them.
pub fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

/// Runs one command line for a machine and returns its answer.
pub fn execute<'a>(cp: &'a Arc<Cp>, vm: &'a Arc<Vm>, line: &'a str) -> BoxFuture<'a, CpResponse> {
    Box::pin(async move {
        let mut out = Vec::new();
        let result = dispatch(cp, vm, line, &mut out).await;
        let rc = match result {
            Ok(()) => 0,
            Err(message) => {
                let rc = i32::from(message.number);
                out.extend(vm.settings.lock().emsg.apply(&message));
                rc
            }
        };
        CpResponse { rc, lines: out }
    })
}

/// Finds the row for one command line and runs it; an empty line does nothing.
async fn dispatch<'a>(cp: &'a Arc<Cp>, vm: &'a Arc<Vm>, line: &'a str, out: &'a mut Vec<String>) -> CpResult {
    let (word, operands) = split_word(line);
    if word.is_empty() {
        return Ok(());
    }
    let row = cp.commands.find(Family::Command, word, &vm.entry).ok_or_else(|| unknown(word))?;
    (row.run)(CpCall { cp, vm, operands, out }).await
}

/// `HCPCMD001E`: also the answer to a command outside one's privilege classes.
fn unknown(word: &str) -> HcpMessage {
    HcpMessage {
        module: "CMD",
        number: 1,
        severity: 'E',
        text: format!("Unknown CP command: {}", word.to_ascii_uppercase()),
    }
}
