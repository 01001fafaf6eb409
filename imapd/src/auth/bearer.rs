//! OAUTHBEARER (RFC 7628), and the exit that judges its tokens.
//!
//! We issue no tokens. Whoever does is known to an exit, a program named in IMAP CONFIG (`TokenExit name`); without one the
//! mechanism is not there. [`EXITS`] holds those that come with the server.

use std::sync::Arc;

use super::jwt::JwtExit;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer<'a> {
    /// The user it wants to be; empty when the token says it.
    pub user: &'a [u8],
    /// The token.
    pub token: &'a [u8],
}

/// What the client is told of a token that is not good (RFC 7628 section 3.2.2).
pub const REFUSAL: &[u8] = br#"{"status":"invalid_token"}"#;

/// What the client says to that.
pub const REFUSAL_ANSWER: &[u8] = b"\x01";

/// Takes the client's message apart (RFC 7628 section 3.1).
pub fn parse(message: &[u8]) -> Option<Bearer<'_>> {
    let (gs2, rest) = message.split_at(message.iter().position(|b| *b == 1)?);
    let gs2 = gs2.strip_prefix(b"n,").or_else(|| gs2.strip_prefix(b"y,"))?.strip_suffix(b",")?;
    let user = match gs2 {
        [] => gs2,
        gs2 => gs2.strip_prefix(b"a=")?,
    };
    let pairs = rest.strip_prefix(b"\x01")?.strip_suffix(b"\x01\x01")?;
    let mut token = None;
    for pair in pairs.split(|b| *b == 1) {
        let equals = pair.iter().position(|b| *b == b'=')?;
        if &pair[..equals] == b"auth" && token.replace(&pair[equals + 1..]).is_some() {
            return None;
        }
    }
    let (scheme, token) = token?.split_at_checked(7)?;
    let good = scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty();
    good.then_some(Bearer { user, token })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_7628() {
        let text = b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        let found = parse(text).unwrap();
        assert_eq!(found.user, b"user@example.com");
        assert_eq!(found.token, b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
        assert_eq!(parse(b"n,,\x01auth=bearer x\x01\x01").unwrap().user, b"");
        for bad in [
            &b""[..],
            b"n,,\x01auth=Bearer \x01\x01",
            b"n,,\x01auth=Basic xxxxx\x01\x01",
            b"n,,\x01auth=Bearer x\x01",
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
