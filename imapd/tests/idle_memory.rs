//! What an idle client costs. Alone in its process, since it looks at the memory of all of it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use imapd::transport::{ConnectionLimits, Timeouts};
use support::memory::Memory;
use support::{idle_cost, start};
use tokio::net::TcpStream;

#[tokio::test]
async fn idle_clients_are_cheap() {
    const CLIENTS: usize = 400;
    let running = start(Arc::new(Memory::default()), Timeouts::default(), ConnectionLimits::default()).await;
    let each = idle_cost(CLIENTS, async || TcpStream::connect(running.address).await.unwrap()).await;
    // Both ends of each connection live in this process, so this is an upper bound.
    assert!(each < 32 * 1024, "{each} octets a client");
    println!("{each} octets an idle client");
}
