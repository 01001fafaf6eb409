//! The capability table: every token we show, where it comes from, and when it is shown.

use super::Session;
use super::table::{ANY, AUTHENTICATED, NOT_AUTHENTICATED, SELECTED};

/// One token.
#[derive(Debug)]
pub struct CapabilityRow {
    /// The token.
    pub token: &'static str,
    /// Where it is defined.
    pub source: &'static str,
    /// States in which it is shown.
    pub states: u8,
    /// What else must hold.
    pub condition: Condition,
}

/// When a token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Always,
    /// When TLS is configured and not yet on.
    CanStartTls,
    /// When passwords may be sent as things are.
    PasswordsAllowed,
    /// When passwords may not be sent as things are.
    PasswordsRefused,
    /// For administrators.
    Administrator,
}

const IN: u8 = AUTHENTICATED | SELECTED;

macro_rules! rows {
    ($($token:literal, $source:literal, $states:expr, $condition:ident;)*) => {
        /// All tokens in the order in which they are shown.
        pub static TABLE: &[CapabilityRow] = &[$(CapabilityRow {
            token: $token, source: $source, states: $states, condition: Condition::$condition,
        }),*];
    };
}

rows! {
    "IMAP4rev1", "RFC 3501", ANY, Always;
    "IMAP4rev2", "RFC 9051", ANY, Always;
    "LITERAL+", "RFC 7888", ANY, Always;
    "ID", "RFC 2971", ANY, Always;
    "ENABLE", "RFC 5161", ANY, Always;
    "SASL-IR", "RFC 4959", NOT_AUTHENTICATED, Always;
    "STARTTLS", "RFC 3501 section 6.2.1", NOT_AUTHENTICATED, CanStartTls;
    "AUTH=PLAIN", "RFC 4616", NOT_AUTHENTICATED, PasswordsAllowed;
    "LOGINDISABLED", "RFC 3501 section 6.2.3", NOT_AUTHENTICATED, PasswordsRefused;
    "IDLE", "RFC 2177", IN, Always;
    "NAMESPACE", "RFC 2342", IN, Always;
    "CHILDREN", "RFC 3348", IN, Always;
    "UNSELECT", "RFC 3691", IN, Always;
    "UIDPLUS", "RFC 4315", IN, Always;
    "MOVE", "RFC 6851", IN, Always;
    "SPECIAL-USE", "RFC 6154", IN, Always;
    "CREATE-SPECIAL-USE", "RFC 6154", IN, Always;
    "LIST-EXTENDED", "RFC 5258", IN, Always;
    "LIST-STATUS", "RFC 5819", IN, Always;
    "STATUS=SIZE", "RFC 8438", IN, Always;
    "APPENDLIMIT=67108864", "RFC 7889", IN, Always;
    "METADATA", "RFC 5464", IN, Always;
    "LIST-METADATA", "RFC 9590", IN, Always;
    "QUOTA", "RFC 9208", IN, Always;
    "QUOTA=RES-STORAGE", "RFC 9208", IN, Always;
    "QUOTA=RES-MESSAGE", "RFC 9208", IN, Always;
    "QUOTA=RES-MAILBOX", "RFC 9208", IN, Always;
    "QUOTASET", "RFC 9208", IN, Administrator;
    "CONDSTORE", "RFC 7162", IN, Always;
    "QRESYNC", "RFC 7162", IN, Always;
    "MULTIAPPEND", "RFC 3502", IN, Always;
    "BINARY", "RFC 3516", IN, Always;
    "OBJECTID", "RFC 8474", IN, Always;
    "SAVEDATE", "RFC 8514", IN, Always;
    "PREVIEW", "RFC 8970", IN, Always;
    "REPLACE", "RFC 8508", IN, Always;
    "SORT", "RFC 5256", IN, Always;
    "SORT=DISPLAY", "RFC 5957", IN, Always;
    "ESORT", "RFC 5267", IN, Always;
    "THREAD=ORDEREDSUBJECT", "RFC 5256", IN, Always;
    "THREAD=REFERENCES", "RFC 5256", IN, Always;
    "ESEARCH", "RFC 4731", IN, Always;
    "SEARCHRES", "RFC 5182", IN, Always;
    "WITHIN", "RFC 5032", IN, Always;
}

/// The tokens for a session as it stands.
pub fn list(session: &Session) -> String {
    let allowed = session.tls || session.server.clear_passwords;
    let mut out = String::new();
    for row in TABLE.iter().filter(|r| r.states & session.state() != 0) {
        let shown = match row.condition {
            Condition::Always => true,
            Condition::CanStartTls => session.server.starttls && !session.tls,
            Condition::PasswordsAllowed => allowed,
            Condition::PasswordsRefused => !allowed,
            Condition::Administrator => session.is_administrator(),
        };
        if shown {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(row.token);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_append_limit_is_the_real_one() {
        let token = format!("APPENDLIMIT={}", crate::wire::MAX_MESSAGE);
        assert!(TABLE.iter().any(|row| row.token == token));
    }
}
