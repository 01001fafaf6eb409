//! What a client has switched on, by ENABLE or by using it (RFC 5161, RFC 7162 section 3.1).

/// Extensions that change what a session is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enabled {
    /// Changes of flags come with MODSEQ.
    pub condstore: bool,
    /// VANISHED instead of EXPUNGE; implies CONDSTORE.
    pub qresync: bool,
}
