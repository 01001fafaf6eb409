//! The capability table: every token we know, where it comes from, when it is shown, and where it is done.
//!
//! It is the one owner of the tokens: CAPABILITY, the gate of commands ([`super::gate`]), IMAP CONFIG
//! ([`super::token_settings`]), docs/capabilities.md and the tests are made from it or checked against it.

use super::Session;
use super::table::{ANY, AUTHENTICATED, NOT_AUTHENTICATED, SELECTED};

/// One token.
#[derive(Debug)]
pub struct CapabilityRow {
    /// Which it is.
    pub token: Token,
    /// How it is written.
    pub name: &'static str,
    /// Where it is defined.
    pub source: &'static str,
    /// States in which it is shown.
    pub states: u8,
    /// What else must hold.
    pub condition: Condition,
    /// Whether it is in force when nothing is configured.
    pub preset: Preset,
    /// The file of `imapd/src` that does what it promises.
    pub module: &'static str,
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
    /// When compression is not yet on.
    NotCompressed,
    /// When LITERAL+ is switched off.
    LiteralPlusOff,
    /// When answers to challenges can be checked.
    Challenges,
    /// The same, and the encryption of the connection can be named.
    ChannelBinding,
    /// When an exit judges bearer tokens and the connection is encrypted, which no configuration does without (RFC 7628 section 5).
    TokenExit,
    /// When the client has shown a certificate.
    ClientCertificate,
    /// When the mail of some users is on another system.
    Referrals,
    /// When mailboxes of the user are on another system.
    MailboxReferrals,
    /// When commands are limited.
    MessageLimit,
    /// When only what is saved is limited.
    SaveLimit,
}

impl Condition {
    fn holds(self, session: &Session) -> bool {
        let allowed = session.tls || session.server.clear_passwords();
        match self {
            Self::Always => true,
            Self::CanStartTls => session.server.starttls && !session.tls,
            Self::PasswordsAllowed => allowed,
            Self::PasswordsRefused => !allowed,
            Self::Administrator => session.is_administrator(),
            Self::NotCompressed => !session.compressed,
            Self::Challenges => session.server.auth.checks_challenges(),
            Self::ChannelBinding => can_bind(session) && !session.channel().spent,
            Self::TokenExit => session.tls && session.server.auth.token_exit().is_some(),
            Self::ClientCertificate => !session.channel().names.is_empty(),
            Self::Referrals => !session.server.referrals.load().is_empty(),
            Self::MailboxReferrals => !session.remote_names().is_empty(),
            Self::MessageLimit => session.command_limit().is_some(),
            Self::SaveLimit => session.save_limit().is_some_and(|limit| limit.saves_only),
            Self::LiteralPlusOff => !session.offers(Token::LiteralPlus),
        }
    }

    /// In words, for the documentation.
    pub fn words(self) -> &'static str {
        match self {
            Self::Always => "",
            Self::CanStartTls => "TLS is configured and not yet on",
            Self::PasswordsAllowed => "TLS is on, or passwords are allowed in the clear",
            Self::PasswordsRefused => "passwords need TLS, which is not on",
            Self::Administrator => "the user is an administrator",
            Self::NotCompressed => "compression is not yet on",
            Self::Challenges => "IMAP has OPTION DIAG88",
            Self::ChannelBinding => "TLS 1.3 is on, and no login was bound to it yet",
            Self::TokenExit => "a token exit is configured and TLS is on",
            Self::ClientCertificate => "the client has shown a certificate of the configured authority",
            Self::Referrals => "some users are on another system",
            Self::MailboxReferrals => "mailboxes of the user are on another system",
            Self::MessageLimit => "MessageLimit is configured, whose number follows `=`",
            Self::SaveLimit => "MessageLimit is configured with SAVE; the number follows `=`",
            Self::LiteralPlusOff => "LITERAL+ is off",
        }
    }
}

/// What is in force when IMAP CONFIG says nothing of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// In force; may be switched off.
    On,
    /// Not in force; may be switched on.
    Off,
    /// In force; the protocol could not go without it.
    Fixed,
}

const IN: u8 = AUTHENTICATED | SELECTED;
const OUT: u8 = NOT_AUTHENTICATED;

macro_rules! rows {
    ($($token:ident, $name:literal, $source:literal, $states:expr, $condition:ident, $preset:ident, $module:literal;)*) => {
        /// A token, by its row.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each variant is the token of its name")]
        pub enum Token { $($token),* }

        /// All tokens in the order in which they are shown.
        pub static TABLE: &[CapabilityRow] = &[$(CapabilityRow {
            token: Token::$token,
            name: $name,
            source: $source,
            states: $states,
            condition: Condition::$condition,
            preset: Preset::$preset,
            module: $module,
        }),*];
    };
}

rows! {
    Imap4rev1, "IMAP4rev1", "RFC 3501", ANY, Always, Fixed, "session/mod.rs";
    Imap4rev2, "IMAP4rev2", "RFC 9051", ANY, Always, On, "session/enabled.rs";
    LiteralPlus, "LITERAL+", "RFC 7888", ANY, Always, On, "wire/mod.rs";
    LiteralMinus, "LITERAL-", "RFC 7888", ANY, LiteralPlusOff, On, "wire/mod.rs";
    Id, "ID", "RFC 2971", ANY, Always, On, "command/id.rs";
    Enable, "ENABLE", "RFC 5161", ANY, Always, On, "command/enable.rs";
    SaslIr, "SASL-IR", "RFC 4959", OUT, Always, On, "parse/authenticate.rs";
    StartTls, "STARTTLS", "RFC 3501 section 6.2.1", OUT, CanStartTls, On, "command/starttls.rs";
    AuthPlain, "AUTH=PLAIN", "RFC 4616", OUT, PasswordsAllowed, On, "auth/sasl.rs";
    AuthLogin, "AUTH=LOGIN", "draft-murchison-sasl-login", OUT, PasswordsAllowed, On, "auth/exchange.rs";
    AuthCramMd5, "AUTH=CRAM-MD5", "RFC 2195", OUT, Challenges, Off, "auth/sasl.rs";
    AuthScramSha1, "AUTH=SCRAM-SHA-1", "RFC 5802", OUT, Challenges, On, "auth/scram.rs";
    AuthScramSha1Plus, "AUTH=SCRAM-SHA-1-PLUS", "RFC 5802, RFC 9266", OUT, ChannelBinding, On, "auth/scram.rs";
    AuthScramSha256, "AUTH=SCRAM-SHA-256", "RFC 7677", OUT, Challenges, On, "auth/scram.rs";
    AuthScramSha256Plus, "AUTH=SCRAM-SHA-256-PLUS", "RFC 7677, RFC 9266", OUT, ChannelBinding, On, "auth/scram.rs";
    AuthExternal, "AUTH=EXTERNAL", "RFC 4422", OUT, ClientCertificate, On, "auth/certificate.rs";
    AuthOAuthBearer, "AUTH=OAUTHBEARER", "RFC 7628", OUT, TokenExit, On, "auth/bearer.rs";
    LoginDisabled, "LOGINDISABLED", "RFC 3501 section 6.2.3", OUT, PasswordsRefused, Fixed, "command/login.rs";
    LoginReferrals, "LOGIN-REFERRALS", "RFC 2221", OUT, Referrals, On, "command/login.rs";
    CompressDeflate, "COMPRESS=DEFLATE", "RFC 4978", IN, NotCompressed, On, "transport/deflate.rs";
    Idle, "IDLE", "RFC 2177", IN, Always, On, "command/idle.rs";
    Notify, "NOTIFY", "RFC 5465", IN, Always, On, "command/notify.rs";
    Unauthenticate, "UNAUTHENTICATE", "RFC 8437", IN, Always, On, "command/unauthenticate.rs";
    Utf8Accept, "UTF8=ACCEPT", "RFC 9755", IN, Always, On, "session/enabled.rs";
    Language, "LANGUAGE", "RFC 5255 section 3", ANY, Always, On, "command/language.rs";
    I18nLevel1, "I18NLEVEL=1", "RFC 5255 section 4", IN, Always, On, "search/fold.rs";
    Namespace, "NAMESPACE", "RFC 2342", IN, Always, On, "command/namespace.rs";
    Children, "CHILDREN", "RFC 3348", IN, Always, On, "command/list.rs";
    MailboxReferrals, "MAILBOX-REFERRALS", "RFC 2193", IN, MailboxReferrals, On, "session/mailbox_referrals.rs";
    Unselect, "UNSELECT", "RFC 3691", IN, Always, On, "command/unselect.rs";
    UidPlus, "UIDPLUS", "RFC 4315", IN, Always, On, "command/expunge.rs";
    Move, "MOVE", "RFC 6851", IN, Always, On, "command/copy.rs";
    SpecialUse, "SPECIAL-USE", "RFC 6154", IN, Always, On, "command/list.rs";
    CreateSpecialUse, "CREATE-SPECIAL-USE", "RFC 6154", IN, Always, On, "command/create.rs";
    ListExtended, "LIST-EXTENDED", "RFC 5258", IN, Always, On, "command/list.rs";
    ListStatus, "LIST-STATUS", "RFC 5819", IN, Always, On, "command/list.rs";
    StatusSize, "STATUS=SIZE", "RFC 8438", IN, Always, On, "command/status.rs";
    AppendLimit, "APPENDLIMIT=67108864", "RFC 7889", IN, Always, On, "wire/mod.rs";
    Acl, "ACL", "RFC 4314", IN, Always, On, "command/acl.rs";
    AclRights, "RIGHTS=kxte", "RFC 4314", IN, Always, On, "command/place.rs";
    ListMyRights, "LIST-MYRIGHTS", "RFC 8440", IN, Always, On, "command/list.rs";
    Metadata, "METADATA", "RFC 5464", IN, Always, On, "command/getmetadata.rs";
    ListMetadata, "LIST-METADATA", "RFC 9590", IN, Always, On, "command/list.rs";
    Quota, "QUOTA", "RFC 9208", IN, Always, On, "command/getquota.rs";
    QuotaStorage, "QUOTA=RES-STORAGE", "RFC 9208", IN, Always, On, "command/getquota.rs";
    QuotaMessage, "QUOTA=RES-MESSAGE", "RFC 9208", IN, Always, On, "command/getquota.rs";
    QuotaMailbox, "QUOTA=RES-MAILBOX", "RFC 9208", IN, Always, On, "command/getquota.rs";
    QuotaSet, "QUOTASET", "RFC 9208", IN, Administrator, On, "command/setquota.rs";
    Condstore, "CONDSTORE", "RFC 7162", IN, Always, On, "command/store.rs";
    Qresync, "QRESYNC", "RFC 7162", IN, Always, On, "command/select.rs";
    MultiAppend, "MULTIAPPEND", "RFC 3502", IN, Always, On, "command/append.rs";
    Catenate, "CATENATE", "RFC 4469", IN, Always, On, "command/catenate.rs";
    UrlPartial, "URL-PARTIAL", "RFC 5550 section 5.7.1", IN, Always, On, "command/catenate.rs";
    Binary, "BINARY", "RFC 3516", IN, Always, On, "command/fetch.rs";
    ObjectId, "OBJECTID", "RFC 8474", IN, Always, On, "command/mod.rs";
    SaveDate, "SAVEDATE", "RFC 8514", IN, Always, On, "command/fetch.rs";
    Preview, "PREVIEW", "RFC 8970", IN, Always, On, "mail/preview.rs";
    Replace, "REPLACE", "RFC 8508", IN, Always, On, "command/replace.rs";
    Sort, "SORT", "RFC 5256", IN, Always, On, "command/sort.rs";
    SortDisplay, "SORT=DISPLAY", "RFC 5957", IN, Always, On, "search/sort.rs";
    Esort, "ESORT", "RFC 5267", IN, Always, On, "command/sort.rs";
    ContextSearch, "CONTEXT=SEARCH", "RFC 5267", IN, Always, On, "session/context.rs";
    ContextSort, "CONTEXT=SORT", "RFC 5267", IN, Always, On, "session/context.rs";
    ThreadOrderedSubject, "THREAD=ORDEREDSUBJECT", "RFC 5256", IN, Always, On, "search/thread.rs";
    ThreadReferences, "THREAD=REFERENCES", "RFC 5256", IN, Always, On, "search/thread.rs";
    ThreadRefs, "THREAD=REFS", "draft-ietf-morg-inthread", IN, Always, On, "search/thread.rs";
    Esearch, "ESEARCH", "RFC 4731", IN, Always, On, "command/search.rs";
    SearchRes, "SEARCHRES", "RFC 5182", IN, Always, On, "command/search.rs";
    Within, "WITHIN", "RFC 5032", IN, Always, On, "search/program.rs";
    MultiSearch, "MULTISEARCH", "RFC 7377", IN, Always, On, "command/esearch.rs";
    Partial, "PARTIAL", "RFC 9394", IN, Always, On, "syntax/partial_range.rs";
    SearchFuzzy, "SEARCH=FUZZY", "RFC 6203", IN, Always, On, "search/fuzzy.rs";
    InProgress, "INPROGRESS", "RFC 9585", IN, Always, On, "session/progress.rs";
    UidOnly, "UIDONLY", "RFC 9586", IN, Always, Off, "session/enabled.rs";
    MessageLimit, "MESSAGELIMIT", "RFC 9738", IN, MessageLimit, On, "session/message_limit.rs";
    SaveLimit, "SAVELIMIT", "RFC 9738", IN, SaveLimit, On, "session/message_limit.rs";
    UidBatches, "UIDBATCHES", "RFC 10022", IN, Always, On, "command/uidbatches.rs";
}

impl Token {
    /// Its row.
    pub fn row(self) -> &'static CapabilityRow {
        &TABLE[self as usize]
    }

    /// The token written so, in any case; a value after `=` that we choose may be left out.
    pub fn by_name(name: &str) -> Option<Self> {
        let row = TABLE.iter().find(|row| {
            row.name.eq_ignore_ascii_case(name)
                || (row.token == Self::AppendLimit && name.eq_ignore_ascii_case("APPENDLIMIT"))
        });
        row.map(|row| row.token)
    }
}

/// A set of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenSet(u128);

impl TokenSet {
    /// These tokens.
    pub fn of(tokens: &[Token]) -> Self {
        tokens.iter().fold(Self::default(), |set, token| set.with(*token))
    }

    /// With one more.
    #[must_use]
    pub fn with(self, token: Token) -> Self {
        Self(self.0 | 1 << token as u32)
    }

    /// Without one.
    #[must_use]
    pub fn without(self, token: Token) -> Self {
        Self(self.0 & !(1 << token as u32))
    }

    /// Whether it is in.
    pub fn has(self, token: Token) -> bool {
        self.0 & 1 << token as u32 != 0
    }

    /// Whether nothing is in.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first that is in both.
    pub fn first_common(self, other: Self) -> Option<Token> {
        let common = self.0 & other.0;
        (common != 0).then(|| TABLE[common.trailing_zeros() as usize].token)
    }
}

/// Whether a token is in force for a session as it stands: it is on, and its condition holds.
pub fn in_force(session: &Session, token: Token) -> bool {
    session.offers(token) && token.row().condition.holds(session)
}

/// Whether there is a channel for SCRAM to be bound to, whether or not it was used.
pub fn can_bind(session: &Session) -> bool {
    session.channel().exporter.is_some() && session.server.auth.checks_challenges()
}

/// The tokens for a session as it stands.
pub fn list(session: &Session) -> String {
    let mut out = String::new();
    for row in TABLE.iter().filter(|r| r.states & session.state() != 0) {
        if in_force(session, row.token) {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(row.name);
            if let (Token::MessageLimit | Token::SaveLimit, Some(limit)) = (row.token, session.save_limit()) {
                out.push_str(&format!("={}", limit.messages));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_append_limit_is_the_real_one() {
        assert_eq!(Token::AppendLimit.row().name, format!("APPENDLIMIT={}", crate::wire::MAX_MESSAGE));
    }

    #[test]
    fn rows_are_found_and_fit_a_set() {
        assert!(TABLE.len() <= 128);
        for row in TABLE {
            assert_eq!(row.token.row().name, row.name);
            assert_eq!(Token::by_name(&row.name.to_lowercase()), Some(row.token));
            let set = TokenSet::default().with(row.token);
            assert!(set.has(row.token) && set.without(row.token).is_empty());
            let path = format!("{}/src/{}", env!("CARGO_MANIFEST_DIR"), row.module);
            assert!(std::path::Path::new(&path).is_file(), "{}: no {path}", row.name);
        }
        assert_eq!(Token::by_name("X-NOTHING"), None);
    }

    /// The table of docs/capabilities.md says what this one says.
    #[test]
    fn the_documentation_agrees() {
        let made: String = TABLE.iter().map(line).collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/capabilities.md");
        let text = std::fs::read_to_string(path).unwrap();
        let kept: String = text.lines().filter(|l| l.starts_with("| `")).map(|l| format!("{l}\n")).collect();
        assert!(kept == made, "the rows of docs/capabilities.md should be:\n{made}");
    }

    /// The list of README.md names the tokens of the table, in its order.
    #[test]
    fn the_readme_agrees() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
        let paragraph = text.split("\n\n").find(|p| p.contains("tokens of CAPABILITY")).unwrap();
        let named: Vec<&str> = paragraph.split('`').skip(1).step_by(2).collect();
        let known: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(named, known);
    }

    fn line(row: &CapabilityRow) -> String {
        let states = match row.states {
            ANY => "always",
            OUT => "before login",
            _ => "after login",
        };
        let preset = match row.preset {
            Preset::On => "on",
            Preset::Off => "off",
            Preset::Fixed => "fixed",
        };
        let condition = row.condition.words();
        let shown =
            if condition.is_empty() { states.to_owned() } else { format!("{states}, when {condition}") };
        format!("| `{}` | {} | {shown} | {preset} | {} |\n", row.name, row.source, row.module)
    }
}
