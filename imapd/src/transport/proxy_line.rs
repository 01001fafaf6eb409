//! The PROXY protocol, version 1 (HAProxy, "The PROXY protocol", section 2.1): the header as a line.
//!
//! It says of TLS nothing, and every character is as the protocol has it, or the connection is closed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::proxy::{Proxied, ProxyError};

/// The first octets of every line.
pub(super) const WORD: &[u8] = b"PROXY ";

/// Octets of the shortest line, which knows nothing, its end included.
pub(super) const LEAST: usize = b"PROXY UNKNOWN\r\n".len();

/// Octets of the longest line, its end included.
pub(super) const MOST: usize = 107;

/// For whom a proxy speaks, by its line.
///
/// # Errors
/// [`ProxyError::Line`].
pub(super) fn client(line: &[u8]) -> Result<Proxied, ProxyError> {
    read(line).map(|client| Proxied { client, tls: false }).ok_or(ProxyError::Line)
}

/// The client's address, where the line is right and tells one.
fn read(line: &[u8]) -> Option<Option<IpAddr>> {
    let text = std::str::from_utf8(line.strip_suffix(b"\r\n")?).ok()?;
    let rest = text.strip_prefix("PROXY ")?;
    // What follows is passed over: the proxy could not say it rightly.
    if rest.strip_prefix("UNKNOWN").is_some_and(|more| more.is_empty() || more.starts_with(' ')) {
        return Some(None);
    }
    let mut words = rest.split(' ');
    let family = words.next()?;
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            // Hexadecimal throughout.
            "TCP6" if !text.contains('.') => text.parse::<Ipv6Addr>().ok().map(|a| a.to_canonical()),
            _ => None,
        }
    };
    let client = address(words.next()?)?;
    address(words.next()?)?;
    port(words.next()?)?;
    port(words.next()?)?;
    words.next().is_none().then_some(Some(client))
}

/// A port in digits, without zeros before them.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines() {
        let of = |line: &str| client(line.as_bytes()).map(|p| p.client.map(|a| a.to_string())).ok();
        let four = Some(Some("192.0.2.7".to_owned()));
        assert_eq!(of("PROXY TCP4 192.0.2.7 127.0.0.1 56324 143\r\n"), four);
        assert_eq!(of("PROXY TCP4 192.0.2.7 255.255.255.255 0 65535\r\n"), four);
        assert_eq!(of("PROXY TCP6 2001:DB8::7 ::1 1 143\r\n"), Some(Some("2001:db8::7".to_owned())));
        assert_eq!(of("PROXY TCP6 ::ffff:c000:207 ::1 1 143\r\n"), four);
        for unknown in ["", " ffff::1 x", " "] {
            assert_eq!(of(&format!("PROXY UNKNOWN{unknown}\r\n")), Some(None));
        }
        for wrong in [
            "PROXY TCP4 192.0.2.7 127.0.0.1 1 143",
            "PROXY TCP4 192.0.2.7 127.0.0.1 1 143\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 1 143\r",
            "PROXY TCP4 192.0.2.7 127.0.0.1 1\r\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 1 143 \r\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 1 143 1\r\n",
            "PROXY  TCP4 192.0.2.7 127.0.0.1 1 143\r\n",
            "PROXY tcp4 192.0.2.7 127.0.0.1 1 143\r\n",
            "PROXY TCP4 192.0.2.07 127.0.0.1 1 143\r\n",
            "PROXY TCP4 192.0.2 127.0.0.1 1 143\r\n",
            "PROXY TCP4 192.0.2.7 x 1 143\r\n",
            "PROXY TCP4 ::1 ::1 1 143\r\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 01 143\r\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 1 65536\r\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1 +1 143\r\n",
            "PROXY TCP4 192.0.2.7 127.0.0.1  143\r\n",
            "PROXY TCP6 ::ffff:192.0.2.7 ::1 1 143\r\n",
            "PROXY TCP6 192.0.2.7 127.0.0.1 1 143\r\n",
            "PROXY UDP4 192.0.2.7 127.0.0.1 1 143\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY \r\n",
        ] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_proxies_send_is_understood(a: [u8; 4], b: [u16; 8], from: u16, to: u16) {
            let (four, six) = (Ipv4Addr::from(a), Ipv6Addr::from(b));
            let line = format!("PROXY TCP4 {four} {four} {from} {to}\r\n");
            prop_assert!(line.len() <= MOST);
            prop_assert_eq!(client(line.as_bytes()).unwrap().client, Some(four.into()));
            let groups = b.map(|group| format!("{group:x}")).join(":");
            let line = format!("PROXY TCP6 {groups} {groups} {from} {to}\r\n");
            prop_assert!(line.len() <= MOST);
            prop_assert_eq!(client(line.as_bytes()).unwrap().client, Some(six.to_canonical()));
        }
    }
}
