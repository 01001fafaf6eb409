//! The mail store: users, mailboxes, messages, over a [`Backend`] that makes changes durable.
//!
//! Invariants:
//! - a mailbox that is open anywhere lives once in memory ([`OpenMailbox`]), shared by all its sessions;
//! - a change is staged, committed by the backend in one work unit, and only then seen by anybody;
//! - all changes of one user that arrive while a commit is under way go into the next one together ([`user`]); a change of two
//!   users takes the turns of both ([`exchange`]);
//! - UIDs and modification sequences only grow, UIDVALIDITY never repeats within a user.
//!
//! [`sfs`] keeps mail in a file pool by CSL. Sessions see changes through a bounded log per mailbox ([`change_log`]);
//! who falls behind compares states instead, so nobody is ever waited for.

pub mod access;
pub mod backend;
pub mod catalog;
pub mod change_log;
pub mod columns;
pub mod entries;
pub mod error;
pub mod exchange;
pub mod flag_runs;
pub mod leave;
mod name_news;
mod names;
pub mod news;
pub mod note_cache;
pub mod open;
pub mod orders;
pub mod own_seen;
pub mod publish;
mod rename_inbox;
mod requests;
pub mod sfs;
pub mod sharers;
mod stage;
pub mod store;
pub mod summaries;
pub mod text_batch;
pub mod text_fill;
pub mod text_keep;
pub mod text_room;
pub mod texts;
pub mod tombstones;
pub mod touches;
pub mod types;
pub mod user;

pub use access::{Access, Identifier, Published, RightsChange};
pub use backend::{Backend, Committed, LoadedMailbox, LoadedUser, Op, Shape};
pub use entries::Entries;
pub use error::StoreError;
pub use exchange::{Exchange, Moved, Terms};
pub use flag_runs::FlagRun;
pub use leave::{Asker, Leave};
pub use open::OpenMailbox;
pub use own_seen::OwnSeen;
pub use store::MailStore;
pub use summaries::SummaryPlace;
pub use tombstones::Tombstone;
pub use types::{
    Attributes, EmailId, MailboxId, MailboxRow, MessageRecord, ModSeq, NewMessage, NoteMarks, Origin,
    SessionId, Uid, UidValidity, UserHeader,
};
pub use user::{AccessChange, UserStore};
