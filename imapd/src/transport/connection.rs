//! One client: reads frames, runs the session, writes answers.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};
use tokio_rustls::server::TlsStream;

use super::deflate::Deflate;
use super::listener::Service;
use super::trace;
use crate::session::channel::Channel;
use crate::session::meter::Meter;
use crate::session::traces::TraceKind;
use crate::session::{Drain, Out, Server, Session, Step};
use crate::wire::{Frame, Framer};

/// Octets sent at once.
const SEND: usize = 64 * 1024;
/// Octets read at once.
const READ: usize = 16 * 1024;

/// Octets of deflated output that are sent at once.
const DEFLATED: usize = 16 * 1024;

/// Literals up to this size need no share of the memory for large ones.
const LARGE_LITERAL: usize = 256 * 1024;

/// Time in which a session that is killed may finish its command and take its BYE.
const KILL_PATIENCE: Duration = Duration::from_secs(3);

/// The stream in either form.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Neither: its handshake failed half way.
    Gone,
}

/// A stream and how patient it is.
struct Wire {
    stream: Stream,
    /// When the connection is compressed.
    deflate: Option<Box<Deflate>>,
    /// When it is no longer, until the end of what the client has compressed has come.
    ending: Option<Box<Deflate>>,
    stall: Duration,
    meter: Arc<Meter>,
}

impl Wire {
    /// Sends; what compression holds back goes with [`Wire::finish`].
    async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        if octets.is_empty() {
            return Ok(());
        }
        let Some(mut deflate) = self.deflate.take() else { return self.send_raw(octets).await };
        let mut rest = octets;
        let mut out = Vec::with_capacity(DEFLATED);
        while !rest.is_empty() {
            let taken = deflate.deflate(rest, &mut out)?;
            rest = &rest[taken..];
            if out.len() == out.capacity() || rest.is_empty() {
                self.send_raw(&out).await?;
                out.clear();
            }
        }
        self.deflate = Some(deflate);
        Ok(())
    }

    /// Sends what compression holds back: the client has to see the end of a batch of responses.
    async fn finish(&mut self) -> io::Result<()> {
        let Some(mut deflate) = self.deflate.take() else { return Ok(()) };
        let mut out = Vec::with_capacity(DEFLATED);
        loop {
            let done = deflate.flush(&mut out)?;
            self.send_raw(&out).await?;
            out.clear();
            if done {
                break;
            }
        }
        self.deflate = Some(deflate);
        Ok(())
    }

    /// Sends a batch of responses to its end.
    async fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        self.send(octets).await?;
        self.finish().await
    }

    /// Whether compression has something to give back while the client is quiet.
    fn can_rest(&self) -> bool {
        self.deflate.as_ref().is_some_and(|d| d.can_rest())
    }

    fn rest(&mut self) {
        if let Some(deflate) = &mut self.deflate {
            deflate.rest();
        }
    }

    /// Begins compression; `ahead` came behind the command.
    fn compress(&mut self, ahead: BytesMut) {
        self.ending = None;
        self.deflate = Some(Box::new(Deflate::new(ahead)));
    }

    /// Ends compression in both directions.
    fn uncompress(&mut self, framer: &mut Framer) {
        self.ending = self.deflate.take();
        self.take_plain(framer);
    }

    /// Takes what came behind the end of what the client has compressed, once that is there; how much it is.
    fn take_plain(&mut self, framer: &mut Framer) -> usize {
        match self.ending.take_if(|ending| ending.is_at_end()) {
            Some(ending) => {
                framer.feed(&ending.raw);
                ending.raw.len()
            }
            None => 0,
        }
    }

    async fn send_raw(&mut self, octets: &[u8]) -> io::Result<()> {
        if octets.is_empty() {
            return Ok(());
        }
        self.meter.sent.add(octets.len());
        // Patience is per piece: a slow client that reads is served to the end.
        for piece in octets.chunks(SEND) {
            self.send_piece(piece).await?;
        }
        Ok(())
    }

    async fn send_piece(&mut self, octets: &[u8]) -> io::Result<()> {
        let write = async {
            match &mut self.stream {
                Stream::Plain(s) => s.write_all(octets).await,
                Stream::Tls(s) => {
                    s.write_all(octets).await?;
                    s.flush().await
                }
                Stream::Gone => Err(io::ErrorKind::NotConnected.into()),
            }
        };
        timeout(self.stall, write).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Reads what there is into the framer; waits without a buffer while there is nothing. 0 is the end.
    async fn read(&mut self, framer: &mut Framer) -> io::Result<usize> {
        // What comes of a literal is taken in few pieces; its memory is accounted for.
        let room = framer.wants().clamp(READ, LARGE_LITERAL);
        let under_way = framer.under_way();
        loop {
            if self.take_plain(framer) > 0 {
                return Ok(1);
            }
            let Some(deflate) = self.deflate.as_mut().or(self.ending.as_mut()) else {
                let n = self.stream.read(framer.buffer(), under_way, room).await?;
                self.meter.received.add(n);
                return Ok(n);
            };
            if deflate.has_more() {
                // One piece at a time, so that the framer's limits hold for what was inflated.
                if deflate.inflate(framer.buffer())? > 0 {
                    return Ok(1);
                }
                continue;
            }
            let n = self.stream.read(&mut deflate.raw, under_way, READ).await?;
            if n == 0 {
                return Ok(0);
            }
            self.meter.received.add(n);
        }
    }
}

impl Stream {
    /// Reads what there is into `buffer`, which is `under_way` when more is expected soon, at most `room` octets.
    async fn read(&mut self, buffer: &mut BytesMut, under_way: bool, room: usize) -> io::Result<usize> {
        match self {
            Self::Plain(s) => loop {
                s.ready(Interest::READABLE).await?;
                buffer.reserve(room);
                match s.try_read_buf(buffer) {
                    Ok(n) => return Ok(n),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        if buffer.is_empty() {
                            *buffer = BytesMut::new();
                        }
                    }
                    Err(e) => return Err(e),
                }
            },
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
            Self::Tls(s) if under_way => {
                buffer.reserve(room);
                s.read_buf(buffer).await
            }
            Self::Tls(s) => {
                // TLS keeps what it has decrypted, so asking with no buffer tells nothing: a small one waits.
                let mut first = [0u8; 256];
                let mut buf = ReadBuf::new(&mut first);
                std::future::poll_fn(|cx| {
                    tokio::io::AsyncRead::poll_read(std::pin::Pin::new(&mut **s), cx, &mut buf)
                })
                .await?;
                buffer.extend_from_slice(buf.filled());
                Ok(buf.filled().len())
            }
        }
    }
}

impl Wire {
    /// Acknowledges at once what was received. A client that sends the rest of its command in a packet of its own holds
    /// it back until then (RFC 896), and the kernel would wait for an answer of ours to ride on, which cannot come yet.
    #[cfg(target_os = "linux")]
    fn acknowledge(&self) -> bool {
        let stream = match &self.stream {
            Stream::Plain(s) => s,
            Stream::Tls(s) => s.get_ref().0,
            Stream::Gone => return false,
        };
        socket2::SockRef::from(stream).set_tcp_quickack(true).is_ok()
    }

    #[cfg(not(target_os = "linux"))]
    fn acknowledge(&self) -> bool {
        false
    }
}

impl Drain for Wire {
    fn drain<'a>(&'a mut self, buf: &'a mut Vec<u8>, more: Bytes) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            let result = self.send(buf).await;
            buf.clear();
            result?;
            if more.is_empty() {
                return self.finish().await;
            }
            self.send(&more).await
        })
    }
}

/// Serves a client until it is gone, logged out, too slow, or the service stops. `tls_before`: a proxy has ended its TLS.
pub(super) async fn serve(
    service: Arc<Service>,
    stream: TcpStream,
    peer: IpAddr,
    implicit_tls: bool,
    tls_before: bool,
) {
    let connected = Instant::now();
    let stall = service.timeouts.stall;
    let stream = if implicit_tls {
        match handshake(&service, stream).await {
            Ok(stream) => stream,
            Err(e) => {
                tracing::debug!(%peer, error = %e, "TLS handshake failed");
                return;
            }
        }
    } else {
        Stream::Plain(stream)
    };
    let tls = tls_before || matches!(stream, Stream::Tls(_));
    let mut session = Session::new(service.server.clone(), peer, tls);
    let meter = session.meter.clone();
    let mut wire = Wire { stream, deflate: None, ending: None, stall, meter: meter.clone() };
    if let Some(channel) = channel(&wire.stream) {
        session.set_channel(channel);
    }
    let mut greeting = Vec::new();
    session.greeting(&mut greeting);
    let talking = async {
        wire.send(&greeting).await?;
        talk(&service, &mut session, &mut wire, connected).await
    };
    let result = tokio::select! {
        result = talking => result,
        // One that does not read, or asked for much, gets no BYE.
        () = async { meter.killed().await; tokio::time::sleep(KILL_PATIENCE).await } => Ok("killed"),
    };
    let counts = meter.counts();
    service.server.statistics.end(counts);
    tracing::info!(
        session = session.id.0,
        %peer,
        user = session.user().map(|u| u.id().to_string()).unwrap_or_default(),
        client = meter.place().client.as_deref().unwrap_or_default(),
        seconds = connected.elapsed().as_secs(),
        commands = counts.commands,
        received = counts.received,
        sent = counts.sent,
        appended = counts.appended,
        fetched = counts.fetched,
        expunged = counts.expunged,
        end = %result.map_or_else(|e| e.to_string(), str::to_owned),
        "session ended"
    );
    if let Stream::Tls(s) = &mut wire.stream {
        // The peer may be gone; nothing depends on its seeing the end of TLS.
        let _ = timeout(Duration::from_secs(1), s.shutdown()).await;
    }
}

async fn handshake(service: &Service, stream: TcpStream) -> io::Result<Stream> {
    let Some(acceptor) = service.tls() else {
        return Err(io::Error::other("TLS is not configured"));
    };
    let stream = timeout(service.handshake_time(), acceptor.accept(stream))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(Stream::Tls(Box::new(stream)))
}

async fn talk(
    service: &Arc<Service>,
    session: &mut Session,
    wire: &mut Wire,
    connected: Instant,
) -> io::Result<&'static str> {
    let mut framer = Framer::default();
    let server = &service.server;
    let mut registered =
        server.sessions.register(session.id, session.peer, server.store.now(), session.meter.clone());
    let meter = session.meter.clone();
    let mut known_user = None;
    let mut room = Room::default();
    // Since when the client has not been logged in.
    let mut nobody_since = connected;
    let mut heard = Instant::now();
    loop {
        while let Some(frame) = framer.next_frame(session.mode(), &session.limits()) {
            match handle(session, wire, frame).await? {
                Step::Go => {}
                Step::Close => return Ok(session.end()),
                Step::StartTls => {
                    // Octets sent before the handshake must not count as sent within TLS.
                    framer.discard();
                    start_tls(service, session, wire).await?;
                }
                Step::Compress => wire.compress(framer.take_ahead()),
                Step::Uncompress => wire.uncompress(&mut framer),
            }
        }
        framer.release();
        if framer.under_way() && wire.acknowledge() {
            service.hurried.fetch_add(1, Ordering::Relaxed);
        }
        let user = session.user().map(|u| u.id());
        if user != known_user {
            if user.is_none() {
                nobody_since = Instant::now();
            }
            known_user = user;
            registered.set_user(user);
        }
        meter.set_place(session.tls, session.selected());
        if room.provide(service, &framer).await? {
            heard = Instant::now();
        }
        let limit = deadline(service, session, &room, heard, nobody_since);
        // Who talks all the time must log in as well, although the clock is looked at last.
        if !session.is_authenticated() && limit <= Instant::now() {
            return expired(session, wire).await;
        }
        tokio::select! {
            biased;
            () = service.stop.cancelled() => {
                wire.say(b"* BYE [UNAVAILABLE] IMAPMAIN is shutting down\r\n").await?;
                return Ok("shutdown");
            }
            () = meter.killed() => {
                wire.say(b"* BYE [CONTACTADMIN] The administrator ends this session\r\n").await?;
                return Ok("killed");
            }
            got = wire.read(&mut framer) => {
                if let Some(end) = ended(got, wire).await? {
                    return Ok(end);
                }
                heard = Instant::now();
            }
            () = session.changed(), if session.listens() => {
                let mut update = Vec::new();
                session.update(&mut Out::new(&mut update, wire)).await?;
                wire.say(&update).await?;
            }
            text = registered.alert() => {
                wire.say(session.alert(&text).as_bytes()).await?;
            }
            () = tokio::time::sleep(service.timeouts.quiet), if wire.can_rest() => wire.rest(),
            () = tokio::time::sleep_until(limit) => {
                return expired(session, wire).await;
            }
        }
    }
}

/// When the client must have said something, or logged in.
fn deadline(
    service: &Service,
    session: &Session,
    room: &Room,
    heard: Instant,
    nobody_since: Instant,
) -> Instant {
    match (&room.permit, session.is_authenticated()) {
        // Who announces much must send it, for others wait for the memory.
        (Some(_), _) => heard + service.timeouts.stall,
        (None, true) => heard + service.idle(),
        (None, false) => nobody_since + service.login_time(),
    }
}

/// Sends a client away that was silent for too long, or has not logged in.
async fn expired(session: &Session, wire: &mut Wire) -> io::Result<&'static str> {
    if session.is_authenticated() {
        wire.say(b"* BYE Autologout; idle for too long\r\n").await?;
        return Ok("timeout");
    }
    wire.say(b"* BYE Autologout; nobody has logged in\r\n").await?;
    Ok("no login")
}

/// Why the session is over after a read, if it is.
async fn ended(got: io::Result<usize>, wire: &mut Wire) -> io::Result<Option<&'static str>> {
    match got {
        Ok(0) => Ok(Some("disconnected")),
        Ok(_) => Ok(None),
        Err(e)
            if e.kind() == io::ErrorKind::InvalidData
                && (wire.deflate.is_some() || wire.ending.is_some()) =>
        {
            wire.say(b"* BYE [CLIENTBUG] What was sent is not deflated\r\n").await?;
            Ok(Some("not deflated"))
        }
        Err(e) => Err(e),
    }
}

/// The share that the command under way has of the memory for large literals.
#[derive(Default)]
struct Room {
    permit: Option<OwnedSemaphorePermit>,
    octets: usize,
}

impl Room {
    /// Gives the share back with the end of the command, or waits for more of it when more is announced; whether it did.
    async fn provide(&mut self, service: &Service, framer: &Framer) -> io::Result<bool> {
        if framer.is_idle() {
            *self = Self::default();
            return Ok(false);
        }
        let expected = framer.expected();
        if framer.wants() == 0 || expected <= self.octets.max(LARGE_LITERAL) {
            return Ok(false);
        }
        let more = literal_room(service, expected - self.octets);
        match &mut self.permit {
            // Who holds some and wants more must not wait for ever for others who do the same.
            Some(permit) => {
                let more = timeout(service.timeouts.stall, more).await;
                permit.merge(more.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??);
            }
            None => self.permit = Some(more.await?),
        }
        self.octets = expected;
        Ok(true)
    }
}

/// Waits until there is memory for a large literal; until then the client's octets stay in the socket.
async fn literal_room(service: &Service, octets: usize) -> io::Result<OwnedSemaphorePermit> {
    let units = u32::try_from(octets.div_ceil(1024)).unwrap_or(u32::MAX);
    let units = units.min(Server::LITERAL_ROOM_KB as u32);
    tokio::select! {
        () = service.stop.cancelled() => Err(io::Error::other("shutdown")),
        permit = service.server.literal_room.clone().acquire_many_owned(units) => permit.map_err(io::Error::other),
    }
}

async fn handle(session: &mut Session, wire: &mut Wire, frame: Frame) -> io::Result<Step> {
    let mut buf = Vec::new();
    let login = session.is_logging_in();
    let traced = tracing::enabled!(target: "imapd::socketio", tracing::Level::TRACE);
    if traced && session.is_traced(TraceKind::SocketIo) {
        trace_frame(session, &frame);
    }
    let step = match frame {
        Frame::Continue => {
            buf.extend_from_slice(b"+ Ready for literal data\r\n");
            Step::Go
        }
        Frame::Refused { tag, why } => session.refused(tag.as_ref(), why, &mut buf),
        Frame::Command(command) => {
            let mut out = Out::new(&mut buf, wire);
            // Boxed, so that the future of an idle connection does not hold room for the largest command.
            Box::pin(session.command(command, &mut out)).await?
        }
        Frame::Line(line) => {
            let mut out = Out::new(&mut buf, wire);
            Box::pin(session.line(line, &mut out)).await?
        }
    };
    if traced && session.is_traced(TraceKind::SocketIo) {
        let login = login || session.is_logging_in();
        for line in buf.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            let shown = trace::from_server(line, login);
            tracing::trace!(target: "imapd::socketio", session = session.id.0, "S: {shown}");
        }
    }
    wire.say(&buf).await?;
    Ok(step)
}

fn trace_frame(session: &Session, frame: &Frame) {
    let shown = match frame {
        Frame::Command(command) => trace::from_client(command, false),
        Frame::Line(line) => trace::from_client(line, session.is_logging_in()),
        _ => return,
    };
    tracing::trace!(target: "imapd::socketio", session = session.id.0, "C: {shown}");
}

async fn start_tls(service: &Arc<Service>, session: &mut Session, wire: &mut Wire) -> io::Result<()> {
    let Some(acceptor) = service.tls() else { return Err(io::Error::other("TLS is not configured")) };
    let Stream::Plain(plain) = std::mem::replace(&mut wire.stream, Stream::Gone) else {
        return Err(io::Error::other("TLS is on already"));
    };
    let stream = timeout(service.handshake_time(), acceptor.accept(plain))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    wire.stream = Stream::Tls(Box::new(stream));
    session.set_channel(channel(&wire.stream).unwrap_or_default());
    Ok(())
}

/// What encryption tells of the client (RFC 9266 section 2 for the exporter).
fn channel(stream: &Stream) -> Option<Channel> {
    let Stream::Tls(stream) = stream else { return None };
    let (_, tls) = stream.get_ref();
    let exporter = (tls.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3))
        .then(|| tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok())
        .flatten();
    let certificate = tls.peer_certificates().and_then(<[_]>::first);
    let names = certificate.map(|c| crate::auth::certificate::names(c)).unwrap_or_default();
    Some(Channel { exporter, spent: false, names })
}
