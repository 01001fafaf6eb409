//! IMAP CONFIG: the statements of the IMAP server.
//!
//! One statement a record, keyword and operand; keywords in any case; `;` starts a comment. Every wrong record is
//! reported with its number, the token and the reason. FilePoolID and BadFileID are required. Port, SecurePort, EnrollBlocks,
//! LoginTimeout, MaxConnections, MaxPerAddress, MaxPerUser, Comment (words), AdminURI, AuthExit, TokenExit, LoginReferral, ClearPasswords,
//! EightBitHeaders, ProxyFrom, MessageLimit, MailboxReferral, Subaddress and Capability are ours. TranslateTable is ours in its name, which
//! LPD's configuration has.
//! `Capability token {ON|OFF} [userid]` may stand many times; a record
//! changes what one before it said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cms::cp::name::{FileName, FilePoolId, UserId};
use cms::cp::translate_table::STANDARD;
use thiserror::Error;

use crate::auth::bearer::EXITS;
use crate::session::TokenSettings;
use crate::session::mailbox_referrals::MailboxReferrals;
use crate::session::message_limit::MessageLimit;
use crate::syntax::imap_url::{ImapUrl, UrlMailbox, UrlReference};
use crate::syntax::mailbox_name::MailboxName;
use crate::transport::proxy::ProxyAddress;

/// Least IdleTimeout in minutes (RFC 3501 section 5.4).
const LEAST_IDLE_MINUTES: u64 = 30;

/// Greatest IdleTimeout in minutes: a week.
const GREATEST_IDLE_MINUTES: u64 = 10_080;

/// Least LoginTimeout in seconds: people have to type.
const LEAST_LOGIN_SECONDS: u64 = 10;

/// Greatest LoginTimeout in seconds: an hour.
const GREATEST_LOGIN_SECONDS: u64 = 3600;

/// LoginTimeout when it is left out: long enough for somebody who looks for his password.
const DEFAULT_LOGIN_SECONDS: u64 = 180;

/// Blocks that ENROLL gives when it names no number.
const DEFAULT_ENROLL_BLOCKS: u32 = 1_000_000;

/// Most ProxyFrom statements: each is looked at for every connection.
const MAX_PROXIES: usize = 64;

/// The port of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PortChoice {
    /// The one that the host gives it.
    #[default]
    Host,
    /// This one, at the host's address.
    Number(u16),
    /// None: there is no such listener.
    Off,
}

/// What IMAP CONFIG says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImapConfig {
    /// The translate table that notes are written by.
    pub translate_table: TableName,
    /// Where clients are listened to that begin without TLS.
    pub port: PortChoice,
    /// Where those are that begin with TLS.
    pub secure_port: PortChoice,
    /// The file pool of the mail store.
    pub file_pool: FilePoolId,
    /// Gets spool files that cannot be used.
    pub bad_file_id: UserId,
    /// Whose spool files are mail.
    pub mail_origin: UserId,
    /// Time after which an idle client is logged out.
    pub idle_timeout: Duration,
    /// Time from the connection on in which a client must log in.
    pub login_timeout: Duration,
    /// Blocks of a new user.
    pub enroll_blocks: u32,
    /// Connections in all.
    pub max_connections: usize,
    /// Connections from one address.
    pub max_per_address: usize,
    /// Connections of one user.
    pub max_per_user: usize,
    /// What the server says of itself to clients that ask.
    pub comment: Option<String>,
    /// Where its administrator is reached, a URI.
    pub admin: Option<String>,
    /// Name of the exit that judges bearer tokens.
    pub token_exit: Option<&'static str>,
    /// The exit that is asked about logins.
    pub auth_exit: Option<ExitName>,
    /// Tokens that are switched on and off.
    pub tokens: TokenSettings,
    /// Users whose mail is on another system, with its URL.
    pub referrals: BTreeMap<UserId, ImapUrl>,
    /// Proxies that say for whom they connect.
    pub proxies: Vec<ProxyAddress>,
    /// Whether passwords may come without encryption.
    pub clear_passwords: bool,
    /// Whether messages with 8-bit headers are added for clients that did not say that they know such.
    pub eight_bit_headers: bool,
    /// Mailboxes that are on other systems.
    pub mailbox_referrals: MailboxReferrals,
    /// How many messages one command may work on.
    pub message_limit: Option<MessageLimit>,
    /// Whether mail for a subaddress goes to the folder of that name.
    pub subaddresses: bool,
}

/// The configuration in force, which CONFIG changes.
pub type ConfigInForce = Arc<ArcSwap<ImapConfig>>;

/// A record that is wrong, or a statement that is missing (record 0).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("IMAP CONFIG record {record}: {token}: {reason}")]
pub struct ConfigError {
    /// Number of the record, from 1; 0 for what is missing.
    pub record: usize,
    /// The token.
    pub token: String,
    /// What is wrong.
    pub reason: String,
}

/// The name of an exit that is registered elsewhere, and the record that says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitName {
    record: usize,
    /// The name, upper case.
    pub name: String,
}

impl ExitName {
    /// What is wrong when there is no such exit.
    pub fn unknown(&self) -> ConfigError {
        let reason = "there is no exit of this name".to_owned();
        ConfigError { record: self.record, token: self.name.clone(), reason }
    }
}

/// The name of a translate table, and the record that says it; 0 when none does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableName {
    record: usize,
    /// The name.
    pub name: FileName,
}

impl TableName {
    /// What is wrong with the table of this name.
    pub fn wrong(&self, reason: String) -> ConfigError {
        ConfigError { record: self.record, token: self.name.to_string(), reason }
    }
}

#[derive(Default)]
struct Draft {
    translate_table: Option<TableName>,
    port: Option<PortChoice>,
    secure_port: Option<PortChoice>,
    file_pool: Option<FilePoolId>,
    bad_file_id: Option<UserId>,
    mail_origin: Option<UserId>,
    idle_minutes: Option<u64>,
    login_seconds: Option<u64>,
    enroll_blocks: Option<u64>,
    max_connections: Option<u64>,
    max_per_address: Option<u64>,
    max_per_user: Option<u64>,
    comment: Option<String>,
    admin: Option<String>,
    token_exit: Option<&'static str>,
    auth_exit: Option<ExitName>,
    tokens: TokenSettings,
    referrals: BTreeMap<UserId, ImapUrl>,
    proxies: Vec<ProxyAddress>,
    clear_passwords: Option<bool>,
    eight_bit_headers: Option<bool>,
    subaddresses: Option<bool>,
    message_limit: Option<MessageLimit>,
    mailbox_referrals: MailboxReferrals,
}

/// Reads the records of IMAP CONFIG.
///
/// # Errors
/// All that is wrong, in order of the records.
pub fn read<'a>(records: impl Iterator<Item = &'a str>) -> Result<ImapConfig, Vec<ConfigError>> {
    let mut draft = Draft::default();
    let mut errors = Vec::new();
    for (index, record) in records.enumerate() {
        let statement = record.split(';').next().unwrap_or("");
        let words: Vec<&str> = statement.split_ascii_whitespace().collect();
        if let Err((token, reason)) = take(&mut draft, &words) {
            errors.push(ConfigError { record: index + 1, token, reason });
        }
        if let Some(exit) = draft.auth_exit.as_mut().filter(|exit| exit.record == 0) {
            exit.record = index + 1;
        }
        if let Some(table) = draft.translate_table.as_mut().filter(|table| table.record == 0) {
            table.record = index + 1;
        }
    }
    let missing =
        |token: &str| ConfigError { record: 0, token: token.into(), reason: "required statement".into() };
    if draft.file_pool.is_none() {
        errors.push(missing("FilePoolID"));
    }
    if draft.bad_file_id.is_none() {
        errors.push(missing("BadFileID"));
    }
    let (Some(file_pool), Some(bad_file_id), true) = (draft.file_pool, draft.bad_file_id, errors.is_empty())
    else {
        return Err(errors);
    };
    let smtp = UserId::new("SMTP").expect("SMTP is a user id");
    let standard = FileName::new(STANDARD).expect("STANDARD is a file name");
    let size =
        |n: Option<u64>, default: usize| n.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX));
    Ok(ImapConfig {
        translate_table: draft.translate_table.unwrap_or(TableName { record: 0, name: standard }),
        port: draft.port.unwrap_or_default(),
        secure_port: draft.secure_port.unwrap_or_default(),
        file_pool,
        bad_file_id,
        mail_origin: draft.mail_origin.unwrap_or(smtp),
        idle_timeout: Duration::from_secs(60 * draft.idle_minutes.unwrap_or(LEAST_IDLE_MINUTES)),
        login_timeout: Duration::from_secs(draft.login_seconds.unwrap_or(DEFAULT_LOGIN_SECONDS)),
        enroll_blocks: draft
            .enroll_blocks
            .map_or(DEFAULT_ENROLL_BLOCKS, |n| u32::try_from(n).unwrap_or(u32::MAX)),
        max_connections: size(draft.max_connections, 16_384),
        max_per_address: size(draft.max_per_address, 16_384),
        max_per_user: size(draft.max_per_user, 1_024),
        comment: draft.comment,
        admin: draft.admin,
        token_exit: draft.token_exit,
        auth_exit: draft.auth_exit,
        tokens: draft.tokens,
        referrals: draft.referrals,
        proxies: draft.proxies,
        clear_passwords: draft.clear_passwords.unwrap_or(true),
        eight_bit_headers: draft.eight_bit_headers.unwrap_or(true),
        mailbox_referrals: draft.mailbox_referrals,
        message_limit: draft.message_limit,
        subaddresses: draft.subaddresses.unwrap_or(false),
    })
}

fn take(draft: &mut Draft, words: &[&str]) -> Result<(), (String, String)> {
    let [keyword, operands @ ..] = words else { return Ok(()) };
    if keyword.eq_ignore_ascii_case("Capability") {
        return capability(draft, keyword, operands);
    }
    if keyword.eq_ignore_ascii_case("LoginReferral") {
        return login_referral(draft, keyword, operands);
    }
    if keyword.eq_ignore_ascii_case("MessageLimit") {
        return message_limit(draft, keyword, operands);
    }
    if keyword.eq_ignore_ascii_case("MailboxReferral") {
        return mailbox_referral(draft, keyword, operands);
    }
    if keyword.eq_ignore_ascii_case("ProxyFrom") {
        return proxy(draft, keyword, operands);
    }
    if keyword.eq_ignore_ascii_case("COMMENT") && !operands.is_empty() {
        draft.comment = Some(operands.join(" "));
        return Ok(());
    }
    let [operand] = operands else {
        return Err(((*keyword).into(), "takes exactly one operand".into()));
    };
    let number = |least: u64, greatest: u64| match operand.parse::<u64>() {
        Ok(n) if (least..=greatest).contains(&n) => Ok(Some(n)),
        _ => Err(((*operand).to_owned(), format!("a number from {least} to {greatest} is needed"))),
    };
    let user = || UserId::new(operand).map(Some).map_err(|e| ((*operand).to_owned(), e.to_string()));
    match keyword.to_ascii_uppercase().as_str() {
        "FILEPOOLID" => {
            let id = FilePoolId::new(operand.trim_end_matches(':'));
            draft.file_pool = Some(id.map_err(|e| ((*operand).to_owned(), e.to_string()))?);
        }
        "TOKENEXIT" => {
            let found = EXITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(operand));
            let unknown = || ((*operand).to_owned(), "there is no exit of this name".to_owned());
            draft.token_exit = Some(found.ok_or_else(unknown)?.0);
        }
        "AUTHEXIT" => {
            // The record is known to the caller, here and below.
            draft.auth_exit = Some(ExitName { record: 0, name: operand.to_ascii_uppercase() });
        }
        "TRANSLATETABLE" => {
            let name = FileName::new(operand).map_err(|e| ((*operand).to_owned(), e.to_string()))?;
            draft.translate_table = Some(TableName { record: 0, name });
        }
        "CLEARPASSWORDS" => draft.clear_passwords = Some(switch(operand)?),
        "SUBADDRESS" => draft.subaddresses = Some(switch(operand)?),
        "EIGHTBITHEADERS" => {
            draft.eight_bit_headers = Some(match operand.to_ascii_uppercase().as_str() {
                "ACCEPT" => true,
                "REFUSE" => false,
                _ => return Err(((*operand).to_owned(), "ACCEPT or REFUSE is needed".into())),
            });
        }
        "PORT" => draft.port = Some(port(operand)?),
        "SECUREPORT" => draft.secure_port = Some(port(operand)?),
        "BADFILEID" => draft.bad_file_id = user()?,
        "MAILORIGINID" => draft.mail_origin = user()?,
        "IDLETIMEOUT" => draft.idle_minutes = number(LEAST_IDLE_MINUTES, GREATEST_IDLE_MINUTES)?,
        "LOGINTIMEOUT" => draft.login_seconds = number(LEAST_LOGIN_SECONDS, GREATEST_LOGIN_SECONDS)?,
        "ENROLLBLOCKS" => draft.enroll_blocks = number(1, u64::from(u32::MAX))?,
        "MAXCONNECTIONS" => draft.max_connections = number(1, 1_000_000)?,
        "MAXPERADDRESS" => draft.max_per_address = number(1, 1_000_000)?,
        "ADMINURI" => draft.admin = Some((*operand).to_owned()),
        "MAXPERUSER" => draft.max_per_user = number(1, 1_000_000)?,
        other => return Err(((*keyword).into(), unknown(other))),
    }
    Ok(())
}

/// What is said of a statement that there is not.
fn unknown(keyword: &str) -> String {
    let of_tls = ["TLS", "SSL", "STARTTLS", "CERT", "CIPHER"].iter().any(|word| keyword.starts_with(word));
    if of_tls {
        return "unknown statement; the host has the certificates ([tls] in endicott.toml), ClearPasswords OFF lets \
                clients log on within TLS only"
            .into();
    }
    "unknown statement".into()
}

/// `ON` or `OFF`
fn switch(word: &str) -> Result<bool, (String, String)> {
    match word.to_ascii_uppercase().as_str() {
        "ON" => Ok(true),
        "OFF" => Ok(false),
        _ => Err((word.to_owned(), "ON or OFF is needed".into())),
    }
}

/// A port number, or `OFF`
fn port(word: &str) -> Result<PortChoice, (String, String)> {
    if word.eq_ignore_ascii_case("OFF") {
        return Ok(PortChoice::Off);
    }
    let number = word.parse().ok().filter(|n| *n > 0);
    number
        .map(PortChoice::Number)
        .ok_or_else(|| (word.to_owned(), "a number from 1 to 65535, or OFF, is needed".into()))
}

/// `ProxyFrom address[/bits] [IMAP|IMAPS]`
fn proxy(draft: &mut Draft, keyword: &str, operands: &[&str]) -> Result<(), (String, String)> {
    let (address, listener) = match operands {
        [address] => (address, None),
        [address, listener] if listener.eq_ignore_ascii_case("IMAP") => (address, Some(false)),
        [address, listener] if listener.eq_ignore_ascii_case("IMAPS") => (address, Some(true)),
        [_, listener] => return Err(((*listener).into(), "IMAP or IMAPS is needed".into())),
        _ => return Err((keyword.into(), "takes an address, and perhaps IMAP or IMAPS".into())),
    };
    if draft.proxies.len() == MAX_PROXIES {
        return Err((keyword.into(), format!("there may be {MAX_PROXIES} of them")));
    }
    let parsed = ProxyAddress::parse(address, listener);
    draft.proxies.push(parsed.ok_or_else(|| ((*address).into(), "an address is needed".to_owned()))?);
    Ok(())
}

/// `Capability token {ON|OFF} [userid]`
fn capability(draft: &mut Draft, keyword: &str, operands: &[&str]) -> Result<(), (String, String)> {
    let (token, state, user) = match operands {
        [token, state] => (token, state, None),
        [token, state, user] => (token, state, Some(user)),
        _ => return Err((keyword.into(), "takes a capability, ON or OFF, and perhaps a user id".into())),
    };
    let on = switch(state)?;
    let user = match user {
        Some(user) => Some(UserId::new(user).map_err(|e| ((*user).to_string(), e.to_string()))?),
        None => None,
    };
    draft.tokens.set(token, on, user).map_err(|e| ((*token).into(), e.to_string()))
}

/// `MessageLimit number [SAVE]`
fn message_limit(draft: &mut Draft, keyword: &str, operands: &[&str]) -> Result<(), (String, String)> {
    let (number, saves_only) = match operands {
        [number] => (number, false),
        [number, save] if save.eq_ignore_ascii_case("SAVE") => (number, true),
        [_, word] => return Err(((*word).into(), "SAVE is all that may follow the number".into())),
        _ => return Err((keyword.into(), "takes a number, and perhaps SAVE".into())),
    };
    let messages = number.parse().ok().filter(|n| (1..=MessageLimit::MAX).contains(n));
    let wrong = || ((*number).to_owned(), format!("a number from 1 to {} is needed", MessageLimit::MAX));
    draft.message_limit = Some(MessageLimit { messages: messages.ok_or_else(wrong)?, saves_only });
    Ok(())
}

/// `LoginReferral userid url`
fn login_referral(draft: &mut Draft, keyword: &str, operands: &[&str]) -> Result<(), (String, String)> {
    let [user, url] = operands else {
        return Err((keyword.into(), "takes a user id and the URL of a server".into()));
    };
    let user = UserId::new(user).map_err(|e| ((*user).to_owned(), e.to_string()))?;
    let wrong = |reason: String| ((*url).to_owned(), reason);
    let parsed = ImapUrl::parse(url).map_err(|e| wrong(e.to_string()))?;
    // The URL stands in a response code, which ends with a bracket.
    if parsed.mailbox.is_some() || parsed.server.host.starts_with('[') {
        return Err(wrong("the URL names a server by its host name, and nothing on it".into()));
    }
    draft.referrals.insert(user, parsed);
    Ok(())
}

/// `MailboxReferral mailbox url [userid]`
fn mailbox_referral(draft: &mut Draft, keyword: &str, operands: &[&str]) -> Result<(), (String, String)> {
    let (name, url, user) = match operands {
        [name, url] => (name, url, None),
        [name, url, user] => (name, url, Some(user)),
        _ => return Err((keyword.into(), "takes a mailbox, a URL, and perhaps a user id".into())),
    };
    // Blanks cannot stand in a statement, so the name is written as in a URL.
    let named = match UrlReference::parse(&format!("/{name}")) {
        Ok(UrlReference::Path(UrlMailbox { name, uid_validity: None, message: None })) => name,
        _ => return Err(((*name).into(), "the name of a mailbox is needed, written as in a URL".into())),
    };
    if named.is_inbox() || named.is_below(&MailboxName::inbox()) {
        return Err(((*name).into(), "INBOX is where the user logs in".into()));
    }
    let parsed = ImapUrl::parse(url).map_err(|e| ((*url).to_owned(), e.to_string()))?;
    let mailbox_alone =
        parsed.mailbox.as_ref().is_none_or(|m| m.uid_validity.is_none() && m.message.is_none());
    // The URL stands in a response code, which ends with a bracket.
    if !mailbox_alone || parsed.server.host.starts_with('[') {
        return Err((
            (*url).into(),
            "the URL names a server by its host name, and perhaps a mailbox on it".into(),
        ));
    }
    let user = match user {
        Some(user) => Some(UserId::new(user).map_err(|e| ((*user).to_string(), e.to_string()))?),
        None => None,
    };
    let many = || (keyword.to_owned(), format!("there may be {} of them", MailboxReferrals::MAX));
    draft.mailbox_referrals.add(user, named, parsed).ok_or_else(many)
}

#[cfg(test)]
mod tests;
