//! The IMAP transcripts over a real socket.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../../tests/src/imap_script.rs"]
#[allow(unreachable_pub, reason = "the file is a module of another crate too")]
mod imap_script;
mod support;

use std::sync::Arc;

use imapd::mailstore::{AccessChange, Identifier, MailStore, Published, RightsChange};
use imapd::syntax::mailbox_name::MailboxName;
use imapd::syntax::rights::Rights;
use support::memory::Memory;

fn scripts() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/scripts/imap");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "imap"))
        .map(|p| {
            (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&p).unwrap())
        })
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

/// Statements of IMAP CONFIG that a transcript asks for in lines `# config: statement`.
fn statements(text: &str) -> String {
    text.lines().filter_map(|l| l.strip_prefix("# config: ")).map(|l| format!("{l}\n")).collect()
}

/// Enrolls whom a transcript wants beside ALICE and BOB, in lines `# user: name`.
async fn enroll(text: &str, store: &MailStore) {
    for name in text.lines().filter_map(|l| l.strip_prefix("# user: ")) {
        store.enroll(support::user(name), 1000).await.unwrap();
    }
}

/// Publishes what a transcript asks for in lines `# shared: owner mailbox name identifier rights`.
async fn publish(text: &str, store: &MailStore) {
    for line in text.lines().filter_map(|l| l.strip_prefix("# shared: ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [owner, mailbox, name, who, rights] = words[..] else { panic!("{line}") };
        let owner = store.user(support::user(owner)).await.unwrap();
        let mailbox = MailboxName::new(mailbox).unwrap();
        owner.create(mailbox.clone()).await.unwrap();
        let published = Published { name: MailboxName::new(name).unwrap() };
        let who = Identifier::parse(who.as_bytes()).unwrap();
        let rights = Rights::parse(rights.as_bytes()).unwrap();
        let rights = AccessChange::Rights(who, RightsChange::Replace, rights);
        owner
            .change_access_below(mailbox, vec![AccessChange::Publish(Some(published)), rights])
            .await
            .unwrap();
    }
}

/// Gives readers a `\Seen` of their own in the mailboxes of lines `# own seen: owner mailbox`.
async fn own_seen(text: &str, store: &MailStore) {
    for line in text.lines().filter_map(|l| l.strip_prefix("# own seen: ")) {
        let (owner, mailbox) = line.split_once(' ').unwrap();
        let owner = store.user(support::user(owner)).await.unwrap();
        owner.set_seen_mode(MailboxName::new(mailbox).unwrap(), true).await.unwrap();
    }
}

/// Puts IMAPAUTX before logins, with the rules of lines `# rule: rule`.
fn authentication_exit(text: &str, running: &support::Running) {
    let rules: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("# rule: ")).collect();
    if !rules.is_empty() {
        let exit = imapd::auth::imapautx::ImapAuthExit::default();
        exit.take(rules.into_iter()).unwrap();
        running.service.server.auth.set_auth_exit(Some(Arc::new(exit)));
    }
}

/// How often a transcript wants to be told of progress: always, when it says `# progress: always`.
fn progress(text: &str) -> Option<std::time::Duration> {
    text.lines().any(|l| l == "# progress: always").then_some(std::time::Duration::ZERO)
}

/// Runs a transcript off the server's thread; what is wrong with it.
async fn run(name: String, text: String, address: std::net::SocketAddr) -> Option<String> {
    let run = move || imap_script::run(&name, &text, address).err().map(|e| e.to_string());
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test]
async fn transcripts_over_memory() {
    let mut failed = Vec::new();
    for (name, text) in scripts() {
        let running =
            support::start_configured(Arc::new(Memory::default()), &statements(&text), progress(&text)).await;
        enroll(&text, &running.store).await;
        publish(&text, &running.store).await;
        own_seen(&text, &running.store).await;
        authentication_exit(&text, &running);
        failed.extend(run(name, text, running.address).await);
        running.service.shutdown(support::SOON).await;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[tokio::test]
async fn transcripts_over_a_file_pool() {
    let mut failed = Vec::new();
    for (name, text) in scripts() {
        let pool = support::sfs_pool::MailPool::generate();
        let running = support::start_configured(pool.backend(), &statements(&text), progress(&text)).await;
        enroll(&text, &running.store).await;
        publish(&text, &running.store).await;
        own_seen(&text, &running.store).await;
        authentication_exit(&text, &running);
        failed.extend(run(name, text, running.address).await);
        running.service.shutdown(support::SOON).await;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A transcript names what it covers in lines `# capability: TOKEN ...`. What needs TLS is in the test of sockets.
#[test]
fn every_capability_has_a_transcript() {
    let mut covered: Vec<String> = Vec::new();
    for (_, text) in scripts() {
        let lines = text.lines().filter_map(|l| l.strip_prefix("# capability: "));
        covered.extend(lines.flat_map(str::split_whitespace).map(str::to_owned));
    }
    let sockets = concat!(include_str!("transport.rs"), include_str!("sasl.rs"));
    for row in imapd::session::capability::TABLE {
        let with_tls = ["STARTTLS", "LOGINDISABLED", "AUTH=EXTERNAL", "AUTH=OAUTHBEARER"].contains(&row.name)
            || row.name.ends_with("-PLUS");
        let found = if with_tls {
            sockets.contains(row.name.trim_start_matches("AUTH="))
        } else {
            covered.iter().any(|t| t == row.name)
        };
        assert!(found, "no transcript covers {}", row.name);
    }
    for token in covered {
        let known = imapd::session::capability::TABLE.iter().any(|row| row.name == token);
        assert!(known, "a transcript covers {token}, which is not in the table");
    }
}

#[test]
fn every_command_has_a_transcript() {
    let all: String = scripts().into_iter().map(|(_, text)| text).collect();
    let sent: Vec<String> = all
        .lines()
        .filter_map(|l| l.strip_prefix("C: ").or_else(|| l.strip_prefix("C{ ")))
        .filter_map(|l| l.split_once(' '))
        .map(|(_, command)| command.to_ascii_uppercase() + " ")
        .collect();
    for row in imapd::session::table::TABLE {
        let name = format!("{}{} ", if row.uid { "UID " } else { "" }, row.name);
        assert!(sent.iter().any(|c| c.starts_with(&name)), "no transcript sends {name}");
    }
}
