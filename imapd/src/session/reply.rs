//! Tagged answers and response codes (RFC 3501 section 7.1, RFC 5530).

use std::borrow::Cow;
use std::io;

use super::Step;
use crate::mailstore::StoreError;

/// The kind of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// `OK`
    Ok,
    /// `NO`
    No,
    /// `BAD`
    Bad,
    /// No answer yet: a continuation request was sent.
    Wait,
}

/// A tagged answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its kind.
    pub status: Status,
    /// Its response code without brackets.
    pub code: Option<Cow<'static, str>>,
    /// Text for people.
    pub text: Cow<'static, str>,
    /// What the transport does after it.
    pub then: Step,
}

impl Reply {
    fn new(status: Status, code: Option<Cow<'static, str>>, text: Cow<'static, str>) -> Self {
        Self { status, code, text, then: Step::Go }
    }

    /// `OK`
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Ok, None, text.into())
    }

    /// `OK` with a code
    pub fn ok_code(code: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Ok, Some(code.into()), text.into())
    }

    /// `NO` with a code
    pub fn no(code: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::No, Some(code.into()), text.into())
    }

    /// `BAD`
    pub fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Bad, None, text.into())
    }

    /// `BAD` with a code
    pub fn bad_code(code: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Bad, Some(code.into()), text.into())
    }

    /// `BAD` to what no client should say (RFC 5530).
    pub fn client_bug(text: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_code("CLIENTBUG", text)
    }

    /// No answer yet.
    pub fn wait() -> Self {
        Self::new(Status::Wait, None, "".into())
    }

    /// `OK`, and something for the transport to do.
    #[must_use]
    pub fn and_then(mut self, then: Step) -> Self {
        self.then = then;
        self
    }

    /// What a failure of the mail store comes to.
    pub fn from_store(error: &StoreError) -> Self {
        let code = match error {
            // He is who he says; what is missing only an administrator can give.
            StoreError::NotEnrolled => "CONTACTADMIN",
            StoreError::NoSuchMailbox | StoreError::MailboxDeleted => "NONEXISTENT",
            StoreError::NoRight | StoreError::NoSource => "NOPERM",
            StoreError::AlreadyExists => "ALREADYEXISTS",
            StoreError::NotSelectable | StoreError::Cannot(_) => "CANNOT",
            StoreError::OverQuota => "OVERQUOTA",
            StoreError::Limit(_) => "LIMIT",
            StoreError::TooManyEntries => "METADATA TOOMANY",
            // RFC 2180 section 4.4.
            StoreError::Expunged => "EXPUNGEISSUED",
            StoreError::HasChildren => "HASCHILDREN",
            StoreError::InUse => "INUSE",
            StoreError::Unavailable(_) | StoreError::OtherTable { .. } | StoreError::PoolFull => {
                "UNAVAILABLE"
            }
            StoreError::Damaged(_) => "CORRUPTION",
            StoreError::Defect(_) => "SERVERBUG",
        };
        // What went wrong inside is for the log; clients are told what they can act on.
        let text = match error {
            StoreError::Unavailable(_) | StoreError::OtherTable { .. } => {
                "Mail store is not available".into()
            }
            StoreError::PoolFull => "Mail store is full; the operator was told".into(),
            StoreError::Damaged(_) => "Mail store could not be read; the operator was told".into(),
            StoreError::Defect(_) => "Something went wrong in the server; the operator was told".into(),
            e => {
                let mut text = e.to_string();
                text[..1].make_ascii_uppercase();
                Cow::Owned(text)
            }
        };
        if matches!(
            error,
            StoreError::Unavailable(_)
                | StoreError::OtherTable { .. }
                | StoreError::PoolFull
                | StoreError::Damaged(_)
                | StoreError::Defect(_)
        ) {
            tracing::error!(error = %error, "mail store");
        }
        Self::new(Status::No, Some(code.into()), text)
    }

    /// For commands that add messages to a mailbox: a missing one may be created by the client, also where a name is left of it
    /// that others are below (RFC 9051 section 6.3.12).
    pub fn try_create(error: &StoreError) -> Self {
        match error {
            StoreError::NoSuchMailbox | StoreError::MailboxDeleted | StoreError::NotSelectable => {
                Self::no("TRYCREATE", "Mailbox does not exist")
            }
            e => Self::from_store(e),
        }
    }

    /// Appends the line; without a tag as an untagged one.
    pub fn write(&self, out: &mut Vec<u8>, tag: Option<&[u8]>) {
        let word = match self.status {
            Status::Ok => "OK",
            Status::No => "NO",
            Status::Bad => "BAD",
            Status::Wait => return,
        };
        out.extend_from_slice(tag.unwrap_or(b"*"));
        out.push(b' ');
        out.extend_from_slice(word.as_bytes());
        if let Some(code) = &self.code {
            out.extend_from_slice(b" [");
            out.extend_from_slice(code.as_bytes());
            out.push(b']');
        }
        out.push(b' ');
        out.extend_from_slice(self.text.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Why a command did not come to an answer of its own.
#[derive(Debug)]
pub enum Failure {
    /// It was answered at once.
    Answer(Reply),
    /// The mail store failed.
    Store(StoreError),
    /// The client cannot be written to.
    Io(io::Error),
}

impl From<Reply> for Failure {
    fn from(reply: Reply) -> Self {
        Self::Answer(reply)
    }
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}
