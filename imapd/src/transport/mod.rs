//! Sockets: listeners, TLS, one task a client, timeouts, limits, orderly stop.
//!
//! A client's task owns its session and nothing else. While a client is idle it holds no buffers: octets are read only
//! when the socket has some. The future of a running command is boxed, so that the task itself stays small.

pub mod connection;
mod deflate;
pub mod limits;
pub mod listener;
pub mod proxy;
mod proxy_line;
mod refusal;
pub mod trace;

use std::time::Duration;

pub use limits::{ConnectionLimits, Slot};
pub use listener::{Listener, Service};

/// Times after which a client is sent away.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Without a word from a client that has logged in; at least 30 minutes (RFC 3501 section 5.4).
    pub idle: Duration,
    /// Without login, from the connection on.
    pub login: Duration,
    /// For a handshake, or for a client that does not read what it is sent.
    pub stall: Duration,
    /// Without a word on a compressed connection, until its compressor is given back.
    pub quiet: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30 * 60),
            login: Duration::from_secs(180),
            stall: Duration::from_secs(120),
            quiet: Duration::from_secs(10),
        }
    }
}
