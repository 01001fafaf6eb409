//! Values of the IMAP grammar, without their wire form.
//!
//! Every type here is a plain value that the parser produces and commands consume; the few with a second textual form
//! (mailbox names, dates, sequence sets) own both directions. Nothing here knows sessions or mailboxes.

pub mod ast;
pub mod date;
pub mod flag;
pub mod imap_url;
pub mod mailbox_name;
pub mod partial_range;
pub mod quote;
pub mod rights;
pub mod saslprep;
pub mod search_key;
pub mod section;
pub mod seqset;
pub mod sort_key;
pub mod utf7;
