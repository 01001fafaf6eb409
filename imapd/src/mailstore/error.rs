//! What can go wrong in the mail store, for the edge to turn into response codes.

use cms::cp::translate_table::TableId;
use thiserror::Error;

/// Why a request to the mail store failed. Nothing of a failed request remains.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The user has no file space for mail.
    #[error("user is not enrolled for mail")]
    NotEnrolled,
    /// No mailbox of that name.
    #[error("mailbox does not exist")]
    NoSuchMailbox,
    /// A right on the mailbox is missing.
    #[error("you have no right to do that")]
    NoRight,
    /// The name is taken.
    #[error("mailbox exists already")]
    AlreadyExists,
    /// The name can hold no messages.
    #[error("mailbox cannot be selected")]
    NotSelectable,
    /// INBOX stays, or another request that can never work.
    #[error("{0}")]
    Cannot(&'static str),
    /// A limit of the user is reached: blocks, messages or mailboxes.
    #[error("limit of the user is reached")]
    OverQuota,
    /// The storage group of the user, or the file pool, is full.
    #[error("mail store is full")]
    PoolFull,
    /// There are as many annotations as may be, or as many octets of them.
    #[error("too many annotations")]
    TooManyEntries,
    /// A named limit is reached.
    #[error("{0}")]
    Limit(&'static str),
    /// The mailbox went away while the request was under way.
    #[error("mailbox was deleted")]
    MailboxDeleted,
    /// Of messages that go together, one went away while the request was under way.
    #[error("some messages were expunged by another session")]
    Expunged,
    /// Of what a message is put together from, something may be read no more.
    #[error("what the message is put together from may be read no more")]
    NoSource,
    /// The name has inferior names and is none of a mailbox.
    #[error("mailbox has inferior names and cannot be selected")]
    HasChildren,
    /// Somebody else holds what the request needs; try again later.
    #[error("mail store is in use")]
    InUse,
    /// The file pool does not answer; try again later.
    #[error("mail store is not available: {0}")]
    Unavailable(String),
    /// Notes are written by another translate table than the configured one.
    #[error(
        "the notes of the mail store are written by translate table {written}, and the configuration names {wanted}"
    )]
    OtherTable {
        /// The one that they are written by.
        written: TableId,
        /// The configured one.
        wanted: TableId,
    },
    /// The file pool holds what it should not.
    #[error("mail store is damaged: {0}")]
    Damaged(String),
    /// What cannot be has happened here.
    #[error("defect: {0}")]
    Defect(String),
}

impl StoreError {
    /// Whether it would have gone well with more room.
    pub fn is_want_of_room(&self) -> bool {
        matches!(self, Self::OverQuota | Self::PoolFull)
    }
}
