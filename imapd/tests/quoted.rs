//! Strings in quotes are UTF-8, whatever a client has enabled (RFC 9755 section 3, RFC 9051 section 9).
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use support::memory::Memory;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Sends commands, one after the other; their tagged answers. Each has the tag `a`.
async fn answers(client: &mut BufReader<TcpStream>, commands: &[&[u8]]) -> Vec<String> {
    let mut out = Vec::new();
    for command in commands {
        client.get_mut().write_all(&[b"a ", *command, b"\r\n"].concat()).await.unwrap();
        let mut line = String::new();
        while !line.starts_with("a ") {
            line.clear();
            assert_ne!(client.read_line(&mut line).await.unwrap(), 0);
        }
        out.push(line.split(' ').nth(1).unwrap().to_owned());
    }
    out
}

#[tokio::test]
async fn what_is_no_utf8() {
    let running = support::start_configured(Arc::new(Memory::default()), "", None).await;
    let latin: &[&[u8]] = &[
        b"SELECT INBOX",
        b"SEARCH SUBJECT \"\xff\"",
        b"SEARCH OR SUBJECT \"\xc3\xa4 \\\" \\\\\" SUBJECT \"\xff\"",
        b"SEARCH HEADER {1+}\r\n\" \"\xff\"",
        // In a literal it is no string in quotes.
        b"SEARCH HEADER {3+}\r\n\"\xff\" \"\xc3\xa4\"",
        b"SEARCH SUBJECT \"\xc3\xa4\\\"\"",
        b"UNSELECT",
    ];
    for enable in [None, Some("IMAP4rev2"), Some("UTF8=ACCEPT")] {
        let mut client = BufReader::new(TcpStream::connect(running.address).await.unwrap());
        // A password is what it is, and nobody was told of UTF-8 yet.
        assert_eq!(
            answers(&mut client, &[b"LOGIN alice \"\xff\"", b"LOGIN alice secret"]).await,
            ["NO", "OK"]
        );
        if let Some(token) = enable {
            assert_eq!(answers(&mut client, &[format!("ENABLE {token}").as_bytes()]).await, ["OK"]);
        }
        let told = answers(&mut client, latin).await;
        assert_eq!(told[1..4], ["BAD"; 3], "{enable:?}");
        assert_eq!((&*told[0], &*told[5], &*told[6]), ("OK", "OK", "OK"), "{enable:?}");
        assert_ne!(told[4], "BAD", "{enable:?}");
    }
    running.service.shutdown(support::SOON).await;
}
