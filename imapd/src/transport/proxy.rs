//! The PROXY protocol (HAProxy, "The PROXY protocol", section 2): who a client behind a proxy is. Version 2 is here, the line of
//! version 1 in `proxy_line.rs`.
//!
//! Only addresses that IMAP CONFIG names as proxies are asked for the header, and from them it is required: a connection that begins
//! otherwise (rubbish, nothing) is closed. From everybody else the header is not understood, so nobody can claim an
//! address. Of what a proxy adds behind the addresses two things count: a checksum must be right, and a client that came to the proxy
//! within TLS is taken as one within TLS here. The rest is passed over.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::proxy_line;

/// The first octets of every header of version 2.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Octets of a header before its addresses.
const FIXED: usize = 16;

/// Most octets of addresses and additions: what proxies add is a few hundred octets, with a client certificate some thousand.
pub const MAX_REST: usize = 16 * 1024;

/// Why a header is refused.
#[derive(Debug, Error)]
pub enum ProxyError {
    /// The connection failed or ended.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It does not begin as one of the versions does.
    #[error("it does not begin with a PROXY header")]
    NoHeader,
    /// The line of version 1 is not as it should be, or too long.
    #[error("the PROXY line is wrong")]
    Line,
    /// A command, family or transport that there is none of.
    #[error("the PROXY header says {0}")]
    Unknown(&'static str),
    /// Longer than [`MAX_REST`], or shorter than its addresses or one of its additions.
    #[error("the PROXY header has a wrong length")]
    Length,
    /// It is not as it was sent.
    #[error("the PROXY header has a wrong checksum")]
    Checksum,
}

/// The addition that holds a checksum of the header (section 2.2.3 there).
const CHECKSUM: u8 = 0x03;

/// The addition that tells of the client's TLS, with a first octet of flags and four of a result (section 2.2.6 there).
const TLS: u8 = 0x20;
/// Least octets of that.
const TLS_LEAST: usize = 5;
/// The flag of a client that came within TLS.
const CLIENT_TLS: u8 = 0x01;

/// For whom a proxy speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proxied {
    /// The client's address, `None` when the proxy speaks for itself or does not know.
    pub client: Option<IpAddr>,
    /// Whether the client's connection ends in TLS at the proxy.
    pub tls: bool,
}

/// Reads a header, and nothing behind it.
///
/// # Errors
/// [`ProxyError`].
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Proxied, ProxyError> {
    let mut fixed = [0; FIXED];
    // As soon as it cannot be a header any more it is refused: who sent something else waits for an answer.
    let mut got = 0;
    while got < proxy_line::LEAST {
        let n = stream.read(&mut fixed[got..proxy_line::LEAST]).await?;
        if n == 0 {
            return Err(ProxyError::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        got += n;
        let begins = |with: &[u8]| {
            let compared = got.min(with.len());
            fixed[..compared] == with[..compared]
        };
        if !begins(&SIGNATURE) && !begins(proxy_line::WORD) {
            return Err(ProxyError::NoHeader);
        }
    }
    if fixed.starts_with(proxy_line::WORD) {
        return line(&fixed[..proxy_line::LEAST], stream).await;
    }
    stream.read_exact(&mut fixed[proxy_line::LEAST..]).await?;
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > MAX_REST {
        return Err(ProxyError::Length);
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    client(&fixed, &rest)
}

/// Reads the rest of a line, octet by octet, for what follows belongs to the client.
async fn line(begun: &[u8], stream: &mut (impl AsyncRead + Unpin)) -> Result<Proxied, ProxyError> {
    let mut line = begun.to_vec();
    while !line.contains(&b'\n') {
        if line.len() == proxy_line::MOST {
            return Err(ProxyError::Line);
        }
        line.push(stream.read_u8().await?);
    }
    proxy_line::client(&line)
}

fn client(fixed: &[u8; FIXED], rest: &[u8]) -> Result<Proxied, ProxyError> {
    match fixed[12] {
        // LOCAL: health checks. All the rest is discarded.
        0x20 => return Ok(Proxied::default()),
        0x21 => {}
        _ => return Err(ProxyError::Unknown("another version or command")),
    }
    let length = match fixed[13] {
        // Not known to the proxy.
        0x00 => return Ok(Proxied::default()),
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Err(ProxyError::Unknown("a family or transport that does not exist")),
    };
    let (addresses, added) = rest.split_at_checked(length).ok_or(ProxyError::Length)?;
    let tls = look_through(&[fixed, addresses].concat(), added)?;
    let client = match fixed[13] {
        0x11 => addresses.first_chunk::<4>().map(|a| Ipv4Addr::from(*a).into()),
        0x21 => addresses.first_chunk::<16>().map(|a| Ipv6Addr::from(*a).to_canonical()),
        // UDP and Unix sockets, which count as not known where they are not understood.
        _ => None,
    };
    Ok(Proxied { client, tls })
}

/// Looks through what a proxy has added behind `before`: each has a type, a length and so many octets. Whether the client is within TLS.
fn look_through(before: &[u8], added: &[u8]) -> Result<bool, ProxyError> {
    let (mut at, mut tls) = (0, false);
    while at < added.len() {
        let head = added[at..].first_chunk::<3>().ok_or(ProxyError::Length)?;
        let value = at + head.len()..at + head.len() + usize::from(u16::from_be_bytes([head[1], head[2]]));
        let octets = added.get(value.clone()).ok_or(ProxyError::Length)?;
        if head[0] == CHECKSUM {
            let told = u32::from_be_bytes(octets.try_into().map_err(|_| ProxyError::Length)?);
            // It is made with nothing where it stands.
            let all = [before, &added[..value.start], &[0; 4], &added[value.end..]].concat();
            if crc_fast::crc32_iscsi(&all) != told {
                return Err(ProxyError::Checksum);
            }
        }
        if head[0] == TLS {
            let flags = octets.get(..TLS_LEAST).and_then(|o| o.first()).ok_or(ProxyError::Length)?;
            tls |= flags & CLIENT_TLS != 0;
        }
        at = value.end;
    }
    Ok(tls)
}

/// Addresses of proxies: one, or all that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyAddress {
    address: IpAddr,
    bits: u8,
    /// The listener it holds for; `None` for all. True is the one of implicit TLS.
    implicit_tls: Option<bool>,
}

impl ProxyAddress {
    /// Reads `address` or `address/bits`, with the listener.
    pub fn parse(text: &str, implicit_tls: Option<bool>) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse::<IpAddr>().ok()?.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits, implicit_tls })
    }

    /// Whether a connection from `peer` on a listener comes from such a proxy.
    pub fn is(&self, peer: IpAddr, implicit_tls: bool) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let other = width - u32::from(self.bits);
            a.checked_shr(other).unwrap_or(0) == b.checked_shr(other).unwrap_or(0)
        };
        let address = match (self.address, peer) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        };
        address && self.implicit_tls.is_none_or(|wanted| wanted == implicit_tls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    async fn of(octets: &[u8]) -> Result<Proxied, ProxyError> {
        read(&mut &octets[..]).await
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 127, 0, 0, 1, 0x30, 0x39, 0, 143];

    #[tokio::test]
    async fn addresses_and_refusals() {
        let four: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(of(&header(0x21, 0x11, &V4)).await.unwrap().client, Some(four));
        let with_additions = [&V4[..], &[4, 0, 1, 0]].concat();
        let sent = [header(0x21, 0x11, &with_additions), b"a NOOP".to_vec()].concat();
        let mut stream = &sent[..];
        assert_eq!(read(&mut stream).await.unwrap().client, Some(four));
        assert_eq!(stream, b"a NOOP");
        let six: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let rest = [&six.octets()[..], &[0; 20]].concat();
        assert_eq!(of(&header(0x21, 0x21, &rest)).await.unwrap().client, Some(six.into()));
        assert_eq!(of(&header(0x20, 0x00, &[])).await.unwrap().client, None);
        assert_eq!(of(&header(0x21, 0x00, &[])).await.unwrap().client, None);
        assert!(matches!(of(b"\r\n\r\nx").await, Err(ProxyError::NoHeader)));
        assert!(matches!(of(b"PROX").await, Err(ProxyError::Io(_))));
        assert!(matches!(of(b"PROXY2").await, Err(ProxyError::NoHeader)));
        assert!(matches!(of(b"a LOGIN").await, Err(ProxyError::NoHeader)));
        assert!(matches!(of(&header(0x31, 0x11, &V4)).await, Err(ProxyError::Unknown(_))));
        // What is not understood falls back to unspecified; what does not exist is refused.
        for (valid, length) in [(0x12, 12), (0x22, 36), (0x31, 216), (0x32, 216)] {
            assert_eq!(of(&header(0x21, valid, &vec![1; length])).await.unwrap().client, None);
            assert!(matches!(of(&header(0x21, valid, &vec![1; length - 1])).await, Err(ProxyError::Length)));
            // With LOCAL neither the family nor the rest is looked at.
            assert_eq!(of(&header(0x20, valid, &[1])).await.unwrap().client, None);
        }
        for wrong in [0x01, 0x02, 0x10, 0x13, 0x20, 0x23, 0x30, 0x33, 0x41, 0xff] {
            assert!(matches!(of(&header(0x21, wrong, &V4)).await, Err(ProxyError::Unknown(_))));
            assert_eq!(of(&header(0x20, wrong, &V4)).await.unwrap().client, None);
        }
        assert!(matches!(of(&header(0x21, 0x11, &V4[..11])).await, Err(ProxyError::Length)));
        assert!(matches!(of(&header(0x21, 0x21, &rest[..35])).await, Err(ProxyError::Length)));
        assert!(of(&header(0x21, 0x00, &vec![0; MAX_REST])).await.is_ok());
        assert!(matches!(of(&header(0x21, 0x00, &vec![0; MAX_REST + 1])).await, Err(ProxyError::Length)));
        assert!(matches!(of(&header(0x21, 0x11, &V4)[..20]).await, Err(ProxyError::Io(_))));
    }

    #[tokio::test]
    async fn lines() {
        let four: IpAddr = "192.0.2.7".parse().unwrap();
        let mut stream = &b"PROXY TCP4 192.0.2.7 127.0.0.1 1 143\r\na NOOP"[..];
        assert_eq!(read(&mut stream).await.unwrap(), Proxied { client: Some(four), tls: false });
        assert_eq!(stream, b"a NOOP");
        let mut stream = &b"PROXY UNKNOWN\r\na NOOP"[..];
        assert_eq!(read(&mut stream).await.unwrap(), Proxied::default());
        assert_eq!(stream, b"a NOOP");
        // A line end alone, and one that comes too late.
        assert!(matches!(of(b"PROXY UNKNOWN\n\r\n").await, Err(ProxyError::Line)));
        let long = |octets: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(octets - 16));
        assert!(of(long(proxy_line::MOST).as_bytes()).await.is_ok());
        assert!(matches!(of(long(proxy_line::MOST + 1).as_bytes()).await, Err(ProxyError::Line)));
        assert!(matches!(of(b"PROXY TCP4 192.0.2.7").await, Err(ProxyError::Io(_))));
    }

    #[tokio::test]
    async fn additions() {
        let with = |added: &[u8]| header(0x21, 0x11, &[&V4[..], added].concat());
        // An authority, a checksum, and padding behind it.
        let added = |sum: [u8; 4]| [&[2, 0, 2, b'v', b'm', 3, 0, 4][..], &sum, &[4, 0, 0]].concat();
        let right = crc_fast::crc32_iscsi(&with(&added([0; 4])));
        assert!(of(&with(&added(right.to_be_bytes()))).await.unwrap().client.is_some());
        let wrong = of(&with(&added((right ^ 1).to_be_bytes()))).await;
        assert!(matches!(wrong, Err(ProxyError::Checksum)), "{wrong:?}");
        for broken in [&[2][..], &[2, 0], &[2, 0, 1], &[4, 0, 1, 0, 2, 0, 9, 1], &[3, 0, 3, 1, 2, 3]] {
            assert!(matches!(of(&with(broken)).await, Err(ProxyError::Length)), "{broken:?}");
        }
    }

    #[tokio::test]
    async fn a_client_within_tls() {
        let with = |added: &[u8]| header(0x21, 0x11, &[&V4[..], added].concat());
        for (flags, tls) in [(0x01, true), (0x07, true), (0x00, false), (0x06, false)] {
            // Flags, the result of a check of certificates, and the version of TLS as an addition within.
            let added = [0x20, 0, 10, flags, 0, 0, 0, 1, 0x21, 0, 2, b'1', b'3'];
            assert_eq!(of(&with(&added)).await.unwrap().tls, tls);
        }
        assert!(!of(&with(&[])).await.unwrap().tls);
        assert!(matches!(of(&with(&[0x20, 0, 4, 1, 0, 0, 0])).await, Err(ProxyError::Length)));
    }

    #[test]
    fn who_is_a_proxy() {
        let is = |rule: &str, peer: &str| {
            ProxyAddress::parse(rule, None).unwrap().is(peer.parse().unwrap(), false)
        };
        assert!(is("10.0.0.1", "10.0.0.1") && !is("10.0.0.1", "10.0.0.2"));
        assert!(is("10.0.0.0/8", "10.9.9.9") && !is("10.0.0.0/8", "11.0.0.1"));
        assert!(is("0.0.0.0/0", "11.0.0.1") && !is("0.0.0.0/0", "::1"));
        assert!(
            is("::/0", "::1") && is("2001:db8::/32", "2001:db8:1::") && !is("2001:db8::/32", "2001:db9::")
        );
        for wrong in ["", "x", "10.0.0.1/33", "::1/129", "10.0.0.1/", "10.0.0/8"] {
            assert_eq!(ProxyAddress::parse(wrong, None), None, "{wrong}");
        }
        let rule = ProxyAddress::parse("::1", Some(true)).unwrap();
        let peer = "::1".parse().unwrap();
        assert!(rule.is(peer, true) && !rule.is(peer, false));
    }

    proptest! {
        #[test]
        fn any_octets_get_an_answer(octets in proptest::collection::vec(any::<u8>(), 0..60), head: bool) {
            let octets = if head { [&SIGNATURE[..], &octets].concat() } else { [proxy_line::WORD, &octets].concat() };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(of(&octets));
        }
    }
}
