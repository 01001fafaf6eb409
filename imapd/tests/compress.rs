//! COMPRESS=DEFLATE over real sockets.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use support::memory::Memory;
use support::{SOON, start_plain};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Client {
    stream: TcpStream,
    /// Compressor and decompressor, once compression is on.
    deflate: Option<(Compress, Decompress)>,
    /// What came and is not yet read, as it was sent.
    came: Vec<u8>,
}

fn deflated(compress: &mut Compress, octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + 1024);
    compress.compress_vec(octets, &mut out, FlushCompress::Sync).unwrap();
    assert!(out.len() < out.capacity());
    out
}

impl Client {
    async fn login(address: std::net::SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut client = Self { stream, deflate: None, came: Vec::new() };
        client.line().await;
        assert!(client.ask("a LOGIN alice secret").await.contains(" COMPRESS=DEFLATE "));
        client
    }

    fn switch(&mut self) {
        self.deflate = Some((Compress::new(Compression::new(6), false), Decompress::new(false)));
    }

    async fn send(&mut self, octets: &[u8]) {
        let octets = match &mut self.deflate {
            Some((compress, _)) => deflated(compress, octets),
            None => octets.to_vec(),
        };
        self.stream.write_all(&octets).await.unwrap();
    }

    /// More of what the server says; false at its end.
    async fn more(&mut self) -> bool {
        let mut piece = vec![0; 4096];
        let n = tokio::time::timeout(SOON, self.stream.read(&mut piece)).await.unwrap().unwrap();
        let mut rest = &piece[..n];
        match &mut self.deflate {
            None => self.came.extend_from_slice(rest),
            Some((_, decompress)) => loop {
                let before = decompress.total_in();
                let mut out = Vec::with_capacity(64 * 1024);
                decompress.decompress_vec(rest, &mut out, FlushDecompress::None).unwrap();
                rest = &rest[(decompress.total_in() - before) as usize..];
                self.came.extend_from_slice(&out);
                if rest.is_empty() && out.len() < out.capacity() {
                    break;
                }
            },
        }
        n > 0
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.came.iter().position(|b| *b == b'\n') {
                let line = self.came.drain(..=end).collect::<Vec<_>>();
                return String::from_utf8(line).unwrap().trim_end().to_owned();
            }
            if !self.more().await {
                return String::new();
            }
        }
    }

    async fn ask(&mut self, text: &str) -> String {
        self.send(format!("{text}\r\n").as_bytes()).await;
        self.line().await
    }

    async fn up_to(&mut self, start: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.line().await);
            let last = lines.last().unwrap();
            assert!(!last.is_empty() || lines.len() < 3, "{lines:?}");
            if last.starts_with(start) {
                return lines;
            }
        }
    }
}

#[tokio::test]
async fn compressed_in_both_directions() {
    let running = start_plain(Arc::new(Memory::default())).await;
    let mut client = Client::login(running.address).await;
    assert_eq!(client.ask("b COMPRESS LZW").await, "b BAD Algorithm is not known");
    assert!(client.ask("b COMPRESS").await.starts_with("b BAD"));
    // What follows the command in the same packet is compressed already (RFC 4978 section 3).
    let mut compress = Compress::new(Compression::new(6), false);
    let mut packet = b"c COMPRESS DEFLATE\r\n".to_vec();
    packet.extend(deflated(&mut compress, b"d NOOP\r\ne CAPABILITY\r\n"));
    client.stream.write_all(&packet).await.unwrap();
    assert_eq!(client.line().await, "c OK DEFLATE active");
    client.switch();
    client.deflate.as_mut().unwrap().0 = compress;
    // What came behind the line was read as it stands.
    let early = std::mem::take(&mut client.came);
    if !early.is_empty() {
        let mut out = Vec::with_capacity(64 * 1024);
        client.deflate.as_mut().unwrap().1.decompress_vec(&early, &mut out, FlushDecompress::None).unwrap();
        client.came = out;
    }
    assert!(client.line().await.starts_with("d OK"));
    assert!(!client.line().await.contains("COMPRESS"));
    assert!(client.line().await.starts_with("e OK"));
    assert!(client.ask("f COMPRESS DEFLATE").await.starts_with("f BAD [COMPRESSIONACTIVE]"));
    let body: String = (0..60_000).map(|i| format!("line {i} of a large message\r\n")).collect();
    let answer = client.ask(&format!("g APPEND INBOX {{{}+}}\r\n{body}", body.len())).await;
    assert!(answer.starts_with("g OK"), "{answer}");
    client.send(b"h SELECT INBOX\r\ni FETCH 1 BODY.PEEK[]\r\n").await;
    client.up_to("h OK").await;
    assert_eq!(client.line().await, format!("* 1 FETCH (BODY[] {{{}}}", body.len()));
    while client.came.len() < body.len() {
        assert!(client.more().await);
    }
    assert!(client.came.drain(..body.len()).eq(body.bytes()));
    client.up_to("i OK").await;
    // Changes are flushed to a client that idles.
    assert_eq!(client.ask("j IDLE").await, "+ idling");
    let mut other = Client::login(running.address).await;
    assert!(other.ask("k APPEND INBOX {3+}\r\na\n").await.starts_with("k OK"));
    assert_eq!(client.line().await, "* 2 EXISTS");
    assert_eq!(client.line().await, "* 2 RECENT");
    assert!(client.ask("DONE").await.starts_with("j OK"));
    assert!(client.ask("l LOGOUT").await.starts_with("* BYE"));
}

#[tokio::test]
async fn little_that_becomes_much_meets_the_limits() {
    let running = start_plain(Arc::new(Memory::default())).await;
    let mut client = Client::login(running.address).await;
    assert!(client.ask("b COMPRESS DEFLATE").await.starts_with("b OK"));
    client.switch();
    let before = support::private_memory();
    // 64 MiB in a line, in 64 KiB or so on the wire.
    client.send(&vec![b'x'; 64 << 20]).await;
    assert_eq!(client.line().await, "* BAD [TOOBIG] command line is too long");
    assert!(client.ask("\r\nc NOOP").await.starts_with("c OK"));
    assert!(client.ask("d APPEND INBOX {67108865+}").await.starts_with("d NO [TOOBIG]"));
    let grown = support::private_memory().saturating_sub(before);
    assert!(grown < 140 << 20, "{grown} octets, of which the client's own buffers are 130 MiB at most");
}

#[tokio::test]
async fn what_is_not_deflated_ends_the_session() {
    let running = start_plain(Arc::new(Memory::default())).await;
    let mut client = Client::login(running.address).await;
    assert!(client.ask("b COMPRESS DEFLATE").await.starts_with("b OK"));
    client.stream.write_all(&[0xff; 40]).await.unwrap();
    client.switch();
    assert_eq!(client.line().await, "* BYE [CLIENTBUG] What was sent is not deflated");
    assert_eq!(client.line().await, "");
    // The end of the stream is the end, too.
    let mut client = Client::login(running.address).await;
    assert!(client.ask("b COMPRESS DEFLATE").await.starts_with("b OK"));
    client.switch();
    let mut out = Vec::with_capacity(100);
    client.deflate.as_mut().unwrap().0.compress_vec(b"c NOOP\r\n", &mut out, FlushCompress::Finish).unwrap();
    client.stream.write_all(&out).await.unwrap();
    client.up_to("* BYE [CLIENTBUG]").await;
}

impl Client {
    /// Ends compression after the answer that was read.
    fn switch_back(&mut self) {
        self.deflate = None;
        assert!(self.came.is_empty(), "{:?}", String::from_utf8_lossy(&self.came));
    }
}

/// UNAUTHENTICATE ends compression in both directions (RFC 8437 section 4.1), and it can begin again.
#[tokio::test]
async fn unauthenticate_ends_compression() {
    let running = start_plain(Arc::new(Memory::default())).await;
    let mut client = Client::login(running.address).await;
    for tag in ["b", "c"] {
        assert!(client.ask(&format!("{tag} COMPRESS DEFLATE")).await.starts_with(&format!("{tag} OK")));
        client.switch();
        assert_eq!(client.ask("d UNAUTHENTICATE").await, "d OK UNAUTHENTICATE completed");
        client.switch_back();
        let answer = client.ask("e LOGIN bob secret").await;
        assert!(answer.starts_with("e OK") && answer.contains(" COMPRESS=DEFLATE "), "{answer}");
    }
    assert!(client.ask("f LOGOUT").await.starts_with("* BYE"));
}

/// What follows the command is not compressed, wherever packets end, and however the client ends its stream.
#[tokio::test]
async fn what_follows_unauthenticate_is_plain() {
    let running = start_plain(Arc::new(Memory::default())).await;
    for finished in [false, true] {
        for held_back in 0..6 {
            let mut client = Client::login(running.address).await;
            assert!(client.ask("b COMPRESS DEFLATE").await.starts_with("b OK"));
            client.switch();
            assert!(client.ask("c NOOP").await.starts_with("c OK"));
            let compress = &mut client.deflate.as_mut().unwrap().0;
            let mut packet = deflated(compress, b"d NOOP\r\n");
            let mut last = Vec::with_capacity(1024);
            let flush = if finished { FlushCompress::Finish } else { FlushCompress::Sync };
            compress.compress_vec(b"e UNAUTHENTICATE\r\n", &mut last, flush).unwrap();
            // With nothing held back all is one packet, AUTHENTICATE with it.
            let now = last.len() - held_back;
            packet.extend_from_slice(&last[..now]);
            let rest = [&last[now..], b"f AUTHENTICATE PLAIN AGJvYgBzZWNyZXQ=\r\n"].concat();
            if held_back == 0 {
                packet.extend_from_slice(&rest);
            }
            client.stream.write_all(&packet).await.unwrap();
            if held_back > 0 {
                assert!(client.line().await.starts_with("d OK"));
                client.stream.write_all(&rest).await.unwrap();
            }
            // The answers may come in one packet, of which the second is plain.
            let mut came = Vec::new();
            while !String::from_utf8_lossy(&came).contains("AUTHENTICATE completed\r\n") {
                let mut piece = vec![0; 4096];
                let n = tokio::time::timeout(SOON, client.stream.read(&mut piece)).await.unwrap().unwrap();
                assert!(n > 0, "{held_back}: {:?}", String::from_utf8_lossy(&came));
                came.extend_from_slice(&piece[..n]);
            }
            let mut text = std::mem::take(&mut client.came);
            let plain = came.windows(4).position(|w| w == b"f OK").unwrap();
            let mut out = Vec::with_capacity(4096);
            let decompress = &mut client.deflate.as_mut().unwrap().1;
            decompress.decompress_vec(&came[..plain], &mut out, FlushDecompress::None).unwrap();
            text.extend_from_slice(&out);
            let text = String::from_utf8(text).unwrap();
            let text = text.trim_start_matches("d OK NOOP completed\r\n");
            assert_eq!(text, "e OK UNAUTHENTICATE completed\r\n", "{held_back}");
            client.deflate = None;
            client.came.clear();
            assert!(client.ask("g LOGOUT").await.starts_with("* BYE"));
        }
    }
}
