//! What an idle client costs. Alone in its process, since it looks at the memory of all of it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use imapd::transport::{ConnectionLimits, Timeouts};
use support::memory::Memory;
use support::{private_memory, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn idle_clients_are_cheap() {
    const CLIENTS: usize = 400;
    let running = start(Arc::new(Memory::default()), Timeouts::default(), ConnectionLimits::default()).await;
    let mut streams = Vec::with_capacity(CLIENTS);
    let mut before = 0;
    for i in 0..CLIENTS + 50 {
        if i == 50 {
            before = private_memory();
        }
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"a LOGIN alice secret\r\nb SELECT INBOX\r\nc IDLE\r\n").await.unwrap();
        let mut text = Vec::new();
        let mut piece = [0; 512];
        while !text.windows(8).any(|w| w == b"+ idling") {
            let n = stream.read(&mut piece).await.unwrap();
            assert!(n > 0);
            text.extend_from_slice(&piece[..n]);
        }
        streams.push(stream);
    }
    let each = (private_memory() - before) / CLIENTS;
    // Both ends of each connection live in this process, so this is an upper bound.
    assert!(each < 32 * 1024, "{each} octets a client");
    println!("{each} octets an idle client");
}
