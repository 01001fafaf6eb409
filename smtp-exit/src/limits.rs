//! Every limit of the SMTP machine, with its reason.

/// Longest command line in octets without CRLF: 512 of RFC 5321 section 4.5.3.1.4, and room for ESMTP parameters and an
/// AUTH initial response (RFC 4954 section 4 asks for 12,288 octets).
pub const MAX_COMMAND_OCTETS: usize = 12_288;

/// Longest line of mail text in octets without CRLF. RFC 5321 section 4.5.3.1.6 asks for 998 at least; a record of a
/// note holds 65,535, which is where we stop.
pub const MAX_TEXT_LINE_OCTETS: usize = 65_535;

/// Recipients of one mail: what the sibling server of MVS takes before `552 Too many recipients`.
pub const MAX_RECIPIENTS: usize = 2_000;

/// Longest path in octets (RFC 5321 section 4.5.3.1.3).
pub const MAX_PATH_OCTETS: usize = 256;

/// Longest local part in octets (RFC 5321 section 4.5.3.1.1).
pub const MAX_LOCAL_PART_OCTETS: usize = 64;

/// Longest domain in octets (RFC 5321 section 4.5.3.1.2).
pub const MAX_DOMAIN_OCTETS: usize = 255;

/// Default of MAXMAILBYTES: octets of one mail as it comes over the wire.
pub const DEFAULT_MAX_MAIL_OCTETS: u64 = 52_428_800;

/// Commands that may fail in one session before it is closed: a client that errs so often is not one.
pub const MAX_BAD_COMMANDS: u32 = 20;

/// Failed AUTH attempts in one session before it is closed.
pub const MAX_AUTH_FAILURES: u32 = 3;

/// `Received:` lines in a mail before it counts as looping (RFC 5321 section 6.3 asks for at least 100).
pub const MAX_HOPS: usize = 100;

/// Connections served at once; further ones are answered 421.
pub const MAX_CONNECTIONS: usize = 1_000;

/// Notes that the delivery task may have waiting in memory; the rest stays on disk until it has caught up.
pub const MAX_QUEUED_NOTES: usize = 1_024;

/// Seconds without a command before a connection is closed (INACTIVE; RFC 5321 section 4.5.3.2.7 asks for 5 minutes).
pub const DEFAULT_INACTIVE_SECONDS: u64 = 300;
