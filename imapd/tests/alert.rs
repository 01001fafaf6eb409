//! Alerts of the administrator as clients see them: US-ASCII, until they take more (RFC 3501 and RFC 9051 section 9, `text`).
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use support::memory::Memory;

#[tokio::test]
async fn other_characters_after_enable_alone() {
    let running = support::start_configured(Arc::new(Memory::default()), "", None).await;
    let mut old = support::LineClient::new(running.address).await;
    let mut new = support::LineClient::new(running.address).await;
    assert!(old.command("LOGIN alice secret").await.starts_with("a OK"));
    assert!(new.command("LOGIN bob secret").await.starts_with("a OK"));
    assert!(new.command("ENABLE IMAP4rev2").await.starts_with("a OK"));
    assert_eq!(running.service.server.sessions.alert(None, "Schlu\u{df}\r\nnow"), 2);
    assert_eq!(old.line().await, "* OK [ALERT] Schlu?now\r\n");
    assert_eq!(new.line().await, "* OK [ALERT] Schlu\u{df}now\r\n");
    running.service.shutdown(support::SOON).await;
}
