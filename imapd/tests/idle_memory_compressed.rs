//! What an idle client with compression costs. Alone in its process, since it looks at the memory of all of it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use flate2::{Decompress, FlushDecompress};
use imapd::transport::{ConnectionLimits, Timeouts};
use support::memory::Memory;
use support::{private_memory, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Stored blocks of deflate: what a client sends that compresses nothing.
fn stored(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).unwrap();
    [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), text.as_bytes()].concat()
}

async fn until(stream: &mut TcpStream, decompress: Option<&mut Decompress>, wanted: &str) {
    let mut plain = Vec::new();
    let mut decompress = decompress;
    let mut piece = [0; 2048];
    while !plain.windows(wanted.len()).any(|w| w == wanted.as_bytes()) {
        let n = stream.read(&mut piece).await.unwrap();
        assert!(n > 0);
        match &mut decompress {
            None => plain.extend_from_slice(&piece[..n]),
            Some(d) => {
                plain.reserve(64 * 1024);
                d.decompress_vec(&piece[..n], &mut plain, FlushDecompress::None).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn idle_clients_with_compression_give_their_compressors_back() {
    const CLIENTS: usize = 200;
    const WARMING: usize = 20;
    let timeouts = Timeouts { quiet: Duration::from_millis(1), ..Timeouts::default() };
    let running = start(Arc::new(Memory::default()), timeouts, ConnectionLimits::default()).await;
    let mut streams = Vec::new();
    let mut before = 0;
    for i in 0..CLIENTS + WARMING {
        if i == WARMING {
            before = private_memory();
        }
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"a LOGIN alice secret\r\nb SELECT INBOX\r\nc COMPRESS DEFLATE\r\n").await.unwrap();
        until(&mut stream, None, "c OK DEFLATE active\r\n").await;
        let mut decompress = Decompress::new(false);
        stream.write_all(&stored("d IDLE\r\n")).await.unwrap();
        until(&mut stream, Some(&mut decompress), "+ idling\r\n").await;
        streams.push(stream);
    }
    // The window of what comes in stays; 300 KiB of each compressor go, some of them a moment from now.
    let limit = 96 * 1024;
    let patience = tokio::time::Instant::now() + support::SOON;
    loop {
        let each = private_memory().saturating_sub(before) / CLIENTS;
        if each < limit {
            println!("{each} octets an idle client with compression");
            break;
        }
        assert!(tokio::time::Instant::now() < patience, "{each} octets a client");
        tokio::task::yield_now().await;
    }
}
