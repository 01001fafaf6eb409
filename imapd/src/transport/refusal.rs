//! Connections over a limit: they are told (RFC 9051 section 7.1.5), on the port of TLS after the handshake.
//!
//! A handshake is work, which who opens too many connections gets little of: few are told at a time, each takes one of few places for a
//! second at least, and all others are closed without a word.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::limits::Full;
use super::listener::Service;

/// Clients that are told at the same time.
const PLACES: usize = 8;
/// How long a place is taken at least.
const PACE: Duration = Duration::from_secs(1);
/// How long a client may take for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The places.
pub(super) struct Refusals(Arc<Semaphore>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }
}

/// Counts one that is refused.
pub(super) fn count(service: &Service, peer: IpAddr, full: Full) {
    service.server.statistics.refused.add(1);
    tracing::warn!(%peer, ?full, "connection limit");
}

/// Tells a client that there are too many.
pub(super) fn refuse(
    service: &Arc<Service>,
    stream: TcpStream,
    peer: IpAddr,
    implicit_tls: bool,
    full: Full,
) {
    count(service, peer, full);
    let bye: &[u8] = match full {
        Full::All => b"* BYE [LIMIT] Too many connections\r\n",
        Full::Address => b"* BYE [LIMIT] Too many connections from your address\r\n",
    };
    if !implicit_tls {
        let _ = stream.try_write(bye);
        return;
    }
    let (Some(acceptor), Ok(place)) = (service.tls(), service.refusals.0.clone().try_acquire_owned()) else {
        return;
    };
    let service = service.clone();
    tokio::spawn(async move {
        let free = Instant::now() + PACE;
        let telling = async {
            // Whether the client has taken it is its own affair.
            let _ = timeout(PATIENCE.min(service.handshake_time()), tell(acceptor, stream, bye)).await;
            sleep_until(free).await;
        };
        tokio::select! {
            () = service.stop.cancelled() => {}
            () = telling => {}
        }
        drop(place);
    });
}

async fn tell(acceptor: TlsAcceptor, stream: TcpStream, bye: &[u8]) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    stream.write_all(bye).await?;
    stream.flush().await?;
    stream.shutdown().await
}
