//! Puts a configuration in force: at the start, and again with CONFIG.
//!
//! What only the start can do is named by [`changes`]; the rest is in force for what comes after: connections that are there
//! stay, and keep the capabilities that they were told.

use std::sync::Arc;

use super::config::ImapConfig;
use crate::auth::bearer::TokenExit;
use crate::mailstore::SessionId;
use crate::mailstore::news::{News, Posted};
use crate::session::About;
use crate::transport::Service;

/// Puts everything in force that can change while the server runs, with the exit that `config` names.
pub fn apply(service: &Service, config: &ImapConfig, exit: Option<Arc<dyn TokenExit>>) {
    let server = &service.server;
    service.set_idle(config.idle_timeout);
    service.set_login_time(config.login_timeout);
    server.limits.set(config.max_connections, config.max_per_address, config.max_per_user);
    let about = About { comment: config.comment.clone(), admin: config.admin.clone() };
    let former = server.about.swap(Arc::new(about.clone()));
    server.store.everybody().post(annotations(&former, &about));
    server.tokens.store(Arc::new(config.tokens.clone()));
    server.referrals.store(Arc::new(config.referrals.clone()));
    server.auth.set_token_exit(exit);
    server.set_clear_passwords(config.clear_passwords);
    server.set_eight_bit_headers(config.eight_bit_headers);
    server.mailbox_referrals.store(Arc::new(config.mailbox_referrals.clone()));
    server.message_limit.store(Arc::new(config.message_limit));
    service.set_proxies(config.proxies.clone());
}

/// What sessions are told when the server says something else of itself (RFC 5465 section 5.7).
fn annotations(old: &About, new: &About) -> Option<Posted> {
    let rows = [("/shared/admin", old.admin != new.admin), ("/shared/comment", old.comment != new.comment)];
    let names: Vec<String> =
        rows.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()).collect();
    (!names.is_empty()).then(|| Posted { news: News::Server(names.into()), by: SessionId::NOBODY })
}

/// What differs between two configurations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Statements whose change is in force at once.
    pub now: Vec<&'static str>,
    /// Statements whose change waits for the next start.
    pub at_start: Vec<&'static str>,
}

/// The statements in which two configurations differ.
pub fn changes(old: &ImapConfig, new: &ImapConfig) -> Changes {
    let rows = [
        ("BadFileID", old.bad_file_id != new.bad_file_id),
        ("MailOriginID", old.mail_origin != new.mail_origin),
        ("IdleTimeout", old.idle_timeout != new.idle_timeout),
        ("LoginTimeout", old.login_timeout != new.login_timeout),
        ("EnrollBlocks", old.enroll_blocks != new.enroll_blocks),
        ("MaxConnections", old.max_connections != new.max_connections),
        ("MaxPerAddress", old.max_per_address != new.max_per_address),
        ("MaxPerUser", old.max_per_user != new.max_per_user),
        ("Comment", old.comment != new.comment),
        ("AdminURI", old.admin != new.admin),
        ("AuthExit", old.auth_exit.as_ref().map(|e| &e.name) != new.auth_exit.as_ref().map(|e| &e.name)),
        ("TokenExit", old.token_exit != new.token_exit),
        ("LoginReferral", old.referrals != new.referrals),
        ("ClearPasswords", old.clear_passwords != new.clear_passwords),
        ("EightBitHeaders", old.eight_bit_headers != new.eight_bit_headers),
        ("MailboxReferral", old.mailbox_referrals != new.mailbox_referrals),
        ("MessageLimit", old.message_limit != new.message_limit),
        ("ProxyFrom", old.proxies != new.proxies),
        ("Subaddress", old.subaddresses != new.subaddresses),
        ("Capability", old.tokens != new.tokens),
    ];
    let at_start = [
        ("FilePoolID", old.file_pool != new.file_pool),
        ("TranslateTable", old.translate_table.name != new.translate_table.name),
        ("Port", old.port != new.port),
        ("SecurePort", old.secure_port != new.secure_port),
    ];
    let differing =
        |rows: &[(&'static str, bool)]| rows.iter().filter(|(_, d)| *d).map(|(name, _)| *name).collect();
    Changes { now: differing(&rows), at_start: differing(&at_start) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::config::read;

    #[test]
    fn every_statement_is_compared() {
        let old = read("FilePoolID A\nBadFileID B\n".lines()).unwrap();
        assert_eq!(changes(&old, &old), Changes::default());
        let text = "FilePoolID C\nTranslateTable D\nPort 143\nSecurePort OFF\nBadFileID D\nMailOriginID E\nIdleTimeout 31\nLoginTimeout 10\nEnrollBlocks 2\nMaxConnections 3\n\
                    MaxPerAddress 4\nMaxPerUser 5\nComment x\nAdminURI mailto:x\nTokenExit JWTHS256\nAuthExit IMAPAUTX\n\
                    LoginReferral joe imap://other.example/\nClearPasswords OFF\nEightBitHeaders REFUSE\nProxyFrom ::1\nMessageLimit 1000\n\
                    MailboxReferral x imap://other.example/\nSubaddress ON\n\
                    Capability MOVE OFF\n";
        let changed = changes(&old, &read(text.lines()).unwrap());
        assert_eq!(changed.at_start, ["FilePoolID", "TranslateTable", "Port", "SecurePort"]);
        // One record a statement.
        assert_eq!(changed.now.len() + changed.at_start.len(), text.lines().count());
    }
}
