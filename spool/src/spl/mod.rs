//! `*SPL`, the spool system service: spool files over IUCV.
//!
//! A program connects to `*SPL` (its directory entry says `IUCV *SPL`), sends [`Spgbk`] request blocks and gets
//! [`Sprbk`] status blocks, file blocks ([`Sfblok`]) and pages of data ([`splink`]) back. What the public control blocks
//! leave open is chosen here: the message classes ([`class`]), the layout of IPUSER at CONNECT, the CLOSE block, the
//! one-way message that announces a file on an idle path, and the sever codes ([`sever`]).
//!
//! Source: facts of CP section 1 (SPGBK, SPRBK, CAPBK, ASPBK, SFBLOK and SPLINK control blocks).

mod block;
mod client;
mod service;
pub mod splink;

use std::sync::Arc;

use cp::Cp;

use crate::engine::Spool;

pub use block::{Sfblok, Spgbk, SplArrival, Sprbk, option};
pub use client::{CloseAction, SplError, SplPath, SplRecords};

/// Name of the service.
pub const SERVICE: &str = "*SPL";

/// Message classes (IPTRGCLS).
pub mod class {
    /// SELECT and GET.
    pub const SELECT: u32 = 1;
    /// CLOSE.
    pub const CLOSE: u32 = 2;
    /// READ SPLINK.
    pub const READ_SPLINK: u32 = 3;
    /// READ XAB.
    pub const READ_XAB: u32 = 4;
    /// PURGE.
    pub const PURGE: u32 = 5;
    /// From CP: a file has come into the queue for which the path is idle.
    pub const ARRIVAL: u32 = 8;
}

/// General return codes (SPRGENRC).
pub mod rc {
    /// Done.
    pub const OK: u8 = 0;
    /// No match found: for SELECT next, the end of the queue.
    pub const NO_MATCH: u8 = 4;
    /// The file is still active.
    pub const ACTIVE: u8 = 8;
    /// Not privileged.
    pub const NOT_PRIVILEGED: u8 = 12;
    /// Invalid queue.
    pub const BAD_QUEUE: u8 = 16;
    /// Invalid user id.
    pub const BAD_USER: u8 = 20;
    /// The spool cannot do it now: full, offline or damaged. Ours; the original has an external security manager here.
    pub const FAILED: u8 = 24;
    /// Bad input parameter list.
    pub const BAD_LIST: u8 = 255;
}

/// Return codes about SPLINKs (SPRSPKRC).
pub mod splink_rc {
    /// Paging error: the data cannot be read.
    pub const PAGING: u8 = 4;
    /// Invalid starting number.
    pub const BAD_START: u8 = 12;
    /// The number asked for ran past the end of the file.
    pub const END_OF_FILE: u8 = 16;
    /// About the XAB: there is none.
    pub const NO_XAB: u8 = 12;
}

/// First byte of IPUSER when CP severs a path.
pub mod sever {
    /// The machine has too many paths to the service.
    pub const TOO_MANY: u8 = 4;
    /// The user data of the CONNECT are not understood.
    pub const BAD_CONNECT: u8 = 8;
    /// The system ends.
    pub const SHUTDOWN: u8 = 12;
}

/// Paths that one machine may have to the service.
pub const MAX_PATHS: usize = 16;
/// SPLINKs that one request may ask for: 1 MiB.
pub const MAX_SPLINKS: u32 = 256;

/// Adds the service to a system.
pub(crate) fn register(cp: &Arc<Cp>, spool: &Arc<Spool>) {
    service::register(cp, spool);
}
