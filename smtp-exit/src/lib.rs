//! The SMTP machine: receives mail over TCP, keeps it as notes on its disk, delivers it to local users through the
//! commands exit and the virtual punch.
//!
//! A mail goes: wire ([`text`]) -> note files on the A-disk ([`note`]), durable before 250 -> delivery ([`delivery`]) ->
//! the PUNCH call point ([`exit`]) -> the exit punches it to the IMAP machine ([`imapcmdx`]), or, without an exit, SMTP
//! spools it to the user's own reader ([`punch`]).
//!
//! Not here: sending to other hosts, batch SMTP from spool files, the verification and forwarding exits.

pub mod commands;
pub mod config;
pub mod delivery;
pub mod exit;
pub mod imapcmdx;
pub mod limits;
pub mod machine;
pub mod note;
pub mod notice;
pub mod parse;
pub mod punch;
pub mod received;
pub mod reply;
pub mod resolver;
pub mod server;
pub mod session;
pub mod smsg;
pub mod syntax;
pub mod text;
