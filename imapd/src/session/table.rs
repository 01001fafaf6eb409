//! The command table: every command with its parser, the states in which it is allowed, and what it does to others.

use crate::parse::{self, ArgsParser};

/// State bit: nobody has logged in.
pub const NOT_AUTHENTICATED: u8 = 1;
/// State bit: logged in, no mailbox selected.
pub const AUTHENTICATED: u8 = 2;
/// State bit: a mailbox is selected.
pub const SELECTED: u8 = 4;
/// Any state.
pub const ANY: u8 = NOT_AUTHENTICATED | AUTHENTICATED | SELECTED;

/// Flag: arguments or answers are message numbers.
pub const USES_SEQUENCE_NUMBERS: u8 = 1;
/// Flag: EXPUNGE must not be sent while it runs (RFC 3501 section 7.4.1).
pub const NO_EXPUNGE: u8 = 2;
/// Flag: may follow and precede other commands without waiting for answers.
pub const PIPELINE: u8 = 4;
/// Flag: changes messages of a mailbox.
pub const CHANGES_MAILBOX: u8 = 8;
/// Flag: changes names of mailboxes or the state of the session.
pub const CHANGES_STATE: u8 = 16;

/// One command.
#[derive(Debug)]
pub struct CommandRow {
    /// Its name, upper case.
    pub name: &'static str,
    /// Whether it is a UID form.
    pub uid: bool,
    /// States in which it is allowed.
    pub states: u8,
    /// What it does.
    pub flags: u8,
    /// Where it is defined.
    pub source: &'static str,
    /// Parser of its arguments.
    pub parse: ArgsParser,
}

const IN: u8 = AUTHENTICATED | SELECTED;
const SEQ: u8 = USES_SEQUENCE_NUMBERS | NO_EXPUNGE | PIPELINE;

macro_rules! rows {
    ($($name:literal, $uid:literal, $states:expr, $flags:expr, $source:literal, $parse:ident;)*) => {
        /// All commands.
        pub static TABLE: &[CommandRow] = &[$(CommandRow {
            name: $name, uid: $uid, states: $states, flags: $flags, source: $source, parse: parse::$parse,
        }),*];
    };
}

rows! {
    "CAPABILITY", false, ANY, PIPELINE, "RFC 3501 section 6.1.1", capability;
    "NOOP", false, ANY, PIPELINE, "RFC 3501 section 6.1.2", noop;
    "LOGOUT", false, ANY, CHANGES_STATE, "RFC 3501 section 6.1.3", logout;
    "ID", false, ANY, PIPELINE, "RFC 2971", id;
    "STARTTLS", false, NOT_AUTHENTICATED, CHANGES_STATE, "RFC 3501 section 6.2.1", starttls;
    "AUTHENTICATE", false, NOT_AUTHENTICATED, CHANGES_STATE, "RFC 3501 section 6.2.2", authenticate;
    "LOGIN", false, NOT_AUTHENTICATED, CHANGES_STATE, "RFC 3501 section 6.2.3", login;
    "ENABLE", false, AUTHENTICATED, CHANGES_STATE, "RFC 5161", enable;
    "COMPRESS", false, IN, CHANGES_STATE, "RFC 4978", compress;
    "UNAUTHENTICATE", false, IN, CHANGES_STATE, "RFC 8437", unauthenticate;
    "LANGUAGE", false, ANY, PIPELINE, "RFC 5255 section 3.2", language;
    "SELECT", false, IN, CHANGES_STATE, "RFC 3501 section 6.3.1", select;
    "EXAMINE", false, IN, CHANGES_STATE, "RFC 3501 section 6.3.2", examine;
    "CREATE", false, IN, CHANGES_STATE, "RFC 3501 section 6.3.3", create;
    "DELETE", false, IN, CHANGES_STATE, "RFC 3501 section 6.3.4", delete;
    "RENAME", false, IN, CHANGES_STATE | CHANGES_MAILBOX, "RFC 3501 section 6.3.5", rename;
    "SUBSCRIBE", false, IN, CHANGES_STATE, "RFC 3501 section 6.3.6", subscribe;
    "UNSUBSCRIBE", false, IN, CHANGES_STATE, "RFC 3501 section 6.3.7", unsubscribe;
    "LIST", false, IN, PIPELINE, "RFC 3501 section 6.3.8", list;
    "LSUB", false, IN, PIPELINE, "RFC 3501 section 6.3.9", lsub;
    "RLIST", false, IN, PIPELINE, "RFC 2193 section 5.1", rlist;
    "RLSUB", false, IN, PIPELINE, "RFC 2193 section 5.2", rlsub;
    "STATUS", false, IN, PIPELINE, "RFC 3501 section 6.3.10", status;
    "APPEND", false, IN, CHANGES_MAILBOX, "RFC 3501 section 6.3.11", append;
    "REPLACE", false, SELECTED, USES_SEQUENCE_NUMBERS | CHANGES_MAILBOX, "RFC 8508", replace;
    "REPLACE", true, SELECTED, CHANGES_MAILBOX, "RFC 8508", uid_replace;
    "GETMETADATA", false, IN, PIPELINE, "RFC 5464 section 4.2", getmetadata;
    "SETMETADATA", false, IN, CHANGES_STATE, "RFC 5464 section 4.3", setmetadata;
    "GETACL", false, IN, PIPELINE, "RFC 4314 section 3.3", getacl;
    "SETACL", false, IN, CHANGES_STATE, "RFC 4314 section 3.1", setacl;
    "DELETEACL", false, IN, CHANGES_STATE, "RFC 4314 section 3.2", deleteacl;
    "LISTRIGHTS", false, IN, PIPELINE, "RFC 4314 section 3.4", listrights;
    "MYRIGHTS", false, IN, PIPELINE, "RFC 4314 section 3.5", myrights;
    "GETQUOTA", false, IN, PIPELINE, "RFC 9208 section 4.1.1", getquota;
    "GETQUOTAROOT", false, IN, PIPELINE, "RFC 9208 section 4.1.2", getquotaroot;
    "SETQUOTA", false, IN, CHANGES_STATE, "RFC 9208 section 4.1.3", setquota;
    "NAMESPACE", false, IN, PIPELINE, "RFC 2342", namespace;
    "IDLE", false, IN, 0, "RFC 2177", idle;
    "NOTIFY", false, IN, CHANGES_STATE, "RFC 5465", notify;
    "CHECK", false, SELECTED, PIPELINE, "RFC 3501 section 6.4.1", check;
    "CLOSE", false, SELECTED, CHANGES_STATE | CHANGES_MAILBOX, "RFC 3501 section 6.4.2", close;
    "UNSELECT", false, SELECTED, CHANGES_STATE, "RFC 3691", unselect;
    "EXPUNGE", false, SELECTED, CHANGES_MAILBOX, "RFC 3501 section 6.4.3", expunge;
    "EXPUNGE", true, SELECTED, CHANGES_MAILBOX, "RFC 4315 section 2.1", uid_expunge;
    "SEARCH", false, SELECTED, SEQ, "RFC 3501 section 6.4.4", search;
    "SEARCH", true, SELECTED, PIPELINE, "RFC 3501 section 6.4.8", uid_search;
    "ESEARCH", false, IN, PIPELINE | NO_EXPUNGE, "RFC 7377", esearch;
    "SORT", false, SELECTED, SEQ, "RFC 5256 section 3", sort;
    "SORT", true, SELECTED, PIPELINE, "RFC 5256 section 3", uid_sort;
    "THREAD", false, SELECTED, SEQ, "RFC 5256 section 3", thread;
    "THREAD", true, SELECTED, PIPELINE, "RFC 5256 section 3", uid_thread;
    "FETCH", false, SELECTED, SEQ, "RFC 3501 section 6.4.5", fetch;
    "FETCH", true, SELECTED, PIPELINE, "RFC 3501 section 6.4.8", uid_fetch;
    "CANCELUPDATE", false, SELECTED, PIPELINE, "RFC 5267 section 4.3.5", cancelupdate;
    "UIDBATCHES", false, SELECTED, PIPELINE, "RFC 10022", uidbatches;
    "STORE", false, SELECTED, SEQ | CHANGES_MAILBOX, "RFC 3501 section 6.4.6", store;
    "STORE", true, SELECTED, PIPELINE | CHANGES_MAILBOX, "RFC 3501 section 6.4.8", uid_store;
    "COPY", false, SELECTED, USES_SEQUENCE_NUMBERS | CHANGES_MAILBOX, "RFC 3501 section 6.4.7", copy;
    "COPY", true, SELECTED, CHANGES_MAILBOX, "RFC 3501 section 6.4.8", uid_copy;
    "MOVE", false, SELECTED, USES_SEQUENCE_NUMBERS | CHANGES_MAILBOX, "RFC 6851", move_;
    "MOVE", true, SELECTED, CHANGES_MAILBOX, "RFC 6851", uid_move;
}

/// The row of a command name in any case.
pub fn find(name: &[u8], uid: bool) -> Option<&'static CommandRow> {
    TABLE.iter().find(|r| r.uid == uid && r.name.as_bytes().eq_ignore_ascii_case(name))
}

/// A state in words.
pub fn state_name(state: u8) -> &'static str {
    match state {
        NOT_AUTHENTICATED => "before login",
        AUTHENTICATED => "without a selected mailbox",
        _ => "in the selected state",
    }
}
