//! What a client costs that has asked for news of all mailboxes. Alone in its process, since it looks at the memory of all of it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use imapd::transport::{ConnectionLimits, Timeouts};
use support::memory::Memory;
use support::{quiet_cost, start};
use tokio::net::TcpStream;

#[tokio::test]
async fn clients_that_listen_are_cheap() {
    const CLIENTS: usize = 400;
    let running = start(Arc::new(Memory::default()), Timeouts::default(), ConnectionLimits::default()).await;
    let commands = "a LOGIN alice secret\r\nb SELECT INBOX\r\n\
        c NOTIFY SET (selected (MessageNew (UID FLAGS ENVELOPE) MessageExpunge FlagChange)) \
        (personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))\r\n";
    let connect = async || TcpStream::connect(running.address).await.unwrap();
    let each = quiet_cost(CLIENTS, commands, "c OK", connect).await;
    assert!(each < 32 * 1024, "{each} octets a client");
    println!("{each} octets a client that listens");
}
