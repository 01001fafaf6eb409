//! OAUTHBEARER (RFC 7628), and the exit that judges its tokens.
//!
//! We issue no tokens. Whoever does is known to an exit, a program named in IMAP CONFIG (`TokenExit name`); without one the
//! mechanism is not there. [`EXITS`] holds those that come with the server.

use std::sync::Arc;

use super::jwt::JwtExit;
use super::scram::sasl_name;

/// Seconds since 1970, for the exit to compare a token's times with.
pub type UnixClock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Judges bearer tokens.
pub trait TokenExit: Send + Sync + 'static {
    /// The login name that a token stands for; `None` when it is not good, for whatever reason.
    fn judge(&self, token: &[u8]) -> Option<String>;
}

/// Makes an exit from the records of its file, or says what is wrong with them, by record.
pub type MakeExit = fn(&[String], UnixClock) -> Result<Arc<dyn TokenExit>, Vec<String>>;

/// The exits by name. The file of each is `name TOKENS`.
pub const EXITS: &[(&str, MakeExit)] = &[("JWTHS256", |records, clock| {
    JwtExit::read(records.iter().map(String::as_str), clock).map(|exit| Arc::new(exit) as Arc<dyn TokenExit>)
})];

/// The client's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer<'a> {
    /// The user it wants to be; `None` when the token says it.
    pub user: Option<String>,
    /// The server it means.
    pub host: Option<&'a [u8]>,
    /// The token; `None` when there is none, with which a client asks what would be good here, or something else.
    pub token: Option<&'a [u8]>,
}

/// What the client is told of a token that is not good (RFC 7628 section 3.2.2).
pub const REFUSAL: &[u8] = br#"{"status":"invalid_token"}"#;

/// What it is told when it means another server (RFC 7628 section 3.2; the word is of RFC 6750 section 3.1).
pub const OTHER_HOST: &[u8] = br#"{"status":"invalid_request"}"#;

/// What the client says to that.
pub const REFUSAL_ANSWER: &[u8] = b"\x01";

/// Takes the client's message apart (RFC 7628 section 3.1).
pub fn parse(message: &[u8]) -> Option<Bearer<'_>> {
    let (gs2, rest) = message.split_at(message.iter().position(|b| *b == 1)?);
    let gs2 = gs2.strip_prefix(b"n,").or_else(|| gs2.strip_prefix(b"y,"))?.strip_suffix(b",")?;
    let user = match gs2 {
        [] => None,
        gs2 => Some(sasl_name(std::str::from_utf8(gs2.strip_prefix(b"a=")?).ok()?).ok()?),
    };
    let pairs = rest.strip_prefix(b"\x01")?.strip_suffix(b"\x01\x01")?;
    let (mut token, mut host) = (None, None);
    for pair in pairs.split(|b| *b == 1) {
        let equals = pair.iter().position(|b| *b == b'=')?;
        let known = match &pair[..equals] {
            b"auth" => &mut token,
            b"host" => &mut host,
            _ => continue,
        };
        if known.replace(&pair[equals + 1..]).is_some() {
            return None;
        }
    }
    let token = token?.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
    Some(Bearer { user, host, token: token.map(|(_, token)| token).filter(|token| !token.is_empty()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_7628() {
        let text = b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        let found = parse(text).unwrap();
        assert_eq!(found.user.as_deref(), Some("user@example.com"));
        assert_eq!(found.host, Some(&b"server.example.com"[..]));
        assert_eq!(found.token, Some(&b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="[..]));
        let short = parse(b"n,,\x01auth=bearer x\x01\x01").unwrap();
        assert_eq!((short.user, short.host, short.token), (None, None, Some(&b"x"[..])));
        // Section 4.3, and what is no bearer token.
        for none in ["", "Bearer", "Bearer ", "Basic xxxxx"] {
            let text = format!("n,a=a=2Cb,\x01auth={none}\x01\x01");
            let found = parse(text.as_bytes()).unwrap();
            assert_eq!((found.user.as_deref(), found.token), (Some("a,b"), None));
        }
        for bad in [
            &b""[..],
            b"\x01",
            b"n,,\x01auth=Bearer x\x01",
            b"n,a=,\x01auth=Bearer x\x01\x01",
            b"n,a=b=,\x01auth=Bearer x\x01\x01",
            b"n,,\x01host=a\x01host=b\x01auth=Bearer x\x01\x01",
            b"n,x,\x01auth=Bearer x\x01\x01",
            b"p=x,,\x01auth=Bearer x\x01\x01",
            b"n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01",
            b"n,,\x01\x01",
        ] {
            assert_eq!(parse(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #[test]
        fn anything_is_taken_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&octets);
        }
    }
}
