//! Response codes that take something broken, busy or attacked (RFC 5530).
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use futures::future::join_all;
use imapd::auth::MAX_FAILURES_PER_CONNECTION;
use imapd::auth::throttle::Throttle;
use imapd::mailstore::StoreError;
use support::memory::Memory;
use support::{LineClient, SOON, start_plain};

#[tokio::test]
async fn what_the_store_says() {
    let memory = Arc::new(Memory::default());
    let running = start_plain(memory.clone()).await;
    let mut client = LineClient::new(running.address).await;
    assert!(client.command("LOGIN alice secret").await.starts_with("a OK"));
    let unavailable = StoreError::Unavailable("IMAPSF does not answer".into());
    for (error, code) in [
        (unavailable, "UNAVAILABLE"),
        (StoreError::Damaged("NOTE INDEX record 1".into()), "CORRUPTION"),
        (StoreError::Defect("this should not happen".into()), "SERVERBUG"),
        (StoreError::InUse, "INUSE"),
        (StoreError::OverQuota, "OVERQUOTA"),
        (StoreError::PoolFull, "UNAVAILABLE"),
        (StoreError::Limit("too many"), "LIMIT"),
    ] {
        *memory.failure.lock() = Some(error);
        let answer = client.command("APPEND INBOX {1+}\r\nx").await;
        assert!(answer.starts_with(&format!("a NO [{code}] ")), "{answer}");
        // What went wrong inside is not for clients.
        assert!(!answer.contains("NOTE INDEX") && !answer.contains("IMAPSF"), "{answer}");
    }
    *memory.failure.lock() = None;
    assert!(client.command("APPEND INBOX {1+}\r\nx").await.starts_with("a OK"));
    running.service.shutdown(SOON).await;
}

/// After failures logins wait; of one address only so many at once, for else guessing with many connections would be as fast
/// as ever.
#[tokio::test]
async fn logins_that_wait() {
    let running = start_plain(Arc::new(Memory::default())).await;
    let mut client = LineClient::new(running.address).await;
    for _ in 0..=Throttle::FREE {
        assert!(client.command("LOGIN alice wrong").await.starts_with("a NO [AUTHENTICATIONFAILED]"));
    }
    let mut clients = Vec::new();
    for _ in 0..2 * Throttle::MAX_WAITING {
        clients.push(LineClient::new(running.address).await);
    }
    let answers = join_all(clients.iter_mut().map(|c| c.command("LOGIN alice wrong"))).await;
    let told = |code: &str| answers.iter().filter(|a| a.starts_with(&format!("a NO [{code}]"))).count();
    // A slow machine may let the first have their turn before the last have come.
    assert!((1..=Throttle::MAX_WAITING).contains(&told("LIMIT")), "{answers:?}");
    assert_eq!(told("AUTHENTICATIONFAILED") + told("LIMIT"), answers.len(), "{answers:?}");
    running.service.shutdown(SOON).await;
}

#[tokio::test]
async fn who_fails_too_often_is_sent_away() {
    let running = start_plain(Arc::new(Memory::default())).await;
    let mut client = LineClient::new(running.address).await;
    for _ in 1..MAX_FAILURES_PER_CONNECTION {
        assert!(client.command("LOGIN alice wrong").await.starts_with("a NO [AUTHENTICATIONFAILED]"));
    }
    assert!(client.command("LOGIN alice wrong").await.starts_with("a NO [AUTHENTICATIONFAILED]"));
    assert_eq!(client.line().await, "* BYE [LIMIT] Too many failed logins\r\n");
    assert_eq!(client.line().await, "");
    running.service.shutdown(SOON).await;
}
