//! What the transport knows of an encrypted connection that authentication may rest on.

use crate::auth::scram::EXPORTER_LEN;

/// Facts of a TLS connection; all absent on a plain one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Channel {
    /// The tls-exporter channel binding (RFC 9266). Only TLS 1.3 gives one: with TLS 1.2 it would need the extended
    /// master secret, of which the library does not tell.
    pub exporter: Option<[u8; EXPORTER_LEN]>,
    /// Whether an exchange was bound to it, which one may be on a connection (RFC 9266 section 4.1).
    pub spent: bool,
    /// The login names in the client's certificate, which TLS has verified.
    pub names: Vec<String>,
}
