//! USER DIRECT, the source form of the user directory.
//!
//! One statement a record, columns 1 to 71; a record whose first non-blank is `*` is a comment; a comma at the end of
//! a record continues it on the next. Every error is reported with its record, token and reason, and reading goes on,
//! so that one run shows all that is wrong. The result holds passwords in the clear until [`SourceDirectory::seal`].
//!
//! Not here: reading files, and putting a directory on line.
//!
//! Sources: facts of the USER, PROFILE, INCLUDE and following directory statements.

use std::collections::HashMap;
use std::fmt;
use std::thread;

use thiserror::Error;

use super::builder::{Origin, Pending, PendingUser};
use super::entry::DirectoryEntry;
use super::grammar::{Fault, Statement, StatementRow, parse_statement, statement_row};
use super::password::{PasswordError, Salts};
use super::{DirectoryImage, builder};
use crate::name::UserId;

/// The last column that is looked at.
pub const LAST_COLUMN: usize = 71;

/// The kinds of errors, each with the number of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceErrorKind {
    /// An operand, or the statement itself, is not valid.
    InvalidOperand,
    /// A statement stands where it may not.
    Sequence,
    /// An operand is missing.
    Missing,
    /// A device or statement is there twice.
    Duplicate,
}

/// One thing that is wrong with a directory source.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct SourceError {
    /// Number of the record, from 1.
    pub line: usize,
    /// The offending token; empty when something is missing.
    pub token: String,
    /// What is wrong with it.
    pub reason: String,
    /// The entry in which it stands.
    pub user: Option<String>,
    /// The kind.
    pub kind: SourceErrorKind,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, token, reason, .. } = self;
        match self.kind {
            SourceErrorKind::InvalidOperand => write!(f, "HCPDIR751E INVALID OPERAND - {token}")?,
            SourceErrorKind::Sequence => write!(f, "HCPDIR752E STATEMENT SEQUENCE ERROR")?,
            SourceErrorKind::Missing => write!(f, "HCPDIR753E OPERAND MISSING")?,
            SourceErrorKind::Duplicate => write!(f, "HCPDIR758E DUPLICATE UNIT DEFINITION")?,
        }
        if let Some(user) = &self.user {
            write!(f, " FOLLOWING USER {user}")?;
        }
        write!(f, "; RECORD {line}: ")?;
        let named = matches!(self.kind, SourceErrorKind::InvalidOperand | SourceErrorKind::Missing);
        if named || token.is_empty() { write!(f, "{reason}") } else { write!(f, "{token} {reason}") }
    }
}

/// Which rules of form hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// USER DIRECT: columns 1 to 71, a DIRECTORY statement first.
    Source,
    /// The body of an object directory: records of any width, none continued.
    Object,
}

/// A directory that was read without error, with passwords that may still be in the clear.
#[derive(Debug, Default)]
pub struct SourceDirectory {
    users: Vec<PendingUser>,
}

impl SourceDirectory {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Hashes every password that is in the clear and gives the image to put on line. `random` fills what it is given
    /// with random octets. Hashing runs on all processors, for it costs tens of milliseconds a password.
    ///
    /// # Errors
    /// [`PasswordError`] for a password that cannot be hashed.
    pub fn seal(self, random: &mut dyn FnMut(&mut [u8])) -> Result<DirectoryImage, PasswordError> {
        let salted: Vec<(PendingUser, Vec<Salts>)> = self
            .users
            .into_iter()
            .map(|user| {
                let salts = (0..user.secrets()).map(|_| Salts::draw(random)).collect();
                (user, salts)
            })
            .collect();
        let lanes = thread::available_parallelism().map_or(1, |n| n.get().min(8));
        let mut work: Vec<Vec<(usize, PendingUser, Vec<Salts>)>> = (0..lanes).map(|_| Vec::new()).collect();
        for (place, (user, salts)) in salted.into_iter().enumerate() {
            work[place % lanes].push((place, user, salts));
        }
        let done = thread::scope(|scope| {
            let lanes: Vec<_> = work
                .into_iter()
                .map(|lane| {
                    scope.spawn(move || {
                        lane.into_iter()
                            .map(|(place, user, salts)| user.seal(&salts).map(|entry| (place, entry)))
                            .collect::<Result<Vec<_>, _>>()
                    })
                })
                .collect();
            let joined = lanes.into_iter().map(|lane| lane.join().expect("hashing does not panic"));
            joined.collect::<Result<Vec<Vec<(usize, DirectoryEntry)>>, _>>()
        })?;
        let mut entries: Vec<(usize, DirectoryEntry)> = done.into_iter().flatten().collect();
        entries.sort_by_key(|(place, _)| *place);
        Ok(DirectoryImage::new(entries.into_iter().map(|(_, entry)| entry)))
    }
}

/// Reads a directory source.
///
/// # Errors
/// Every error found, in the order of the records.
pub fn read(text: &str) -> Result<SourceDirectory, Vec<SourceError>> {
    read_dialect(text, Dialect::Source)
}

pub(super) fn read_dialect(text: &str, dialect: Dialect) -> Result<SourceDirectory, Vec<SourceError>> {
    let mut reader = Reader::new(dialect);
    for logical in logical_statements(text, dialect) {
        reader.statement(&logical);
    }
    reader.finish()
}

/// One statement with its continuations joined, and where each record of it begins.
#[derive(Debug)]
struct Logical {
    text: String,
    starts: Vec<(usize, usize)>,
}

impl Logical {
    /// The number of the record that holds the octet `offset` of the text.
    fn line_at(&self, offset: usize) -> usize {
        self.starts
            .iter()
            .rev()
            .find(|(start, _)| *start <= offset)
            .or(self.starts.first())
            .map_or(0, |s| s.1)
    }

    fn first_line(&self) -> usize {
        self.line_at(0)
    }
}

fn logical_statements(text: &str, dialect: Dialect) -> Vec<Logical> {
    let mut statements: Vec<Logical> = Vec::new();
    let mut open = false;
    for (index, record) in text.lines().enumerate() {
        let seen: String = match dialect {
            Dialect::Source => record.chars().take(LAST_COLUMN).collect(),
            Dialect::Object => record.into(),
        };
        let body = seen.trim();
        if body.starts_with('*') || (body.is_empty() && !open) {
            continue;
        }
        let (body, continued) = match body.strip_suffix(',') {
            Some(before) if dialect == Dialect::Source => (before.trim_end(), true),
            _ => (body, false),
        };
        match statements.last_mut() {
            Some(logical) if open => {
                logical.text.push(' ');
                logical.starts.push((logical.text.len(), index + 1));
                logical.text.push_str(body);
            }
            _ => statements.push(Logical { text: body.into(), starts: vec![(0, index + 1)] }),
        }
        open = continued;
    }
    statements
}

/// The entry or profile that is being read.
enum Place {
    /// Before the first.
    Start,
    /// In a profile; its statements are kept for INCLUDE.
    Profile { name: String, statements: Vec<Statement> },
    /// In an entry.
    User { label: String, line: usize, pending: Box<Pending>, bad: bool, statements: usize },
}

struct Reader {
    dialect: Dialect,
    place: Place,
    seen_directory: bool,
    seen_user: bool,
    profiles: HashMap<String, Vec<Statement>>,
    known: HashMap<UserId, usize>,
    users: Vec<PendingUser>,
    errors: Vec<SourceError>,
}

impl Reader {
    fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            place: Place::Start,
            seen_directory: dialect == Dialect::Object,
            seen_user: false,
            profiles: HashMap::new(),
            known: HashMap::new(),
            users: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn user_label(&self) -> Option<String> {
        match &self.place {
            Place::Start => None,
            Place::Profile { name, .. } => Some(name.clone()),
            Place::User { label, .. } => Some(label.clone()),
        }
    }

    fn error(&mut self, kind: SourceErrorKind, line: usize, token: &str, reason: impl Into<String>) {
        let user = self.user_label();
        self.errors.push(SourceError { line, token: token.into(), reason: reason.into(), user, kind });
    }

    fn statement(&mut self, logical: &Logical) {
        let word = logical.text.split_whitespace().next().unwrap_or_default();
        let line = logical.first_line();
        let Some(row) = statement_row(word) else {
            self.error(SourceErrorKind::InvalidOperand, line, word, "is not a directory statement");
            return;
        };
        if !self.seen_directory && row.name != "DIRECTORY" {
            self.error(SourceErrorKind::Sequence, line, word, "stands before the DIRECTORY statement");
            self.seen_directory = true;
        }
        let begins = matches!(row.name, "USER" | "PROFILE");
        if begins {
            self.close_place();
        }
        match parse_statement(row, &logical.text[word.len()..]) {
            Ok(statement) => self.take(row, statement, line, word),
            Err(fault) => {
                self.fault(logical, &fault);
                if begins {
                    self.open_bad(row, logical);
                } else if let Place::User { bad, .. } = &mut self.place {
                    *bad = true;
                }
            }
        }
    }

    fn fault(&mut self, logical: &Logical, fault: &Fault<'_>) {
        let token = fault.rest.split_whitespace().next().unwrap_or_default();
        let line = logical.line_at(logical.text.len() - fault.rest.len().min(logical.text.len()));
        if token.is_empty() {
            self.error(SourceErrorKind::Missing, line, "", fault.reason.clone());
        } else {
            self.error(SourceErrorKind::InvalidOperand, line, token, fault.reason.clone());
        }
    }

    /// After a bad USER or PROFILE the statements that follow are still checked, and then thrown away.
    fn open_bad(&mut self, row: &StatementRow, logical: &Logical) {
        let label = logical.text.split_whitespace().nth(1).unwrap_or("?").to_ascii_uppercase();
        self.place = if row.name == "PROFILE" {
            Place::Profile { name: label, statements: Vec::new() }
        } else {
            self.seen_user = true;
            let pending = Box::new(Pending::scratch());
            Place::User { label, line: logical.first_line(), pending, bad: true, statements: 0 }
        };
    }

    fn take(&mut self, row: &StatementRow, statement: Statement, line: usize, word: &str) {
        match statement {
            Statement::Directory if self.seen_directory => {
                self.error(SourceErrorKind::Sequence, line, word, "may be there once, and first");
            }
            Statement::Directory => self.seen_directory = true,
            Statement::Profile(name) => {
                if self.seen_user {
                    self.error(
                        SourceErrorKind::Sequence,
                        line,
                        word,
                        "must stand before all USER statements",
                    );
                } else if self.profiles.contains_key(&name) {
                    self.error(SourceErrorKind::Duplicate, line, &name, "is the name of an earlier profile");
                }
                self.place = Place::Profile { name, statements: Vec::new() };
            }
            Statement::User(user) => {
                self.seen_user = true;
                let bad = self.known.contains_key(&user.userid);
                if let Some(first) = self.known.insert(user.userid, line) {
                    let reason = format!("has an entry already, at record {first}");
                    self.error(SourceErrorKind::Duplicate, line, user.userid.as_str(), reason);
                }
                let label = user.userid.to_string();
                let pending = Box::new(Pending::new(user));
                self.place = Place::User { label, line, pending, bad, statements: 0 };
            }
            Statement::Include(name) => self.include(&name, line),
            other => self.member(row, other, line, word),
        }
    }

    fn include(&mut self, name: &str, line: usize) {
        let Place::User { statements: 0, pending, .. } = &mut self.place else {
            self.error(SourceErrorKind::Sequence, line, "INCLUDE", "must follow the USER statement");
            return;
        };
        let Some(profile) = self.profiles.get(name) else {
            self.error(SourceErrorKind::InvalidOperand, line, name, "is not the name of a profile above");
            if let Place::User { bad, .. } = &mut self.place {
                *bad = true;
            }
            return;
        };
        for statement in profile {
            // What is wrong within the profile was reported where it stands.
            let _ = pending.apply(statement.clone(), Origin::Profile);
        }
        if let Place::User { statements, .. } = &mut self.place {
            *statements += 1;
        }
    }

    fn member(&mut self, row: &StatementRow, statement: Statement, line: usize, word: &str) {
        let result = match &mut self.place {
            Place::Start => {
                self.error(SourceErrorKind::Sequence, line, word, "stands before the first USER or PROFILE");
                return;
            }
            Place::Profile { .. } if !row.in_profile => {
                self.error(SourceErrorKind::Sequence, line, word, "may not stand in a profile");
                return;
            }
            Place::Profile { statements, .. } => {
                let mut scratch = Pending::scratch();
                for earlier in statements.iter() {
                    let _ = scratch.apply(earlier.clone(), Origin::Profile);
                }
                let result = scratch.apply(statement.clone(), Origin::Profile);
                if result.is_ok() {
                    statements.push(statement);
                }
                result
            }
            Place::User { pending, statements, .. } => {
                *statements += 1;
                pending.apply(statement, Origin::User)
            }
        };
        if let Err(builder::Conflict { token, reason }) = result {
            self.error(SourceErrorKind::Duplicate, line, &token, reason);
            if let Place::User { bad, .. } = &mut self.place {
                *bad = true;
            }
        }
    }

    /// Ends the entry or profile that is open.
    fn close_place(&mut self) {
        match std::mem::replace(&mut self.place, Place::Start) {
            Place::Start => {}
            Place::Profile { name, statements } => {
                self.profiles.insert(name, statements);
            }
            Place::User { label, line, pending, bad, .. } => match pending.complete() {
                Ok(user) if !bad => self.users.push(user),
                Ok(_) => {}
                Err(_) if bad => {}
                Err(reason) => self.errors.push(SourceError {
                    line,
                    token: String::new(),
                    reason,
                    user: Some(label),
                    kind: SourceErrorKind::Missing,
                }),
            },
        }
    }

    fn finish(mut self) -> Result<SourceDirectory, Vec<SourceError>> {
        self.close_place();
        if !self.seen_directory && self.dialect == Dialect::Source {
            self.error(SourceErrorKind::Missing, 1, "", "there is no DIRECTORY statement");
        }
        if self.users.is_empty() && self.errors.is_empty() && self.dialect == Dialect::Source {
            self.error(SourceErrorKind::Missing, 1, "", "there is no USER statement");
        }
        if self.errors.is_empty() {
            return Ok(SourceDirectory { users: self.users });
        }
        self.errors.sort_by_key(|e| e.line);
        Err(self.errors)
    }
}

/// What `DIRECTXA` answers on the console: the errors and the last line.
pub fn directxa_answer(errors: &[SourceError], edit_only: bool) -> Vec<String> {
    let mut lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let done = errors.is_empty() && !edit_only;
    lines.push(if done { "EOJ DIRECTORY UPDATED AND ON LINE" } else { "EOJ DIRECTORY NOT UPDATED" }.into());
    lines
}
